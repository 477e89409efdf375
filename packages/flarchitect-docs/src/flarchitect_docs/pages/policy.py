"""What browsers let the pages do (Content-Security-Policy, docs D-9)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

__all__ = ["WithNonce", "origin_of", "policy"]

# Tags of an operator whose content runs or styles; what has a nonce already keeps it.
_TAG = re.compile(r"<(script|style|link(?=[^>]*\bstylesheet\b))\b(?![^>]*\snonce[\s=>])", re.IGNORECASE)


def policy(nonce: str, *further: Mapping[str, Iterable[str]]) -> str:
    """Write the strict policy of a page.

    Args:
        nonce: Random word of this answer; what the page itself brings carries it.
        further: Sources that are allowed besides, by directive.
    """
    rules = {
        "default-src": ["'none'"],
        "script-src": ["'self'", f"'nonce-{nonce}'"],
        "style-src": ["'self'", f"'nonce-{nonce}'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'", "blob:"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    for more in further:
        for directive, sources in more.items():
            rules.setdefault(directive, []).extend(sources)
    return "; ".join(f"{directive} {' '.join(dict.fromkeys(sources))}" for directive, sources in rules.items())


class WithNonce:
    """HTML of an operator, whose scripts and styles get the nonce of each page.

    Args:
        html: What was configured; nothing else of it is changed.
    """

    def __init__(self, html: str) -> None:
        ends = [match.end() for match in _TAG.finditer(html)]
        self._pieces = [html[start:end] for start, end in zip([0, *ends], [*ends, len(html)], strict=True)]

    def written(self, nonce: str) -> str:
        """Give the HTML with a nonce."""
        return f' nonce="{nonce}"'.join(self._pieces)


def origin_of(url: str) -> str | None:
    """Give the origin of a URL as a policy names it, `None` of one on our own host, or with variables in its host."""
    parts = urlsplit(url)
    is_plain = parts.scheme in ("http", "https") and re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", parts.netloc)
    return f"{parts.scheme}://{parts.netloc}" if is_plain else None
