"""The operations that are timed, reads before writes so that every peer reads the same rows."""

from __future__ import annotations

from . import create, deep, document, filtered, list20, list100, nested, one, patch
from .operation import Answer, Operation, Request, WrongAnswerError

_MODULES = (list20, list100, one, filtered, nested, deep, document, create, patch)
OPERATIONS: dict[str, Operation] = {module.OPERATION.name: module.OPERATION for module in _MODULES}

__all__ = ["OPERATIONS", "Answer", "Operation", "Request", "WrongAnswerError"]
