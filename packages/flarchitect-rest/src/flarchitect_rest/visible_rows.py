"""What row policies let a caller see: a part of the name of a kept answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.visitors import iterate

from flarchitect_core.access.identity import get_current_user
from flarchitect_core.access.policies import Intent

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState

__all__ = ["VisibleRows"]


class VisibleRows:
    """The rows of a family of models that policies of rules let callers see.

    Args:
        models: The family: a write to one of them ends the answers about all.
    """

    def __init__(self, models: Iterable[type], state: ApplicationState) -> None:
        models = list(models)
        self._policies = [state.policies[model] for model in models if model in state.policies]
        self._tables = {table for model in models for table in _tables_of(model)}

    def describe(self) -> str | None:
        """Give the conditions for the current user, with their values.

        Returns:
            Text; `None` when conditions read rows whose changes end no answer of the family.
        """
        user = get_current_user() if self._policies else None
        texts = []
        for policy in self._policies:
            clause = policy.visible(Intent("GET", user, many=True))
            if clause is None:
                continue
            if not {each for each in iterate(clause) if isinstance(each, sa.Table)} <= self._tables:
                return None
            compiled = clause.compile()
            texts.append(f"{compiled} {sorted(compiled.params.items())!r}")
        return "\n".join(texts)


def _tables_of(model: type) -> Iterable[Any]:
    mapper: Mapper[Any] = sa.inspect(model)
    return [*mapper.tables, *(each.secondary for each in mapper.relationships if each.secondary is not None)]
