"""Marks in log messages that become colours: `` `yellow` ``, `+red+`, `--cyan--`, `$magenta$` and `|green|`."""

from __future__ import annotations

import re

__all__ = ["color_text_with_multiple_patterns", "without_marks"]

# Mark to the number of its colour (ECMA-48, select graphic rendition).
_COLOURS = {"`": "33", "+": "31", "--": "36", "$": "95", "|": "92"}
_MARKED = re.compile(r"(?P<mark>`|\+|--|\$|\|)(?P<text>(?:(?!(?P=mark)).)+)(?P=mark)")


def color_text_with_multiple_patterns(text: str) -> str:
    """Replace what stands between two equal marks by the same text in a colour of terminals."""
    return _MARKED.sub(lambda match: _coloured(match["text"], _COLOURS[match["mark"]]), text)


def without_marks(text: str) -> str:
    """Remove the marks that come in pairs, for readers without colours."""
    return _MARKED.sub(lambda match: match["text"], text)


def _coloured(text: str, number: str) -> str:
    return f"\x1b[{number}m{text}\x1b[0m"
