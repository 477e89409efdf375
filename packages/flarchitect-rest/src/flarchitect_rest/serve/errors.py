"""What stops the command before it serves."""

from __future__ import annotations

from flarchitect_core.errors import FlarchitectError

__all__ = ["ServeError", "WrongArgumentError"]


class ServeError(FlarchitectError):
    """Something outside of the command line is missing or refuses; the text is one sentence and its fix.

    Attributes:
        exit_code: Exit code of the command.
    """

    exit_code = 1


class WrongArgumentError(ServeError):
    """An argument or option cannot be meant as it is written."""

    exit_code = 2
