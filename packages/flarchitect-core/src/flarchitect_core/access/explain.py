"""Why a user may do something with the rows of a model: the rule that decides, and the SQL it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import CompileError

from flarchitect_core.access.policies import Intent
from flarchitect_core.access.rules import RowAction

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.state import ApplicationState

__all__ = ["Explanation", "explain"]

_METHODS: dict[RowAction, str] = {"read": "GET", "create": "POST", "update": "PATCH", "delete": "DELETE"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What decides about one action of one user.

    Attributes:
        rule: Which rule counts, for people.
        sql: Select of the rows that the user may do it with.
    """

    model: str
    action: RowAction
    rule: str
    sql: str


def explain(state: ApplicationState, resource: Resource, action: RowAction, user: Any) -> Explanation:
    """Explain what decides about an action.

    Args:
        user: Who would act; `None` for a caller whom nobody knows.
    """
    policy = state.policies.get(resource.model)
    statement: sa.Select[Any] = sa.select(*(getattr(resource.model, item.attribute) for item in resource.key))
    if policy is None:
        return Explanation(resource.name, action, "no policy: every row", _text(statement))
    intent = Intent(_METHODS[action], user, many=action == "read")
    clauses = [policy.writable(action, intent)] if action != "read" else []
    if action != "create":
        clauses.append(policy.visible(intent))
    statement = statement.where(*(clause for clause in clauses if clause is not None))
    return Explanation(resource.name, action, policy.explain(action, user), _text(statement))


def _text(statement: sa.Select[Any]) -> str:
    try:
        return str(statement.compile(compile_kwargs={"literal_binds": True}))
    except (CompileError, NotImplementedError):
        # Some types have no literal form; then the values stand beside the statement.
        compiled = statement.compile()
        return f"{compiled}\n-- {compiled.params}"
