"""The document over HTTP: in the form that a client likes, when it does not have it yet (docs D-13 to D-15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request, url_for

from flarchitect_core.access.identity import get_current_user
from flarchitect_core.bounded import BoundedCache
from flarchitect_core.http.negotiation import Format, require_format
from flarchitect_docs import options
from flarchitect_docs.pages.endpoints import SPEC
from flarchitect_docs.pages.representation import Representation

if TYPE_CHECKING:
    from flarchitect_core.settings import Settings
    from flarchitect_core.state import ApplicationState
    from flarchitect_docs.document.documents import Document, Documents
    from flarchitect_docs.pages.access import Access

__all__ = ["SpecViews"]

_JSON = Format("json", ("application/json",))
_OPENAPI = Format("openapi", ("application/vnd.oai.openapi+json",))
_YAML = Format("yaml", ("application/yaml", "application/x-yaml", "text/yaml", "application/vnd.oai.openapi"))

_PREFLIGHT_SECONDS = 600
# Three forms, below a few prefixes, for a few audiences and roles.
_KEPT_MAX = 24


class SpecViews:
    """Give the document."""

    def __init__(self, state: ApplicationState, access: Access) -> None:
        settings = state.settings
        self._documents: Documents = state.documents
        self._access = access
        self._origins = _origins(settings)
        self._offered = (_JSON, _OPENAPI, _YAML) if settings.get(options.DOCS_EXPOSE_YAML) else (_JSON, _OPENAPI)
        self._cache_control = _cache_control(settings, is_protected=access.is_protected)
        self._kept: BoundedCache[tuple[str, str], Representation] = BoundedCache(_KEPT_MAX)

    def spec(self, audience: str | None = None) -> Response:
        """Give the document, or that of an audience, in the form that the client likes best."""
        if request.method == "OPTIONS":
            return self._preflight()
        self._access.require()
        return self._answer(require_format(request.headers.get("Accept"), self._offered), audience, "Accept")

    def yaml(self, audience: str | None = None) -> Response:
        """Give the document, or that of an audience, in YAML."""
        if request.method == "OPTIONS":
            return self._preflight()
        self._access.require()
        return self._answer(_YAML, audience)

    def redirect(self) -> Response:
        """Lead to the document."""
        self._access.require()
        response = Response(status=308, headers={"Location": url_for(SPEC), "Cache-Control": self._cache_control})
        response.vary.update(self._access.vary)
        return self._shared(response)

    def _answer(self, form: Format, audience: str | None, *vary: str) -> Response:
        representation = self._representation(form, audience)
        answer = representation.answer(cache_control=self._cache_control, vary=(*vary, *self._access.vary))
        return self._shared(answer)

    def _representation(self, form: Format, audience: str | None) -> Representation:
        shown = self._documents.audiences.document_for(self._documents.current(), audience, get_current_user())
        document = shown.below(request.script_root)
        # Each when somebody wants it: YAML takes far longer than all the rest.
        return self._kept.get((document.etag, form.name), lambda: _form(document, form))

    # --- pages of other origins ---------------------------------------------------------------------------------------

    def _preflight(self) -> Response:
        response = Response(status=204, headers={"Allow": "GET, HEAD, OPTIONS"})
        if self._origins:
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
            response.headers["Access-Control-Allow-Headers"] = "Authorization, If-None-Match"
            response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_SECONDS)
        return self._shared(response)

    def _shared(self, response: Response) -> Response:
        """Let pages of the configured origins read an answer; never with the cookies of their visitors."""
        if "*" in self._origins:
            response.headers["Access-Control-Allow-Origin"] = "*"
        elif self._origins:
            response.vary.add("Origin")
            origin = request.headers.get("Origin")
            if origin in self._origins:
                response.headers["Access-Control-Allow-Origin"] = origin
        if "Access-Control-Allow-Origin" in response.headers:
            response.headers["Access-Control-Expose-Headers"] = "ETag"
        return response


def _form(document: Document, form: Format) -> Representation:
    if form is _YAML:
        return Representation(document.yaml_etag, "application/yaml; charset=utf-8", content=document.yaml)
    if form is _OPENAPI:
        # Not the tag of the plain JSON: what a cache keeps under it has another type.
        content_type = f"{_OPENAPI.mimetype};version={document.version}"
        return Representation(f"{document.etag}-openapi", content_type, content=document.json)
    return Representation(document.etag, _JSON.mimetype, content=document.json)


def _cache_control(settings: Settings, *, is_protected: bool) -> str:
    seconds = settings.get(options.DOCS_CACHE_SECONDS)
    if seconds:
        return f"{'private' if is_protected else 'public'}, max-age={seconds}"
    return "private, no-cache" if is_protected else "no-cache"


def _origins(settings: Settings) -> frozenset[str]:
    given = settings.get(options.DOCS_CORS_ORIGINS) or ()
    return frozenset([given] if isinstance(given, str) else given)
