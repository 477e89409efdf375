"""`RestPart`: the generated REST routes of an application."""

from __future__ import annotations

from typing import ClassVar

from flarchitect_core.model.links import attach_links
from flarchitect_core.part import Part
from flarchitect_core.state import ApplicationState
from flarchitect_rest.routes import check_routes, register_routes

__all__ = ["RestPart"]


class RestPart(Part):
    """Serves every published model as REST resources. Its options are those of core."""

    name: ClassVar[str] = "rest"
    order: ClassVar[int] = 10
    distribution: ClassVar[str] = "flarchitect-rest"
    serves_models: ClassVar[bool] = True

    def check(self, state: ApplicationState) -> None:
        """Look for routes that collide with those the application has."""
        check_routes(state)

    def register(self, state: ApplicationState) -> None:
        """Register the routes of every published model, and the link helpers of their classes."""
        register_routes(state)
        attach_links(state.registry, state.report)
