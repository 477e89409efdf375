"""LIKE patterns in which everything that a client sends is taken literally."""

from __future__ import annotations

__all__ = ["ESCAPE", "containing", "ending_with", "starting_with"]

ESCAPE = "/"


def containing(text: str) -> str:
    """Make the pattern of values that contain a text."""
    return f"%{_literal(text)}%"


def starting_with(text: str) -> str:
    """Make the pattern of values that start with a text."""
    return f"{_literal(text)}%"


def ending_with(text: str) -> str:
    """Make the pattern of values that end with a text."""
    return f"%{_literal(text)}"


def _literal(text: str) -> str:
    for character in (ESCAPE, "%", "_"):
        text = text.replace(character, ESCAPE + character)
    return text
