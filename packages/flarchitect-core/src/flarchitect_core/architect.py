"""`Architect`: binds the extension and its installed parts to a Flask application."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from weakref import WeakSet

from flask import Flask, current_app, has_app_context
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from flarchitect_core import options as core
from flarchitect_core._discovery import installed_parts, ordered
from flarchitect_core.access.roles import role_requirement
from flarchitect_core.cli import add_commands
from flarchitect_core.database import Database
from flarchitect_core.errors import AlreadyInitialisedError, ConfigurationError
from flarchitect_core.faces import read_access_rules
from flarchitect_core.http.hooks import install_hooks
from flarchitect_core.http.metrics import check_metrics
from flarchitect_core.http.operational_routes import check_operational_paths
from flarchitect_core.http.responses import Envelope
from flarchitect_core.model.mapped_classes import published_models
from flarchitect_core.model.registry import Registry
from flarchitect_core.operations.hooks import check_callbacks
from flarchitect_core.operations.service import provide_services
from flarchitect_core.part import Part
from flarchitect_core.plugins import PluginManager
from flarchitect_core.query.cursor import Cursors
from flarchitect_core.settings import Option, Settings, owner_of
from flarchitect_core.startup import StartupReport
from flarchitect_core.state import STATE_KEY, ApplicationState, state_of
from flarchitect_core.suggestions import nearest
from flarchitect_core.views.managed import ManagedView, SchemaOrClass, ViewInfo, managed

__all__ = ["FLASK_APP_NAME", "Architect"]

FLASK_APP_NAME = "flarchitect"

Function = TypeVar("Function", bound=Callable[..., Any])

# Keyword arguments that hold several options, and what these are called in them (rest 1.1).
_GROUPS: Mapping[str, Mapping[str, str]] = {
    "cache": {"CACHE_TYPE": "CACHE_TYPE", "CACHE_DEFAULT_TIMEOUT": "CACHE_TIMEOUT"}
}


class Architect:
    """Turns SQLAlchemy models into an API.

    One object may serve several applications; everything that belongs to one of them is kept in its `extensions`.

    Args:
        app: Application to bind at once. Binding is skipped in the process that only supervises the development
            reloader; call `init_app` to bind there too.
        parts: Parts to use instead of all installed ones.
        options: Options by name, such as `base_model=Base` or `api_prefix="/v1"`. They beat the configuration.

    Attributes:
        route_spec: Descriptions of hand-written routes, for documents about the API.
    """

    def __init__(self, app: Flask | None = None, *, parts: Iterable[Part] | None = None, **options: Any) -> None:
        self._apps: WeakSet[Flask] = WeakSet()
        self._views: list[ManagedView] = []
        self.route_spec: list[dict[str, Any]] = []
        if app is not None and not _is_reloader_supervisor():
            self.init_app(app, parts=parts, **options)

    @property
    def app(self) -> Flask | None:
        """The current application when this object is bound to it, else the one it is bound to, if it is one only."""
        if has_app_context():
            current: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
            if current in self._apps:
                return current
        return next(iter(self._apps)) if len(self._apps) == 1 else None

    @property
    def cache(self) -> Any:
        """The response cache of the application, `None` where none is configured."""
        return None if self.app is None else state_of(self.app).cache

    @property
    def limiter(self) -> Any:
        """What counts the requests of the application, `None` where no rate limit is configured."""
        return None if self.app is None else state_of(self.app).limiter

    @property
    def plugins(self) -> PluginManager | None:
        """The plugins of the application, `None` while unbound."""
        return None if self.app is None else state_of(self.app).plugins

    def init_app(self, app: Flask, *, parts: Iterable[Part] | None = None, **options: Any) -> None:
        """Bind an application: read its options and models, check everything, then register routes.

        Options read here: every option of core and of the parts; see the option reference.

        Raises:
            ConfigurationError: Every mistake that was found, with its fix.
            AlreadyInitialisedError: The application is bound already.
        """
        if STATE_KEY in app.extensions:
            raise AlreadyInitialisedError(
                f"flarchitect is already initialised for {app.name!r}. Call Architect(app) or init_app(app) once."
            )
        report = StartupReport()
        chosen = installed_parts(report) if parts is None else ordered(list(parts))
        declared = [*core.CORE_OPTIONS, *(option for part in chosen for option in part.options)]
        settings = Settings(app.config, declared, _overrides(options, declared, report))
        models = self._models(settings, chosen, report, required=settings.get(core.FULL_AUTO))
        settings.check(report, models)
        state = ApplicationState(
            app=app,
            architect=self,
            settings=settings,
            report=report,
            database=Database(app, settings),
            envelope=Envelope(settings),
            parts=chosen,
            registry=_registry(app, models, settings, report),
            cursors=Cursors(app, settings),
        )
        self._bind(state)

    def _bind(self, state: ApplicationState) -> None:
        app, report = state.app, state.report
        state.plugins = _plugins(state.settings, report)
        check_operational_paths(state)
        check_metrics(state)
        self._check(state, self._views)
        state.is_debug_configured = app.debug
        app.extensions[STATE_KEY] = state
        app.extensions[FLASK_APP_NAME] = self
        self._apps.add(app)
        install_hooks(state)
        add_commands(state)
        for part in state.parts:
            part.install(state)
        if state.settings.get(core.FULL_AUTO):
            self._register(state)
        report.log_notices()

    @staticmethod
    def _check(state: ApplicationState, views: Iterable[ManagedView] = ()) -> None:
        check_callbacks(state.settings, state.registry, state.report)
        read_access_rules(state)
        if len(state.registry):
            with state.app.app_context():
                state.database.check(state.report, [resource.model for resource in state.registry])
        with state.app.app_context():
            state.database.check_claims(state.report, [resource.model for resource in state.registry])
        for part in state.parts:
            part.check(state)
        for view in views:
            try:
                view.bind(state)
            except ConfigurationError as error:
                state.report.problems_from(error.problems)
        state.report.raise_if_any()
        if state.faces is not None:
            with state.app.app_context():
                state.faces.read_related()

    def init_api(self, app: Flask | None = None, **options: Any) -> None:
        """Generate the routes now; for applications with `FULL_AUTO` off.

        Args:
            app: Application, the one this object is bound to by default.
            options: Further options by name, as for the class; models that are defined by now are found too.

        Raises:
            RuntimeError: The application is not bound, or has its routes already.
            ConfigurationError: What the parts found wrong.
        """
        state = state_of(app or self.app)
        if not state.is_registered:
            state.settings.override(_overrides(options, state.settings, state.report))
            models = self._models(state.settings, state.parts, state.report, required=True)
            state.settings.check(state.report, models)
            state.registry = _registry(state.app, models, state.settings, state.report)
            self._check(state)
        self._register(state)

    @staticmethod
    def _register(state: ApplicationState) -> None:
        if state.is_registered:
            raise AlreadyInitialisedError(
                f"The routes of {state.app.name!r} are generated already. "
                f"Call init_api once, and only with FULL_AUTO = False."
            )
        state.is_registered = True
        provide_services(state)
        for part in state.parts:
            part.register(state)
        state.report.raise_if_any()

    def schema_constructor(
        self,
        output_schema: SchemaOrClass | None = None,
        input_schema: SchemaOrClass | None = None,
        model: type | None = None,
        many: bool = False,
        group_tag: str | None = None,
        *,
        tag: str | None = None,
        summary: str | None = None,
        error_responses: Sequence[int] | None = None,
        auth: bool | None = None,
        roles: Any = False,
        roles_any_of: bool = False,
        many_to_many_model: type | None = None,
        multiple: bool | None = None,
        parent_model: type | None = None,
        method: str | None = None,
        relation_name: str | None = None,
        description: str | None = None,
        operation_id: str | None = None,
        deprecated: bool | dt.date = False,
        sunset: dt.date | None = None,
        query_params: Sequence[Mapping[str, Any]] = (),
        request_examples: Mapping[str, Any] | None = None,
        response_examples: Mapping[str, Any] | None = None,
        security: Sequence[Mapping[str, Sequence[str]]] | None = None,
        stream: bool = False,
    ) -> Callable[[Function], Function]:
        """Make the decorator of a hand-written view, which is put below the route of Flask.

        Around the view stands what stands around a generated one: who may call it and how often, the check of the
        body, the envelope, and the errors. The view gets those keyword arguments that its signature names: the
        variables of the URL, `deserialized_data` and `model`.

        Args:
            output_schema: Schema of the answer: a marshmallow schema, a dataclass or a pydantic model. Without it the
                answer is what the view returns.
            input_schema: The same for the body; what it makes of one is `deserialized_data`.
            model: Model whose `Meta` is asked for options such as the rate limit.
            many: Whether the answer is a list.
            group_tag: Group of the tag in the documentation.
            tag: Tag in the documentation.
            summary: Title in the documentation.
            error_responses: Statuses of errors that the documentation names.
            auth: `False` for callers who need not be known; anything else is as configured.
            roles: `True` for callers who are known, a role, a list of roles, or `{"roles": ..., "any_of": ...}`.
            roles_any_of: One of several roles is enough.
            many_to_many_model: Model on the other side, in the documentation of a relation.
            multiple: Whether the documentation shows several rows.
            parent_model: Model that the relation leads from, in the documentation.
            method: Verb by which rules of authentication judge the view, in place of that of the request.
            relation_name: Relation that the view follows, for rules of authentication.
            description: What the documentation says of the view, in place of its docstring.
            operation_id: What generated clients call it; the name of the function by default.
            deprecated: Whether clients should leave it, or since when they should.
            sunset: When it will be gone.
            query_params: Query parameters in the documentation, as parameter objects of OpenAPI.
            request_examples: Bodies that work, by name.
            response_examples: Values of answers, by name.
            security: Security requirements in the documentation, where the view is guarded by something else.
            stream: Whether the answer is a stream of server-sent events. The view returns an iterator, each of whose
                values is dumped and sent as an event, or what `stream_sse_response` gives.

        Raises:
            ConfigurationError: The view asks for what an application that is bound already does not have.
            TypeError: A schema is none, or the view cannot be called as it will be.
            ValueError: `roles` says nothing that could be checked, or stands beside `auth=False`.
        """
        requirement = role_requirement(roles, any_of=roles_any_of)
        if auth is False and requirement is not None:
            raise ValueError("auth=False opens the view to everybody, and roles asks who calls. Leave one of them out.")
        info = ViewInfo(
            output_schema=output_schema,
            input_schema=input_schema,
            model=model,
            many=many,
            group_tag=group_tag,
            tag=tag,
            summary=summary,
            error_responses=error_responses,
            auth=auth,
            roles=requirement,
            many_to_many_model=many_to_many_model,
            multiple=multiple,
            parent_model=parent_model,
            method=method,
            relation_name=relation_name,
            description=description,
            operation_id=operation_id,
            deprecated=deprecated,
            sunset=sunset,
            query_params=query_params,
            request_examples=request_examples,
            response_examples=response_examples,
            security=security,
            stream=stream,
        )

        def decorate(function: Function) -> Function:
            decorated = managed(info, is_guarded=True)(function)
            view: ManagedView = decorated.managed_view  # type: ignore[attr-defined]
            for app in self._apps:
                view.bind(state_of(app))
            self._views.append(view)
            self.set_route({"function": decorated, "parent": parent_model, **vars(info)})
            return decorated

        return decorate

    def set_route(self, info: Mapping[str, Any]) -> None:
        """Keep the description of a hand-written route, for documents about the API.

        Args:
            info: `function`, the view, and what is to be said about it, by the names of `schema_constructor`.

        Raises:
            ValueError: There is no `function`.
        """
        if not callable(info.get("function")):
            raise ValueError("The description of a route needs `function`, the view that answers it.")
        self.route_spec.append(dict(info))

    @property
    def api_spec(self) -> Any:
        """The document about the API, whose `to_dict()` gives it as data; `None` where `API_CREATE_DOCS` is off.

        Raises:
            RuntimeError: No application is bound, or `flarchitect-docs` is not installed.
        """
        documents = state_of(self.app).documents
        if documents is None:
            raise RuntimeError("The document belongs to flarchitect-docs. Run `pip install flarchitect-docs`.")
        return documents.published()

    def to_api_spec(self) -> dict[str, Any] | None:
        """Give the document about the API as data of its own; as `api_spec` otherwise."""
        spec = self.api_spec
        return None if spec is None else spec.to_dict()

    def get_config(self, key: str, default: Any = None) -> Any:
        """Read one configuration key as it is written, without `Meta`; the default while unbound."""
        return default if self.app is None else self.app.config.get(key, default)

    @staticmethod
    def _models(settings: Settings, parts: Iterable[Part], report: StartupReport, *, required: bool) -> list[type]:
        """Find the published models; that there are none is a mistake when they are `required` now."""
        bases = settings.get(core.BASE_MODEL)
        if bases is None:
            wanted = [part.name for part in parts if part.serves_models]
            if wanted and required:
                report.problem(
                    f"API_BASE_MODEL is not set, and FULL_AUTO is on, so {', '.join(wanted)} has nothing to serve. "
                    f"Set API_BASE_MODEL to the declarative base of your models, or FULL_AUTO = False."
                )
            return []
        if not core.BASE_MODEL.expects.holds(bases):
            return []  # `Settings.check` reports it
        models = published_models(bases)
        if not models and required:
            report.problem(
                f"API_BASE_MODEL ({bases!r}) has no published model. Import the modules that define the models before "
                f"Architect(app), and give each model to publish an inner `class Meta: pass`."
            )
        return models


def _plugins(settings: Settings, report: StartupReport) -> PluginManager:
    try:
        return PluginManager.from_config(
            settings.get(core.PLUGINS), ignore_errors=settings.get(core.PLUGINS_IGNORE_ERRORS)
        )
    except ConfigurationError as error:
        report.problems_from(error.problems)
        return PluginManager()


def _registry(app: Flask, models: list[type], settings: Settings, report: StartupReport) -> Registry:
    try:
        # A callable of the application, such as its namer of endpoints, may want to read the configuration.
        with app.app_context():
            return Registry(models, settings, report)
    except SQLAlchemyError as error:
        raise ConfigurationError(f"SQLAlchemy cannot map the models of API_BASE_MODEL: {error}") from error


def _overrides(given: dict[str, Any], declared: Iterable[Option[Any]], report: StartupReport) -> dict[str, Any]:
    """Turn keyword arguments into option values; `session` stands for a session getter."""
    owners = {option.name: option.owner for option in declared}
    names = owners.keys()
    overrides: dict[str, Any] = {}
    for keyword, value in given.items():
        name = keyword.upper().removeprefix("API_")
        owner = owner_of(f"API_{name}")
        if keyword == "session":
            overrides["SESSION_GETTER"] = (lambda session=value: session) if isinstance(value, Session) else value
        elif keyword in _GROUPS and names >= set(_GROUPS[keyword].values()):
            overrides.update(_members(keyword, value, report))
        elif name in names:
            overrides[name] = value
        elif owner is not None and owner not in owners.values():
            report.problem(
                f"The keyword argument {keyword} of Architect belongs to {owner}, which is not installed. "
                f"Install it with `pip install {owner}`, or remove the argument."
            )
        else:
            near = nearest(name, names, limit=1)
            hint = f" Did you mean {near[0].lower()}?" if near else ""
            report.problem(f"The keyword argument {keyword} of Architect is not an option.{hint}")
    return overrides


def _members(keyword: str, value: Any, report: StartupReport) -> dict[str, Any]:
    """Take the options out of a keyword argument that holds several."""
    members = _GROUPS[keyword]
    if isinstance(value, Mapping) and members.keys() >= value.keys():
        return {members[name]: option for name, option in value.items()}
    report.problem(
        f"The keyword argument {keyword} of Architect must be a dictionary with {' and '.join(members)}; "
        f"it is {value!r}. What else the backend needs stands in the configuration."
    )
    return {}


def _is_reloader_supervisor() -> bool:
    return "WERKZEUG_SERVER_FD" in os.environ and os.environ.get("WERKZEUG_RUN_MAIN") != "true"
