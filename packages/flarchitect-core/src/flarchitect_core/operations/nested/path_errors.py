"""What is wrong in a nested body, by the path to it."""

from __future__ import annotations

from typing import Any

from flarchitect_core.errors import ValidationError

__all__ = ["Path", "PathErrors"]

Path = tuple[str, ...]


class PathErrors:
    """Messages under the paths of a body that they are about."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    def add(self, path: Path, messages: Any) -> None:
        """Put messages under a path; what is known of it already is kept."""
        here = self.fields
        for step in path[:-1]:
            inner = here.setdefault(step, {})
            if not isinstance(inner, dict):
                return
            here = inner
        if path:
            here.setdefault(path[-1], messages)
        else:
            here.update(messages)

    def raise_if_any(self) -> None:
        """Refuse the body."""
        if self.fields:
            raise ValidationError(self.fields)
