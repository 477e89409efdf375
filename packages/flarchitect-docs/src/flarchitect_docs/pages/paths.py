"""The URL paths of pages and documents (docs 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flarchitect_docs import options

if TYPE_CHECKING:
    from flarchitect_core.settings import Settings

__all__ = ["Paths", "paths_of"]

_LEGACY = ("/apispec.json", "/swagger.json")


@dataclass(frozen=True, slots=True)
class Paths:
    """Where everything is.

    Attributes:
        page: The page, without trailing slash; `/` at the root.
        spec: The document, the one URL that all others stand for.
        yaml: The same in YAML; `None` where it is not served.
        legacy: Further URLs that give the document, as older clients know them.
        redirect: URL that redirects to the document; `None` without one.
        logout: Ends a login.
        assets: Below it are scripts and styles.
        folder: The page without any slash at its end, below which there is one for each audience.
    """

    page: str
    spec: str
    yaml: str | None
    legacy: tuple[str, ...]
    redirect: str | None
    logout: str
    assets: str
    folder: str


def paths_of(settings: Settings) -> Paths:
    """Decide the paths by the options."""
    get = settings.get
    prefix = get(options.DOCUMENTATION_URL_PREFIX).rstrip("/")
    folder = prefix + get(options.DOCUMENTATION_URL).rstrip("/")
    route = get(options.DOCS_SPEC_ROUTE)
    spec = f"{folder}/apispec.json" if route is None else prefix + route
    yaml = f"{folder}/openapi.yaml"
    legacy = tuple(path for path in (prefix + path for path in _LEGACY) if path != spec)
    # One that leads to itself, or stands where an older URL gives the document at once, would be of no use.
    redirect = get(options.SPEC_ROUTE) or None
    return Paths(
        page=folder or "/",
        spec=spec,
        yaml=yaml if get(options.DOCS_EXPOSE_YAML) and yaml != spec else None,
        legacy=legacy,
        redirect=None if redirect in (spec, *legacy) else redirect,
        logout=f"{folder}/logout",
        assets=f"{folder}/assets",
        folder=folder,
    )
