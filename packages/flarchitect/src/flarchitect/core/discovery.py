"""What the API offers, as data."""

from __future__ import annotations

from flarchitect._parts import missing_part

raise missing_part("flarchitect.core.discovery", "flarchitect-docs")
