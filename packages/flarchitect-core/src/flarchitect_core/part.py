"""A part: one separately installed piece of the extension, and the moments in which it may act."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from flarchitect_core.settings import Option
    from flarchitect_core.state import ApplicationState

__all__ = ["Part"]


class Part:
    """Base class of what distributions announce in the entry-point group `flarchitect.parts`.

    `Architect.init_app` calls, for all parts in turn, first `check` and, when nobody found a problem, `register`.

    Attributes:
        name: Short name, such as `rest`; unique.
        order: Parts act in ascending order, equal ones by name.
        distribution: Distribution to install, for error messages.
        options: Options the part reads.
        serves_models: Whether the part needs published models and a database session.
    """

    name: ClassVar[str]
    order: ClassVar[int] = 100
    distribution: ClassVar[str]
    options: ClassVar[Sequence[Option[Any]]] = ()
    serves_models: ClassVar[bool] = False

    def check(self, state: ApplicationState) -> None:
        """Look for mistakes and add them to `state.report`; change nothing."""

    def register(self, state: ApplicationState) -> None:
        """Add routes and hooks to `state.app`; problems may still be reported."""
