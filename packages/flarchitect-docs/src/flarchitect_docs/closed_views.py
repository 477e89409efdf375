"""Routes that tell about the application, and so are closed to unknown callers unless that is switched off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flask import after_this_request

from flarchitect_core.access.asked import Asked
from flarchitect_core.catalogue.endpoint import Endpoint, EndpointDetails
from flarchitect_core.errors import ApiError
from flarchitect_core.views.details import answer_types
from flarchitect_core.views.managed import managed_view_of
from flarchitect_docs.pages.access import Access

if TYPE_CHECKING:
    from flarchitect_core.catalogue.shapes import Answer, Parameter
    from flarchitect_core.state import ApplicationState

__all__ = ["ClosedRoute", "add_closed_route"]


@dataclass(frozen=True, slots=True)
class ClosedRoute:
    """One such route.

    Attributes:
        path: URL path; nothing for no route.
        view: Gives the value of the answer.
        is_closed: Whether callers must be known.
        roles: Roles that they need, as in `schema_constructor`.
        any_of: Whether one of them is enough.
        answers: What it answers; the media types are added.
        errors: Statuses of errors besides those of who may ask.
    """

    path: Any
    name: str
    tag: str
    summary: str
    view: Callable[[], Any]
    is_closed: bool
    roles: Any
    any_of: bool
    answers: Sequence[Answer]
    parameters: Sequence[Parameter] = ()
    errors: Sequence[int] = ()


def add_closed_route(state: ApplicationState, route: ClosedRoute) -> None:
    """Add a route, unless it is switched off or the application has one of its own at that path."""
    app = state.app
    if not route.path or any(rule.rule == route.path for rule in app.url_map.iter_rules()):
        return
    # Nobody can be recognised where no part guards anything: then it stays closed (rest 12, D47).
    is_guarded = any(part.describe_access(state, Asked("GET"), "GET") is not None for part in state.parts)
    asks = route.is_closed or bool(route.roles)
    # Where the documentation has a login, what tells about the application is never more open than it (docs D-18).
    access = Access(state)

    def view() -> Any:
        if access.is_protected and not (asks and is_guarded):
            access.require()
            after_this_request(access.keep_private)
        elif asks and not is_guarded:
            raise ApiError(
                "Only known callers may ask this, and the application has no way to recognise them.",
                status=401,
                reason="authentication_required",
                headers={"WWW-Authenticate": 'Custom realm="api"'},
            )
        return route.view()

    decorated = state.architect.schema_constructor(
        auth=None if asks else False,
        roles=(route.roles or True) if asks and is_guarded else False,
        roles_any_of=route.any_of,
        tag=route.tag,
        group_tag=route.tag,
        summary=route.summary,
        operation_id=route.name,
    )(view)
    name = f"flarchitect_docs_{route.name}"
    app.add_url_rule(route.path, name, decorated, methods=["GET"])
    state.owned_paths.append(route.path)
    around = managed_view_of(decorated)
    types = answer_types(state)
    answers = [
        replace(answer, contents=[replace(each, media_types=types) for each in answer.contents])
        for answer in route.answers
    ]
    errors = (*route.errors, 500, *((401,) if (asks and not is_guarded) or access.is_protected else ()))
    details = EndpointDetails(parameters=route.parameters, answers=answers, errors=errors)
    if around is not None:
        asked = around.info.asked()
        state.endpoints.append(
            Endpoint(
                route.path,
                "GET",
                name,
                "view",
                asked,
                lambda: details,
                view=around,
                summary=route.summary,
                tag=route.tag,
            )
        )
