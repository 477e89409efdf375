"""`RestPart`: the generated REST routes of an application."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from flarchitect_core.access.asked import Guard
from flarchitect_core.findings import Finding
from flarchitect_core.model.links import attach_links
from flarchitect_core.part import Part
from flarchitect_core.settings import Option
from flarchitect_core.state import ApplicationState
from flarchitect_core.views.managed import ManagedView
from flarchitect_rest.diagnosis import diagnose_services
from flarchitect_rest.manual import limit_guard, view_rates
from flarchitect_rest.options import REST_OPTIONS
from flarchitect_rest.routes import check_routes, register_routes
from flarchitect_rest.services import Services, check_services

__all__ = ["RestPart"]


class RestPart(Part):
    """Serves every published model as REST resources."""

    name: ClassVar[str] = "rest"
    order: ClassVar[int] = 10
    distribution: ClassVar[str] = "flarchitect-rest"
    options: ClassVar[Sequence[Option[Any]]] = REST_OPTIONS
    serves_models: ClassVar[bool] = True

    def check(self, state: ApplicationState) -> None:
        """Look for routes that collide with those the application has, and for services that cannot be had."""
        check_routes(state)
        check_services(state)

    def register(self, state: ApplicationState) -> None:
        """Register the routes of every published model, and the link helpers of their classes."""
        register_routes(state, Services(state))
        attach_links(state.registry, state.report)

    def guard(self, state: ApplicationState, view: ManagedView) -> Guard | None:
        """Count the requests to a hand-written view that has a rate limit."""
        return limit_guard(state, view)

    def describe_rate(self, state: ApplicationState, view: ManagedView, method: str) -> str | None:
        """Say how often a hand-written view may be called."""
        return "; ".join(str(rate) for rate in view_rates(state, view, method)) or None

    def diagnose(self, state: ApplicationState) -> Iterable[Finding]:
        """Look for what is unsafe in the services."""
        return diagnose_services(state)
