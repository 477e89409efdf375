"""What is unsafe in the services of an application: the findings of this part for `flask flarchitect doctor`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flarchitect_core import options as core
from flarchitect_core.findings import Finding
from flarchitect_core.state import ApplicationState
from flarchitect_rest import options
from flarchitect_rest.limits import is_limited

__all__ = ["diagnose_services"]


def diagnose_services(state: ApplicationState) -> Iterator[Finding]:
    """Find counts that each process keeps for itself, and origins that are let in without a name."""
    yield from _counts_of_processes(state)
    yield from _open_origins(state)


def _counts_of_processes(state: ApplicationState) -> Iterator[Finding]:
    storage = state.settings.get(core.RATE_LIMIT_STORAGE_URI) or "memory://"
    if is_limited(state) and storage.startswith("memory:"):
        workers = _workers()
        yield Finding(
            "warning" if workers > 1 else "info",
            "rate-limits-in-memory",
            f"{f'{workers} processes' if workers > 1 else 'Every process'} would count requests each for itself, so "
            f"clients get a multiple of API_RATE_LIMIT. Set API_RATE_LIMIT_STORAGE_URI to a Redis that all share.",
        )


def _workers() -> int:
    """Read how many processes gunicorn and hosts are told to start, 1 when they are not."""
    given = re.search(r"(?:^|\s)(?:-w|--workers)[ =]?(\d+)", os.environ.get("GUNICORN_CMD_ARGS", ""))
    text = given[1] if given else os.environ.get("WEB_CONCURRENCY", "")
    return int(text) if text.isdecimal() else 1


def _open_origins(state: ApplicationState) -> Iterator[Finding]:
    if not state.settings.get(options.ENABLE_CORS):
        return
    rules: Mapping[Any, Any] = state.settings.get(options.CORS_RESOURCES)
    for pattern, rule in rules.items():
        origins = rule.get("origins", state.app.config.get("CORS_ORIGINS", ()))
        if "*" in ([origins] if isinstance(origins, str) else origins):
            yield Finding(
                "warning",
                "open-origins",
                f"CORS_RESOURCES[{str(pattern)!r}] lets the pages of every origin read what is there. "
                f"Name the origins, unless everybody may read it.",
            )
