"""What happened to logins and tokens, for the log: who, from where, with what end; never a secret (S-28)."""

from __future__ import annotations

import logging
from typing import Any, Literal

from flask import has_request_context, request

from flarchitect_core.http.logs import one_line
from flarchitect_core.http.request_scope import current_request

__all__ = ["Event", "tell"]

logger = logging.getLogger("flarchitect.auth")

Event = Literal[
    "auth.login.ok",
    "auth.login.failed",
    "auth.refresh.ok",
    "auth.refresh.failed",
    "auth.refresh_reuse",
    "auth.logout",
    "auth.denied",
]

_WARNS = frozenset({"auth.login.failed", "auth.refresh_reuse"})


def tell(event: Event, *, user_pk: Any = None, reason: str | None = None) -> None:
    """Write one record.

    Args:
        user_pk: Key of the user, as far as it is known.
        reason: Stable reason of a failure.
    """
    scope = current_request()
    fields: dict[str, Any] = {
        "auth_event": event,
        "user_pk": None if user_pk is None else one_line(str(user_pk)[:255]),
        "reason": reason,
        "request_id": None if scope is None else scope.identity.request_id,
        "remote_addr": request.remote_addr if has_request_context() else None,
    }
    told = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None and name != "auth_event")
    level = logging.WARNING if event in _WARNS else logging.INFO
    logger.log(level, "%s %s", event, told, extra={name: value for name, value in fields.items() if value is not None})
