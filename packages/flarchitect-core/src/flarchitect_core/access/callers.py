"""The users of an application, as one part knows them and others ask: whose a name and password, or a request, is.

A part such as `flarchitect-auth` gives this by `Part.callers`, so that who asks imports no other part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState

__all__ = ["Account", "Callers", "callers_of"]


@dataclass(frozen=True, slots=True)
class Account:
    """One open account.

    Attributes:
        key: Names it for as long as it lives.
        state: Another one after its password has changed, or its sessions were ended. To be kept from clients.
    """

    key: str
    state: str


class Callers(Protocol):
    """Recognises users; failed attempts are counted and limited where this is made."""

    @property
    def have_passwords(self) -> bool:
        """Whether users can log in with a name and a password."""

    def log_in(self, name: str, password: str) -> Account:
        """Give the account of a name and a password, and make its user the current one.

        Raises:
            ApiError: They are not those of an open account (401), or too many attempts failed before (429).
        """

    def recognise(self) -> None:
        """Make the user whose credentials the current request carries the current one.

        Raises:
            ApiError: The request carries none or wrong ones (401), or too many attempts failed before (429).
        """

    def recall(self, key: str) -> Account | None:
        """Give the account of a key, `None` when it is gone or closed."""


def callers_of(state: ApplicationState) -> Callers | None:
    """Give what recognises the users of an application, `None` where no part does."""
    return next((found for part in state.parts if (found := part.callers(state)) is not None), None)
