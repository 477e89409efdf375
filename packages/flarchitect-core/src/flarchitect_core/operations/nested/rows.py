"""The rows of a nested body, as a tree: each row with its relations, each relation with its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flarchitect_core.errors import ValidationError
from flarchitect_core.events import Change
from flarchitect_core.operations.nested.path_errors import Path, PathErrors
from flarchitect_core.operations.refusals import refusing

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.link_rows import LinkRows
    from flarchitect_core.operations.nested.relations import NestedRelation

__all__ = ["Key", "NestedLink", "NestedRow"]

Key = tuple[Any, ...]


@dataclass(eq=False, slots=True)
class NestedRow:
    """One object of a body.

    Attributes:
        values: Attribute values, without relations.
        key: The key it names, `None` for a row that is to be made.
        instance: The row that is there, later also the one that was made.
        changes: Which of the values differ from those of the row.
    """

    resource: Resource
    values: dict[str, Any]
    path: Path
    links: list[NestedLink] = field(default_factory=list)
    key: Key | None = None
    instance: Any = None
    changes: dict[str, Any] = field(default_factory=dict)
    is_root: bool = False
    is_created: bool = False
    is_changed: bool = False

    def all_rows(self) -> Iterator[NestedRow]:
        """Give this row and all below it."""
        yield self
        for link in self.links:
            for child in link.rows:
                yield from child.all_rows()

    def all_links(self) -> Iterator[NestedLink]:
        """Give the relations of this row and of all below it."""
        for each in self.all_rows():
            yield from each.links

    def all_linking(self) -> Iterator[tuple[NestedLink, LinkRows]]:
        """Give those of all relations whose links are rows of a model, and what makes these."""
        for link in self.all_links():
            if link.link_rows is not None:
                yield link, link.link_rows

    def known(self, attribute: str) -> Any:
        """Give the value of an attribute; of a new row what its body says, `None` where that says nothing."""
        return self.values.get(attribute) if self.instance is None else getattr(self.instance, attribute)

    def reference(self, nested: NestedRelation) -> dict[str, Any]:
        """Give the attributes by which it will refer to a row, with their values as far as known."""
        said = next((link for link in self.links if link.nested is nested), None)
        if said is not None:
            values = {ours: row.known(theirs) for row in said.rows for ours, theirs in nested.filled.items()}
            return {ours: value for ours, value in values.items() if value is not None}
        held = {} if self.instance is None else {ours: getattr(self.instance, ours) for ours in nested.filled}
        values = {**held, **{ours: value for ours, value in self.values.items() if ours in nested.filled}}
        return {} if None in values.values() else values

    def change(self) -> Change:
        """Give what listeners are told."""
        return Change(self.resource, "created" if self.is_created else "updated", self.resource.key_of(self.instance))

    @contextmanager
    def refusing(self, names: Callable[[], Iterable[str]]) -> Iterator[None]:
        """Tell under the path that the model refused a value."""
        try:
            with refusing(names):
                yield
        except ValidationError as error:
            errors = PathErrors()
            errors.add(self.path, error.fields)
            raise ValidationError(errors.fields) from error

    def differing(self) -> dict[str, Any]:
        """Give the values that are others than those of the instance; the key is what found it."""
        key = {item.attribute for item in self.resource.key}
        return {
            name: value
            for name, value in self.values.items()
            if name not in key and getattr(self.instance, name) != value
        }

    def filled_by_links(self) -> dict[str, Any]:
        """Give the attributes that the rows it refers to fill in, with their values as far as they are known."""
        return {
            ours: link.rows[0].known(theirs) if link.rows else None
            for link in self.links
            if link.nested.kind == "reference"
            for ours, theirs in link.nested.filled.items()
        }


@dataclass(eq=False, slots=True)
class NestedLink:
    """What a body says of one relation of one row.

    Attributes:
        link_rows: What its links are rows of, where a model with rules is mapped to the secondary table.
        members: The rows that it leads to now, as far as the request may see them.
        linking: Member, by its identity in memory, to the rows of `link_rows` that lead to it.
        kept: The rows of the body for this relation, below whichever row.
    """

    nested: NestedRelation
    row: NestedRow
    rows: list[NestedRow]
    path: Path
    link_rows: LinkRows | None = None
    members: list[Any] = field(default_factory=list)
    linking: dict[int, list[Any]] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)

    def add_member(self, member: Any, linking: Sequence[Any]) -> None:
        """Add a row that the relation leads to now, and what links it."""
        if self.link_rows is None or id(member) not in self.linking:
            self.members.append(member)
        self.linking.setdefault(id(member), []).extend(linking)

    def added(self) -> list[NestedRow]:
        """List the rows of the body that the relation does not lead to yet."""
        keys = {self.nested.target.key_of(member) for member in self.members}
        return [row for row in self.rows if row.is_created or row.key not in keys]

    def removed_link_rows(self) -> list[Any]:
        """List what links the rows that are left out."""
        return [row for member in self.removed() for row in self.linking[id(member)]]

    def removed(self) -> list[Any]:
        """List the rows that are left out."""
        return [member for member in self.members if id(member) not in self.kept]

    def filled(self, row: NestedRow) -> dict[str, Any]:
        """Give the attributes of a row of this relation that relations fill in, with their values as far as known."""
        filled = row.filled_by_links()
        if self.nested.kind == "children":
            filled.update((ours, self.row.known(theirs)) for ours, theirs in self.nested.filled.items())
        return filled

    def key_of(self, row: NestedRow) -> Key | None:
        """Give the key of the row that an object stands for, `None` when it is a new one."""
        filled = self.nested.filled if self.nested.kind == "children" else {}
        key = []
        for item in row.resource.key:
            if item.attribute in filled:
                value = None if self.row.instance is None else getattr(self.row.instance, filled[item.attribute])
            else:
                value = row.values.get(item.attribute)
            if value is None:
                return None
            key.append(value)
        return tuple(key)
