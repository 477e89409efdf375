"""`groupby`, aggregates and the order of groups: texts of the URL to a `Grouping` (rest 3.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from flarchitect_core.errors import QueryError
from flarchitect_core.model.naming import field_name
from flarchitect_core.query.grouping import AGGREGATES, Aggregate, GroupColumn, Grouping, GroupOrder
from flarchitect_core.suggestions import nearest

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation
    from flarchitect_core.query.expressions import Path
    from flarchitect_core.query.names import Names

__all__ = ["AskedOrder", "GroupingParser", "is_aggregate"]

AskedOrder = tuple[str, bool, Literal["first", "last"] | None]
"""Name, whether it descends, and where rows without a value stand."""

_LABEL = re.compile(r"\w[\w .-]{0,63}\Z")


def is_aggregate(name: str) -> bool:
    """Say whether the name of a parameter is that of an aggregate, right or wrong."""
    target, _, function = name.rpartition("__")
    return function in AGGREGATES and target != "" and "[" not in target


class GroupingParser:
    """Parses what one request asks about groups.

    Args:
        case: Case of the keys that the client does not choose.
        most: Most columns and aggregates together.
        is_outer: Whether joins keep rows without a related row.
    """

    def __init__(self, names: Names, *, case: str, most: int, is_outer: bool) -> None:
        self._names = names
        self._case = case
        self._most = most
        self._is_outer = is_outer

    def parse(self, columns: Iterable[str], aggregates: Iterable[str], order: Iterable[AskedOrder]) -> Grouping:
        """Parse the columns of `groupby`, the names of aggregates, and the sort keys.

        Raises:
            QueryError: A name is unknown, a type does not fit, or rows would be counted more than once.
        """
        targets, functions = dict.fromkeys(columns), dict.fromkeys(aggregates)
        if len(targets) + len(functions) > self._most:
            raise QueryError(
                f"More than {self._most} group columns and aggregates in one request.",
                reason="too_many_group_columns",
                details={"maximum": self._most},
            )
        grouped = self._columns(targets)
        computed = self._aggregates(functions, [column.name for column in grouped])
        spread = self._spread([*grouped, *computed])
        if spread is not None:
            for aggregate in computed:
                _require_each_row_once(self._names, aggregate, spread)
        result = Grouping(grouped, computed, spread=spread, is_outer=self._is_outer and spread is not None)
        keys: dict[int, GroupOrder] = {}
        for each in order:
            key = self._order_key(result, *each)
            keys.setdefault(key.position, key)
        return replace(result, order=tuple(keys.values()))

    # --- group columns ------------------------------------------------------------------------------------------------

    def _columns(self, targets: Iterable[str]) -> tuple[GroupColumn, ...]:
        found: dict[tuple[Path, Field], None] = {}
        for target in targets:
            path, field = self._find(target)
            if not field.codec.operators:
                raise QueryError(f"Rows cannot be grouped by {field.name!r}.", reason="not_groupable")
            found[path, field] = None
        plain = [field.name for _, field in found]
        return tuple(
            GroupColumn(field.name if plain.count(field.name) == 1 else _qualified(path, field), path, field)
            for path, field in found
        )

    def _find(self, target: str) -> tuple[Path, Field]:
        path, field = self._names.find(target)
        many = [position for position, relation in enumerate(path) if relation.many]
        if many and (many != [0] or path[0] not in self._names.joined):
            name = path[many[-1]].name
            advice = "Name it in `join`, and each of its rows counts." if many == [0] else "Ask where those rows are."
            raise QueryError(
                f"Cannot group or compute over {target[:100]}: {name!r} may lead to many rows. {advice}",
                reason="not_groupable",
            )
        return path, field

    # --- aggregates ---------------------------------------------------------------------------------------------------

    def _aggregates(self, names: Iterable[str], taken: Sequence[str]) -> tuple[Aggregate, ...]:
        found = [self._aggregate(name) for name in names]
        plain = [*taken, *(label or self._key(field.name, function) for label, function, _, field in found)]
        result: dict[str, Aggregate] = {}
        for label, function, path, field in found:
            name = label or self._key(field.name, function)
            if label is None and path and plain.count(name) > 1:
                name = self._key(field.name, function, f"{'.'.join(relation.name for relation in path)}.")
            aggregate = Aggregate(name, function, path, field, AGGREGATES[function].codec(field))
            if name in taken or result.setdefault(name, aggregate).shape != aggregate.shape:
                raise QueryError(
                    f"Two columns of the answer would be called {name!r}. Give one of them a label: "
                    f"{field.name}|label__{function}.",
                    reason="duplicate_label",
                )
        return tuple(result.values())

    def _aggregate(self, text: str) -> tuple[str | None, str, Path, Field]:
        named, _, function = text.rpartition("__")
        target, bar, label = named.partition("|")
        if bar and not _LABEL.match(label):
            raise QueryError(
                f"Invalid label: {label[:100]}. A label has up to 64 letters, digits, underscores, dashes, dots and "
                f"spaces, and begins with a letter, a digit or an underscore.",
                reason="invalid_label",
            )
        path, field = self._find(target.strip())
        if not AGGREGATES[function].takes(field):
            fitting = [name for name, each in AGGREGATES.items() if each.takes(field)]
            raise QueryError(
                f"Invalid aggregate: {function}. The column {field.name!r} takes {', '.join(fitting)}.",
                reason="invalid_aggregate",
                suggestions=fitting,
            )
        return (label if bar else None), function, path, field

    def _key(self, name: str, function: str, qualifier: str = "") -> str:
        return f"{qualifier}{field_name(f'{name}_{function}', self._case)}"

    # --- joined rows --------------------------------------------------------------------------------------------------

    @staticmethod
    def _spread(members: Iterable[GroupColumn | Aggregate]) -> Relation | None:
        """Find the relation to many rows that is reached into."""
        found = list(dict.fromkeys(member.path[0] for member in members if member.path and member.path[0].many))
        if len(found) > 1:
            raise QueryError(
                f"Each row of {found[0].name!r} would count once for each row of {found[1].name!r}. "
                f"Ask about one of them in a request of its own.",
                reason="rows_counted_twice",
            )
        return found[0] if found else None

    # --- order --------------------------------------------------------------------------------------------------------

    def _order_key(
        self, grouping: Grouping, target: str, descending: bool, nulls: Literal["first", "last"] | None
    ) -> GroupOrder:
        names = [member.name for member in grouping.members]
        if target in names:
            return GroupOrder(names.index(target), descending, nulls)
        sources = [(column.path, column.field) for column in grouping.columns]
        try:
            return GroupOrder(sources.index(self._names.find(target)), descending, nulls)
        except (QueryError, ValueError):
            raise QueryError(
                f"Invalid column name: {target[:100]}. Groups are sorted by what they have: {', '.join(names)}.",
                reason="invalid_column",
                suggestions=nearest(target, names) or names,
            ) from None


def _require_each_row_once(names: Names, aggregate: Aggregate, spread: Relation) -> None:
    """Refuse what would be computed over one row as often as it has joined rows.

    A count looks at keys, so it can leave repetitions out; a key of several columns is more than SQLite counts.
    """
    if aggregate.path[:1] == (spread,) or not AGGREGATES[aggregate.function].repeats:
        return
    if aggregate.function == "count" and len(names.resource.key) == 1:
        return
    raise QueryError(
        f"The {aggregate.function} of {aggregate.field.name!r} would take each row once for each of its "
        f"{spread.name!r}. Ask for it in a request that does not reach into {spread.name!r}.",
        reason="rows_counted_twice",
    )


def _qualified(path: Path, field: Field) -> str:
    return ".".join((*(relation.name for relation in path), field.name))
