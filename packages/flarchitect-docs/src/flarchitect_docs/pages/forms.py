"""Forms of our pages: nobody else's page can send them (docs D-17)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from flask import request

if TYPE_CHECKING:
    from flask import Response

    from flarchitect_docs.pages.signer import Signer

__all__ = ["FIELD", "Forms"]

FIELD = "csrf_token"
"""Hidden field that each form carries."""

_COOKIE = "docs_form"
_ID_CHARACTERS = 43
_SECONDS = 12 * 3600
# Ours are some hundred bytes.
_BYTES_MAX = 16 * 1024


class Forms:
    """Gives each browser what its forms must carry, and looks for it in what is sent."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def token(self, response: Response) -> str:
        """Give the value of the hidden field; it belongs to a cookie that is set with the answer."""
        form_id = self._id() or secrets.token_urlsafe(32)
        self._signer.set_cookie(response, _COOKIE, form_id, max_age=_SECONDS)
        return self._signer.mark("form", form_id)

    def sent_this(self) -> bool:
        """Say whether a form of ours, in the same browser, made the current request.

        Browsers tell whose page makes a request, by `Sec-Fetch-Site` or at least by `Origin`; then the field must be
        there and right. What tells neither is a program: it acts for itself, and no foreign page can make it do so.

        Raises:
            RequestEntityTooLarge: What is sent is larger than any of our forms (413).
        """
        request.max_content_length = _BYTES_MAX
        site, token = request.headers.get("Sec-Fetch-Site"), request.form.get(FIELD)
        if site not in (None, "same-origin", "none"):
            return False
        if site is None and token is None and "Origin" not in request.headers:
            return True
        form_id = self._id()
        if form_id is None or token is None:
            return False
        return self._signer.is_mark_of(token, "form", form_id)

    def _id(self) -> str | None:
        form_id = self._signer.cookie(_COOKIE)
        return form_id if len(form_id) == _ID_CHARACTERS else None
