"""The applications that are compared with their documents, each with a database of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flarchitect_auth.passwords import PasswordMixin
from flarchitect_core.architect import Architect
from flarchitect_core.state import state_of
from flarchitect_core.testing import temporary_database
from flarchitect_rest.serve.application import create_app

__all__ = ["APPLICATIONS", "AUTHENTICATED", "login", "make_application"]

ROOT = Path(__file__).resolve().parents[2]
NAME, PASSWORD = "contract", "correct horse battery staple"
CONFIG: dict[str, Any] = {
    "API_LOG_REQUESTS": False,
    # All parameters at once are more conditions than a client should need.
    "API_FILTER_CONDITIONS_MAX": 500,
    # XML has no empty text: an empty element is null, which JSON Schema cannot say.
    "API_ALLOW_XML": False,
    "API_SCHEMA_DISCOVERY_AUTH": False,
    "API_DOCS_BUNDLE_AUTH": False,
    "API_EXPOSE_HEALTH": True,
}


class AccountBase(DeclarativeBase):
    """Base of the accounts, which are not those of the applications."""


class Account(PasswordMixin, AccountBase):
    """Who may log in. It has no `Meta`, and so no routes."""

    __tablename__ = "contract_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    roles: Mapped[str] = mapped_column(default="editor")


def shop(uri: str, folder: Path, config: dict[str, Any]) -> Flask:
    """Make the demo shop, with its generated data."""
    sys.path.insert(0, str(ROOT / "demo" / "shop"))
    from models import Base
    from sample_data import fill

    engine = sa.create_engine(uri)
    Base.metadata.create_all(engine)
    fill(engine)
    engine.dispose()
    return _application(Base, uri, config)


def chinook(uri: str, folder: Path, config: dict[str, Any]) -> Flask:
    """Serve the Chinook sample database, with writes."""
    given = Path(os.environ["FLARCHITECT_CHINOOK"])
    if uri.startswith("sqlite"):
        path = folder / "chinook.sqlite"
        shutil.copy(given / "chinook.sqlite", path)
        uri = f"sqlite:///{path}"
    else:
        _run_script(uri, given / "chinook_postgresql.sql")
    app = create_app(uri, write=True)
    app.config.update(config)
    return app


def _run_script(uri: str, script: Path) -> None:
    # Its first statements make the database, which is there.
    text = script.read_text(encoding="utf-8")
    engine = sa.create_engine(uri)
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(text[text.index("CREATE TABLE") :])
    engine.dispose()


def _application(base: Any, uri: str, config: dict[str, Any]) -> Flask:
    app = Flask("contract")
    app.config.update(API_TITLE="Contract", API_BASE_MODEL=base, API_DATABASE_URI=uri, **config)
    Architect(app)
    return app


APPLICATIONS: dict[str, Callable[[str, Path, dict[str, Any]], Flask]] = {"shop": shop, "chinook": chinook}
AUTHENTICATED = frozenset({"shop"})


@contextmanager
def make_application(name: str, database: str, folder: Path, *, authenticated: bool) -> Iterator[Flask]:
    """Make an application on a database that is dropped afterwards."""
    server = {
        "sqlite": "sqlite",
        "postgresql": os.environ.get(
            "FLARCHITECT_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
        ),
    }[database]
    with ExitStack() as opened:
        uri = opened.enter_context(temporary_database(server, folder))
        config = {**CONFIG, "SECRET_KEY": secrets.token_hex(32)}
        if authenticated:
            config.update(_authentication(uri))
        app = APPLICATIONS[name](uri, folder, config)
        try:
            yield app
        finally:
            engine = state_of(app).database.engine
            if engine is not None:
                engine.dispose()


def _authentication(uri: str) -> dict[str, Any]:
    engine = sa.create_engine(uri)
    AccountBase.metadata.create_all(engine)
    with Session(engine) as session:
        account = Account(name=NAME)
        account.set_password(PASSWORD)
        session.add(account)
        session.commit()
    engine.dispose()
    return {
        "ACCESS_SECRET_KEY": secrets.token_hex(32),
        "REFRESH_SECRET_KEY": secrets.token_hex(32),
        "API_AUTHENTICATE_METHOD": "jwt",
        "API_USER_MODEL": Account,
        "API_USER_LOOKUP_FIELD": "name",
        "API_CREDENTIAL_CHECK_METHOD": "check_password",
        # Thousands of wrong passwords are what this is about.
        "API_AUTH_LOGIN_RATE_LIMIT": False,
        "API_AUTH_IP_RATE_LIMIT": False,
    }


def login(app: Flask) -> str:
    """Give an access token."""
    answer = app.test_client().post("/auth/login", json={"username": NAME, "password": PASSWORD})
    token: str = answer.get_json()["value"]["access_token"]
    return token
