"""Finding the rows that a nested body names, and those that its relations lead to now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased, lazyload, undefer

from flarchitect_core.operations.locks import locked
from flarchitect_core.operations.nested.bodies import too_many_nested_rows
from flarchitect_core.query.joins import follow
from flarchitect_core.query.many_keys import is_one_of

if TYPE_CHECKING:
    from flarchitect_core.operations.nested.path_errors import PathErrors
    from flarchitect_core.operations.nested.relations import NestedRelation
    from flarchitect_core.operations.nested.rows import Key, NestedLink, NestedRow
    from flarchitect_core.operations.nested.work import NestedWork

__all__ = ["NestedLookup"]


class NestedLookup:
    """Looks the rows of bodies up, level by level, by a number of statements that does not grow with the rows.

    Args:
        rows_max: To how many rows a relation may lead that is written as a whole.
    """

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max

    def find(self, work: NestedWork, root: NestedRow, errors: PathErrors) -> None:
        """Put the rows that are there into a tree, and note those that are not."""
        level = [root]
        while level:
            groups = _by_relation(link for row in level for link in row.links)
            for nested, links in groups.items():
                self._find_rows(work, nested, links, errors)
                self._find_members(work, nested, links)
            level = [row for links in groups.values() for link in links for row in link.rows]
        for nested, links in _by_relation(root.all_links()).items():
            for link in links:
                # A child that is left out here and given elsewhere has moved.
                given = links if nested.kind == "children" else [link]
                link.kept = {id(row.instance) for each in given for row in each.rows}

    def _find_rows(
        self, work: NestedWork, nested: NestedRelation, links: Sequence[NestedLink], errors: PathErrors
    ) -> None:
        for link in links:
            for row in link.rows:
                row.key = link.key_of(row)
        target = nested.target
        keys = dict.fromkeys(row.key for link in links for row in link.rows if row.key is not None)
        if not keys:
            return
        columns = [getattr(target.model, item.attribute) for item in target.key]
        statement: sa.Select[Any] = (
            sa.select(target.model).where(is_one_of(columns)).order_by(*columns).options(lazyload("*"))
        )
        statement = locked(statement.options(undefer("*")), target).execution_options(populate_existing=True)
        found = {}
        for instance, *_ in work.run((target,), statement, list(keys)):
            found[target.key_of(instance)] = instance
        # A child has one parent; a row that is linked by others may be so from several places.
        seen: set[Key] = set()
        for link in links:
            if nested.kind != "children":
                seen = set()
            for row in link.rows:
                if row.key is None:
                    continue
                row.instance = found.get(row.key)
                if row.key in seen:
                    errors.add(row.path, ["This row is given twice."])
                elif row.instance is None and not _may_choose_key(nested):
                    names = ", ".join(item.name for item in target.key)
                    errors.add(row.path, [f"There is no {target.name} with this {names}."])
                seen.add(row.key)

    def _find_members(self, work: NestedWork, nested: NestedRelation, links: Sequence[NestedLink]) -> None:
        """Load the rows that relations lead to now, as far as the request may see them."""
        source = nested.relation.source
        parents = {source.key_of(link.row.instance): link for link in links if link.row.instance is not None}
        if nested.kind == "reference" or not parents:
            return
        origin: Any = aliased(source.model)
        keys = [getattr(origin, item.attribute) for item in source.key]
        link_rows = links[0].link_rows
        if link_rows is None:
            statement = follow(sa.select(nested.target.model, *keys), origin, nested.relation)
        else:
            statement = link_rows.select(origin, keys)
        statement = statement.where(is_one_of(keys)).options(lazyload("*")).limit(self._rows_max + 1)
        found = 0
        for instance, *others in work.run(nested.relation.mentions, statement, list(parents)):
            linking, key = others[: -len(keys)], others[-len(keys) :]
            parents[tuple(key)].add_member(instance, linking)
            found += 1
        if found > self._rows_max:
            raise too_many_nested_rows(
                f"{nested.relation.name} leads to more than {self._rows_max} rows, which cannot be replaced at once.",
                self._rows_max,
            )


def _may_choose_key(nested: NestedRelation) -> bool:
    items = [item for item in nested.target.key if item.attribute in nested.own_key]
    return all("POST" not in item.locked_in for item in items)


def _by_relation(links: Iterable[NestedLink]) -> dict[NestedRelation, list[NestedLink]]:
    groups: dict[NestedRelation, list[NestedLink]] = {}
    for link in links:
        groups.setdefault(link.nested, []).append(link)
    return groups
