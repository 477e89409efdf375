"""Routes beside the API that tell how an application does: health checks and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Response

from flarchitect_core import options
from flarchitect_core.settings import Option
from flarchitect_core.state import ApplicationState

__all__ = ["OperationalRoute", "check_operational_paths", "exposed_paths", "register_operational_routes"]

_SWITCHES: tuple[tuple[Option[bool], tuple[Option[str], ...]], ...] = (
    (options.EXPOSE_HEALTH, (options.HEALTH_PATH, options.READY_PATH)),
    (options.EXPOSE_METRICS, (options.METRICS_PATH,)),
)


@dataclass(frozen=True, slots=True)
class OperationalRoute:
    """One of these routes.

    Attributes:
        path: Option that holds its path.
        endpoint: Name of the endpoint.
        view: What answers GET.
        summary: What it is called in documents.
        answers: Status and what it means, of each answer.
        media_type: What the answers are in.
        schema: JSON Schema of the answers.
        is_for_everybody: Whether nobody is asked who calls.
    """

    path: Option[str]
    endpoint: str
    view: Callable[[], Response]
    summary: str
    answers: tuple[tuple[int, str], ...] = ((200, "OK"),)
    media_type: str = "application/json"
    schema: Mapping[str, Any] = field(default_factory=dict)
    is_for_everybody: bool = False


def exposed_paths(state: ApplicationState) -> dict[str, Option[str]]:
    """Give the path of each route that is switched on, and the option it comes from."""
    get = state.settings.get
    return {get(path): path for switch, paths in _SWITCHES if get(switch) for path in paths}


def check_operational_paths(state: ApplicationState) -> None:
    """Report every path that something else has already."""
    get = state.settings.get
    taken = {rule.rule: f"the route of {rule.endpoint!r}" for rule in state.app.url_map.iter_rules()}
    taken.update(dict.fromkeys(state.registry.paths(), "the path of a model"))
    for switch, paths in _SWITCHES:
        for option in paths if get(switch) else ():
            path = get(option)
            if path in taken:
                state.report.problem(
                    f"{option.key} is {path}, which is {taken[path]} already. "
                    f"Set {option.key} to another path, or {switch.key} = False."
                )
            taken.setdefault(path, f"that of {option.key}")


def register_operational_routes(state: ApplicationState, routes: Iterable[OperationalRoute]) -> None:
    """Add these routes to the application."""
    for route in routes:
        state.app.add_url_rule(state.settings.get(route.path), route.endpoint, route.view, methods=["GET"])
        state.operational_routes.append(route)
