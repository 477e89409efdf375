"""What was changed by a request, told after its transaction was committed and never before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["Action", "Change", "Listener", "tell"]

logger = logging.getLogger("flarchitect.events")

Action = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that was written.

    Attributes:
        key: Its primary key, in the mapper's order; of a deleted row too.
    """

    resource: Resource
    action: Action
    key: tuple[Any, ...]


Listener = Callable[[Sequence[Change]], None]
"""Called once for each commit, with its changes in their order."""


def tell(listeners: Sequence[Listener], changes: Sequence[Change]) -> None:
    """Tell every listener. One that fails is logged: the rows are committed, and the caller must learn so."""
    if not changes:
        return
    for listener in listeners:
        try:
            listener(changes)
        except Exception:
            logger.exception("A listener failed after the commit of %d changes.", len(changes))
