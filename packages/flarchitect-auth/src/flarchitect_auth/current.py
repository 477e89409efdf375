"""The authentication of the current application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, current_app

from flarchitect_core.state import state_of

if TYPE_CHECKING:
    from flarchitect_auth.authentication import Authentication

__all__ = ["authentication_of"]


def authentication_of(app: Flask | None = None) -> Authentication:
    """Give the authentication of an application, the current one by default.

    Raises:
        RuntimeError: `Architect(app)` was not called, or without this part.
    """
    found: Authentication | None = state_of(app).authentication
    if found is None:
        name = (app or current_app).name
        raise RuntimeError(f"The authentication part is not used by {name!r}. Leave it in the `parts` of Architect.")
    return found
