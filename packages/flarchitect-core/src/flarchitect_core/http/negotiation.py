"""Choosing the format of an answer by the `Accept` header (RFC 9110, 12.5.1).

The format follows `Accept` only. Of the formats that a route has, the one that the client likes best is given; the
first one, which is JSON, when it likes several equally or says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flask import current_app, has_request_context, request

from flarchitect_core import options
from flarchitect_core.errors import ApiError
from flarchitect_core.settings import Settings
from flarchitect_core.state import STATE_KEY

__all__ = ["CSV", "JSON", "NDJSON", "PROBLEM", "XML", "Format", "best_format", "error_format", "is_xml", "quality_of"]
__all__ += ["record_formats", "require_format"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format of answers.

    Attributes:
        name: Short name, for cache keys and the like.
        mimetypes: Media types by which clients ask for it; the first one is its own, and alone meant by wildcards.
    """

    name: str
    mimetypes: tuple[str, ...]

    @property
    def mimetype(self) -> str:
        """The media type that tells clients about it."""
        return self.mimetypes[0]


# Who names only problem details says how errors are wanted, and takes the JSON that everything else is.
JSON = Format("json", ("application/json", "application/problem+json"))
XML = Format("xml", ("application/xml", "text/xml"))
CSV = Format("csv", ("text/csv",))
NDJSON = Format("ndjson", ("application/x-ndjson",))
PROBLEM = Format("problem", ("application/problem+json",))

_JSON_ONLY = (JSON,)
_JSON_AND_XML = (JSON, XML)
# What nearly every client sends; JSON stands first wherever formats are offered.
_MEANS_FIRST = frozenset({None, "", "*/*", "application/json"})

_RANGES_MAX = 100
_MEDIA_RANGE = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+", re.ASCII)
_QUALITY = re.compile(r"0(\.[0-9]{0,9})?|1(\.0{0,9})?", re.ASCII)


def record_formats(settings: Settings) -> Sequence[Format]:
    """Give the formats that every answer in the envelope has."""
    return _JSON_AND_XML if settings.get(options.ALLOW_XML) else _JSON_ONLY


def best_format(accept: str | None, offered: Sequence[Format]) -> Format | None:
    """Give the format that suits an `Accept` header best, `None` when none does.

    Args:
        accept: The header, `None` when it was not sent.
        offered: What there is, in our own order of preference.
    """
    if accept in _MEANS_FIRST:
        return offered[0]
    ranges = _ranges(accept or "")
    qualities = [_format_quality(ranges, each) for each in offered]
    best = max(qualities)
    return offered[qualities.index(best)] if best > 0 else None


def require_format(accept: str | None, offered: Sequence[Format]) -> Format:
    """Give the format that suits an `Accept` header best.

    Raises:
        ApiError: 406, with the media types that there are.
    """
    found = best_format(accept, offered)
    if found is None:
        available = [each.mimetype for each in offered]
        raise ApiError(
            f"This is not available as {accept}. Ask for one of: {', '.join(available)}.",
            status=406,
            reason="not_acceptable",
            details={"available": available},
        )
    return found


def error_format(accept: str | None, settings: Settings) -> Format:
    """Give the format of an error; JSON when none suits, because an error must be told."""
    if settings.get(options.ERROR_FORMAT) == "problem":
        return PROBLEM
    offered = record_formats(settings)
    if accept is not None and PROBLEM.mimetype in accept.lower():
        # It must be named to be chosen: a wildcard means the usual shape.
        offered = (PROBLEM, *offered)
    return best_format(accept, offered) or JSON


def is_xml() -> bool:
    """Say whether the current request is answered in XML; `False` outside of requests."""
    if not has_request_context():
        return False
    state = current_app.extensions.get(STATE_KEY)
    offered = _JSON_AND_XML if state is None else record_formats(state.settings)
    return best_format(request.environ.get("HTTP_ACCEPT"), offered) is XML


def quality_of(accept: str | None, mimetype: str) -> float:
    """Say how much the sender of an `Accept` header likes a media type, from 0 (not at all) to 1."""
    return _quality(_ranges(accept if accept and accept.strip() else "*/*"), mimetype)


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Read the media ranges and their qualities; parameters other than `q` decide nothing here.

    What is no media range, or has a quality that is no number from 0 to 1, does not count. A header of which nothing
    counts is taken as none.
    """
    ranges: list[tuple[str, float]] = []
    for part in accept.lower().split(",", _RANGES_MAX)[:_RANGES_MAX]:
        media, *parameters = (piece.strip() for piece in part.split(";"))
        quality = _quality_given(parameters)
        if quality is not None and _MEDIA_RANGE.fullmatch(media):
            ranges.append((media, quality))
    return ranges or [("*/*", 1.0)]


def _quality_given(parameters: Sequence[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value) if _QUALITY.fullmatch(value.strip()) else None
    return 1.0


def _format_quality(ranges: Sequence[tuple[str, float]], offered: Format) -> float:
    named = [quality for media, quality in ranges if media in offered.mimetypes]
    return max([_quality(ranges, offered.mimetype), *named])


def _quality(ranges: Sequence[tuple[str, float]], mimetype: str) -> float:
    """Find the quality of the most specific range that a media type lies in."""
    for wanted in (mimetype, f"{mimetype.partition('/')[0]}/*", "*/*"):
        found = [quality for media, quality in ranges if media == wanted]
        if found:
            return max(found)
    return 0.0
