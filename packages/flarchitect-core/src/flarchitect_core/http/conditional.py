"""Conditional requests (RFC 9110, 13): entity tags of answers, and the conditions that clients put on their requests.

A tag is `"<state>"`, or `"<state>.<view>"` where an answer shows more than the row itself. A write compares the state
only, so that a tag from any view of a row will do; a read compares the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import ETags, Headers
from werkzeug.http import parse_etags, unquote_etag

from flarchitect_core.errors import ApiError
from flarchitect_core.http.negotiation import JSON
from flarchitect_core.model.row_tags import digest

__all__ = ["Precondition", "check_read", "entity_tag", "list_tag", "precondition_of", "required"]


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold of a row before it is written."""

    if_match: ETags | None
    if_none_match: ETags | None

    def check(self, state: str | None) -> None:
        """Compare the state of the row; `None` when there is none.

        Raises:
            ApiError: 412, it is another one.
        """
        wanted, unwanted = self.if_match, self.if_none_match
        # A weak tag never matches here (RFC 9110, 13.1.1).
        if wanted is not None and (state is None or not (wanted.star_tag or state in _states(wanted, weak=False))):
            raise self.failure()
        if unwanted is not None and state is not None and (unwanted.star_tag or state in _states(unwanted, weak=True)):
            raise self.failure()

    def failure(self) -> ApiError:
        """Make the error of a condition that does not hold."""
        if self.if_match is None:
            message = "The row is there already, and If-None-Match says that it must not be."
        else:
            message = "The row is not in the state that If-Match names. Read it again and repeat the change."
        return ApiError(message, status=412, reason="precondition_failed")


def _states(tags: ETags, *, weak: bool) -> set[str]:
    # An empty tag is read as `None`.
    return {(tag or "").partition(".")[0] for tag in tags.as_set(include_weak=weak)}


def precondition_of(headers: Headers) -> Precondition | None:
    """Read the conditions of a request, `None` without any."""
    match, none_match = headers.get("If-Match"), headers.get("If-None-Match")
    if match is None and none_match is None:
        return None
    return Precondition(
        parse_etags(match) if match is not None else None,
        parse_etags(none_match) if none_match is not None else None,
    )


def required(precondition: Precondition | None, *, creates: bool = False) -> None:
    """Refuse a write that does not say which state of the row it changes.

    Args:
        creates: Whether it may say with `If-None-Match: *` that there is no row yet.

    Raises:
        ApiError: 428.
    """
    if precondition is not None:
        if precondition.if_match is not None:
            return
        if creates and precondition.if_none_match is not None and precondition.if_none_match.star_tag:
            return
    raise ApiError(
        "This needs an If-Match header with the ETag of the row. Read the row first, or send If-Match: * to change it "
        "whatever its state is.",
        status=428,
        reason="precondition_required",
    )


def entity_tag(state: str, told: Any, mimetype: str) -> str:
    """Give the strong tag of an answer with one row.

    Args:
        state: Tag of the row.
        told: What the answer tells besides what is in the row; empty when it is nothing.
        mimetype: Format of the answer; each format has tags of its own.
    """
    is_plain = mimetype == JSON.mimetype
    if is_plain and not told:
        return f'"{state}"'
    return f'"{state}.{digest([told, None if is_plain else mimetype])[:12]}"'


def list_tag(value: Any, members: Mapping[str, Any], mimetype: str) -> str:
    """Give the weak tag of an answer with several rows."""
    return f'W/"{digest([value, sorted(members.items()), mimetype])}"'


def check_read(headers: Headers, tag: str) -> None:
    """Check the `If-Match` of a request that only reads.

    Raises:
        ApiError: 412, the answer would have another tag.
    """
    wanted = headers.get("If-Match")
    if wanted is None:
        return
    opaque, is_weak = unquote_etag(tag)
    tags = parse_etags(wanted)
    if not tags.star_tag and (is_weak or not tags.is_strong(opaque)):
        raise Precondition(tags, None).failure()
