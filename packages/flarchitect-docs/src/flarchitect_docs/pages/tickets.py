"""What a browser keeps of a login: a signed cookie. No session of the application is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flarchitect_docs import options

if TYPE_CHECKING:
    from flask import Response

    from flarchitect_core.access.callers import Account
    from flarchitect_core.settings import Settings
    from flarchitect_docs.pages.signer import Signer

__all__ = ["Tickets"]

_COOKIE = "docs_session"


class Tickets:
    """Gives tickets and reads them.

    A ticket names an account and has a mark of the state in which it was given: when the password has changed since,
    it counts no more.
    """

    def __init__(self, signer: Signer, settings: Settings) -> None:
        self._signer = signer
        self._seconds = settings.get(options.DOCS_SESSION_MINUTES) * 60

    def give(self, response: Response, account: Account) -> None:
        """Let the browser in as an account."""
        ticket = self._signer.dumps([account.key, self._signer.mark(*_described(account))])
        self._signer.set_cookie(response, _COOKIE, ticket, max_age=self._seconds)

    def take_back(self, response: Response) -> None:
        """Let the browser forget its ticket."""
        self._signer.delete_cookie(response, _COOKIE)

    def key(self) -> str | None:
        """Give the key of the account that the ticket of the current request names, `None` without a ticket of ours."""
        ticket = self._read()
        return None if ticket is None else ticket[0]

    def is_of(self, account: Account) -> bool:
        """Say whether the ticket of the current request was given to an account in the state that it is in now."""
        ticket = self._read()
        if ticket is None or ticket[0] != account.key:
            return False
        return self._signer.is_mark_of(ticket[1], *_described(account))

    def _read(self) -> list[str] | None:
        cookie = self._signer.cookie(_COOKIE)
        return self._signer.loads(cookie, max_age=self._seconds) if cookie else None


def _described(account: Account) -> tuple[str, ...]:
    return "ticket", account.key, account.state
