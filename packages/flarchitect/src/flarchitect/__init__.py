"""Turn SQLAlchemy models into a production API: `Architect(app)`.

The modules of this package are the documented import paths; the code behind them lives in `flarchitect_core` and the
parts. A module that stands for one module of core is that module, so that what is patched in it takes effect.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from flarchitect import authentication, core, database, logging, schemas, specs, utils
from flarchitect_core.architect import Architect
from flarchitect_core.resolution import clear_config_cache

__all__ = [
    "Architect",
    "__version__",
    "authentication",
    "clear_config_cache",
    "core",
    "database",
    "logging",
    "schemas",
    "specs",
    "utils",
]

try:
    __version__ = version("flarchitect")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"
