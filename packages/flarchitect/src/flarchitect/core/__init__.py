"""The extension itself."""

from __future__ import annotations

from flarchitect_auth.decorators import jwt_authentication
from flarchitect_core.architect import Architect
from flarchitect_core.route_list import find_rule_by_function
from flarchitect_core.simple_cache import SimpleCache

__all__ = ["Architect", "SimpleCache", "find_rule_by_function", "jwt_authentication"]
