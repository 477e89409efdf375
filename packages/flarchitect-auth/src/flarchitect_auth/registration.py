"""New accounts: the application makes the user, and nobody learns whether there was one already (auth 5.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import object_session

from flarchitect_auth import options
from flarchitect_core.operations.failures import write_failure
from flarchitect_core.releasing import roll_back

if TYPE_CHECKING:
    from flarchitect_auth.authentication import Authentication

__all__ = ["login_name", "register"]


def login_name(authentication: Authentication) -> str:
    """Give what a registration calls the login name: as the user model does."""
    name: str | None = authentication.accounts.option(options.USER_LOOKUP_FIELD)
    return name or "username"


def register(authentication: Authentication, data: Mapping[str, str]) -> None:
    """Ask `API_REGISTER_USER` for a user, and store the one that it gives unless it has done so.

    A name that is taken is no error: who asks must not learn whose it is.

    Raises:
        ApiError: The user cannot be stored for another reason.
    """
    settings, database = authentication.settings, authentication.state.database
    model: type | None = settings.get(options.USER_MODEL)
    make = current_app.ensure_sync(settings.get(options.REGISTER_USER))
    if model is None:
        make(data)
        return
    session = database.session(model)
    try:
        user = make(data)
        if isinstance(user, model):
            session = object_session(user) or session
            _store(session, user)
    except SQLAlchemyError as error:
        roll_back(session)
        failure = write_failure(error, authentication.accounts.resource)
        if getattr(failure, "reason", None) == "unique_violation":
            return
        if failure is error:
            raise
        raise failure from error


def _store(session: Any, user: Any) -> None:
    if sa.inspect(user).key is None:
        session.add(user)
    session.commit()
