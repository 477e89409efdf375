"""Who may ask for an operation, as the part that guards it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarchitect_core.access.asked import Asked
    from flarchitect_core.access.roles import RoleRequirement
    from flarchitect_core.catalogue.shapes import Parameter
    from flarchitect_core.state import ApplicationState

__all__ = ["Access", "SecurityScheme", "access_of", "security_schemes_of"]

SecurityScheme = Mapping[str, Any]
"""One way to be recognised, as a security scheme object of OpenAPI, which is the common notation for it."""


@dataclass(frozen=True, slots=True)
class Access:
    """What an operation asks of its caller.

    Attributes:
        schemes: Names of security schemes, each of which is enough.
        is_required: Whether the caller must be known; `None` when that is decided by the request.
        roles: What it needs of roles, each of them.
        parameters: Headers that some of the schemes need besides.
    """

    schemes: tuple[str, ...] = ()
    is_required: bool | None = False
    roles: tuple[RoleRequirement, ...] = ()
    parameters: Sequence[Parameter] = ()

    @property
    def is_open(self) -> bool:
        """Whether everybody may ask."""
        return self.is_required is False and not self.roles


def access_of(state: ApplicationState, asked: Asked, method: str) -> Access:
    """Give what the parts say of an operation: the first that guards it decides."""
    told = (part.describe_access(state, asked, method) for part in state.parts)
    return next((access for access in told if access is not None), Access())


def security_schemes_of(state: ApplicationState) -> dict[str, SecurityScheme]:
    """Give the ways to be recognised that the application has, by the names that `Access` uses."""
    schemes: dict[str, SecurityScheme] = {}
    for part in state.parts:
        schemes.update(part.security_schemes(state))
    return schemes
