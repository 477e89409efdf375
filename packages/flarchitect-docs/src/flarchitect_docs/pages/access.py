"""Who may read the pages and the document: one decision for every URL that tells it (docs 2.1, D-18)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import request

from flarchitect_core import options as core
from flarchitect_core.access.callers import Account, Callers, callers_of
from flarchitect_core.errors import ApiError
from flarchitect_core.findings import Finding
from flarchitect_core.rate_storage import check_storage_options
from flarchitect_docs import options
from flarchitect_docs.pages.signer import Signer
from flarchitect_docs.pages.tickets import Tickets

if TYPE_CHECKING:
    from flask import Response

    from flarchitect_core.state import ApplicationState

__all__ = ["LOGIN_CHALLENGE", "Access", "check_access", "diagnose_access"]

LOGIN_CHALLENGE = 'Form realm="documentation"'
"""What an answer 401 says of our login (RFC 9110, 11.6.1). No browser knows it, so that none asks by a window of its
own."""

# Stands for the shared password in tickets; keys of accounts never are empty.
_SHARED = ""


class Access:
    """Decides whether the current request may read."""

    def __init__(self, state: ApplicationState) -> None:
        self._password: str | None = state.settings.get(options.DOCUMENTATION_PASSWORD)
        self.is_protected = self._password is not None or state.settings.get(options.DOCUMENTATION_REQUIRE_AUTH)
        self._needs_tls = state.settings.get(core.SECURITY_PROFILE) == "strict"
        self.signer = Signer(state.app)
        self.tickets = Tickets(self.signer, state.settings)
        self._callers: Callers | None = callers_of(state) if self.is_protected else None

    @property
    def knows_users(self) -> bool:
        """Whether users of the application can log in here."""
        return self._callers is not None and self._callers.have_passwords

    @property
    def recognises_users(self) -> bool:
        """Whether readers can be users of the application at all."""
        return self._callers is not None

    @property
    def has_password(self) -> bool:
        """Whether there is a shared password."""
        return self._password is not None

    @property
    def vary(self) -> tuple[str, ...]:
        """The request headers by which it is decided."""
        return ("Cookie", "Authorization") if self.is_protected else ()

    def keep_private(self, response: Response) -> Response:
        """Let no cache that several readers share keep an answer of what is protected."""
        if self.is_protected:
            response.headers["Cache-Control"] = "private, no-cache"
            response.vary.update(self.vary)
        return response

    def is_granted(self) -> bool:
        """Say whether the current request may read: by its ticket, or by what opens the API too.

        Raises:
            ApiError: Too many attempts failed before (429), or credentials came unencrypted where that is forbidden
                (403).
        """
        return not self.is_protected or self._has_ticket() or self._is_recognised()

    def require(self) -> None:
        """Refuse the current request unless it may read.

        Raises:
            ApiError: It may not (401), and as `is_granted`.
        """
        if not self.is_granted():
            headers = {"Cache-Control": "no-store"}
            if self._callers is None:  # the part that knows callers names its own ways
                headers["WWW-Authenticate"] = LOGIN_CHALLENGE
            raise ApiError(
                "Log in at the documentation page first.", status=401, reason="login_required", headers=headers
            )

    def log_in(self, name: str, password: str) -> Account:
        """Give whom a name and a password, or the shared password, let in.

        Raises:
            ApiError: Nobody (401), unencrypted with the profile `strict` (403), and as `Callers.log_in`.
        """
        if self._needs_tls and not request.is_secure:
            raise ApiError("Passwords are taken over HTTPS only.", status=403, reason="tls_required")
        shared = self._shared_account()
        if shared is not None and _is_same(password, shared.state):
            return shared
        if self._callers is not None and self.knows_users and name and password:
            return self._callers.log_in(name, password)
        raise ApiError("Invalid credentials", status=401, reason="invalid_credentials")

    def _shared_account(self) -> Account | None:
        return None if self._password is None else Account(_SHARED, self._password)

    def _has_ticket(self) -> bool:
        key = self.tickets.key()
        if key is None:
            return False
        if key == _SHARED:
            account = self._shared_account()
        else:
            account = self._callers.recall(key) if self._callers is not None and self.knows_users else None
        return account is not None and self.tickets.is_of(account)

    def _is_recognised(self) -> bool:
        if self._callers is None:
            return False
        try:
            self._callers.recognise()
        except ApiError as error:
            if error.status != 401:
                raise
            return False
        return True


def check_access(state: ApplicationState) -> None:
    """Report what would leave the documentation open, or nobody able to read it."""
    access, report = Access(state), state.report
    if state.settings.get(options.DOCUMENTATION_PASSWORD) == "":
        report.problem(
            "API_DOCUMENTATION_PASSWORD is empty. Set it to a password, or leave it out to let everybody read."
        )
    if state.settings.get(options.DOCS_FILTER_BY_ROLE) and not access.recognises_users:
        report.problem(
            "API_DOCS_FILTER_BY_ROLE is True, and no reader would have a role. Set API_DOCUMENTATION_REQUIRE_AUTH = "
            "True, and API_AUTHENTICATE_METHOD with a user model that has roles."
        )
    if not access.is_protected:
        return
    check_storage_options(state.settings, report)
    if not (access.has_password or access.knows_users):
        report.problem(
            "API_DOCUMENTATION_REQUIRE_AUTH is True, and nobody could log in. Set API_AUTHENTICATE_METHOD with "
            "API_USER_MODEL, API_USER_LOOKUP_FIELD and API_CREDENTIAL_CHECK_METHOD, or API_DOCUMENTATION_PASSWORD."
        )
    if not state.app.config.get("SECRET_KEY"):
        report.problem(
            "The documentation asks for a login, and SECRET_KEY, which signs it, is not set. Set it to random text; "
            "`python -c 'import secrets; print(secrets.token_urlsafe(48))'` prints a good one."
        )


def diagnose_access(state: ApplicationState) -> Iterator[Finding]:
    """Tell of a documentation that everybody may read, where the API itself asks who calls."""
    if not Access(state).is_protected and callers_of(state) is not None:
        yield Finding(
            "info",
            "open-documentation",
            "Callers of the API must be known, and everybody can read its documentation. Set "
            "API_DOCUMENTATION_REQUIRE_AUTH = True or API_DOCUMENTATION_PASSWORD, unless it is for everybody.",
        )


def _is_same(given: str, wanted: str) -> bool:
    """Compare two passwords in the same time whatever they have in common, their length included."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, wanted)]
    return hmac.compare_digest(*digests)
