"""Schemas for routes about accounts that an application writes itself (core 10)."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from flarchitect_auth.schemas import LoginSchema, RefreshSchema

__all__ = ["DeleteSuccessfulSchema", "LoginInputSchema", "RefreshInputSchema", "RefreshOutputSchema"]
__all__ += ["ResetPasswordSchemaIn", "ResetPasswordSchemaOut", "TokenRefreshSchema", "UserSchema"]


class UserSchema(ma.Schema):
    """A user as others may see it."""

    id = fields.Raw(dump_only=True)
    username = fields.String()
    email = fields.Email()


class LoginInputSchema(LoginSchema):
    """A login name and a password."""


class TokenRefreshSchema(RefreshSchema):
    """A refresh token."""


class RefreshInputSchema(RefreshSchema):
    """A refresh token."""


class RefreshOutputSchema(ma.Schema):
    """The tokens that come in its place."""

    access_token = fields.String()
    refresh_token = fields.String()


class ResetPasswordSchemaIn(ma.Schema):
    """A wish for a new password: the token that was sent to its owner proves whose it is."""

    token = fields.String(required=True, load_only=True)
    password = fields.String(required=True, load_only=True, validate=validate.Length(min=12, max=4096))


class ResetPasswordSchemaOut(ma.Schema):
    """What is said of it, the same for every account."""

    message = fields.String()


class DeleteSuccessfulSchema(ma.Schema):
    """What is said of an account that was deleted."""

    message = fields.String()
