"""The context manager of `Registry.deployment`, which reports the progress of a deployment."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from .calls import UNSET, Failed, Unset
from .deployment_records import Deployment
from .errors import RegistryError
from .model_records import Version
from .signals import Signals
from .transport import log

if TYPE_CHECKING:
    from .deployment_calls import DeploymentCalls

Self = TypeVar("Self", bound="DeploymentRun[Any]")

FINAL = frozenset({"success", "failed", "cancelled"})
LONGEST = 2000  # characters of an exception's text that are reported


class DeploymentRun(Generic[Failed]):
    """A deployment in progress: the `d` of `with registry.deployment(…) as d:`.

    With `on_error="warn"` its `record` is None if it could not be created; then nothing more is reported.
    """

    def __init__(
        self,
        registry: DeploymentCalls[Failed],
        release_id: str | uuid.UUID | Version | Failed,
        environment: str,
        fields: Mapping[str, Any],
    ) -> None:
        self._registry = registry
        self._release_id = release_id
        self._environment = environment
        self._fields = fields
        self._record: Deployment | None = None
        self._signals = Signals()
        self._process = 0

    @property
    def record(self) -> Deployment | Failed:
        """The deployment as of the last report."""
        return cast("Deployment | Failed", self._record)

    @property
    def id(self) -> str | None:
        """The deployment's id; None if it could not be created."""
        return self._record.id if self._record else None

    @property
    def log_url(self) -> str | None:
        """The address of its log. Setting it reports it at once, as `update(log_url=…)` does."""
        return self._record.log_url if self._record else None

    @log_url.setter
    def log_url(self, url: str | None) -> None:
        self.update(log_url=url)

    def update(
        self,
        *,
        status: str | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        endpoint_url: str | Unset | None = UNSET,
        log_url: str | Unset | None = UNSET,
    ) -> Deployment | Failed | None:
        """Report the fields that are passed; `metadata` is replaced. After a final `status`, the end of the block reports nothing.

        Raises what `update_deployment` does.
        """
        if self._record is None:
            return None
        fields = {"status": status, "metadata": metadata, "endpoint_url": endpoint_url, "log_url": log_url}
        if status == "success":  # gates are checked again
            fields.update(force=self._fields["force"], reason=self._fields["reason"])
        updated = self._registry.update_deployment(self._record, **fields)  # type: ignore[arg-type]
        self._record = cast("Deployment | None", updated) or self._record
        return updated

    def __enter__(self: Self) -> Self:
        self._process = os.getpid()
        created = self._registry.deploy(self._release_id, self._environment, status="pending", **self._fields)
        self._record = cast("Deployment | None", created)
        try:
            if self._record is not None:
                self._signals.catch()
            self.update(status="running")
            return self  # noqa: TRY300 - a signal that arrives here is reported, too
        except BaseException as fault:
            self.__exit__(
                type(fault), fault, None
            )  # Python does not call it here, and the deployment would stay pending
            raise

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if os.getpid() != self._process:  # a forked child leaves the block; its parent reports the end
            self._signals.release()
            return
        self._signals.delay()
        ended = fault or self._signals.fault()  # the block may have caught the exception and continued
        try:
            if ended is not None:
                self._report_failure(ended)
            elif self._record is not None and self._record.status not in FINAL:
                self.update(status="success")
        finally:
            self._signals.release()
        if fault is None and ended is not None:
            raise ended

    def _report_failure(self, fault: BaseException) -> None:
        """Report the deployment as failed. An error of the report is logged, so that `fault` is raised."""
        if self._record is None or self._record.status in FINAL:
            return
        try:
            self._registry._run("deployment", lambda: self._fail(description(fault)))
        except Exception as other:
            log.warning("Deployment %s failed, and the failure could not be reported: %s", self.id, other)

    def _fail(self, error: str) -> None:
        """Report the failure as one call: one time limit for its requests, and one warning."""
        record = self._registry.get_deployment(cast(Deployment, self._record))  # others may have changed its metadata
        self._record = record = cast(Deployment, record)
        if record.status in FINAL:
            return
        try:
            self.update(status="failed", metadata={**record.metadata, "error": error})
        except RegistryError as refused:
            if refused.status != 422:
                raise
            self.update(status="failed")  # its metadata is full


def description(fault: BaseException) -> str:
    """Return `ValueError: no such layer`, at most LONGEST characters that JSON and the registry can hold."""
    try:
        text = str(fault)
    except Exception:  # the exception's own __str__ may be broken
        text = ""
    name = type(fault).__name__
    text = f"{name}: {text}" if text else name
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
