"""Descriptions of the API."""

from __future__ import annotations

from flarchitect._parts import missing_part

__all__: list[str] = []


def __getattr__(name: str) -> object:
    if name in ("CustomSpec", "register_routes_with_spec", "register_schemas"):
        raise missing_part(f"{__name__}.{name}", "flarchitect-docs")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
