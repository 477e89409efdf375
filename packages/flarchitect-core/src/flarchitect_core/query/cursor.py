"""Cursors: the position of a row in an order, as a text that only this application can write."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import hashlib
import logging
import secrets
import uuid
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from itsdangerous import BadData, URLSafeSerializer

from flarchitect_core import options
from flarchitect_core.errors import QueryError

if TYPE_CHECKING:
    from flask import Flask

    from flarchitect_core.settings import Settings

__all__ = ["CURSOR_MAX", "Cursors", "Position"]

logger = logging.getLogger("flarchitect.startup")

CURSOR_MAX = 4096
"""Longest cursor: servers take URLs of 8,000 characters."""

_Write = Callable[[Any], object]
_Read = Callable[[Any], Any]
_CODECS: Mapping[str, tuple[type, _Write, _Read]] = {
    "decimal": (decimal.Decimal, str, decimal.Decimal),
    "datetime": (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    "date": (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "time": (dt.time, dt.time.isoformat, dt.time.fromisoformat),
    "timedelta": (
        dt.timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: dt.timedelta(*parts),
    ),
    "uuid": (uuid.UUID, str, uuid.UUID),
    "bytes": (bytes, lambda value: base64.b64encode(value).decode(), base64.b64decode),
}
_TAGS = {kind: tag for tag, (kind, _, _) in _CODECS.items()}
_PLAIN = frozenset({type(None), bool, int, float, str})


@dataclass(frozen=True, slots=True)
class Position:
    """A row in an order, from where a page goes on.

    Attributes:
        values: What the order compares, the key last.
        backward: Whether the page is the one before the row.
    """

    values: tuple[Any, ...]
    backward: bool = False

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the condition, without its values."""
        return self.backward, tuple(value is None for value in self.values)


class Cursors:
    """Writes and reads the cursors of one application.

    They are signed with `API_CURSOR_SECRET`, else with the `SECRET_KEY` of the application, else with a key that only
    this process has.
    """

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._own_key = secrets.token_hex(32)
        self._is_told = False

    def write(self, position: Position, fingerprint: str) -> str:
        """Write the cursor of a position.

        Args:
            fingerprint: `fingerprint_of` the query that it belongs to.

        Raises:
            QueryError: The values cannot stand in a cursor.
        """
        payload = [fingerprint, int(position.backward), *map(_written, position.values)]
        text: str = self._serializer().dumps(payload)
        if len(text) > CURSOR_MAX:
            raise QueryError(
                "The values of the sort keys are too long for a cursor. Sort by shorter columns, or use `page`.",
                reason="cursor_too_long",
            )
        return text

    def read(self, text: str, fingerprint: str) -> Position:
        """Read a cursor back.

        Raises:
            QueryError: Nobody wrote it here, or it belongs to another query.
        """
        try:
            if len(text) > CURSOR_MAX:
                raise BadData("too long")
            bound, backward, *values = self._serializer().loads(text)
        except BadData as error:
            raise QueryError(
                "The cursor is not one that this API gave. Begin anew with an empty `cursor`, and follow `next_url`.",
                reason="invalid_cursor",
            ) from error
        if bound != fingerprint:
            raise QueryError(
                "The cursor belongs to another route, order or filter. Begin anew with an empty `cursor`.",
                reason="invalid_cursor",
            )
        return Position(tuple(map(_read, values)), bool(backward))

    def _serializer(self) -> URLSafeSerializer:
        secret = self._settings.get(options.CURSOR_SECRET) or self._app.secret_key
        if not secret:
            self._tell()
        return URLSafeSerializer(
            secret or self._own_key,
            salt="flarchitect.cursor",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            logger.warning(
                "Cursors are signed with a key that only this process has: other processes refuse them, and so does "
                "this one after a restart. Set SECRET_KEY or API_CURSOR_SECRET."
            )


def _written(value: Any) -> object:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind not in _TAGS:
        raise QueryError(
            f"Rows cannot be given by cursor in this order: no cursor holds a value of {kind.__name__}. Use `page`.",
            reason="not_sortable",
        )
    tag = _TAGS[kind]
    return [tag, _CODECS[tag][1](value)]


def _read(written: Any) -> Any:
    if not isinstance(written, list):
        return written
    tag, text = written
    return _CODECS[tag][2](text)
