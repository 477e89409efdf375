"""Applications with users over real databases, for the tests of this package.

`FLARCHITECT_TEST_REDIS=1` adds the tests that need Redis.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker

from flarchitect_auth.part import AuthPart
from flarchitect_auth.token_store import Base as TokenBase
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.architect import Architect
from flarchitect_core.state import state_of
from flarchitect_core.testing import database_servers

SERVERS = database_servers()
# What a test that asks a server gets it by.
ON_SERVERS = frozenset({"database_kind", "redis_url"})
# What these files test happens before or after the database; besides SQLite one server is enough.
ON_ONE_SERVER = frozenset({"test_cookies", "test_guard", "test_keys", "test_roles", "test_start"})
PASSWORD = "correct horse battery"
ACCESS, REFRESH = "kX8-access-2fQz7Lr0vB5nT1yW9mC4hJ6d", "pR3-refresh-8sGu2Ea6oK0iD5xN7bV1wQ4"


def pytest_collection_modifyitems(config, items):
    """With servers alone, leave out the tests that ask none of them, or have asked one: they run on SQLite."""
    if "sqlite" in SERVERS:
        return
    kept = [item for item in items if _is_for_servers(item)]
    config.hook.pytest_deselected(items=list(set(items).difference(kept)))
    items[:] = kept


def _is_for_servers(item):
    if not ON_SERVERS.intersection(item.fixturenames):
        return False
    kind = item.callspec.params.get("database_kind") if hasattr(item, "callspec") else None
    return kind in (None, next(iter(SERVERS))) or item.path.stem not in ON_ONE_SERVER


def hash_of(password: str) -> str:
    """Hash a password fast: these tests check many."""
    return hashlib.sha256(f"salt:{password}".encode()).hexdigest()


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(200), unique=True)
    password_hash: Mapped[str | None] = mapped_column(sa.String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    role_names: Mapped[str] = mapped_column(sa.String(80), default="")
    tokens_valid_after: Mapped[dt.datetime | None]
    key_id: Mapped[str | None] = mapped_column(sa.String(40), unique=True)
    key_hash: Mapped[str | None] = mapped_column(sa.String(64))
    key_ends: Mapped[dt.datetime | None]
    key_used: Mapped[dt.datetime | None]
    key_scopes: Mapped[str | None] = mapped_column(sa.String(80))
    totp_secret: Mapped[str | None] = mapped_column(sa.String(80))

    @property
    def roles(self) -> list[str]:
        return self.role_names.split()

    def check_password(self, password: str) -> bool:
        return hmac.compare_digest(self.password_hash or "", hash_of(password))

    def check_key(self, key: str) -> bool:
        return hmac.compare_digest(self.key_hash or "", hashlib.sha256(key.encode()).hexdigest())


class Served:
    """An application with users, a client for it, and the engine behind it."""

    def __init__(self, app: Flask, engine: sa.Engine) -> None:
        self.app = app
        self.engine = engine
        self.client = app.test_client()
        for method in ("get", "post", "put", "patch", "delete", "open", "options", "head"):
            setattr(self, method, getattr(self.client, method))

    def login(self, username: str = "mira", password: str = PASSWORD, client: Any = None) -> Any:
        """Log in and give the `value` of the answer."""
        body = {"username": username, "password": password}
        response = (client or self.client).post("/auth/login", json=body)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.get_json()["value"]

    def bearer(self, username: str = "mira") -> dict[str, str]:
        """Log in and give the header that later requests send."""
        return bearer(self.login(username)["access_token"])

    def refresh(self, token: str) -> Any:
        return self.client.post("/auth/refresh", json={"refresh_token": token})

    def execute(self, statement: Any, *parameters: Any) -> None:
        """Run and commit a statement."""
        with self.engine.begin() as connection:
            connection.execute(statement, *parameters)

    def rows(self, statement: str) -> list[Any]:
        """Run SQL and give all rows."""
        with self.engine.connect() as connection:
            return list(connection.exec_driver_sql(statement))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def configuration(**config: Any) -> dict[str, Any]:
    """Give what an application with JWT needs, and more."""
    given = {
        "SECRET_KEY": "u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2",
        "ACCESS_SECRET_KEY": ACCESS,
        "REFRESH_SECRET_KEY": REFRESH,
        "API_AUTHENTICATE_METHOD": "jwt",
        "API_USER_MODEL": User,
        "API_USER_LOOKUP_FIELD": "username",
        "API_CREDENTIAL_CHECK_METHOD": "check_password",
        "API_LOG_REQUESTS": False,
    }
    return {key: value for key, value in {**given, **config}.items() if value is not None}


def add_views(app: Flask) -> None:
    """Add plain views, which know nothing of us but the current user."""

    @app.route("/plain", methods=["GET", "POST"])
    def plain() -> dict[str, Any]:
        user = get_current_user()
        return {"user": None if user is None else getattr(user, "username", str(user))}


def _opened(app: Flask, sessions: str, uri: str) -> sa.Engine | None:
    """Configure where sessions come from; `None` where the engine is ours, and known later."""
    if sessions == "uri":
        app.config["API_DATABASE_URI"] = uri
        return None
    if sessions == "flask_sqlalchemy":
        app.config["SQLALCHEMY_DATABASE_URI"] = uri
        db = SQLAlchemy()
        db.init_app(app)
        with app.app_context():
            return db.engine
    engine = sa.create_engine(uri)
    app.config["API_SESSION_GETTER"] = scoped_session(sessionmaker(engine))
    return engine


@pytest.fixture
def start(database_uri, kept_engine, monkeypatch):
    """Make an application with two users, `mira` and `noor`; the tables are dropped afterwards.

    Further applications of a test share the tables. `sessions` is where the session comes from: `uri`, `getter` or
    `flask_sqlalchemy`. `prepare` is called with the application before it is bound.
    """
    for name in ("ACCESS_SECRET_KEY", "REFRESH_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    served: list[Served] = []
    created: dict[sa.MetaData, None] = {}

    def make(*, sessions: str = "uri", prepare: Any = add_views, base: Any = Base, parts: Any = None, **config: Any):
        app = Flask("flarchitect_test_app")
        app.config.update(configuration(**config))
        engine = _opened(app, sessions, database_uri)
        setup = kept_engine or engine or sa.create_engine(database_uri)
        # Noted at once, because an application that does not start leaves them too.
        created[base.metadata] = None
        base.metadata.create_all(setup)
        prepare(app)
        Architect(app, parts=parts or [AuthPart()])
        result = Served(app, engine or state_of(app).database.engine or setup)
        is_first = not served
        served.append(result)
        if base is Base and is_first:
            result.execute(sa.insert(User), users())
        return result

    yield make
    for result in reversed(served):
        getter = result.app.config.get("API_SESSION_GETTER")
        if isinstance(getter, scoped_session):
            getter.remove()  # outside of requests such a session is that of the test, and holds its tables
        result.engine.dispose()
    if kept_engine is not None:
        for metadata in (*reversed(created), TokenBase.metadata):
            metadata.drop_all(kept_engine)


def users() -> list[dict[str, Any]]:
    """Give the rows of two users."""
    return [
        {"username": "mira", "password_hash": hash_of(PASSWORD), "role_names": "reader accounts", "is_active": True},
        {"username": "noor", "password_hash": hash_of(PASSWORD), "role_names": "editor", "is_active": True},
    ]


@pytest.fixture
def served(start):
    """An application with JWT and plain views."""
    return start()


@pytest.fixture(params=["uri", "getter", "flask_sqlalchemy"])
def sessions(request):
    """Where the session comes from; a test that takes this runs once for each way."""
    return request.param


@pytest.fixture
def kit():
    """What tests need of this module, which they cannot import."""
    return SimpleNamespace(
        User=User,
        Base=Base,
        PASSWORD=PASSWORD,
        ACCESS=ACCESS,
        REFRESH=REFRESH,
        bearer=bearer,
        configuration=configuration,
        hash_of=hash_of,
        add_views=add_views,
    )


@pytest.fixture
def redis_url():
    """Redis, for tests that run when `FLARCHITECT_TEST_REDIS` is set."""
    if not os.environ.get("FLARCHITECT_TEST_REDIS"):
        pytest.skip("FLARCHITECT_TEST_REDIS is not set; `nox -s services` tests with Redis")
    return os.environ.get("FLARCHITECT_REDIS_URL", "redis://127.0.0.1:6379/0")


@pytest.fixture
def unique_name():
    """A name that no other test has."""
    return f"flarchitect-test-{uuid.uuid4().hex}"
