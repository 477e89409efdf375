"""Which roles an operation asks for, and who has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flarchitect_core.users import roles_of

__all__ = ["RoleRequirement", "role_requirement"]


@dataclass(frozen=True, slots=True)
class RoleRequirement:
    """What a caller must be.

    Attributes:
        names: Roles; empty when it is enough to be logged in.
        any_of: One of the roles is enough; otherwise all are needed.
    """

    names: tuple[str, ...] = ()
    any_of: bool = False

    def is_met_by(self, user: Any) -> bool:
        """Say whether a user has the roles."""
        if not self.names:
            return True
        has = frozenset(roles_of(user))
        judge = any if self.any_of else all
        return judge(name in has for name in self.names)


def role_requirement(roles: Any, *, any_of: bool = False) -> RoleRequirement | None:
    """Read the `roles` argument of a view; `None` when it asks for none.

    Args:
        roles: `False` or `None`, `True` for any caller who is logged in, a name, a list of names, or a mapping with
            `roles` and `any_of`.
        any_of: One of several names is enough.

    Raises:
        ValueError: It is something else, or an empty list, which could mean everybody as well as nobody.
    """
    if isinstance(roles, Mapping):
        unknown = roles.keys() - {"roles", "any_of"}
        if unknown or "roles" not in roles:
            raise ValueError("roles must have the keys 'roles' and 'any_of' when it is a mapping.")
        return role_requirement(roles["roles"], any_of=bool(roles.get("any_of", any_of)))
    if roles is None or roles is False:
        return None
    if roles is True:
        return RoleRequirement()
    names = (roles,) if isinstance(roles, str) else tuple(roles) if isinstance(roles, (list, tuple, set)) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(
            f"roles must be True, the name of a role, or a list of names that is not empty; not {roles!r}."
        )
    return RoleRequirement(names, any_of)
