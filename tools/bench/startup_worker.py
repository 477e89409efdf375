"""The process whose start is measured: imports, builds, answers once, and prints what that took as one JSON line."""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from pathlib import Path

_STATUS = Path("/proc/self/status")


def main(peer: str, count: int, url: str) -> int:
    """Build the application and send it one request.

    Args:
        peer: Name in `startup_apps.APPS`.
        count: Number of models.
        url: SQLAlchemy URL of a database that has their tables.
    """
    from operations.operation import Request
    from startup_apps import APPS
    from startup_models import FIRST_URL, make_models
    from wsgi import Client

    # SQLite keeps decimals as floats; the note about it is not what is measured.
    warnings.filterwarnings("ignore", message=r".*does \*not\* support Decimal objects natively")
    models = make_models(count)
    start = time.perf_counter()
    app = APPS[peer](models, url)
    client = Client(app)
    built = time.perf_counter()
    answer = client.send(Request("GET", FIRST_URL, "limit=20"))
    answered = time.perf_counter()
    # Written when somebody asks for it, so it is no part of the start.
    state = app.extensions.get("flarchitect.state")
    size = len(state.documents.current().json) if state is not None and state.documents is not None else 0
    documented = time.perf_counter()
    facts = {
        "build_seconds": built - start,
        "answer_seconds": answered - built,
        "document_seconds": documented - answered if size else 0.0,
        "document_bytes": size,
        "memory_bytes": _memory_bytes(),
        "status": answer.status,
        "body": answer.body.decode(errors="replace"),
    }
    print(json.dumps(facts), flush=True)
    return 0


def _memory_bytes() -> int:
    """Resident memory now; where the system does not tell, the most there was."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
