"""`flarchitect serve`: an existing database as an API, without models.

`create_app` makes the application; the other modules are what the command does around it.
"""

from __future__ import annotations

from flarchitect_rest.serve.application import create_app

__all__ = ["create_app"]
