"""Turn SQLAlchemy models into a production API: `Architect(app)`.

The modules of this package are the documented import paths; the code behind them lives in `flarchitect_core` and the
parts.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from flarchitect_core.architect import Architect

__all__ = ["Architect", "__version__"]

try:
    __version__ = version("flarchitect")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"
