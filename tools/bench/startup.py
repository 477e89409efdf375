"""Measure time and memory from the start of a process to its first answer, with few and with many models.

Exits with 0 when every peer answered rightly, else with 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from report import environment
from sqlalchemy import create_engine
from startup_apps import APPS
from startup_models import ROWS, fill, make_models

_WORKER = Path(__file__).with_name("startup_worker.py")
_TIMEOUT_SECONDS = 120


class StartError(Exception):
    """A peer that gave no right answer; the text is the reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement.

    Args:
        arguments: Command line without the program's name; `None` for that of the process.

    Returns:
        Exit code.
    """
    options = _parser().parse_args(arguments)
    samples: dict[tuple[str, int], list[dict[str, float]]] = {}
    problems: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="flarchitect-bench-") as folder:
        urls = _databases(Path(folder), options.models)
        for _ in range(options.rounds):
            for count, url in urls.items():
                for peer in options.peers:
                    if peer in problems:
                        continue
                    try:
                        sample = _start(peer, count, url)
                    except StartError as error:
                        problems[peer] = str(error)
                    else:
                        samples.setdefault((peer, count), []).append(sample)
    print(_as_markdown(samples, problems, options.rounds))
    if options.json:
        found = {f"{peer}, {count} models": values for (peer, count), values in samples.items()}
        options.json.write_text(json.dumps({"samples": found, "problems": problems}, indent=1) + "\n", encoding="utf-8")
    return 1 if problems else 0


def _databases(folder: Path, counts: Sequence[int]) -> dict[int, str]:
    """Create one SQLite file per number of models; returns their URLs by that number."""
    models = make_models(max(counts))
    urls = {}
    for count in counts:
        urls[count] = f"sqlite:///{folder / f'{count}.sqlite'}"
        engine = create_engine(urls[count])
        fill(engine, models[0])
        engine.dispose()
    return urls


def _start(peer: str, count: int, url: str) -> dict[str, float]:
    """Start one fresh process and wait for its first answer.

    Returns:
        `total_seconds` from the start of the process, of these `build_seconds` for the import of the peer and its
        application and `answer_seconds` for the first request; `memory_bytes` after the document, which takes
        `document_seconds` and has `document_bytes`, 0 where a peer has none.

    Raises:
        StartError: The process failed or its answer is wrong.
    """
    command = [sys.executable, str(_WORKER), peer, str(count), url]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        total = time.perf_counter() - start
        _, log = process.communicate(timeout=_TIMEOUT_SECONDS)
    if not line:
        raise StartError((log.strip().splitlines() or ["no output"])[-1])
    facts: dict[str, Any] = json.loads(line)
    _check(facts.pop("status"), facts.pop("body"))
    return {"total_seconds": total, **facts}


def _check(status: int, body: str) -> None:
    if status != 200:
        raise StartError(f"status {status}: {body[:160]}")
    envelope = json.loads(body)
    if len(envelope["value"]) != ROWS or envelope["total_count"] != ROWS:
        raise StartError(f"not the {ROWS} rows of the table: {body[:160]}")


def _as_markdown(samples: dict[tuple[str, int], list[dict[str, float]]], problems: dict[str, str], rounds: int) -> str:
    lines = ["| peer | models | first answer, s | of it building, s | of it answering, s | memory, MB | document, s |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for (peer, count), values in sorted(samples.items()):
        middle = {name: statistics.median(value[name] for value in values) for name in values[0]}
        lines.append(
            f"| {peer} | {count} | {middle['total_seconds']:.2f} | {middle['build_seconds']:.2f} "
            f"| {middle['answer_seconds']:.3f} | {middle['memory_bytes'] / 1e6:.0f} | {_document(middle)} |"
        )
    facts = environment("SQLite", rounds)
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    lines += ["", f"Python {facts['python']}, {versions}; {facts['cpus']} CPUs, load {facts['load']}; {rounds} rounds."]
    if problems:
        lines += ["", "Not measured:", "", *(f"- {peer}: {reason}" for peer, reason in problems.items())]
    return "\n".join(lines)


def _document(middle: dict[str, float]) -> str:
    """Write how long the OpenAPI document takes, and its size; a dash where there is none."""
    size = middle["document_bytes"]
    return f"{middle['document_seconds']:.2f} ({size / 1e6:.1f} MB)" if size else "-"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="startup.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=_counts, default=[5, 200], help="numbers of models, with commas (5,200)")
    parser.add_argument("--peers", type=_peers, default=list(APPS), help=f"with commas ({','.join(APPS)})")
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes per peer and number of models (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every number to a file")
    return parser


def _counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if min(counts) < 1 or max(counts) > 1_800:
        raise argparse.ArgumentTypeError("must be 1 to 1,800")
    return counts


def _peers(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(APPS):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(APPS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
