"""Giving back sessions and connections whose database may be gone.

A transaction that only read has nothing to lose: that its end cannot be told to the database must not spoil an answer
that is finished, nor hide the failure that came first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.engine import Connection
from sqlalchemy.exc import ResourceClosedError, SQLAlchemyError
from sqlalchemy.orm import Session

__all__ = ["close", "roll_back"]

logger = logging.getLogger("flarchitect.database")


def close(opened: Session | Connection) -> None:
    """Close a session or connection; one that cannot be closed is dropped from the pool."""
    _release(opened, opened.close)


def roll_back(opened: Session | Connection) -> None:
    """Roll back a session or connection; one that cannot be rolled back is dropped from the pool."""
    _release(opened, opened.rollback)


def _release(opened: Session | Connection, end: Callable[[], None]) -> None:
    try:
        end()
    except SQLAlchemyError as error:
        logger.warning("A connection broke before it was given back, and is dropped: %s.", type(error).__name__)
        # A failure may have closed it already.
        with suppress(ResourceClosedError):
            opened.invalidate()
