"""A part: one separately installed piece of the extension, and the moments in which it may act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import click

    from flarchitect_core.access.asked import Asked, Guard
    from flarchitect_core.access.callers import Callers
    from flarchitect_core.catalogue.access import Access, SecurityScheme
    from flarchitect_core.findings import Finding
    from flarchitect_core.settings import Option
    from flarchitect_core.state import ApplicationState
    from flarchitect_core.views.managed import ManagedView

__all__ = ["Part"]


class Part:
    """Base class of what distributions announce in the entry-point group `flarchitect.parts`.

    `Architect.init_app` calls, for all parts in turn, first `check`, then, when nobody found a problem, `install`, and
    `register` where routes are generated.

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

    def install(self, state: ApplicationState) -> None:
        """Add to `state.app` what must be there whether or not routes are generated."""

    def register(self, state: ApplicationState) -> None:
        """Add routes and hooks to `state.app`; problems may still be reported."""

    def guard(self, state: ApplicationState, view: ManagedView) -> Guard | None:
        """Give what runs before each request to a hand-written view, `None` when nothing does.

        Raises:
            ConfigurationError: What was said about the view cannot be done.
        """
        return None

    def guard_operation(self, state: ApplicationState, asked: Asked) -> Guard | None:
        """Give what decides, before each request to an operation or hand-written view, whether the caller may ask.

        Raises:
            ConfigurationError: A rule about it cannot be kept.
        """
        return None

    def describe_access(self, state: ApplicationState, asked: Asked, method: str) -> Access | None:
        """Say what `guard_operation` asks of callers, `None` when the part guards nothing."""
        return None

    def security_schemes(self, state: ApplicationState) -> Mapping[str, SecurityScheme]:
        """Say how callers may show who they are, by the names that `describe_access` uses."""
        return {}

    def describe_rate(self, state: ApplicationState, view: ManagedView, method: str) -> str | None:
        """Say how often a hand-written view may be called, `None` when the part counts nothing."""
        return None

    def callers(self, state: ApplicationState) -> Callers | None:
        """Give what recognises the users of the application, for other parts; `None` when this part knows none."""
        return None

    def commands(self) -> Iterable[click.Command]:
        """Give further commands of `flask flarchitect`."""
        return ()

    def diagnose(self, state: ApplicationState) -> Iterable[Finding]:
        """Look for what is unsafe or slow, for `flask flarchitect doctor`; change nothing."""
        return ()
