"""Schemas of logging in."""

from __future__ import annotations

from flarchitect._parts import missing_part

raise missing_part("flarchitect.schemas.auth", "flarchitect-auth")
