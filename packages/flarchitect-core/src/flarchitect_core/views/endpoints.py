"""The endpoints of one application: those that parts have registered, and hand-written ones that its routes lead to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from flarchitect_core.access.asked import Asked
from flarchitect_core.catalogue.endpoint import Endpoint, EndpointDetails
from flarchitect_core.catalogue.shapes import Answer, Content, JsonShape
from flarchitect_core.views.details import view_details
from flarchitect_core.views.managed import described_view, managed_view_of

if TYPE_CHECKING:
    from werkzeug.routing import Rule

    from flarchitect_core.http.operational_routes import OperationalRoute
    from flarchitect_core.state import ApplicationState
    from flarchitect_core.views.managed import ManagedView

__all__ = ["endpoints_of"]

_OPERATIONS = "Operations"
_IMPLIED = frozenset({"HEAD", "OPTIONS"})


def endpoints_of(state: ApplicationState) -> list[Endpoint]:
    """List everything that the routes of now lead to, by rule and method.

    Views that nothing was said about, those of Flask itself among them, are left out.
    """
    app = state.app
    registered = (*state.endpoints, *(_of_operational(state, route) for route in state.operational_routes))
    found = {(each.rule, each.method): each for each in registered}
    described = {info["function"]: info for info in state.architect.route_spec}
    for rule in app.url_map.iter_rules():
        function = app.view_functions.get(rule.endpoint)
        view = managed_view_of(function)
        if function is not None and (view is None or not view.is_guarded) and function in described:
            # A view of the application itself, which was told of by `set_route`.
            view = described_view(function, described[function])
        if view is not None and view.is_guarded:
            for endpoint in _of_view(state, rule, view):
                found.setdefault((endpoint.rule, endpoint.method), endpoint)
    return [found[key] for key in sorted(found)]


def _of_view(state: ApplicationState, rule: Rule, view: ManagedView) -> Iterator[Endpoint]:
    info = view.info
    for method in (rule.methods or set()) - _IMPLIED:
        yield Endpoint(
            rule.rule,
            method,
            rule.endpoint,
            "view",
            info.asked(),
            partial(view_details, state, view, method),
            resource=None if info.model is None else state.registry.get(info.model),
            view=view,
            summary=info.summary,
            tag=info.tag,
        )


def _of_operational(state: ApplicationState, route: OperationalRoute) -> Endpoint:
    content = Content([route.media_type], JsonShape(route.schema), is_enveloped=False)
    details = EndpointDetails(answers=[Answer(status, sentence, [content]) for status, sentence in route.answers])
    asked = Asked("GET", auth=False if route.is_for_everybody else None)
    path = state.settings.get(route.path)
    return Endpoint(
        path, "GET", route.endpoint, "operational", asked, lambda: details, summary=route.summary, tag=_OPERATIONS
    )
