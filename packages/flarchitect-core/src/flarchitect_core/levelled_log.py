"""The logger with verbosity levels that hand-written code calls, on standard logging (core 5.2)."""

from __future__ import annotations

import logging
import sys
from typing import Any

from flask import current_app, has_app_context

from flarchitect_core import options
from flarchitect_core.http.logs import JsonFormatter, TextFormatter, is_terminal
from flarchitect_core.markup import without_marks
from flarchitect_core.state import STATE_KEY, ApplicationState

__all__ = ["CustomLogger", "get_logger", "logger"]


class CustomLogger:
    """Writes what is at or below a verbosity level.

    Within an application that is bound, its `API_VERBOSITY_LEVEL` and `API_JSON_LOGS` hold, and records go where its
    others go. Elsewhere the two attributes hold, and records go to the handlers of the logger `flarchitect`, or to
    standard output while there is none. Text between two equal marks is coloured on terminals
    (`color_text_with_multiple_patterns`).

    Attributes:
        verbosity_level: Highest level that is written outside of applications.
        json_mode: Whether these are written as JSON.
    """

    def __init__(self, verbosity_level: int = 0) -> None:
        self.verbosity_level = verbosity_level
        self.json_mode = False

    def log(self, level: int, message: str) -> None:
        """Write a message of a level."""
        self._write("LOG", logging.INFO, level, message)

    def debug(self, level: int, message: str) -> None:
        """Write a message of a level for developers."""
        self._write("DEBUG", logging.DEBUG, level, message)

    def error(self, level: int, message: str) -> None:
        """Write a mistake of a level."""
        self._write("ERROR", logging.ERROR, level, message)

    def _write(self, kind: str, severity: int, level: int, message: str) -> None:
        state = _current_state()
        most = self.verbosity_level if state is None else state.settings.get(options.VERBOSITY_LEVEL)
        if level > most:
            return
        target = logging.getLogger("flarchitect") if state is None or state.log is None else state.log.logger
        prefix = f"{kind} {level}:".ljust(10)
        extra: dict[str, Any] = {"lvl": level, "markup": _marked(prefix, message, severity)}
        # The level of verbosity decides, and not that of the logger, so the record is handed over as it is.
        plain = without_marks(message)
        record = target.makeRecord(target.name, severity, __file__, 0, plain, (), None, kind.lower(), extra)
        if target.hasHandlers():
            target.handle(record)
        else:
            formatter = JsonFormatter() if self.json_mode else TextFormatter(is_coloured=is_terminal(sys.stdout))
            sys.stdout.write(f"{formatter.format(record)}\n")


def _marked(prefix: str, message: str, severity: int) -> str:
    return f"+{prefix}+{message}" if severity == logging.ERROR else f"{prefix}{message}"


def _current_state() -> ApplicationState | None:
    if not has_app_context():
        return None
    state: ApplicationState | None = current_app.extensions.get(STATE_KEY)
    return state


logger = CustomLogger()


def get_logger() -> CustomLogger:
    """Give the one `logger`."""
    return logger
