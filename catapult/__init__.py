"""Catapult, a model registry. `from catapult import Registry` is its SDK, loaded at first use.

So neither the server nor a command pays for requests, and the SDK none of Flask (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catapult_client import (
        ApiKey,
        Approval,
        AuditEntry,
        BadRequest,
        Blocked,
        ComparedCell,
        ComparedKey,
        ComparedVersion,
        Comparison,
        Conflict,
        ConnectionFailed,
        Deployment,
        DeploymentRun,
        Environment,
        Forbidden,
        Frozen,
        Gate,
        Health,
        IdempotencyInProgress,
        IdempotencyMismatch,
        Info,
        InsufficientStorage,
        Internal,
        InvalidArgument,
        LiveModel,
        LiveVersion,
        MethodNotAllowed,
        Model,
        NotFound,
        PreconditionFailed,
        RateLimited,
        Redirected,
        Registry,
        RegistryError,
        SecretLost,
        ServerError,
        TimedOut,
        TooLarge,
        Unauthenticated,
        Unavailable,
        UnexpectedAnswer,
        UnsupportedMediaType,
        Validation,
        Verdict,
        Version,
    )

__all__ = [
    "ApiKey",
    "Approval",
    "AuditEntry",
    "BadRequest",
    "Blocked",
    "ComparedCell",
    "ComparedKey",
    "ComparedVersion",
    "Comparison",
    "Conflict",
    "ConnectionFailed",
    "Deployment",
    "DeploymentRun",
    "Environment",
    "Forbidden",
    "Frozen",
    "Gate",
    "Health",
    "IdempotencyInProgress",
    "IdempotencyMismatch",
    "Info",
    "InsufficientStorage",
    "Internal",
    "InvalidArgument",
    "LiveModel",
    "LiveVersion",
    "MethodNotAllowed",
    "Model",
    "NotFound",
    "PreconditionFailed",
    "RateLimited",
    "Redirected",
    "Registry",
    "RegistryError",
    "SecretLost",
    "ServerError",
    "TimedOut",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "UnsupportedMediaType",
    "Validation",
    "Verdict",
    "Version",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'catapult' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module("catapult_client"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
