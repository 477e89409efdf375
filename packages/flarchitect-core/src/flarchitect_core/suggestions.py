"""Did you mean: the valid names nearest to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "nearest"]

# Comparing is quadratic in the length and the name may come from a client: nobody mistypes a name this long.
_MAX_LENGTH = 80
_MIN_SIMILARITY = 0.6


def nearest(name: str, candidates: Iterable[str], *, limit: int = 3, similarity: float = _MIN_SIMILARITY) -> list[str]:
    """List the candidates that look like a name, best first, at most `limit`; upper and lower case do not matter.

    Returns:
        Candidates as they are written, each once. Empty when none is near, or when the name is too long to be a typo.
    """
    if not name or limit < 1 or len(name) > _MAX_LENGTH:
        return []
    spellings: dict[str, list[str]] = {}
    for candidate in dict.fromkeys(candidates):
        spellings.setdefault(candidate.casefold(), []).append(candidate)
    close = get_close_matches(name.casefold(), spellings, n=limit, cutoff=similarity)
    return [candidate for folded in close for candidate in sorted(spellings[folded])][:limit]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Ask for the candidate nearest to a name, as the end of a message; empty when none is near."""
    near = nearest(name, candidates, limit=1)
    return f" Did you mean {near[0]!r}?" if near else ""
