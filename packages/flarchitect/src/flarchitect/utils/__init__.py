"""Functions for code beside the generated routes."""

from __future__ import annotations

from flarchitect.utils import cookies, response_filters, session, sse
from flarchitect_core.http.cookies import cookie_settings
from flarchitect_core.session import get_session
from flarchitect_core.views.sse import model_event, sse_message, stream_model_events, stream_sse_response

__all__ = [
    "cookie_settings",
    "cookies",
    "get_session",
    "model_event",
    "response_filters",
    "session",
    "sse",
    "sse_message",
    "stream_model_events",
    "stream_sse_response",
]
