"""Drive `flarchitect-auth` over HTTP in a plain Flask application that has a user model and no generated route.

`tools/dist_check.py` runs this in an environment that holds the wheel of `flarchitect-auth`, what it names, and nothing
else. It exits with an error when an answer is not what it should be.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
import urllib.error
import urllib.request
from importlib.metadata import distributions
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from werkzeug.serving import make_server

from flarchitect_auth import Architect, PasswordMixin, current_user, public, require_roles

PASSWORD = "correct horse battery"  # noqa: S105 - made up


class Base(DeclarativeBase):
    pass


class User(Base, PasswordMixin):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    roles: Mapped[str] = mapped_column(default="")


def make_app(uri: str) -> Flask:
    """Make the application, with one user."""
    engine = sa.create_engine(uri)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        user = User(email="mira@example.org", roles="reader")
        user.set_password(PASSWORD)
        session.add(user)
        session.commit()
    engine.dispose()
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secrets.token_urlsafe(48),
        ACCESS_SECRET_KEY=secrets.token_urlsafe(48),
        REFRESH_SECRET_KEY=secrets.token_urlsafe(48),
        API_AUTHENTICATE_METHOD="jwt",
        API_USER_MODEL=User,
        API_USER_LOOKUP_FIELD="email",
        API_CREDENTIAL_CHECK_METHOD="check_password",
        API_DATABASE_URI=uri,
    )
    Architect(app)
    app.add_url_rule("/", "home", public(lambda: "open"))
    app.add_url_rule("/mine", "mine", lambda: {"for": current_user.email})
    app.add_url_rule("/boss", "boss", require_roles("boss")(lambda: "never"))
    return app


class Caller:
    """Sends requests to a server."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def send(self, method: str, path: str, body: object = None, token: str | None = None) -> tuple[int, str]:
        """Give status and body of the answer."""
        headers = {"Content-Type": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, headers, method=method)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def expect(
        self, status: int, method: str, path: str, body: object = None, token: str | None = None
    ) -> dict[str, str]:
        """Give the `value`, or else the `errors`, of an answer that must have a status."""
        given, text = self.send(method, path, body, token)
        assert given == status, f"{method} {path}: expected {status}, got {given}: {text}"
        assert PASSWORD not in text
        assert "$argon2" not in text
        read = json.loads(text) if text.startswith("{") else {}
        return read.get("value") or read.get("errors") or read


def drive(caller: Caller) -> None:
    """Log in, use the token, renew it, and log out."""
    login = {"username": "mira@example.org", "password": PASSWORD}
    caller.expect(200, "GET", "/")
    assert caller.expect(401, "GET", "/mine")["reason"] == "credentials_missing"
    assert caller.expect(401, "POST", "/auth/login", {**login, "password": "wrong"})["reason"] == "invalid_credentials"
    first = caller.expect(200, "POST", "/auth/login", login)
    assert caller.expect(200, "GET", "/mine", token=first["access_token"]) == {"for": "mira@example.org"}
    assert caller.expect(200, "GET", "/auth/me", token=first["access_token"])["email"] == "mira@example.org"
    assert caller.expect(403, "GET", "/boss", token=first["access_token"])["reason"] == "missing_roles"
    assert caller.expect(401, "GET", "/mine", token=first["access_token"][:-3])["reason"] == "invalid_token"
    assert caller.expect(401, "GET", "/mine", token=first["refresh_token"])["reason"] == "invalid_token"
    second = caller.expect(200, "POST", "/auth/refresh", {"refresh_token": first["refresh_token"]})
    caller.expect(200, "POST", "/auth/logout", {}, token=second["access_token"])
    caller.expect(403, "POST", "/auth/refresh", {"refresh_token": second["refresh_token"]})


def main(folder: str) -> None:
    """Serve the application from a folder, and drive it."""
    others = {"flarchitect", "flarchitect-rest"} & {each.metadata["Name"] for each in distributions()}
    assert not others, f"{others} must not be here"
    app = make_app(f"sqlite:///{Path(folder) / 'plain.db'}")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        drive(Caller(server.server_port))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    main(sys.argv[1])
