"""What views may return."""

from __future__ import annotations

from flarchitect_core.views.dumping import serialise_output_with_mallow
from flarchitect_core.views.dumping import serialise_output_with_mallow as serialize_output_with_mallow
from flarchitect_core.views.results import CustomResponse

__all__ = ["CustomResponse", "serialise_output_with_mallow", "serialize_output_with_mallow"]
