"""Bytes that are sent again and again: tagged, compressed once, and sent only to those who do not have them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec

from flask import Response, request

__all__ = ["Representation"]

# Below a packet or so, compressing costs more than it saves.
_COMPRESSED_FROM_BYTES = 1024
# The last quality before it takes seconds for what grows no smaller by more than some parts of a hundred.
_BROTLI_QUALITY = 9


@cache
def _has_brotli() -> bool:
    return find_spec("brotli") is not None


class Representation:
    """One form of something.

    Args:
        etag: Names the bytes, without quotes.
        content_type: Their media type, with its parameters.
        content: The bytes; may be left out of what is there compressed.
        compressed: The same with gzip; made when it is first asked for.
    """

    def __init__(
        self, etag: str, content_type: str, *, content: bytes | None = None, compressed: bytes | None = None
    ) -> None:
        self.etag = etag
        self.content_type = content_type
        if content is not None:
            self.content = content
        if compressed is not None:
            self.compressed = compressed
        self._has_small_content = content is not None and len(content) < _COMPRESSED_FROM_BYTES

    @cached_property
    def content(self) -> bytes:
        """The bytes."""
        return gzip.decompress(self.compressed)

    @cached_property
    def compressed(self) -> bytes:
        """The bytes with gzip."""
        return gzip.compress(self.content, 9, mtime=0)

    @cached_property
    def compressed_by_brotli(self) -> bytes:
        """The bytes with Brotli, which is smaller; only where its library is installed."""
        compressed: bytes = import_module("brotli").compress(self.content, quality=_BROTLI_QUALITY)
        return compressed

    def _coding(self) -> str | None:
        """Name the coding that the client likes best, Brotli where it likes both alike; `None` for plain bytes."""
        if self._has_small_content:
            return None
        offered = ("br", "gzip") if _has_brotli() else ("gzip",)
        best = max(offered, key=lambda coding: request.accept_encodings[coding])
        return best if request.accept_encodings[best] > 0 else None

    def _coded(self, coding: str | None) -> bytes:
        if coding is None:
            return self.content
        return self.compressed if coding == "gzip" else self.compressed_by_brotli

    def answer(self, *, cache_control: str, vary: Iterable[str] = ()) -> Response:
        """Answer the current request, with 304 when the client has these bytes.

        Args:
            cache_control: Value of the header.
            vary: Request headers on which the answer depends besides `Accept-Encoding`.
        """
        coding = self._coding()
        # Each coding has a tag of its own, as a strong one stands for exact bytes (RFC 9110, 8.8.3.3).
        etag = self.etag if coding is None else f"{self.etag}-{coding}"
        if request.if_none_match.contains_weak(etag):
            response = Response(status=304)
            del response.headers["Content-Type"]
        else:
            response = Response(self._coded(coding), content_type=self.content_type)
            if coding is not None:
                response.headers["Content-Encoding"] = coding
        response.set_etag(etag)
        response.headers["Cache-Control"] = cache_control
        response.headers["Vary"] = ", ".join(("Accept-Encoding", *vary))
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
