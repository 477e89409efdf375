"""Files in the bodies of hand-written views: fields of a form, sent as `multipart/form-data`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import marshmallow as ma
from werkzeug.datastructures import FileStorage

__all__ = ["FileField", "Upload", "UploadedFile"]

_SCHEMA = {"type": "string", "format": "binary"}
_ANY_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Upload:
    """What a file must be, in the annotation of a dataclass or of a pydantic model.

    Attributes:
        max_bytes: Most bytes; the whole body has a limit besides (`API_BODY_SIZE_MAX_BYTES`).
        content_types: Media types that it may have, as its sender says.
    """

    max_bytes: int | None = None
    content_types: tuple[str, ...] = ()

    def checked(self, value: object) -> FileStorage:
        """Give the file.

        Raises:
            ValueError: It is none, or another one than it must be.
        """
        if not isinstance(value, FileStorage):
            raise ValueError("Not a file.")
        if self.content_types and value.mimetype not in self.content_types:
            raise ValueError(f"Must be {' or '.join(self.content_types)}; it is {value.mimetype or 'of no type'}.")
        if self.max_bytes is not None and _size(value) > self.max_bytes:
            raise ValueError(f"Larger than {self.max_bytes} bytes.")
        return value

    @property
    def json_schema(self) -> dict[str, Any]:
        """The file as the document shows it."""
        only = self.content_types[0] if len(self.content_types) == 1 else _ANY_TYPE
        return {**_SCHEMA, "contentMediaType": only}

    # What pydantic asks of an annotation.

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return import_module("pydantic_core").core_schema.no_info_plain_validator_function(self.checked)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        return self.json_schema


UploadedFile = Annotated[FileStorage, Upload()]
"""A file, as an annotation."""


class FileField(ma.fields.Field[FileStorage]):
    """A file, as a field of a marshmallow schema.

    Args:
        max_bytes: As of `Upload`.
        content_types: As of `Upload`.
    """

    def __init__(self, *, max_bytes: int | None = None, content_types: tuple[str, ...] = (), **arguments: Any) -> None:
        super().__init__(load_only=True, **arguments)
        self.upload = Upload(max_bytes, tuple(content_types))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> FileStorage:
        try:
            return self.upload.checked(value)
        except ValueError as error:
            raise ma.ValidationError(str(error)) from error


def _size(file: FileStorage) -> int:
    stream = file.stream
    place = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(place)
    return size
