"""What the extension knows about one application; it lives in `app.extensions`, so applications never share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app

if TYPE_CHECKING:
    from flarchitect_core.architect import Architect
    from flarchitect_core.database import Database
    from flarchitect_core.http.responses import Envelope
    from flarchitect_core.model.registry import Registry
    from flarchitect_core.part import Part
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport

__all__ = ["STATE_KEY", "ApplicationState", "state_of"]

STATE_KEY = "flarchitect.state"


@dataclass(eq=False, slots=True)
class ApplicationState:
    """Everything that belongs to one application.

    Attributes:
        registry: Published resources; empty until models are read.
        owned_paths: Path prefixes, without trailing slash, whose errors are given in the envelope.
        is_registered: Whether the parts have registered their routes.
    """

    app: Flask
    architect: Architect
    settings: Settings
    report: StartupReport
    database: Database
    envelope: Envelope
    parts: Sequence[Part]
    registry: Registry
    owned_paths: list[str] = field(default_factory=list)
    is_registered: bool = False

    def owns(self, path: str) -> bool:
        """Say whether a URL path lies below the API, by whole segments: `/apidocs` is not below `/api`."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.owned_paths)


def state_of(app: Any = None) -> ApplicationState:
    """Give the state of an application, the current one by default.

    Raises:
        RuntimeError: `Architect.init_app` was not called for the application.
    """
    target = app if app is not None else current_app
    state: ApplicationState | None = target.extensions.get(STATE_KEY)
    if state is None:
        raise RuntimeError(f"flarchitect is not initialised for {target.name!r}. Call Architect(app) first.")
    return state
