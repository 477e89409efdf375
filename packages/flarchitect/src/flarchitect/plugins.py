"""Plugins: the base class of yours, and what calls them."""

from __future__ import annotations

from flarchitect_core.plugins import PluginBase, PluginManager

__all__ = ["PluginBase", "PluginManager"]
