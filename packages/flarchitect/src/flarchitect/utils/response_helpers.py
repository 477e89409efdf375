"""Answers in the envelope."""

from __future__ import annotations

from flarchitect_core.views.results import create_response

__all__ = ["create_response"]
