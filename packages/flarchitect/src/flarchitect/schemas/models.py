"""Ready-made schemas of users."""

from __future__ import annotations

from flarchitect._parts import missing_part

raise missing_part("flarchitect.schemas.models", "flarchitect-auth")
