"""Compare peers on the benchmark's operations and print the table of ratios.

Exits with 0 when every peer started and every answer was right, with 1 when not, with 2 when there is nothing to
run on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from database import Databases, open_databases
from measure import Result, count_statements, measure
from operations import OPERATIONS
from peers import BASELINE, PEERS
from process import PeerError, PeerProcess
from report import as_json, as_markdown, environment
from sqlalchemy.exc import SQLAlchemyError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Args:
        arguments: Command line without the program's name; `None` for that of the process.

    Returns:
        Exit code.
    """
    options = _parser().parse_args(arguments)
    peers = [name for name in PEERS if name == BASELINE or name in options.peers]
    operations = [operation for name, operation in OPERATIONS.items() if name in options.ops]
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        _say("Filling the database ...")
        try:
            databases = stack.enter_context(open_databases(options.database))
        except (ValueError, ImportError, SQLAlchemyError) as error:
            _say(f"The database cannot be used: {error}")
            return 2
        processes = _start(peers, databases, failures, stack)
        results = []
        if BASELINE not in failures:
            for operation in operations:
                _say(f"{operation.name}: {operation.meaning}")
                results.append(measure(operation, processes, options.rounds))
            for result in results:
                count_statements(result, processes)
        facts = environment(databases.description, options.rounds)
    print(as_markdown(results, peers, facts, failures))
    if options.json:
        options.json.write_text(json.dumps(as_json(results, facts, failures), indent=1) + "\n", encoding="utf-8")
    return _complain(failures, results)


def _start(peers: list[str], databases: Databases, failures: dict[str, str], stack: ExitStack) -> list[PeerProcess]:
    """Start the peers that can start; the reasons of the others go to `failures`."""
    processes = []
    for name in peers:
        try:
            process = PeerProcess(name, databases.copy(name))
        except PeerError as error:
            failures[name] = str(error)
            _say(f"{name} does not start: {error}")
            continue
        stack.callback(process.close)
        processes.append(process)
    return processes


def _complain(failures: dict[str, str], results: list[Result]) -> int:
    """Print what went wrong below the tables, and choose the exit code."""
    lines = [f"- {peer} did not start: {reason}" for peer, reason in failures.items()]
    for result in results:
        lines += [f"- {result.operation.name}, {peer}: {reason}" for peer, reason in result.problems.items()]
    if not lines:
        return 0
    print("\nNot measured:\n\n" + "\n".join(lines))
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description="Compare ways to serve one database over HTTP.")
    parser.add_argument("--ops", type=_names_of(OPERATIONS), default=list(OPERATIONS), help="operations, with commas")
    parser.add_argument(
        "--peers", type=_names_of(PEERS), default=list(PEERS), help=f"peers, with commas; {BASELINE} always runs"
    )
    parser.add_argument("--rounds", type=_positive, default=30, help="batches per peer and operation (30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every number to a file")
    parser.add_argument("--database", metavar="URL", help="PostgreSQL server to use instead of SQLite")
    return parser


def _names_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Make an argument type: known names, separated by commas."""

    def names(text: str) -> list[str]:
        found = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in found if name not in known]
        if unknown or not found:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'}: choose from {', '.join(known)}")
        return found

    return names


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _say(text: str) -> None:
    """Show progress beside the tables, so that they can be redirected alone."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
