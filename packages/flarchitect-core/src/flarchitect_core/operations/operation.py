"""One operation of one request: what hooks, criteria and listeners get to know about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flarchitect_core.errors import NotFoundError
from flarchitect_core.operations.failures import row_not_found

if TYPE_CHECKING:
    from flarchitect_core.events import Change
    from flarchitect_core.http.conditional import Precondition
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.query.paging import Extent, PageLinks

__all__ = ["Operation"]


@dataclass(eq=False, slots=True)
class Operation:
    """What a transport asks for.

    Attributes:
        resource: The resource whose rows are read or written.
        method: The HTTP method that means the same: GET, POST, PUT, PATCH or DELETE.
        many: Whether the answer is a list.
        key: Key of the row, on relation routes of the parent; `None` when the text in the URL cannot be a key.
        relation: The relation that leads from the parent to the rows.
        parameters: Query parameters, each name with all of its values.
        root: URL root of the request without trailing slash (`SCRIPT_NAME`), so that links work below any mount.
        include_deleted: Whether rows that are marked as deleted are seen.
        page_links: Gives the URLs of other pages; `None` where there are no pages.
        seen: References of bodies to rows that the request may see; the items of a list share it.
        changes: What was written so far; told to listeners after the commit.
        precondition: What must hold of the row before it is written.
        merges: Whether JSON values are merged into those that are there (RFC 7396) instead of replacing them.
        wants_tag: Whether `tag` is wanted.
        tag: State of the row that was read or written (`model.row_tags`).
        wants_value: Whether the answer shows what was written.
    """

    resource: Resource
    method: str
    many: bool = False
    key: tuple[Any, ...] | None = None
    relation: Relation | None = None
    parameters: Mapping[str, list[str]] = field(default_factory=dict)
    root: str = ""
    include_deleted: bool = False
    page_links: Callable[[Extent], PageLinks] | None = None
    seen: set[object] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)
    precondition: Precondition | None = None
    merges: bool = False
    wants_tag: bool = False
    tag: str | None = None
    wants_value: bool = True

    @property
    def id(self) -> Any:
        """The key as hooks see it: the bare value of a key of one column, a tuple of a composite one."""
        return self.key[0] if self.key is not None and len(self.key) == 1 else self.key

    def require_key(self) -> tuple[Any, ...]:
        """Give the key of the row to write.

        Raises:
            NotFoundError: No row can have what stands in the URL as its key.
        """
        if self.key is None:
            raise row_not_found(self.resource)
        return self.key

    def require_parent_key(self) -> tuple[Any, ...]:
        """Give the key of the parent.

        Raises:
            NotFoundError: No row can have what stands in the URL as its key.
        """
        if self.key is None:
            name = self.resource.name if self.relation is None else self.relation.source.name
            raise NotFoundError(f"{name} not found.", reason="parent_not_found")
        return self.key
