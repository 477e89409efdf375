"""Every route of an application, with the resource it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flarchitect_core.state import ApplicationState, state_of

if TYPE_CHECKING:
    from werkzeug.routing import Rule

    from flarchitect_core.architect import Architect

__all__ = ["ListedRoute", "find_rule_by_function", "routes_of_application"]

_IMPLIED = frozenset({"HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class ListedRoute:
    """One method of one URL rule.

    Attributes:
        resource: Model below whose path the rule lies, `None` for other routes.
    """

    method: str
    rule: str
    resource: str | None
    endpoint: str


def routes_of_application(state: ApplicationState) -> list[ListedRoute]:
    """List all routes by rule and method, those of the application itself too.

    HEAD and OPTIONS, which Flask adds to every rule, are left out unless a rule has nothing else.
    """
    resources = {
        path: resource.name for resource in state.registry for path in (*resource.paths, resource.canonical_path)
    }
    found = []
    for rule in state.app.url_map.iter_rules():
        methods = rule.methods or set()
        resource = next((name for path, name in resources.items() if _is_below(rule.rule, path)), None)
        found += [ListedRoute(method, rule.rule, resource, rule.endpoint) for method in methods - _IMPLIED or methods]
    return sorted(found, key=lambda route: (route.rule, route.method, route.endpoint))


def find_rule_by_function(architect: Architect, function: Callable[..., Any]) -> Rule | None:
    """Find the URL rule of a view, `None` when no rule leads to it.

    Args:
        architect: The extension, bound to one application or used within an application context.
        function: The view as it is registered, with its decorators.
    """
    app = state_of(architect.app).app
    return next((rule for rule in app.url_map.iter_rules() if app.view_functions.get(rule.endpoint) is function), None)


def _is_below(rule: str, path: str) -> bool:
    return rule == path or rule.startswith(f"{path}/")
