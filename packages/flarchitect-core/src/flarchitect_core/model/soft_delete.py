"""The mark by which a model's rows are deleted without being removed (rest 6.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flarchitect_core import options
from flarchitect_core.settings import HTTP_METHODS, is_set
from flarchitect_core.suggestions import did_you_mean

if TYPE_CHECKING:
    from flarchitect_core.model.inspect import ColumnFact, ModelFacts
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport

__all__ = ["SoftDelete", "soft_delete_of"]


@dataclass(frozen=True, slots=True)
class SoftDelete:
    """How rows of one model are marked.

    Attributes:
        fact: The column of the mark.
        active: Its value in rows that are not deleted.
        deleted: Its value in deleted rows, or a callable that gives it, such as one that tells the time.
        shown_in: Methods whose requests may ask to see deleted rows.
    """

    fact: ColumnFact
    active: Any
    deleted: Any
    shown_in: frozenset[str]

    def hides_from(self, asked_by: str | None) -> bool:
        """Say whether deleted rows are hidden from a request.

        Args:
            asked_by: Its method, if it asks to see them.
        """
        return asked_by not in self.shown_in

    def is_same_as(self, other: SoftDelete) -> bool:
        """Say whether two models, one of them a subclass of the other, mark their rows alike."""
        same_column = self.fact.column is not None and self.fact.column is other.fact.column
        return same_column and (self.active, self.deleted) == (other.active, other.deleted)

    def mark(self) -> Any:
        """Give the value that deletes a row now."""
        return self.deleted() if callable(self.deleted) else self.deleted

    def is_active(self) -> sa.ColumnElement[bool]:
        """Give the condition of rows that are not deleted.

        A row is deleted when it has the deleted value, so NULL is not; where that value is made anew each time, every
        row with another value than the active one is deleted.
        """
        column: sa.ColumnElement[Any] = self.fact.attribute
        if callable(self.deleted):
            is_null = column.is_(None)
            return is_null if self.active is None else sa.or_(is_null, column == self._literal(self.active))
        if self.deleted is None:
            return column.is_not(None)
        return sa.or_(column.is_(None), column != self._literal(self.deleted))

    def is_deleted(self, value: Any) -> bool:
        """Say whether a row with this value of the mark is deleted, by the same rule."""
        if callable(self.deleted):
            return value is not None and value != self.active
        return bool(value == self.deleted)

    def _literal(self, value: Any) -> sa.ColumnElement[Any]:
        return sa.literal(value, self.fact.type)


def soft_delete_of(facts: ModelFacts, settings: Settings, report: StartupReport) -> SoftDelete | None:
    """Read the options of a model; mistakes are added to the report.

    Of a setting for all models, those without the attribute are left out: their rows are removed.
    """
    model = facts.model
    if not settings.get(options.SOFT_DELETE, model=model):
        return None
    name, origin = settings.resolve(options.SOFT_DELETE_ATTRIBUTE, model=model)
    values: Any = settings.get(options.SOFT_DELETE_VALUES, model=model)
    problems = []
    if not is_set(name):
        problems.append(
            "API_SOFT_DELETE is on, but API_SOFT_DELETE_ATTRIBUTE is not set. Name the attribute that carries the mark."
        )
    if not isinstance(values, tuple) or len(values) != 2:
        problems.append(
            f"API_SOFT_DELETE_VALUES must be a tuple (active, deleted) such as (False, True); it is {values!r}."
        )
    elif values[0] == values[1]:
        problems.append(
            f"API_SOFT_DELETE_VALUES are equal: {values!r}. Rows that are deleted need another value than the others."
        )
    report.problems_from(problems)
    if problems:
        return None
    found: Callable[[str], ColumnFact | None] = {fact.name: fact for fact in facts.columns}.get
    fact = found(str(name))
    if fact is not None:
        get, allowed = settings.get, options.ALLOW_INCLUDE_DELETED
        shown_in = frozenset(method for method in HTTP_METHODS if get(allowed, model=model, method=method))
        active, deleted = values
        return SoftDelete(fact, active, deleted, shown_in)
    own = settings.resolve(options.SOFT_DELETE, model=model)[1] == "model"
    if origin == "model" or own:
        hint = did_you_mean(str(name), [fact.name for fact in facts.columns])
        report.problem(f"{model.__name__} has no column {name!r} for API_SOFT_DELETE_ATTRIBUTE.{hint}")
    return None
