"""`get_session`: the SQLAlchemy session for code outside of the generated routes (core 6, rest 1.3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app, has_app_context
from sqlalchemy.orm import Session

from flarchitect_core.database import Database
from flarchitect_core.options import CORE_OPTIONS
from flarchitect_core.resolution import get_config_or_model_meta
from flarchitect_core.settings import Settings
from flarchitect_core.state import STATE_KEY

__all__ = ["get_session"]


@contextmanager
def get_session(model: type | None = None) -> Iterator[Session]:
    """Give the session of a model for a `with` block; it commits nothing by itself.

    It is the session of the request where there is one, so that hand-written code and generated routes see the same
    rows. An exception rolls it back. What was opened for the block is closed at its end, and nothing else is.

    Args:
        model: Mapped class; needed when models have sessions of their own.

    Raises:
        RuntimeError: No session can be found, or `API_SESSION_GETTER` gave none.
    """
    getter = get_config_or_model_meta("API_SESSION_GETTER", model=model)
    with _database().session_scope(model, source=getter) as session:
        yield session


def _database() -> Database:
    """Give the sessions of the current application, also of one that is not bound, or none at all."""
    if not has_app_context():
        return Database(None, Settings({}, CORE_OPTIONS))
    state = current_app.extensions.get(STATE_KEY)
    if state is None:
        return Database(current_app, Settings(current_app.config, CORE_OPTIONS))
    database: Database = state.database
    return database
