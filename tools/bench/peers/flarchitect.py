"""flarchitect over the same models, configured as its quick start shows it and no further."""

from __future__ import annotations

import secrets

from flask import Flask
from models import Base

from flarchitect import Architect


def create_app(url: str) -> Flask:
    """Build the application on one database.

    Args:
        url: SQLAlchemy URL.
    """
    app = Flask("bench")
    app.config.update(API_TITLE="Bench", API_VERSION="1.0", API_BASE_MODEL=Base, API_DATABASE_URI=url)
    app.secret_key = secrets.token_urlsafe(48)
    # No peer writes a line for each request.
    app.config["API_LOG_REQUESTS"] = False
    Architect(app)
    return app
