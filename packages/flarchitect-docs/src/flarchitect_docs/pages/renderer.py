"""Writing a page of ours, with the headers that keep it safe (docs D-9, D-10)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flask import Response
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from flarchitect_core import options as core
from flarchitect_docs import options
from flarchitect_docs.pages.policy import WithNonce, origin_of, policy

if TYPE_CHECKING:
    from flarchitect_core.settings import Settings
    from flarchitect_docs.pages.assets import Assets
    from flarchitect_docs.pages.styles import Style

__all__ = ["Renderer"]


class Renderer:
    """Writes the pages of one application."""

    def __init__(self, settings: Settings, assets: Assets) -> None:
        get = settings.get
        self._assets = assets
        # Of its own: neither templates nor context processors of the application change what these pages say.
        self._templates = Environment(
            loader=PackageLoader("flarchitect_docs"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._title = get(core.TITLE)
        self._headers = WithNonce(get(options.DOCUMENTATION_HEADERS) or get(options.DOC_HTML_HEADERS))
        self._policy = get(options.DOCS_CSP)
        logo, servers = get(options.LOGO_URL), get(options.SERVER_URLS) or ()
        # "Try it out" sends requests to the servers that the document names.
        connections = _origins(*(server["url"] for server in servers))
        self._sources = {"img-src": () if logo is None else _origins(logo), "connect-src": connections}

    def write(self, response: Response, style: Style, context: Mapping[str, Any]) -> None:
        """Write a page into a response.

        Args:
            context: What its template names, besides what every page has.
        """
        nonce = secrets.token_urlsafe(16)
        stylesheets = ("docs.css", *style.stylesheets)
        written = self._templates.get_template(style.template).render(
            context,
            title=self._title,
            nonce=nonce,
            # The one thing that is put there as it is, by documented design.
            headers=Markup(self._headers.written(nonce)),  # noqa: S704
            stylesheets=[self._link(name) for name in stylesheets],
            scripts=[self._link(name) for name in style.scripts],
        )
        response.set_data(written)
        said = policy(nonce, *self._sources_of(style)) if self._policy is True else self._policy
        if said:
            response.headers["Content-Security-Policy"] = said.replace("{nonce}", nonce)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"

    def _sources_of(self, style: Style) -> Iterator[Mapping[str, Iterable[str]]]:
        yield self._sources
        yield style.sources
        yield {"script-src": self._assets.sources(style.scripts), "style-src": self._assets.sources(style.stylesheets)}
        if self._assets.come_from_cdn:
            yield style.cdn_sources

    def _link(self, name: str) -> dict[str, str]:
        return {"name": name, "url": self._assets.url(name), "integrity": self._assets.integrity(name)}


def _origins(*urls: str) -> tuple[str, ...]:
    found = (origin_of(url) for url in urls)
    return tuple(dict.fromkeys(origin for origin in found if origin is not None))
