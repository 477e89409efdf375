"""What the extension knows about one application; it lives in `app.extensions`, so applications never share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app

from flarchitect_core.plugins import PluginManager

if TYPE_CHECKING:
    from flarchitect_core.access.policies import RowPolicy
    from flarchitect_core.access.tenancy import Tenants
    from flarchitect_core.architect import Architect
    from flarchitect_core.catalogue.endpoint import Endpoint
    from flarchitect_core.database import Database
    from flarchitect_core.events import Listener
    from flarchitect_core.faces import Faces
    from flarchitect_core.http.logs import AppLog
    from flarchitect_core.http.operational_routes import OperationalRoute
    from flarchitect_core.http.responses import Envelope
    from flarchitect_core.model.registry import Registry
    from flarchitect_core.operations.hooks import Hooks
    from flarchitect_core.operations.nested.writes import NestedWrites
    from flarchitect_core.operations.service import ResourceService
    from flarchitect_core.part import Part
    from flarchitect_core.query.cursor import Cursors
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport
    from flarchitect_core.views.managed import ManagedView

__all__ = ["FACES_MAX", "STATE_KEY", "ApplicationState", "current_face", "state_of"]

FACES_MAX = 32
"""How many faces of an application are kept, and how many of what is made for each."""
STATE_KEY = "flarchitect.state"


@dataclass(eq=False, slots=True)
class ApplicationState:
    """Everything that belongs to one application.

    Attributes:
        registry: Published resources; empty until models are read.
        cursors: Writes and reads the cursors of pages.
        owned_paths: Path prefixes, without trailing slash, whose errors are given in the envelope.
        is_registered: Whether the parts have registered their routes.
        log: Where its records go; absent until it is bound.
        is_debug_configured: Whether debug mode was on when it was bound; the `flask` command sets it by other rules.
        cache: The response cache, when one is configured and its part has registered its routes.
        limiter: What counts requests, when a rate limit is configured.
        authentication: What recognises callers, when its part is used.
        documents: The OpenAPI documents, when their part is used.
        plugins: The plugins of `API_PLUGINS`.
        policies: Which rows callers may see and write, of each model that says so.
        tenants: Which models have rows of tenants.
        faces: The same application for callers with other rights to fields.
        hooks: Callbacks of each published model.
        nested: How bodies with nested objects are written, when a model allows them.
        services: Operations of each published model; there once routes are registered.
        listeners: Told about every change after its commit.
        receivers: Functions that signals of Flask know by a weak reference only.
        views: Hand-written views, each as it is bound to the application.
        endpoints: What the parts have registered; `flarchitect_core.views.endpoints` lists everything.
        operational_routes: Health checks and metrics, as far as they are switched on.
    """

    app: Flask
    architect: Architect
    settings: Settings
    report: StartupReport
    database: Database
    envelope: Envelope
    parts: Sequence[Part]
    registry: Registry
    cursors: Cursors
    owned_paths: list[str] = field(default_factory=list)
    is_registered: bool = False
    log: AppLog | None = None
    is_debug_configured: bool = False
    cache: Any = None
    limiter: Any = None
    authentication: Any = None
    documents: Any = None
    plugins: PluginManager = field(default_factory=PluginManager)
    policies: Mapping[type, RowPolicy] = field(default_factory=dict)
    tenants: Tenants | None = None
    faces: Faces | None = None
    hooks: dict[type, Hooks] = field(default_factory=dict)
    nested: NestedWrites | None = None
    services: dict[type, ResourceService] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    receivers: list[Callable[..., None]] = field(default_factory=list)
    views: dict[ManagedView, Any] = field(default_factory=dict)
    endpoints: list[Endpoint] = field(default_factory=list)
    operational_routes: list[OperationalRoute] = field(default_factory=list)

    def owns(self, path: str) -> bool:
        """Say whether a URL path lies below the API, by whole segments: `/apidocs` is not below `/api`."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.owned_paths)


def state_of(app: Any = None) -> ApplicationState:
    """Give the state of an application, the current one by default.

    Raises:
        RuntimeError: `Architect.init_app` was not called for the application.
    """
    target = app if app is not None else current_app
    state: ApplicationState | None = target.extensions.get(STATE_KEY)
    if state is None:
        raise RuntimeError(f"flarchitect is not initialised for {target.name!r}. Call Architect(app) first.")
    return state


def current_face(state: ApplicationState) -> ApplicationState:
    """Give the state by which the current caller is served: the same application without fields it may not see."""
    return state if state.faces is None else state.faces.current()
