"""Own the method: answers first, then small batches in turn, then ratios of the same round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from operations import Operation, WrongAnswerError
from peers import BASELINE
from process import PeerError, PeerProcess

_CHECKS = 3
_BATCH_MICROSECONDS = 20_000
_WARM_UP_MICROSECONDS = 60_000
_WARM_UP_REQUESTS = 5
_SMALLEST_BATCH = 3
_LARGEST_BATCH = 400
_WRITES_PER_BATCH = 20


@dataclass(frozen=True, slots=True)
class Spread:
    """Middle and quartiles of a series; all three equal when it has one value."""

    low: float
    median: float
    high: float


@dataclass(slots=True)
class Result:
    """What was found for one operation.

    Attributes:
        operation: The operation.
        microseconds: Peer to the time of one request, one entry per round; empty for a peer that dropped out.
        sizes: Peer to the bytes of a checked answer.
        statements: Peer to the SQL statements of one request that SQLAlchemy saw.
        problems: Peer to the reason why it has no times, or no number of statements.
    """

    operation: Operation
    microseconds: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    statements: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def time(self, peer: str) -> Spread | None:
        """Microseconds of one request."""
        return _spread(self.microseconds.get(peer, []))

    def ratio(self, peer: str) -> Spread | None:
        """Requests per second relative to the baseline's in the same round."""
        pairs = zip(self.microseconds.get(BASELINE, []), self.microseconds.get(peer, []), strict=False)
        return _spread([reference / own for reference, own in pairs])


def measure(operation: Operation, processes: Sequence[PeerProcess], rounds: int) -> Result:
    """Check and time one operation on all peers that can do it.

    Args:
        operation: What to do.
        processes: Started peers.
        rounds: Batches of each peer.

    Returns:
        Times of the peers whose answers are right, reasons for the others.
    """
    result = Result(operation)
    batches: dict[str, int] = {}
    running = []
    for process in processes:
        if not operation.is_for(process.name):
            continue
        try:
            result.sizes[process.name] = [process.check(operation) for _ in range(_CHECKS)][-1]
            batches[process.name] = _warm_up(process, operation)
            process.settle()
            running.append(process)
        except (WrongAnswerError, PeerError) as error:
            result.problems[process.name] = str(error)
    for number in range(rounds):
        turn = number % len(running) if running else 0
        _round(result, running[turn:] + running[:turn], batches)
        running = [process for process in running if process.name not in result.problems]
    return result


def count_statements(result: Result, processes: Sequence[PeerProcess]) -> None:
    """Add the number of SQL statements; to be called when no time will be taken any more."""
    for process in processes:
        if process.name not in result.microseconds:
            continue
        try:
            result.statements[process.name] = process.count_statements(result.operation)
        except PeerError as error:
            result.problems[process.name] = f"statements not counted: {error}"


def _round(result: Result, processes: list[PeerProcess], batches: dict[str, int]) -> None:
    for process in processes:
        try:
            elapsed = process.time(result.operation, batches[process.name])
        except PeerError as error:
            result.problems[process.name] = str(error)
            result.microseconds.pop(process.name, None)
        else:
            result.microseconds.setdefault(process.name, []).append(elapsed)


def _warm_up(process: PeerProcess, operation: Operation) -> int:
    """Send requests until caches are warm.

    Returns:
        Requests per batch. Writes get the same number on every peer, so that the tables stay equal.
    """
    if operation.writes:
        process.time(operation, _WRITES_PER_BATCH)
        return _WRITES_PER_BATCH
    spent, each = 0.0, 0.0
    while spent < _WARM_UP_MICROSECONDS:
        each = process.time(operation, _WARM_UP_REQUESTS)
        spent += each * _WARM_UP_REQUESTS
    return min(max(math.ceil(_BATCH_MICROSECONDS / each), _SMALLEST_BATCH), _LARGEST_BATCH)


def _spread(values: list[float]) -> Spread | None:
    if len(values) < 2:
        return Spread(values[0], values[0], values[0]) if values else None
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)
