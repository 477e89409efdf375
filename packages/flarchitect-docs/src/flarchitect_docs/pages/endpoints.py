"""The names by which the URLs of the documentation are built."""

from __future__ import annotations

__all__ = ["ASSET", "BLUEPRINT", "LEGACY", "LOGOUT", "PAGE", "REDIRECT", "SPEC", "YAML"]

BLUEPRINT = "flarchitect_docs"
PAGE = f"{BLUEPRINT}.page"
LOGOUT = f"{BLUEPRINT}.logout"
SPEC = f"{BLUEPRINT}.spec"
LEGACY = f"{BLUEPRINT}.legacy_spec"
YAML = f"{BLUEPRINT}.yaml"
REDIRECT = f"{BLUEPRINT}.redirect"
ASSET = f"{BLUEPRINT}.asset"
