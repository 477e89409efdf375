"""What each audience, and each reader, sees of the document (docs D-16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flarchitect_core.users import roles_of
from flarchitect_docs import options
from flarchitect_docs.document.selection import required_roles

if TYPE_CHECKING:
    from flarchitect_core.settings import Settings
    from flarchitect_docs.document.documents import Document
    from flarchitect_docs.document.selection import Keep

__all__ = ["Audiences"]


class Audiences:
    """The audiences of one application."""

    def __init__(self, settings: Settings) -> None:
        given: Mapping[str, Any] = settings.get(options.DOCS_AUDIENCES) or {}
        self._filters: dict[str, Keep] = {name: _keep(each) for name, each in given.items()}
        self._is_by_role = settings.get(options.DOCS_FILTER_BY_ROLE)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, which are segments of URLs."""
        return tuple(self._filters)

    def document(self, whole: Document, audience: str | None) -> Document:
        """Give what an audience is shown, `None` being everybody."""
        return whole if audience is None else whole.selected(("audience", audience), self._filters[audience])

    def document_for(self, whole: Document, audience: str | None, user: Any) -> Document:
        """Give what a reader is shown: with `API_DOCS_FILTER_BY_ROLE`, what the roles of that user allow.

        Args:
            user: `None` for a reader that is no user, and so has no roles.
        """
        document = self.document(whole, audience)
        if not self._is_by_role:
            return document
        # Only roles that the document names make a difference.
        roles = frozenset(roles_of(user)) & whole.roles
        return document.selected(("roles", roles), lambda path, method, operation: _allow(user, operation))


def _keep(given: Any) -> Keep:
    """Read a filter: tags, or a callable."""
    if callable(given):
        return lambda path, method, operation: bool(given(path, method, operation))
    tags = frozenset(given)
    return lambda path, method, operation: not tags.isdisjoint(operation.get("tags", ()))


def _allow(user: Any, operation: Mapping[str, Any]) -> bool:
    return all(each.is_met_by(user) for each in required_roles(operation))
