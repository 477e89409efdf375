"""Changes over a socket."""

from __future__ import annotations

from flarchitect._parts import missing_part

raise missing_part("flarchitect.core.websockets", "flarchitect-ws")
