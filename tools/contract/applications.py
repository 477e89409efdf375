"""The applications that are compared with their documents, each with a database of its own."""

from __future__ import annotations

import base64
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
from flarchitect_core.model.reflect import Reflection, reflect_models
from flarchitect_core.state import state_of
from flarchitect_core.testing import temporary_database

__all__ = ["ACCESSES", "APPLICATIONS", "credentials", "make_application"]

ROOT = Path(__file__).resolve().parents[2]
NAME, PASSWORD = "contract", "correct horse battery staple"
CONFIG: dict[str, Any] = {
    "SECRET_KEY": secrets.token_hex(32),
    "API_TITLE": "Contract",
    "API_LOG_REQUESTS": False,
    # Two foreign keys of a table of Chinook lead to the same table.
    "API_RELATION_ROUTE_NAMING": "auto",
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
    key_id: Mapped[str | None] = mapped_column(unique=True)
    key_hash: Mapped[str | None]
    roles: Mapped[str] = mapped_column(default="editor")


def shop(uri: str) -> Reflection:
    """Fill a database with the generated data of the demo shop, and give its models."""
    sys.path.insert(0, str(ROOT / "demo" / "shop"))
    from models import Base
    from sample_data import fill

    engine = sa.create_engine(uri)
    Base.metadata.create_all(engine)
    fill(engine)
    engine.dispose()
    return Reflection(Base, [mapper.class_ for mapper in Base.registry.mappers], [])


def chinook(uri: str) -> Reflection:
    """Fill a database with the Chinook sample, and give the models that `flarchitect serve` would make of it."""
    given = Path(os.environ["FLARCHITECT_CHINOOK"])
    path = sa.make_url(uri).database
    if uri.startswith("sqlite") and path:
        shutil.copy(given / "chinook.sqlite", path)
    else:
        _run_script(uri, given / "chinook_postgresql.sql")
    engine = sa.create_engine(uri)
    reflection = reflect_models(engine)
    engine.dispose()
    return reflection


def _run_script(uri: str, script: Path) -> None:
    # Its first statements make the database, which is there.
    text = script.read_text(encoding="utf-8")
    engine = sa.create_engine(uri)
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(text[text.index("CREATE TABLE") :])
    engine.dispose()


APPLICATIONS: dict[str, Callable[[str], Reflection]] = {"shop": shop, "chinook": chinook}
# Who may call, each with what it needs beside the accounts.
ACCESSES: dict[str, dict[str, Any]] = {
    "open": {},
    "jwt": {},
    "basic": {},
    "api_key": {"API_KEY_ID_FIELD": "key_id", "API_CREDENTIAL_HASH_FIELD": "key_hash"},
}


@contextmanager
def make_application(name: str, database: str, folder: Path, access: str) -> Iterator[Flask]:
    """Make an application on a database that is dropped afterwards."""
    server = {
        "sqlite": "sqlite",
        "postgresql": os.environ.get(
            "FLARCHITECT_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
        ),
    }[database]
    with ExitStack() as opened:
        uri = opened.enter_context(temporary_database(server, folder))
        # A base does not keep its classes: these do.
        sample = APPLICATIONS[name](uri)
        app = Flask("contract")
        app.config.update(CONFIG, API_BASE_MODEL=sample.base, API_DATABASE_URI=uri)
        if access != "open":
            app.config.update(_authentication(uri), API_AUTHENTICATE_METHOD=access, **ACCESSES[access])
        Architect(app)
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
        "API_USER_MODEL": Account,
        "API_USER_LOOKUP_FIELD": "name",
        "API_CREDENTIAL_CHECK_METHOD": "check_password",
        # Thousands of wrong passwords are what this is about.
        "API_AUTH_LOGIN_RATE_LIMIT": False,
        "API_AUTH_IP_RATE_LIMIT": False,
    }


def credentials(app: Flask, access: str) -> str:
    """Give the value of `Authorization` that one who may call sends."""
    if access == "basic":
        return f"Basic {base64.b64encode(f'{NAME}:{PASSWORD}'.encode()).decode()}"
    if access == "api_key":
        key = app.test_cli_runner().invoke(args=["flarchitect", "auth", "create-api-key", NAME]).output.strip()
        return f"Api-Key {key}"
    answer = app.test_client().post("/auth/login", json={"username": NAME, "password": PASSWORD})
    return f"Bearer {answer.get_json()['value']['access_token']}"
