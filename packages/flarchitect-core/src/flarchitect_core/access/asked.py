"""What a request asks for, as rules of access see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarchitect_core.access.roles import RoleRequirement
    from flarchitect_core.state import ApplicationState

__all__ = ["Asked", "Guard", "guards_of"]

Guard = Callable[[], None]
"""Looks at the current request before a view runs, and raises what refuses it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One operation that a transport offers, or a hand-written view; known when it is registered.

    Attributes:
        method: HTTP method that means the same; `None` for a view that serves several, judged by that of the request.
        model: Model whose rows it reads or writes, on relation routes of the rows they lead to.
        many: Whether it is about a list.
        relation_name: Relation that leads to the rows; `None` when they are asked for themselves.
        output_schema: Schema of the answer, class or instance.
        input_schema: Schema of the body, class or instance.
        auth: `False` when callers need not be known, whatever is configured.
        roles: Roles that callers need, whatever is configured.
    """

    method: str | None = None
    model: type | None = None
    many: bool = False
    relation_name: str | None = None
    output_schema: Any = None
    input_schema: Any = None
    auth: bool | None = None
    roles: RoleRequirement | None = None

    @property
    def is_relation(self) -> bool:
        """Whether a relation leads to the rows."""
        return self.relation_name is not None


def guards_of(state: ApplicationState, asked: Asked) -> tuple[Guard, ...]:
    """Give what all parts want to run before an operation, in their order; transports call each before anything else.

    Raises:
        ConfigurationError: A rule about the operation cannot be kept.
    """
    guards = (part.guard_operation(state, asked) for part in state.parts)
    return tuple(guard for guard in guards if guard is not None)
