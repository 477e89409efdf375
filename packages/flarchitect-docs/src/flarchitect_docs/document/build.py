"""Building one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apispec import APISpec

from flarchitect_core import options as core

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState

__all__ = ["build_document"]

_VERSIONS = {"3.1": "3.1.1", "3.0": "3.0.4"}


def build_document(state: ApplicationState, version: str) -> dict[str, Any]:
    """Write the document of an application.

    Args:
        version: Version of OpenAPI, `3.1` or `3.0`.
    """
    get = state.settings.get
    document = APISpec(get(core.TITLE), get(core.VERSION) or "1.0.0", _VERSIONS[version])
    written: dict[str, Any] = document.to_dict()
    return written
