"""The names by which the URLs of the documentation are built."""

from __future__ import annotations

__all__ = ["ASSET", "AUDIENCE_PAGE", "AUDIENCE_SPEC", "AUDIENCE_YAML", "BLUEPRINT", "LEGACY", "LOGOUT", "PAGE"]
__all__ += ["REDIRECT", "SPEC", "YAML"]

BLUEPRINT = "flarchitect_docs"
PAGE = f"{BLUEPRINT}.page"
LOGOUT = f"{BLUEPRINT}.logout"
SPEC = f"{BLUEPRINT}.spec"
LEGACY = f"{BLUEPRINT}.legacy_spec"
YAML = f"{BLUEPRINT}.yaml"
REDIRECT = f"{BLUEPRINT}.redirect"
AUDIENCE_PAGE = f"{BLUEPRINT}.audience_page"
AUDIENCE_SPEC = f"{BLUEPRINT}.audience_spec"
AUDIENCE_YAML = f"{BLUEPRINT}.audience_yaml"
ASSET = f"{BLUEPRINT}.asset"
