"""Views around which the extension stands: body, answer, errors, and what the parts do before them (rest 8.1)."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import marshmallow as ma
from flask import current_app, request
from werkzeug.wrappers import Response as WerkzeugResponse

from flarchitect_core.access.asked import Asked, guards_of
from flarchitect_core.access.roles import RoleRequirement
from flarchitect_core.bounded import BoundedCache
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.http.hooks import answer_failure
from flarchitect_core.state import FACES_MAX, ApplicationState, current_face, state_of
from flarchitect_core.views.bodies import WITHOUT_BODY, SchemaReader, ViewSchema, schema_class, schema_instance
from flarchitect_core.views.deprecation import deprecation_headers
from flarchitect_core.views.dumping import dump_value, selected
from flarchitect_core.views.results import Result, answer_of, failure_of, result_of
from flarchitect_core.views.sse import sse_message, stream_sse_response

if TYPE_CHECKING:
    from flarchitect_core.access.asked import Guard
    from flarchitect_core.model.registry import Registry
    from flarchitect_core.settings import Settings

__all__ = ["ManagedView", "SchemaOrClass", "ViewInfo", "handle_many", "handle_one", "managed", "managed_view_of"]
__all__ += ["described_view", "standardise_response"]

SchemaOrClass = ViewSchema
Function = TypeVar("Function", bound=Callable[..., Any])
AnyFunction = Callable[..., Any]

_AUTH = "flarchitect-auth"


@dataclass(frozen=True, eq=False)
class ViewInfo:
    """What was said about a hand-written view where it was decorated.

    Attributes:
        output_schema: Schema of the answer; `None` gives what the function returns as it is.
        input_schema: Schema of the body.
        model: Model whose `Meta` is asked for options.
        many: Whether the answer is a list.
        stream: Whether the answer is a stream of events, each with what the schema gives.
        group_tag: Group of the tag in the documentation.
        tag: Tag in the documentation.
        summary: Title in the documentation.
        error_responses: Statuses of errors that the documentation names.
        auth: `False` when callers need not be known; `None` leaves it to the configuration.
        roles: Roles that callers need.
        many_to_many_model: Model on the other side, in the documentation of a relation.
        multiple: Whether the documentation shows several rows.
        parent_model: Model that the relation leads from, in the documentation.
        method: Verb by which rules of authentication judge it; the one of the request without it.
        relation_name: Relation that it follows, for rules of authentication.
        description: What the documentation says of it instead of the docstring.
        operation_id: What generated clients call it; the name of the function by default.
        deprecated: Whether clients should leave it, or since when they should.
        sunset: When it will be gone.
        query_params: Query parameters, as parameter objects of OpenAPI.
        request_examples: Bodies that work, by name.
        response_examples: Values of answers, by name.
        security: Security requirements, where something else than the parts guards it.
    """

    output_schema: SchemaOrClass | None = None
    input_schema: SchemaOrClass | None = None
    model: type | None = None
    many: bool = False
    group_tag: str | None = None
    tag: str | None = None
    summary: str | None = None
    error_responses: Sequence[int] | None = None
    auth: bool | None = None
    roles: RoleRequirement | None = None
    many_to_many_model: type | None = None
    multiple: bool | None = None
    parent_model: type | None = None
    method: str | None = None
    relation_name: str | None = None
    description: str | None = None
    operation_id: str | None = None
    deprecated: bool | dt.date = False
    sunset: dt.date | None = None
    query_params: Sequence[Mapping[str, Any]] = ()
    request_examples: Mapping[str, Any] | None = None
    response_examples: Mapping[str, Any] | None = None
    security: Sequence[Mapping[str, Sequence[str]]] | None = None
    stream: bool = False

    def asked(self) -> Asked:
        """Give what rules of access see of it."""
        return Asked(
            method=None if self.method is None else self.method.upper(),
            model=self.model,
            many=self.many,
            relation_name=self.relation_name,
            output_schema=self.output_schema,
            input_schema=self.input_schema,
            auth=self.auth,
            roles=self.roles,
        )


class ManagedView:
    """One decorated function; made where it is decorated, and bound to each application that serves it.

    Args:
        function: The view.
        info: What was said about it.
        is_guarded: Whether the parts of the application act before it.

    Raises:
        TypeError: A schema is no schema, or the function cannot be called as it will be.
    """

    def __init__(self, function: AnyFunction, info: ViewInfo, *, is_guarded: bool) -> None:
        self.function = function
        self.info = info
        self.is_guarded = is_guarded
        self.name = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
        parameters = inspect.signature(function).parameters.values()
        self._takes_all = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters)
        self._takes = frozenset(item.name for item in parameters)
        self._is_coroutine = inspect.iscoroutinefunction(function)
        for role, schema in (("output_schema", info.output_schema), ("input_schema", info.input_schema)):
            _check_schema(self.name, role, schema)
        if info.input_schema is None and any(
            item.name == "deserialized_data" and item.default is inspect.Parameter.empty for item in parameters
        ):
            raise TypeError(f"{self.name} takes deserialized_data, and has no input_schema that would give it.")

    def bind(self, state: ApplicationState) -> _Bound:
        """Decide everything that one application fixes: once for it, before the first request where that is possible.

        Raises:
            ConfigurationError: The view asks for what the application does not have.
        """
        bound: _Bound | None = state.views.get(self)
        if bound is None:
            bound = state.views[self] = _Bound(self, state)
        return bound

    def answer(self, arguments: tuple[Any, ...], variables: Mapping[str, Any]) -> Any:
        """Answer the current request."""
        state = state_of()
        try:
            return self._answer(self.bind(state), state, arguments, variables)
        except Exception as error:  # noqa: BLE001 - whatever a view raises is answered, or raised again
            return answer_failure(state, error)

    def _answer(
        self, bound: _Bound, state: ApplicationState, arguments: tuple[Any, ...], variables: Mapping[str, Any]
    ) -> Any:
        for guard in bound.guards:
            guard()
        returned = self._call(arguments, self._arguments(bound, variables))
        if self.info.stream and isinstance(returned, Iterator):
            returned = stream_sse_response(_messages(bound.schemas(), returned))
            returned.headers.update(deprecation_headers(self.info.deprecated, self.info.sunset))
        result = result_of(returned)
        if isinstance(result, WerkzeugResponse):
            return result
        if result.status >= 400:
            raise failure_of(result.value, result.status, result.headers)
        answer = answer_of(state, bound.schemas().dumped(result))
        answer.headers.update(deprecation_headers(self.info.deprecated, self.info.sunset))
        return answer

    def _arguments(self, bound: _Bound, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        given = dict(variables)
        if self.is_guarded:
            given["model"] = self.info.model
        reader = bound.schemas().reader
        if reader is not None:
            given["deserialized_data"] = None if request.method in WITHOUT_BODY else reader.read(request)
        return given if self._takes_all else {name: value for name, value in given.items() if name in self._takes}

    def _call(self, arguments: tuple[Any, ...], variables: Mapping[str, Any]) -> Any:
        function = current_app.ensure_sync(self.function) if self._is_coroutine else self.function
        return function(*arguments, **variables)


class _Bound:
    """A view in one application."""

    def __init__(self, view: ManagedView, state: ApplicationState) -> None:
        self._info = view.info
        self._state = state
        self._schemas: BoundedCache[Registry, _Schemas] = BoundedCache(FACES_MAX + 1)
        self.guards: tuple[Guard, ...] = _guards_of(view, state) if view.is_guarded else ()

    def schemas(self) -> _Schemas:
        """Give the schemas for the current caller: those of models leave out what it may not see."""
        face = current_face(self._state)
        return self._schemas.get(face.registry, lambda: _Schemas(self._info, face.settings))


class _Schemas:
    """The schemas of a view, for callers who see the same fields."""

    def __init__(self, info: ViewInfo, settings: Settings) -> None:
        self._info = info
        self._settings = settings

    # Schemas of models know their columns only once the application has read them, so they are made when needed.

    @cached_property
    def reader(self) -> SchemaReader | None:
        """What reads the bodies."""
        schema = self._info.input_schema
        return None if schema is None else SchemaReader(schema_instance(schema), self._settings, self._info.model)

    @cached_property
    def _schema(self) -> ma.Schema | None:
        schema = self._info.output_schema
        return None if schema is None else schema_instance(schema)

    def dumped(self, result: Result) -> Result:
        """Give the result with its value dumped, if there is a schema for it."""
        schema, info = self._schema, self._info
        if schema is not None:
            dumped = dump_value(schema, result.value, many=info.many or schema.many)
            result.value = selected(schema, dumped, self._settings, info.model)
        return result


def _guards_of(view: ManagedView, state: ApplicationState) -> tuple[Guard, ...]:
    if view.info.roles is not None and all(part.distribution != _AUTH for part in state.parts):
        raise ConfigurationError(
            f"{view.name} asks for roles, and {_AUTH}, which knows them, is not installed. "
            f"Run `pip install {_AUTH}`, or leave roles out."
        )
    with state.app.app_context():
        guards = [part.guard(state, view) for part in state.parts]
        return (*guards_of(state, view.info.asked()), *(guard for guard in guards if guard is not None))


def _messages(schemas: _Schemas, values: Iterator[Any]) -> Iterator[str]:
    """Write an event of each value; texts are events that the view has written itself."""
    try:
        for value in values:
            yield value if isinstance(value, str) else sse_message(schemas.dumped(Result(value)).value)
    finally:
        close = getattr(values, "close", None)
        if close is not None:
            close()


def _check_schema(name: str, role: str, schema: object) -> None:
    if isinstance(schema, type):
        try:
            schema_class(schema)
        except TypeError as error:
            raise TypeError(f"{role} of {name}: {error}") from error
    elif not (schema is None or isinstance(schema, ma.Schema)):
        raise TypeError(
            f"{role} of {name} must be a marshmallow schema or its class, a dataclass, a pydantic model or None; it is "
            f"{schema!r}."
        )
    if role == "input_schema" and isinstance(schema, ma.Schema) and schema.many:
        raise TypeError(f"input_schema of {name} is for many objects. Bodies are one object; nest the list in a field.")


def _around(view: ManagedView) -> AnyFunction:
    @wraps(view.function)
    def managed(*arguments: Any, **variables: Any) -> Any:
        return view.answer(arguments, variables)

    managed.managed_view = view  # type: ignore[attr-defined]
    managed.is_guarded_by_flarchitect = view.is_guarded  # type: ignore[attr-defined]
    if view.info.auth is False:
        managed._auth_disabled = True  # type: ignore[attr-defined]  # noqa: SLF001 - the documented mark
    return managed


def managed(info: ViewInfo, *, is_guarded: bool = False) -> Callable[[Function], Function]:
    """Make the decorator of a view; what it gives has the view as its attribute `managed_view`."""

    def decorate(function: Function) -> Function:
        return cast("Function", _around(ManagedView(function, info, is_guarded=is_guarded)))

    return decorate


def managed_view_of(function: object) -> ManagedView | None:
    """Give what stands around a function, `None` when nothing of ours does."""
    found = getattr(function, "managed_view", None)
    return found if isinstance(found, ManagedView) else None


def described_view(function: Any, info: Mapping[str, Any]) -> ManagedView:
    """Make what documents know about a view around which nothing of ours stands.

    Args:
        info: What was said about it, by the names of `schema_constructor`; other names are passed over.
    """
    known = {name: value for name, value in info.items() if name in ViewInfo.__dataclass_fields__}
    return ManagedView(function, ViewInfo(**known), is_guarded=True)


def standardise_response(function: Function) -> Function:
    """Decorate a view whose answers and errors are to be in the envelope.

    Failures are told to `API_ERROR_CALLBACK`. Everything that a view under `schema_constructor` may return, this one
    may return too.
    """
    return managed(ViewInfo())(function)


def handle_one(
    output_schema: SchemaOrClass | None, input_schema: SchemaOrClass | None = None
) -> Callable[[Function], Function]:
    """Make the decorator of a view that gives one record.

    Args:
        output_schema: Schema of the record.
        input_schema: Schema of the body, which the view gets as `deserialized_data`.
    """
    return managed(ViewInfo(output_schema=output_schema, input_schema=input_schema))


def handle_many(
    output_schema: SchemaOrClass | None, input_schema: SchemaOrClass | None = None
) -> Callable[[Function], Function]:
    """Make the decorator of a view that gives a list of records; as `handle_one` otherwise."""
    return managed(ViewInfo(output_schema=output_schema, input_schema=input_schema, many=True))
