"""Own the runner's end of a peer: its process, the commands sent to it, the numbers of its requests."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from operations import Answer, Operation
from truth import Truth

_WORKER = Path(__file__).with_name("worker.py")
_ANSWER_SECONDS = 120.0
_END_SECONDS = 10.0


class PeerError(Exception):
    """A peer that cannot start, stopped, or failed while it was timed; the text is the reason."""


class PeerProcess:
    """One peer in a process of its own, on a database of its own."""

    def __init__(self, name: str, url: str) -> None:
        """Start the process and wait until its application stands.

        Raises:
            PeerError: The application cannot be loaded.
        """
        self.name = name
        self._numbers: Counter[str] = Counter()
        with ExitStack() as stack:
            self._truth = Truth(url)
            stack.callback(self._truth.close)
            self._log = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            self._process = subprocess.Popen(
                [sys.executable, str(_WORKER), name, url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
            )
            stack.callback(self._end)
            self._receive()
            self._open = stack.pop_all()

    def check(self, operation: Operation) -> int:
        """Send one request and compare the answer with the rows.

        Returns:
            Bytes of the body.

        Raises:
            WrongAnswerError: The answer or the rows are not what they should be.
            PeerError: There was no answer.
        """
        number = self._take(operation, 1)
        sizes = []

        def send() -> Answer:
            found = self._ask(do="send", op=operation.name, number=number)
            body = str(found["body"]).encode()
            sizes.append(len(body))
            return Answer(status=int(found["status"]), content_type=str(found["content_type"]), body=body)

        operation.check(operation.request(number), send, self._truth)
        return sizes[-1]

    def time(self, operation: Operation, count: int) -> float:
        """Time a batch of requests.

        Returns:
            Microseconds per request, the mean of the batch: pauses of the collector and checkpoints are part of it.

        Raises:
            PeerError: An answer had the wrong status, or there was none.
        """
        number = self._take(operation, count)
        found = self._ask(do="time", op=operation.name, number=number, count=count)
        return int(found["nanoseconds"]) / count / 1_000

    def settle(self) -> None:
        """Let the collector forget the objects made so far, as a preloading server does."""
        self._ask(do="settle")

    def count_statements(self, operation: Operation) -> int:
        """Count the SQL statements of one request that SQLAlchemy sees."""
        number = self._take(operation, 1)
        return int(self._ask(do="statements", op=operation.name, number=number)["statements"])

    def close(self) -> None:
        """End the process and let go of its database."""
        self._open.close()

    def _take(self, operation: Operation, count: int) -> int:
        """Reserve request numbers, so that no write ever meets the row of another one."""
        number = self._numbers[operation.name]
        self._numbers[operation.name] += count
        return number

    def _ask(self, **command: Any) -> dict[str, Any]:
        stdin = self._process.stdin
        if stdin is None or self._process.poll() is not None:
            raise PeerError(self._last_words())
        try:
            stdin.write(json.dumps(command) + "\n")
            stdin.flush()
        except OSError as error:
            raise PeerError(self._last_words()) from error
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        watch = threading.Timer(_ANSWER_SECONDS, self._process.kill)
        watch.start()
        try:
            line = self._process.stdout.readline() if self._process.stdout else ""
        finally:
            watch.cancel()
        if not line:
            raise PeerError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(str(answer["error"]))
        return answer

    def _last_words(self) -> str:
        """Say why the process is gone: the last line it wrote to its error output."""
        try:
            code = self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            return "process does not answer"
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return f"process ended with {code}: {lines[-1] if lines else 'no output'}"

    def _end(self) -> None:
        """Close the input, which ends the worker's loop; kill it when it does not care."""
        try:
            self._process.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
