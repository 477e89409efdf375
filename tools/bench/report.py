"""Own the form of the results: Markdown tables for people, one JSON document for machines."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from measure import Result, Spread
from peers import BASELINE

_DISTRIBUTIONS = ("SQLAlchemy", "Flask", "marshmallow", "orjson", "psycopg", "flarchitect")
_NOTHING = "-"


def environment(database: str, rounds: int) -> dict[str, Any]:
    """Describe where and how the numbers were taken; a distribution that is not installed is left out."""
    versions = {}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "versions": versions,
        "database": database,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "rounds": rounds,
    }


def as_markdown(
    results: Sequence[Result], peers: Sequence[str], facts: dict[str, Any], failures: dict[str, str]
) -> str:
    """Write the tables.

    Args:
        results: One per operation, in order.
        peers: Columns, the baseline among them.
        facts: From `environment`.
        failures: Peers that did not start; they get no column.
    """
    peers = [peer for peer in peers if peer not in failures]
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    sections = [
        "Requests per second relative to the baseline (median of paired rounds, p25 to p75):",
        _ratio_table(results, peers),
        "SQL statements of one request, as SQLAlchemy sees them (- where it is not used):",
        _table(peers, results, lambda result, peer: str(result.statements.get(peer) or _NOTHING)),
        "Bytes of one answer:",
        _table(peers, results, lambda result, peer: str(result.sizes.get(peer, _NOTHING))),
        f"Python {facts['python']}, {versions}; {facts['database']}; {facts['cpus']} CPUs, load {facts['load']}; "
        f"{facts['rounds']} rounds.",
    ]
    return "\n\n".join(sections)


def as_json(results: Sequence[Result], facts: dict[str, Any], failures: dict[str, str]) -> dict[str, Any]:
    """Collect everything that was found, every round included.

    Args:
        results: One per operation, in order.
        facts: From `environment`.
        failures: Peer to the reason it did not start.
    """
    return {
        "environment": facts,
        "failures": failures,
        "operations": {
            result.operation.name: {
                "meaning": result.operation.meaning,
                "microseconds": result.microseconds,
                "ratios": {peer: asdict(spread) for peer in result.microseconds if (spread := result.ratio(peer))},
                "statements": result.statements,
                "bytes": result.sizes,
                "problems": result.problems,
            }
            for result in results
        },
    }


def _ratio_table(results: Sequence[Result], peers: Sequence[str]) -> str:
    others = [peer for peer in peers if peer != BASELINE]
    lines = [_line(["op", f"{BASELINE}, µs", *others]), _line(["---"] * (len(others) + 2))]
    for result in results:
        ratios = [_cell(result.ratio(peer), result.problems.get(peer)) for peer in others]
        time = _cell(result.time(BASELINE), result.problems.get(BASELINE))
        lines.append(_line([result.operation.name, time, *ratios]))
    return "\n".join(lines)


def _table(peers: Sequence[str], results: Sequence[Result], cell: Callable[[Result, str], str]) -> str:
    lines = [_line(["op", *peers]), _line(["---"] * (len(peers) + 1))]
    lines += [_line([result.operation.name, *(cell(result, peer) for peer in peers)]) for result in results]
    return "\n".join(lines)


def _cell(spread: Spread | None, problem: str | None) -> str:
    if spread is None:
        return "failed" if problem else _NOTHING
    return f"{_short(spread.median)} ({_short(spread.low)}-{_short(spread.high)})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _short(value: float) -> str:
    """Show about two significant digits: more would be noise."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"
