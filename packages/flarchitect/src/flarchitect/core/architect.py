"""The extension class, and its key in `app.extensions`."""

from __future__ import annotations

from flarchitect_auth.decorators import jwt_authentication
from flarchitect_core.architect import FLASK_APP_NAME, Architect

__all__ = ["FLASK_APP_NAME", "Architect", "jwt_authentication"]
