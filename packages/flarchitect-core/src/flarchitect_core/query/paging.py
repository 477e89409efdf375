"""Links from one page to its neighbours (rest 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from flarchitect_core.query.expressions import CollectionQuery

__all__ = ["PageLinks", "page_links"]

# Characters that a query may hold as they are (RFC 3986, 3.4) and that filters use.
_SAFE = "()[],:/@!*'"

PageLinks = tuple[str | None, str | None]


def page_links(url: str, parameters: Sequence[tuple[str, str]], query: CollectionQuery, total: int) -> PageLinks:
    """Give the URLs of the next and the previous page, `None` where there is none.

    The links keep every parameter in its place. The next page exists while rows follow this one. The previous one is
    linked while it has rows, so that nobody is sent from one page past the end to another.

    Args:
        url: URL of the request without its query.
        parameters: Parameters of the request, decoded, in their order.
        total: Rows before paging.
    """
    has_next = query.page * query.limit < total
    has_previous = query.page > 1 and (query.page - 2) * query.limit < max(total, 1)
    return (
        _with_page(url, parameters, query.page + 1, query.limit) if has_next else None,
        _with_page(url, parameters, query.page - 1, query.limit) if has_previous else None,
    )


def _with_page(url: str, parameters: Sequence[tuple[str, str]], page: int, limit: int) -> str:
    wanted = {"limit": str(limit), "page": str(page)}
    pairs = [(name, wanted.pop(name, value)) for name, value in parameters]
    pairs.extend(wanted.items())
    return f"{url}?{'&'.join(f'{quote(name, _SAFE)}={quote(value, _SAFE)}' for name, value in pairs)}"
