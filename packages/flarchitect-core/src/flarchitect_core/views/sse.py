"""Server-sent events: messages, and answers that are streams of them (rest 8.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import marshmallow as ma
from flask import Response, has_request_context, request

from flarchitect_core.http.encoding import encode_json
from flarchitect_core.http.streaming import within_request
from flarchitect_core.model.schemas import output_schema_of
from flarchitect_core.state import current_face, state_of
from flarchitect_core.views.bodies import ViewSchema, schema_instance

__all__ = ["EVENT_STREAM", "model_event", "sse_message", "stream_model_events", "stream_sse_response"]

EVENT_STREAM = "text/event-stream"

Encoder = Callable[[Any], str | bytes]

# Readers of such a stream end a line at each of these, and at nothing else.
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_BREAKS = "\r\n"


def sse_message(
    data: Any,
    *,
    event: str | None = None,
    id: str | int | None = None,
    retry: int | None = None,
    encoder: Encoder | None = None,
) -> str:
    """Write one message.

    Args:
        data: What it tells.
        event: Name of the event; readers call it `message` without one.
        id: What a reader sends as `Last-Event-ID` when it comes back.
        retry: Milliseconds after which a reader comes back.
        encoder: Writes the data as text; JSON by default.

    Raises:
        ValueError: `event` or `id` would not stay on one line, or `retry` is no whole number of milliseconds.
    """
    lines = [f"{name}: {_one_line(name, value)}" for name, value in (("event", event), ("id", id)) if value is not None]
    if retry is not None:
        if type(retry) is not int or retry < 0:
            raise ValueError(f"retry is a whole number of milliseconds, not {retry!r}.")
        lines.append(f"retry: {retry}")
    text: str | bytes = encode_json(data) if encoder is None else encoder(data)
    payload = text.decode("utf-8") if isinstance(text, bytes) else str(text)
    lines += [f"data: {line}" for line in _LINE_BREAK.split(payload)]
    return "\n".join(lines) + "\n\n"


def _one_line(name: str, value: str | int) -> str:
    text = str(value)
    if set("\r\n\0") & set(text):
        raise ValueError(f"{name} of an event is one line, without NUL.")
    return text


def model_event(
    instance: Any,
    *,
    schema: ViewSchema | None = None,
    event: str | None = None,
    id: str | int | None = None,
    retry: int | None = None,
) -> str:
    """Write one message about a record.

    Args:
        instance: Instance of a model.
        schema: Dumps it; by default the output schema of the model, so that hidden columns stay hidden.
        event: As for `sse_message`.
        id: As for `sse_message`.
        retry: As for `sse_message`.

    Raises:
        ValueError: There is no schema, and the model is not published.
    """
    used = schema_instance(schema) if schema is not None else _schema_of(instance)
    return sse_message(used.dump(instance, many=False), event=event, id=id, retry=retry)


def _schema_of(instance: Any) -> ma.Schema:
    resource = current_face(state_of()).registry.get(type(instance))
    if resource is None:
        raise ValueError(f"{type(instance).__name__} is no published model. Say by which schema it is to be dumped.")
    return output_schema_of(resource, "GET")


def stream_sse_response(messages: Iterable[str]) -> Response:
    """Answer with a stream of messages, each sent when it is there.

    The request stays open until the last message is sent or the reader is gone, so the messages may come from the
    session of the request.
    """
    # The server never reads, and so never ends, the body of an answer to HEAD.
    body: Iterator[bytes] = _chunks(messages)
    if has_request_context():
        body = iter(()) if request.method == "HEAD" else within_request(body)
    response = Response(body, mimetype=EVENT_STREAM)
    # Neither browsers nor servers in between may hold messages back.
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _chunks(messages: Iterable[str]) -> Iterator[bytes]:
    try:
        for message in messages:
            yield f"{message.rstrip(_BREAKS)}\n\n".encode()
    finally:
        close = getattr(messages, "close", None)
        if close is not None:
            close()


def stream_model_events(
    instances: Iterable[Any],
    *,
    schema: ViewSchema | None = None,
    event: str | None = None,
    id_factory: Callable[[Any, int], str | int | None] | None = None,
    retry: int | None = None,
) -> Response:
    """Answer with a stream of one message for each record.

    Args:
        instances: Instances of models.
        schema: As for `model_event`.
        event: As for `sse_message`.
        id_factory: Called with a record and its position from 0; gives its `id`.
        retry: As for `sse_message`; sent with the first message.
    """

    def messages() -> Iterator[str]:
        used = None if schema is None else schema_instance(schema)
        own: dict[type, ma.Schema] = {}
        for position, instance in enumerate(instances):
            kind = type(instance)
            if used is None and kind not in own:
                own[kind] = _schema_of(instance)
            identity = None if id_factory is None else id_factory(instance, position)
            again = None if position else retry
            yield model_event(instance, schema=used or own[kind], event=event, id=identity, retry=again)

    return stream_sse_response(messages())
