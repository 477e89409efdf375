"""Links from one page to others (rest 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from flarchitect_core.query.counting import CountKind
    from flarchitect_core.query.expressions import CollectionQuery

__all__ = ["Extent", "PageLinks", "page_headers", "page_links"]

# Characters that a query may hold as they are (RFC 3986, 3.4) and that filters use.
_SAFE = "(),:/@!*'"

# Proxies refuse an answer whose headers are longer than 4,000 characters.
_HEADER_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the rows of a query reach around one page.

    Attributes:
        total: Rows before paging, `None` when they were not counted.
        kind: How far the total can be trusted; of a capped one there are more.
        has_next: Whether rows follow; where the total is exact, that says it.
        is_empty: Whether the page has no rows.
        next_cursor: Where the next page begins, of rows that are given by cursor.
        previous_cursor: Where the previous page ends.
    """

    total: int | None = 1
    kind: CountKind = "exact"
    has_next: bool = False
    is_empty: bool = False
    next_cursor: str | None = None
    previous_cursor: str | None = None


class PageLinks(NamedTuple):
    """URLs of other pages, `None` where there is none, or where nobody knows."""

    next: str | None = None
    previous: str | None = None
    first: str | None = None
    last: str | None = None


def page_links(url: str, parameters: Sequence[tuple[str, str]], query: CollectionQuery, extent: Extent) -> PageLinks:
    """Give the URLs of other pages.

    The links keep every parameter in its place. The next page exists while rows follow this one. The previous one is
    linked while it has rows, so that nobody is sent from one page past the end to another.

    Args:
        url: URL of the request without its query.
        parameters: Parameters of the request, decoded, in their order.
    """
    if query.cursor is not None:
        address = _Address(url, parameters, "cursor", query.limit)
        following, preceding = extent.next_cursor, extent.previous_cursor
        return PageLinks(following and address.of(following), preceding and address.of(preceding), address.of(""))
    address = _Address(url, parameters, "page", query.limit)
    page, limit, total = query.page, query.limit, extent.total
    if total is not None and extent.kind == "exact":
        has_next, has_previous = page * limit < total, page > 1 and (page - 2) * limit < max(total, 1)
        last = max(-(-total // limit), 1)
    else:
        has_next, has_previous, last = extent.has_next, page > 1 and not extent.is_empty, None
    return PageLinks(
        address.of(page + 1) if has_next else None,
        address.of(page - 1) if has_previous else None,
        address.of(1),
        address.of(last) if last is not None else None,
    )


def page_headers(links: PageLinks, extent: Extent) -> dict[str, str]:
    """Give the headers of a page: `Link` (RFC 8288), and how far the total can be trusted when it is not exact.

    Links that would make the header too long are left out.
    """
    written: list[str] = []
    left = _HEADER_MAX
    for relation, url in (("next", links.next), ("prev", links.previous), ("first", links.first), ("last", links.last)):
        if url is not None:
            left -= len(url) + len(relation) + 12
            if left < 0:
                break
            written.append(f'<{url}>; rel="{relation}"')
    headers = {"Link": ", ".join(written)} if written else {}
    if extent.kind in ("capped", "estimated"):
        headers["X-Total-Count-Kind"] = extent.kind
    return headers


class _Address:
    """The URL of the request with another page in it."""

    def __init__(self, url: str, parameters: Sequence[tuple[str, str]], name: str, limit: int) -> None:
        before: list[str] = []
        after: list[str] = []
        is_named = has_limit = False
        for given, value in parameters:
            if given == name and not is_named:
                is_named = True
                continue
            has_limit = has_limit or given == "limit"
            (after if is_named else before).append(
                f"{quote(given, _SAFE)}={limit if given == 'limit' else quote(value, _SAFE)}"
            )
        if not has_limit:
            (after if is_named else before).append(f"limit={limit}")
        self._start = f"{url}?{'&'.join([*before, f'{name}='])}"
        self._end = "".join(f"&{pair}" for pair in after)

    def of(self, page: int | str) -> str:
        """Give the URL of a page."""
        return f"{self._start}{page}{self._end}"
