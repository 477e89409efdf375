"""Which roles a caller needs."""

from __future__ import annotations

from flarchitect._parts import missing_part

raise missing_part("flarchitect.authorization", "flarchitect-auth")
