"""What a client would rather have: the `Prefer` header (RFC 7240)."""

from __future__ import annotations

from typing import Literal, cast

__all__ = ["APPLIED", "Return", "preferred_return"]

APPLIED = "Preference-Applied"

Return = Literal["minimal", "representation"]

_RETURNS = ("minimal", "representation")


def preferred_return(header: str | None) -> Return | None:
    """Read `return=minimal` or `return=representation`; of several, the first one counts.

    Preferences that nobody knows are no mistakes; they are disregarded.
    """
    for preference in (header or "").split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "return":
            wanted = value.strip().strip('"').lower()
            return cast("Return", wanted) if wanted in _RETURNS else None
    return None
