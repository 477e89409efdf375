"""Applications with a document and its pages, for the tests of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from flarchitect_core.architect import Architect
from flarchitect_docs.part import DocsPart

SECRET_KEY = "u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2"


@pytest.fixture
def make_app() -> Callable[..., Flask]:
    """Make an application without models."""

    def make(prepare: Callable[[Flask], object] = lambda app: None, **config: Any) -> Flask:
        app = Flask("documented")
        app.config.update(SECRET_KEY=SECRET_KEY, API_TITLE="Library", API_VERSION="2.1", FULL_AUTO=False)
        app.config.update(API_LOG_REQUESTS=False, **config)
        prepare(app)
        Architect(app, parts=[DocsPart()])
        return app

    return make


@pytest.fixture
def client_of(make_app: Callable[..., Flask]) -> Callable[..., Client]:
    """Make an application and give a client of it."""
    return lambda **config: make_app(**config).test_client()
