"""Bytes that are sent again and again: tagged, compressed once, and sent only to those who do not have them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import cached_property

from flask import Response, request

__all__ = ["Representation"]

# Below a packet or so, compressing costs more than it saves.
_COMPRESSED_FROM_BYTES = 1024


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

    def answer(self, *, cache_control: str, vary: Iterable[str] = ()) -> Response:
        """Answer the current request, with 304 when the client has these bytes.

        Args:
            cache_control: Value of the header.
            vary: Request headers on which the answer depends besides `Accept-Encoding`.
        """
        is_compressed = not self._has_small_content and request.accept_encodings["gzip"] > 0
        # Each coding has a tag of its own, as a strong one stands for exact bytes (RFC 9110, 8.8.3.3).
        etag = f"{self.etag}-gzip" if is_compressed else self.etag
        if request.if_none_match.contains_weak(etag):
            response = Response(status=304)
            del response.headers["Content-Type"]
        else:
            response = Response(self.compressed if is_compressed else self.content, content_type=self.content_type)
            if is_compressed:
                response.headers["Content-Encoding"] = "gzip"
        response.set_etag(etag)
        response.headers["Cache-Control"] = cache_control
        response.headers["Vary"] = ", ".join(("Accept-Encoding", *vary))
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
