"""What the `/auth` routes take and give (auth 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

__all__ = ["LoginSchema", "LogoutSchema", "PresentedLogin", "RefreshSchema", "RegisterSchema", "TokenSchema"]


class LoginSchema(ma.Schema):
    """A login name and a password, with the lengths that a registration would ask for."""

    username = fields.String(required=True, validate=validate.Length(min=3))
    password = fields.String(required=True, validate=validate.Length(min=6), load_only=True)


class PresentedLogin(ma.Schema):
    """A login name and a password as they are presented: what is too short is simply wrong (auth 5.1)."""

    class Meta:
        unknown = ma.EXCLUDE
        # What documents call it, whose readers do not care that there are two.
        component = "Login"

    username = fields.String(required=True)
    password = fields.String(required=True, load_only=True)


class RefreshSchema(ma.Schema):
    """A refresh token."""

    class Meta:
        unknown = ma.EXCLUDE

    # The route says itself that it is missing (auth 5.2); documents say it by a pattern.
    refresh_token = fields.String(required=True, metadata={"pattern": "[!-~]"})


class _Switch(fields.Boolean):
    """True or false as JSON has them, or as XML writes them; no other word, and no number."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **arguments: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in ("true", "false"):
            return value == "true"
        raise self.make_error("invalid", input=value)


class LogoutSchema(ma.Schema):
    """What to log out: the login that a refresh token comes from, or all of the user."""

    class Meta:
        unknown = ma.EXCLUDE

    refresh_token = fields.String()
    all = _Switch(load_default=False)


class TokenSchema(ma.Schema):
    """Tokens that were given out, and whose they are."""

    access_token = fields.String()
    refresh_token = fields.String()
    user_pk = fields.String()


class RegisterSchema(ma.Schema):
    """A new account.

    Args:
        login_name: What the login name is called, in the body and in what is loaded.
        password_min_length: Characters.
    """

    class Meta:
        unknown = ma.EXCLUDE

    username = fields.String(required=True, validate=validate.Length(min=1, max=255))
    password = fields.String(required=True, load_only=True)

    def __init__(self, *, login_name: str = "username", password_min_length: int = 12, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.fields["username"].data_key = self.fields["username"].attribute = login_name
        self.fields["password"].validators.append(validate.Length(min=password_min_length, max=4096))
