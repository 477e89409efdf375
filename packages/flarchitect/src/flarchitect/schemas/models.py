"""Ready-made schemas of users."""

from __future__ import annotations

from flarchitect_auth.account_schemas import (
    DeleteSuccessfulSchema,
    LoginInputSchema,
    RefreshInputSchema,
    RefreshOutputSchema,
    ResetPasswordSchemaIn,
    ResetPasswordSchemaOut,
    TokenRefreshSchema,
    UserSchema,
)

__all__ = [
    "DeleteSuccessfulSchema",
    "LoginInputSchema",
    "RefreshInputSchema",
    "RefreshOutputSchema",
    "ResetPasswordSchemaIn",
    "ResetPasswordSchemaOut",
    "TokenRefreshSchema",
    "UserSchema",
]
