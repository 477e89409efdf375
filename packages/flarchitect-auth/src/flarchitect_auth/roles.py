"""Roles: which of them an operation asks for, whether a caller has them, and what a refusal tells (auth 9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import request

from flarchitect_auth import options
from flarchitect_auth.audit import tell
from flarchitect_auth.errors import AuthenticationError, ForbiddenError
from flarchitect_auth.requirements import DONE_BY_PUT, keys_of, names_put
from flarchitect_core import options as core
from flarchitect_core.access.asked import Asked
from flarchitect_core.access.identity import get_current_user, known_user
from flarchitect_core.access.roles import RoleRequirement, role_requirement
from flarchitect_core.model.jsonable import to_jsonable
from flarchitect_core.settings import Settings, is_set
from flarchitect_core.state import state_of
from flarchitect_core.users import roles_of

if TYPE_CHECKING:
    from flarchitect_auth.accounts import Accounts

__all__ = ["RoleRule", "check_role_map", "described", "forbidden", "infer_resource"]
__all__ += ["normalise_roles_spec", "require_user", "rule_of", "rules_of"]

_KNOWN_KEYS = frozenset(
    key
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    for asked in (Asked(), Asked(many=True), Asked(relation_name="any"), Asked(relation_name="any", many=True))
    for key in keys_of(asked, method)
)


@dataclass(frozen=True, slots=True)
class RoleRule:
    """What an operation asks of its caller.

    Attributes:
        requirement: The roles.
        resolved_from: Key of the role map that said so, `*` of a map that is no mapping, `None` of anything else.
    """

    requirement: RoleRequirement
    resolved_from: str | None = None

    def enforce(self, accounts: Accounts | None) -> None:
        """Let only callers pass who have the roles.

        Raises:
            AuthenticationError: Nobody knows who calls.
            ForbiddenError: The caller has them not.
        """
        # A look at a column needs no session, and most users have their roles in one.
        look = known_user if accounts is not None and accounts.has_roles_in_column else get_current_user
        user = look()
        if user is None:
            raise AuthenticationError("Authentication required", "authentication_required")
        if not self.requirement.is_met_by(user):
            raise forbidden(self, get_current_user(), accounts)


def require_user() -> Any:
    """Give the current user.

    Raises:
        AuthenticationError: There is none.
    """
    user = get_current_user()
    if user is None:
        raise AuthenticationError("Authentication required", "authentication_required")
    return user


# --- which rule -------------------------------------------------------------------------------------------------------


def normalise_roles_spec(spec: Any) -> tuple[list[str] | bool | None, bool]:
    """Read what a role map, or a decorator, says about one operation.

    Returns:
        Names, `True` for any user who is known or `None` for no rule; and whether one of the names is enough.

    Raises:
        ValueError: It is none of the shapes.
    """
    if spec is True:
        return None, False  # no role: who calls is asked for by the authentication
    requirement = role_requirement(spec)
    if requirement is None:
        return None, False
    return list(requirement.names) or True, requirement.any_of


def rule_of(settings: Settings, asked: Asked, method: str) -> RoleRule | None:
    """Give the rule about one operation: of the view itself, else of the role map, else of the two fallbacks.

    Raises:
        ValueError: The map is none.
    """
    if asked.roles is not None:
        return RoleRule(asked.roles)
    role_map = settings.get(options.ROLE_MAP, model=asked.model)
    if is_set(role_map):
        return _of_map(role_map, asked, method)
    for option, any_of in ((options.ROLES_REQUIRED, False), (options.ROLES_ACCEPTED, True)):
        names = settings.get(option, model=asked.model)
        if is_set(names):
            requirement = role_requirement([names] if isinstance(names, str) else list(names), any_of=any_of)
            return None if requirement is None else RoleRule(requirement)
    return None


def rules_of(settings: Settings, asked: Asked, method: str) -> tuple[RoleRule, ...]:
    """Give all rules about one operation: a PUT that the role map does not name needs what PATCH and POST need.

    Raises:
        ValueError: The map is none.
    """
    role_map = settings.get(options.ROLE_MAP, model=asked.model)
    is_meant = method == "PUT" and asked.roles is None and isinstance(role_map, Mapping)
    methods = DONE_BY_PUT if is_meant and not names_put(role_map, asked) else (method,)
    found = {rule.requirement: rule for each in methods if (rule := rule_of(settings, asked, each)) is not None}
    return tuple(found.values())


def _of_map(role_map: Any, asked: Asked, method: str) -> RoleRule | None:
    if not isinstance(role_map, Mapping) or set(role_map) <= {"roles", "any_of"}:
        return _rule(role_map, "*")
    given = {str(key).upper(): (key, spec) for key, spec in role_map.items()}
    for name in keys_of(asked, method):
        if name in given:
            key, spec = given[name]
            return _rule(spec, str(key))
    return None


def _rule(spec: Any, key: str) -> RoleRule | None:
    requirement = None if spec is True else role_requirement(spec)
    return None if requirement is None else RoleRule(requirement, key)


def check_role_map(role_map: Any) -> Iterator[str]:
    """Say what is wrong with a role map; a shape that nobody knows must never open a route."""
    if not isinstance(role_map, Mapping) or set(role_map) <= {"roles", "any_of"}:
        specs: list[tuple[str, Any]] = [("", role_map)]
    else:
        specs = [(f"[{key!r}]", spec) for key, spec in role_map.items()]
        for key in role_map:
            if str(key).upper() not in _KNOWN_KEYS:
                yield f"[{key!r}] names no operation. Use one of {', '.join(sorted(_KNOWN_KEYS))}."
    for where, spec in specs:
        try:
            role_requirement(spec)
        except ValueError as error:
            yield f"{where} is no rule: {error}"


# --- refusing ---------------------------------------------------------------------------------------------------------


def forbidden(rule: RoleRule, user: Any, accounts: Accounts | None) -> ForbiddenError:
    """Make the error of a caller without the roles, with as much as may be told (auth 9.4, S-29)."""
    message = "Missing required role(s) for this action."
    tell("auth.denied", user_pk=None if accounts is None else accounts.key_of(user), reason="missing_roles")
    if not _tells_all(state_of().settings):
        return ForbiddenError(message, "missing_roles")
    who, lookup = described(user, accounts)
    return ForbiddenError(
        message,
        "missing_roles",
        required_roles=list(rule.requirement.names),
        any_of=rule.requirement.any_of,
        method=request.method,
        path=request.path,
        resource=infer_resource(),
        user=who,
        lookup=lookup,
        resolved_from=rule.resolved_from,
    )


def _tells_all(settings: Settings) -> bool:
    detail = settings.get(options.ROLE_ERROR_DETAIL)
    if detail is None:
        return settings.get(core.SECURITY_PROFILE) != "strict"
    return detail == "full"


def described(user: Any, accounts: Accounts | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Describe the caller to itself, by key, login name and roles."""
    if user is None or accounts is None or not accounts.is_configured or not isinstance(user, accounts.model):
        return None, None
    pk, name = to_jsonable(accounts.pk_of(user)), to_jsonable(getattr(user, accounts.lookup_field, None))
    lookups = {accounts.lookup_field: name}
    return {"id": pk, "username": name, "roles": list(roles_of(user))}, {"pk": pk, "lookups": lookups}


def infer_resource() -> str | None:
    """Name what the current request is about: the segment behind the prefix, else the last part of the endpoint."""
    prefix = state_of().registry.prefix
    path = request.path
    if prefix and path.startswith(f"{prefix}/"):
        return path[len(prefix) + 1 :].split("/")[0] or None
    return request.endpoint.rpartition(".")[2] if request.endpoint else None
