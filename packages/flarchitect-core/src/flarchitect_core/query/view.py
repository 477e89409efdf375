"""What an answer shows of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from flarchitect_core.query.joins import JoinedColumn

__all__ = ["Mode", "View"]

Mode = Literal["url", "json", "dynamic", "hybrid"]


@dataclass(frozen=True, slots=True)
class View:
    """What an answer shows of a row.

    Attributes:
        mode: How relations are given (rest 5.4).
        depth: Levels of relations that may be inlined.
        fields: External names to show, `None` for all.
        joined: Relations named in `join`, by external name.
        relations: Whether relations are shown at all.
        method: HTTP method of the request, which decides what is hidden.
        columns: Columns of joined relations to show among those of the row.
        include_deleted: Whether rows that are marked as deleted are asked for; models may forbid to show theirs.
        spared: A model whose deleted rows the executor hides, because it makes an exception of one.
        instances: Whether every row ends with its instance, for callbacks that want it.
        with_attributes: Mapped attributes to read besides those that are shown, for the tag of a row.
    """

    mode: Mode = "url"
    depth: int = 1
    fields: tuple[str, ...] | None = None
    joined: frozenset[str] = frozenset()
    relations: bool = True
    method: str = "GET"
    columns: tuple[JoinedColumn, ...] = ()
    include_deleted: bool = False
    spared: type | None = None
    instances: bool = False
    with_attributes: tuple[str, ...] = ()

    @property
    def deleted_asked_by(self) -> str | None:
        """The method of a request that asks for deleted rows, `None` of any other."""
        return self.method if self.include_deleted else None
