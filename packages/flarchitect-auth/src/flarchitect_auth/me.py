"""What a user is told about itself: what the routes of its model would show, and so nothing secret (auth 5.5, S-20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flarchitect_core.model.schemas import output_schema_of

if TYPE_CHECKING:
    from flarchitect_auth.accounts import Accounts

__all__ = ["described_to_itself"]


def described_to_itself(accounts: Accounts, user: Any) -> dict[str, Any]:
    """Describe a user by the schema of its model, published or not; of what is no row of it nothing is known."""
    if not isinstance(user, accounts.model):
        return {}
    described: dict[str, Any] = output_schema_of(accounts.resource, "GET", render_nested=False).dump(user)
    return described
