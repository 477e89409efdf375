"""The process of one peer: loads its application and answers the runner's commands, one JSON line each.

Commands (`do` names it) and answers:

- at the start, unasked: `{"ready": true}` or `{"error": text}`
- `send` (`op`, `number`): `{"status": int, "content_type": text, "body": text}`
- `time` (`op`, `number`, `count`): `{"nanoseconds": int}` for requests `number` to `number + count - 1`
- `settle`: `{}`, after the objects of the start were put out of the collector's sight
- `statements` (`op`, `number`): `{"statements": int}`, SQL statements of one request seen by SQLAlchemy

A command that fails answers `{"error": text}`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import traceback
from typing import Any, TextIO

from dataset import quiet_decimals
from operations import OPERATIONS
from peers import PEERS
from sqlalchemy import Engine, event
from wsgi import Client


def main(peer: str, url: str) -> int:
    """Load the peer and serve commands until the input ends.

    Args:
        peer: Name of the peer.
        url: SQLAlchemy URL of its own database.
    """
    replies = _private_output()
    quiet_decimals()
    try:
        client = Client(importlib.import_module(PEERS[peer].module).create_app(url))
    except Exception as error:
        traceback.print_exc()
        _reply(replies, {"error": _describe(error)})
        return 1
    _reply(replies, {"ready": True})
    for line in sys.stdin:
        try:
            answer = _obey(client, json.loads(line))
        except Exception as error:
            traceback.print_exc()
            answer = {"error": _describe(error)}
        _reply(replies, answer)
    return 0


def _obey(client: Client, command: dict[str, Any]) -> dict[str, Any]:
    if command["do"] == "settle":
        gc.collect()
        gc.freeze()
        return {}
    operation, number = OPERATIONS[command["op"]], int(command["number"])
    if command["do"] == "time":
        requests = [operation.request(number + step) for step in range(int(command["count"]))]
        gc.collect()
        return {"nanoseconds": client.time(requests, operation.status)}
    if command["do"] == "statements":
        return {"statements": _count_statements(client, command["op"], number)}
    answer = client.send(operation.request(number))
    return {
        "status": answer.status,
        "content_type": answer.content_type,
        "body": answer.body.decode(errors="replace"),
    }


def _count_statements(client: Client, name: str, number: int) -> int:
    """Count what one request sends through any SQLAlchemy engine.

    Never before the timing is over: once somebody has listened, engines look for listeners on every statement.
    """
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        client.send(OPERATIONS[name].request(number))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return len(seen)


def _private_output() -> TextIO:
    """Keep the real standard output for replies and send what the application prints to the error output."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _reply(replies: TextIO, answer: dict[str, Any]) -> None:
    replies.write(json.dumps(answer) + "\n")
    replies.flush()


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
