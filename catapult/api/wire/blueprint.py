"""The decorators that every endpoint wears: who may call it, what it takes, what it answers."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from flask import Response, g, request
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import Schema

from catapult.api.wire import etags, idempotency, paging
from catapult.api.wire.bodies import receiver
from catapult.contract.fields import Out
from catapult.errors import Refusal
from catapult.extensions import autocommit
from catapult.tables import Role
from catapult.web import auth
from catapult.web.error_handlers import try_again

View = Callable[..., Any]


class Blueprint(SmorestBlueprint):  # type: ignore[misc]
    """flask-smorest's, with keys and roles, strict bodies and queries, and answers that are rendered once."""

    def route(self, rule: str, **options: Any) -> Callable[[View], View]:
        """The view answers at this address and stands in the document."""
        return cast(Callable[[View], View], super().route(rule, **options))

    def arguments(self, schema: type[Schema], *, location: str = "json", **options: Any) -> Callable[[View], View]:
        """The view gets what was sent, loaded by the schema, as its first argument. Raises what `strict.load` raises."""
        describe, receive = super().arguments(schema, location=location, **options), receiver(schema(), location)

        def decorator(view: View) -> View:
            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return view(receive(), *args, **kwargs)

            return _described(wrapper, describe(view))

        return decorator

    def needs(self, role: Role, *, one_statement: bool = False) -> Callable[[View], View]:
        """Only a key of this role or a higher one gets in; stands above what reads the body.

        `one_statement` says that the view's change is one, which needs no transaction around it, unless an answer is kept.
        A transaction that PostgreSQL ended because of another one is tried again, up to three times in all.
        """

        def decorator(view: View) -> View:
            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                if request.method in ("GET", "HEAD") or (one_statement and idempotency.HEADER not in request.headers):
                    autocommit()
                g.actor = auth.authenticate()
                g.actor.needs(role)
                return try_again(view, *args, **kwargs)

            return documented(wrapper, role=role)

        return decorator

    def answers(
        self,
        status: int,
        schema: type[Out],
        *,
        etag: bool = False,
        location: str = "",
        secret: str = "",
        refuses: tuple[type[Refusal], ...] = (),
    ) -> Callable[[View], View]:
        """The view's row is answered as `schema` has it.

        `etag` lets clients ask whether it changed, `location` is the address of what was made, with `{id}` in it, `secret` the
        field that is never kept for a replay, and `refuses` what the document has to name beside what every endpoint refuses.
        """

        def render(row: Any) -> Response:
            response = Response(schema.encode(row), status, content_type="application/json")
            if location:
                response.headers["Location"] = request.script_root + location.format(id=row.id)
            return etags.unless_unchanged(response, etags.of(row, response.get_data())) if etag else response

        def decorator(view: View) -> View:
            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Response:
                return idempotency.answer(lambda: view(*args, **kwargs), render, secret)

            documented(wrapper, refuses=refuses, etag=etag, location=bool(location))
            return _described(wrapper, self.response(status, schema)(wrapper))

        return decorator

    def answers_each(self, schema: type[Out], *, refuses: tuple[type[Refusal], ...] = ()) -> Callable[[View], View]:
        """The view's list is answered whole, each as `schema` has it."""

        def decorator(view: View) -> View:
            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Response:
                found = ",".join(schema.encode(row) for row in view(*args, **kwargs))
                return Response(f"[{found}]", content_type="application/json")

            documented(wrapper, refuses=refuses)
            return _described(wrapper, self.response(200, schema(many=True))(wrapper))

        return decorator

    def opens(self, schema: type[Out], *statuses: int) -> Callable[[View], View]:
        """The view makes its response itself, of this schema whatever the status, and anybody may have it."""

        def decorator(view: View) -> View:
            documented(view, refuses=())
            for status in statuses:
                _described(view, self.response(status, schema)(view))
            return view

        return decorator

    def lists(self, schema: type[Out], *, refuses: tuple[type[Refusal], ...] = ()) -> Callable[[View], View]:
        """The view takes the filters of its query and gives the listing; the page that the query asks for is answered."""

        def decorator(view: View) -> View:
            @wraps(view)
            def wrapper(query: dict[str, Any], **kwargs: Any) -> Response:
                filters, part = paging.split(query)
                return paging.answer(view(filters, **kwargs), schema, part)

            documented(wrapper, refuses=refuses, paged=True)
            return _described(wrapper, self.response(200, schema(many=True))(wrapper))

        return decorator

    def deletes(self, *, refuses: tuple[type[Refusal], ...] = ()) -> Callable[[View], View]:
        """The view deletes; the answer is 204 without a body."""

        def decorator(view: View) -> View:
            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Response:
                view(*args, **kwargs)
                return Response(status=204)

            documented(wrapper, refuses=refuses)
            return _described(wrapper, self.response(204)(wrapper))

        return decorator


def documented(view: View, **said: Any) -> View:
    """What `openapi.py` writes about the endpoint; decorators above keep it."""
    view.said = {**getattr(view, "said", {}), **said}  # type: ignore[attr-defined]
    return view


def _described(view: View, by_smorest: Any) -> View:
    """The view with what flask-smorest noted for the document, without the wrapper it noted it on."""
    view._apidoc = by_smorest._apidoc  # type: ignore[attr-defined]
    return view
