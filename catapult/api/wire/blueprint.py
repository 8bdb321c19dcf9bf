"""The decorators of every endpoint: its method, who may call it, what it takes and what it answers."""

from collections.abc import Callable
from functools import partialmethod, wraps
from typing import Any, cast

from flask import Response, g, request
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import Schema

from catapult.api.wire import bodies, etags, idempotency, paging
from catapult.contract.fields import Out, Query
from catapult.errors import Refusal
from catapult.extensions import autocommit
from catapult.tables import Role
from catapult.web import addresses, auth
from catapult.web.error_handlers import try_again

BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
View = Callable[..., Any]
Decorator = Callable[[View], View]


class Blueprint(SmorestBlueprint):  # type: ignore[misc]
    """flask-smorest's blueprint with keys and roles, strict bodies and queries, and answers that are encoded once."""

    def _endpoint(
        self, method: str, rule: str, role: Role, *, one_statement: bool = False, streams: bool = False
    ) -> Decorator:
        """Return a decorator for a view at this address that needs this role or a higher one.

        `one_statement` says that the view's change is a single statement, which needs no transaction unless an answer is
        stored. A transaction that collided with another one is tried three times in all. A view that `streams` a body, which
        cannot be read twice, retries by itself, and begins its own transactions.
        """

        def decorator(view: View) -> View:
            takes_arguments = documentation(view).get("arguments")

            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                is_alone = one_statement and idempotency.HEADER not in request.headers
                if is_alone or streams or request.method in ("GET", "HEAD"):
                    autocommit()
                g.actor = auth.authenticate()
                g.actor.needs(role)
                if not takes_arguments:
                    bodies.check_no_query()
                return view(*args, **kwargs) if streams else try_again(view, *args, **kwargs)

            return cast(View, self.route(rule, methods=[method])(document(wrapper, role=role)))

        return decorator

    get = partialmethod(_endpoint, "GET")
    post = partialmethod(_endpoint, "POST")
    put = partialmethod(_endpoint, "PUT")
    delete = partialmethod(_endpoint, "DELETE")

    def arguments(self, schema: type[Schema], **options: Any) -> Decorator:
        """Pass the body or query, loaded by the schema, to the view as its first argument. Raises what `load` raises."""
        location = "query" if issubclass(schema, Query) else "json"
        describe = super().arguments(schema, location=location, **options)
        receive = bodies.receiver(schema(), location)

        def decorator(view: View) -> View:
            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return view(receive(), *args, **kwargs)

            return _described(document(wrapper, arguments=True), describe(view))

        return decorator

    def answers(
        self,
        status: int,
        schema: type[Out],
        *,
        etag: bool = False,
        set_aside: bool = False,
        location: str = "",
        secret: str = "",
        refuses: tuple[type[Refusal], ...] = (),
    ) -> Decorator:
        """Answer the view's row, encoded by the schema.

        The view may set another status as `g.status`. `etag` adds the row's tag, `location` its address, with `{id}` in it, and
        `set_aside` the number in `g.set_aside`.
        `secret` is a field that is not stored for a replay, and the answer is not compressed. `refuses` lists refusals to
        document beside those of every endpoint.
        """

        def render(row: Any) -> Response:
            response = _json(schema.encode(row), g.get("status", status))
            if location:
                response.headers["Location"] = addresses.mounted(location.format(id=row.id))
            if etag:
                response.headers["ETag"] = etags.of(row, response.get_data())
            if "set_aside" in g:
                response.headers["X-Set-Aside"] = str(g.set_aside)
            if secret:
                response.headers["Cache-Control"] = "no-store, no-transform"
            return response

        def answer(view: View, *args: Any, **kwargs: Any) -> Response:
            return idempotency.answer(lambda: view(*args, **kwargs), render, secret)

        return self._answering(
            answer, status, schema, refuses=refuses, etag=etag, set_aside=set_aside, location=bool(location)
        )

    def answers_each(
        self, schema: type[Out], *, status: int = 200, refuses: tuple[type[Refusal], ...] = ()
    ) -> Decorator:
        """Answer the view's whole list, each row encoded by the schema."""

        def render(rows: Any) -> Response:
            return _json(f"[{','.join(schema.encode(row) for row in rows)}]", status)

        def answer(view: View, *args: Any, **kwargs: Any) -> Response:
            return idempotency.answer(lambda: view(*args, **kwargs), render, "")

        return self._answering(answer, status, schema(many=True), refuses=refuses)

    def lists(self, schema: type[Out], *, refuses: tuple[type[Refusal], ...] = ()) -> Decorator:
        """Answer one page of the listing that the view returns for its filters."""

        def answer(view: View, query: dict[str, Any], **kwargs: Any) -> Response:
            filters, part = paging.split(query)
            return paging.answer(view(filters, **kwargs), schema, part)

        return self._answering(answer, 200, schema(many=True), refuses=refuses, paged=True)

    def deletes(self, *, refuses: tuple[type[Refusal], ...] = ()) -> Decorator:
        """Answer 204 without a body."""

        def answer(view: View, *args: Any, **kwargs: Any) -> Response:
            view(*args, **kwargs)
            return Response(status=204)

        return self._answering(answer, 204, None, refuses=refuses)

    def receives_file(self, view: View) -> View:
        """Document that the body is a file, which the view reads itself."""
        again = {"200": {"description": "The same file is there already."}}
        return cast(View, self.doc(requestBody={"required": True, "content": BINARY}, responses=again)(view))

    def sends_file(self, *, refuses: tuple[type[Refusal], ...] = ()) -> Decorator:
        """Answer the view's response, the bytes of a file."""

        def decorator(view: View) -> View:
            statuses = {"200": "The file.", "206": "A part of it.", "304": "The client has it already."}
            responses = {status: {"description": text, "content": BINARY} for status, text in statuses.items()}
            described = self.doc(responses=responses)(view)
            return _described(document(view, refuses=refuses), described)

        return decorator

    def open_to_all(self, rule: str, schema: type[Out], *statuses: int) -> Decorator:
        """Serve a GET that needs no key and makes its own response, with this schema for every status."""

        def decorator(view: View) -> View:
            @wraps(view)
            def wrapper() -> Response:
                bodies.check_no_query()
                return cast(Response, view())

            for status in statuses:
                _described(wrapper, self.response(status, schema)(wrapper))
            return cast(View, self.route(rule, methods=["GET"])(wrapper))

        return decorator

    def _answering(self, answer: Callable[..., Response], status: int, schema: Any, **details: Any) -> Decorator:
        def decorator(view: View) -> View:
            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Response:
                return answer(view, *args, **kwargs)

            return _described(document(wrapper, **details), self.response(status, schema)(wrapper))

        return decorator


def document(view: View, **details: Any) -> View:
    """Add details about the endpoint for `openapi.py`; decorators above keep them."""
    view.documentation = {**documentation(view), **details}  # type: ignore[attr-defined]
    return view


def documentation(view: View) -> dict[str, Any]:
    """Return what the decorators noted about the endpoint."""
    return cast(dict[str, Any], getattr(view, "documentation", {}))


def _json(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="application/json")


def _described(view: View, by_smorest: Any) -> View:
    """Return the view with flask-smorest's notes for the document, without the wrapper it put them on."""
    view._apidoc = by_smorest._apidoc  # type: ignore[attr-defined]
    return view
