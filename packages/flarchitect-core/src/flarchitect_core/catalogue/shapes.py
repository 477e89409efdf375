"""What bodies and answers consist of, before any notation: records of resources, schemas, or plain JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.views.managed import SchemaOrClass

__all__ = ["Answer", "Body", "Content", "JsonShape", "Location", "Parameter", "RecordShape", "SchemaShape", "Shape"]
__all__ += ["RecordUse"]

Location = Literal["query", "path", "header"]
RecordUse = Literal["answer", "create", "replace", "update"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation.

    Attributes:
        name: As it is sent.
        schema: JSON Schema of the value.
        sentence: What it does.
        is_list: Whether the value is written as a list with commas.
        resource: Name of the resource that it belongs to, when others have one of the same name and another meaning.
        example: A value that works.
    """

    name: str
    location: Location
    schema: Mapping[str, Any]
    sentence: str
    required: bool = False
    is_list: bool = False
    resource: str | None = None
    example: Any = None


@dataclass(frozen=True, slots=True)
class RecordShape:
    """A record of a resource: as answers show it, or as the body of a write gives it."""

    resource: Resource
    use: RecordUse


@dataclass(frozen=True, slots=True)
class SchemaShape:
    """What the schema of a hand-written view takes or gives.

    Attributes:
        is_partial: Whether nothing is required.
        is_body: Whether bodies are meant, which may be read more generously than answers are written.
    """

    schema: SchemaOrClass
    is_partial: bool = False
    is_body: bool = False


@dataclass(frozen=True, slots=True)
class JsonShape:
    """What a JSON Schema says."""

    schema: Mapping[str, Any]


Shape = RecordShape | SchemaShape | JsonShape


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent in some media types.

    Attributes:
        shape: What it is; `None` when anything may come.
        many: Whether it is a list of that.
        is_enveloped: Whether it stands in `value` of the envelope.
        reports: Whether it is a list of what became of each item.
        is_stream: Whether it is a stream of events, each of which has that.
    """

    media_types: Sequence[str]
    shape: Shape | None = None
    many: bool = False
    is_enveloped: bool = True
    reports: bool = False
    is_stream: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request.

    Attributes:
        shape: What it is.
        takes_lists: Whether it may also be a list of that.
        most: Most items of such a list.
        part_types: Of a form, the media types of the parts that have certain ones, by name.
    """

    media_types: Sequence[str]
    shape: Shape
    required: bool = True
    takes_lists: bool = False
    most: int | None = None
    part_types: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is no error.

    Attributes:
        contents: What it holds; nothing for an answer without a body.
        headers: Names of headers that it may carry.
    """

    status: int
    sentence: str
    contents: Sequence[Content] = ()
    headers: Sequence[str] = field(default=())
