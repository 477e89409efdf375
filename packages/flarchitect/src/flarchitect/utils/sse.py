"""Server-sent events."""

from __future__ import annotations

from flarchitect_core.views.sse import model_event, sse_message, stream_model_events, stream_sse_response

__all__ = ["model_event", "sse_message", "stream_model_events", "stream_sse_response"]
