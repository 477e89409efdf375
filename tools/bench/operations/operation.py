"""Own what an operation is: the request to send, how to check the answer, and which peers can do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from truth import Truth


class WrongAnswerError(Exception):
    """A finding about a peer: its answer is not what the database holds; the text says what differs."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, without the parts that are the same for all."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response, read to its end."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the result table.

    Attributes:
        name: Name in the table and in `--ops`.
        meaning: One sentence for the reader.
        request: Number of the request, from 0 on, to the request. A write of another number meets another row.
        check: Sends the request through its second argument and raises `WrongAnswerError` when answer or rows differ
            from what they should be.
        status: HTTP status of a correct answer.
        writes: Whether the request changes rows; then every peer sends equally many.
        peers: Names of the peers that can do it, `None` for all.
    """

    name: str
    meaning: str
    request: Callable[[int], Request]
    check: Callable[[Request, Callable[[], Answer], Truth], None]
    status: int = 200
    writes: bool = False
    peers: frozenset[str] | None = None

    def is_for(self, peer: str) -> bool:
        """Say whether the peer can do this operation."""
        return self.peers is None or peer in self.peers
