"""flarchitect over the same models, where every request carries an access token that is verified."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from flask import Flask
from models import Base
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flarchitect import Architect
from flarchitect.authentication.jwt import generate_access_token


class Accounts(DeclarativeBase):
    """Base of the table of users, which the other peers do not have."""


class User(Accounts):
    """The one who calls."""

    __tablename__ = "bench_users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))

    def check_password(self, password: str) -> bool:
        """Accept nobody: nobody logs in here."""
        return False


def create_app(url: str) -> Flask:
    """Build the application on one database.

    Args:
        url: SQLAlchemy URL.
    """
    app = Flask("bench")
    app.config.update(API_TITLE="Bench", API_VERSION="1.0", API_BASE_MODEL=Base, API_DATABASE_URI=url)
    app.config.update(
        API_LOG_REQUESTS=False,
        API_AUTHENTICATE_METHOD="jwt",
        API_USER_MODEL=User,
        API_USER_LOOKUP_FIELD="name",
        API_CREDENTIAL_CHECK_METHOD="check_password",
        **{name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "ACCESS_SECRET_KEY", "REFRESH_SECRET_KEY")},
    )
    engine = sa.create_engine(url)
    Accounts.metadata.create_all(engine)
    with Session(engine, expire_on_commit=False) as session:
        user = User(name="caller")
        session.add(user)
        session.commit()
    engine.dispose()
    Architect(app)
    with app.app_context():
        _send_with_each(app, f"Bearer {generate_access_token(user)}")
    return app


def _send_with_each(app: Flask, authorization: str) -> None:
    """Put a header into every request, as all peers are sent the same ones."""
    inner = app.wsgi_app

    def with_token(environ: dict[str, Any], start_response: Any) -> Any:
        environ["HTTP_AUTHORIZATION"] = authorization
        return inner(environ, start_response)

    app.wsgi_app = with_token  # type: ignore[method-assign]
