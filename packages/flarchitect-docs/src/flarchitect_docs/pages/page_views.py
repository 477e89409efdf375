"""The page that shows the document, and the login in front of it (docs 2, 2.1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flask import Response, request, url_for

from flarchitect_core.attempts import Attempts
from flarchitect_core.errors import ApiError
from flarchitect_core.http.addresses import network_of
from flarchitect_core.http.logs import one_line
from flarchitect_core.rates import rates_in
from flarchitect_docs import options
from flarchitect_docs.pages.access import LOGIN_CHALLENGE, Access
from flarchitect_docs.pages.endpoints import AUDIENCE_SPEC, LOGOUT, PAGE, SPEC
from flarchitect_docs.pages.forms import Forms
from flarchitect_docs.pages.styles import LOGIN, STYLES

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState
    from flarchitect_docs.pages.renderer import Renderer

__all__ = ["PageViews"]

_NOT_OUR_FORM = (
    "This form is too old, or the browser keeps no cookies of this page, which it does over HTTPS only. "
    "Please try again."
)

logger = logging.getLogger("flarchitect.docs")


class PageViews:
    """Show the document to people, and let them in."""

    def __init__(self, state: ApplicationState, access: Access, renderer: Renderer) -> None:
        self._settings = state.settings
        self._access = access
        self._renderer = renderer
        self._forms = Forms(access.signer)
        self._attempts = Attempts(state, "docs")
        self._rates = rates_in(state.settings.get(options.DOCS_LOGIN_RATE_LIMIT))

    def page(self, audience: str | None = None) -> Response:
        """Show the document, or the login to those who may not read it; take what the login sends.

        Args:
            audience: Whose document is shown; `None` for the whole one.
        """
        if request.method == "POST":
            return self._log_in()
        return self._document(audience) if self._access.is_granted() else self._login()

    def log_out(self) -> Response:
        """End the login of this browser."""
        response = _to(url_for(PAGE))
        if self._forms.sent_this():
            self._access.tickets.take_back(response)
        return response

    def _document(self, audience: str | None) -> Response:
        response = _html()
        style = self._style()
        spec_url = url_for(SPEC) if audience is None else url_for(AUDIENCE_SPEC, audience=audience)
        context: dict[str, Any] = {"style": style, "spec_url": spec_url, "logout_url": None}
        if self._access.tickets.key() is not None:
            context.update(logout_url=url_for(LOGOUT), csrf_token=self._forms.token(response))
        self._renderer.write(response, STYLES[style], context)
        response.headers["Cache-Control"] = "private, no-cache" if self._access.is_protected else "no-cache"
        response.vary.update(self._access.vary)
        return response

    def _style(self) -> str:
        asked = request.args.get("style", "").lower()
        if asked in STYLES and self._settings.get(options.DOCS_ALLOW_STYLE_SWITCH):
            return asked
        return self._settings.get(options.DOCS_STYLE).lower()

    def _login(self, message: str = "", *, status: int = 200) -> Response:
        response = _html(status)
        context = {
            "style": "login-page",
            "logout_url": None,
            "message": message,
            "csrf_token": self._forms.token(response),
            "knows_users": self._access.knows_users,
            "has_password": self._access.has_password,
        }
        self._renderer.write(response, LOGIN, context)
        response.headers["Cache-Control"] = "no-store"
        if status == 401:
            response.headers["WWW-Authenticate"] = LOGIN_CHALLENGE
        return response

    def _log_in(self) -> Response:
        if not self._forms.sent_this():
            return self._login(_NOT_OUR_FORM, status=403)
        name, password = request.form.get("username", "").strip(), request.form.get("password", "")
        try:
            with self._attempts.one((network_of(request.remote_addr), rate) for rate in self._rates):
                account = self._access.log_in(name, password)
        except ApiError as error:
            if error.status not in (401, 403, 429):
                raise
            logger.warning("docs.login.failed reason=%s remote_addr=%s", error.reason, _address())
            response = self._login(error.message, status=error.status)
            if "Retry-After" in error.headers:
                response.headers["Retry-After"] = error.headers["Retry-After"]
            return response
        logger.info("docs.login.ok remote_addr=%s", _address())
        response = self._to_page()
        self._access.tickets.give(response, account)
        return response

    def _to_page(self) -> Response:
        # Never where the request says, only to the page itself (docs D-19), with a slash where it was asked for so.
        page = url_for(request.endpoint or PAGE, **(request.view_args or {}))
        if request.path.endswith("/") and not page.endswith("/"):
            page += "/"
        if "style" in request.args:
            page += f"?style={self._style()}"
        return _to(page)


def _to(page: str) -> Response:
    return Response(status=302, headers={"Location": page, "Cache-Control": "no-store"})


def _address() -> str:
    return one_line(request.remote_addr or "")


def _html(status: int = 200) -> Response:
    return Response(status=status, content_type="text/html; charset=utf-8")
