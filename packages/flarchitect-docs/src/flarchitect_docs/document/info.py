"""The `info` block: what the API is called, whom to ask, and its introduction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flarchitect_core import options as core
from flarchitect_docs import options
from flarchitect_docs.document.templates import default_description, text_or_file

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState

__all__ = ["info_of", "title_of", "version_of"]

_TITLE, _VERSION = "My API", "1.0.0"


def title_of(state: ApplicationState) -> str:
    """Give the title, a customary one where none is set."""
    title, origin = state.settings.resolve(core.TITLE)
    return _TITLE if origin == "default" else title


def version_of(state: ApplicationState) -> str:
    """Give the version of the API."""
    return state.settings.get(core.VERSION) or _VERSION


def info_of(state: ApplicationState) -> dict[str, Any]:
    """Write the block, title and version aside."""
    get = state.settings.get
    info: dict[str, Any] = {}
    said = get(core.DESCRIPTION)
    description = text_or_file(said, state) if isinstance(said, str) else default_description(state)
    if description:
        info["description"] = description
    contact = {"name": options.CONTACT_NAME, "email": options.CONTACT_EMAIL, "url": options.CONTACT_URL}
    licence = {"name": options.LICENCE_NAME, "url": options.LICENCE_URL}
    for name, members in (("contact", contact), ("license", licence)):
        given = {member: get(option) for member, option in members.items() if get(option)}
        if given:
            # A licence without a name is none (OpenAPI, 4.8.4).
            info[name] = given if name == "contact" else {"name": "Licence", **given}
    if get(options.LOGO_URL):
        info["x-logo"] = {
            "url": get(options.LOGO_URL),
            "backgroundColor": get(options.LOGO_BACKGROUND),
            "altText": f"{title_of(state)} logo.",
        }
    return info
