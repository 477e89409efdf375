"""Compiling the dump of a resource: from what an answer shows to one function over all rows.

The function is generated as source text with one dictionary literal per row, because per row and per field it does
nothing but what the types ask for. Names in the source are positions made by this module; keys are written with
`repr`, so nothing a client or a model is called can become code.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timezone
from typing import Any, Protocol

from flarchitect_core.model.fields import ColumnField
from flarchitect_core.model.jsonable import to_jsonable
from flarchitect_core.model.keys import key_text

__all__ = ["DumpFunction", "InlineMany", "InlineOne", "ItemLink", "KeyPart", "Output", "RelationLink", "Value"]
__all__ += ["compile_dump"]

Record = dict[str, Any]


class DumpFunction(Protocol):
    """Turns rows into records.

    Called with the rows, the URL root of the request (`SCRIPT_NAME`, without trailing slash), and one lookup per
    inlined relation: key of the parent's link to its record or records.
    """

    def __call__(self, rows: Sequence[Any], root: str, inlined: Sequence[Mapping[Any, Any]]) -> list[Record]: ...


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One column that takes part in a link: its position in the row and its field."""

    position: int
    codec: ColumnField


@dataclass(frozen=True, slots=True)
class Value:
    """A column value, converted by its field."""

    position: int
    codec: ColumnField


@dataclass(frozen=True, slots=True)
class ItemLink:
    """Link to one row: `path` and its key; null when any part of the key is."""

    path: str
    key: tuple[KeyPart, ...]


@dataclass(frozen=True, slots=True)
class RelationLink:
    """Link to the relation route of this row."""

    path: str
    key: tuple[KeyPart, ...]
    segment: str


@dataclass(frozen=True, slots=True)
class InlineOne:
    """The related record, or null."""

    slot: int
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InlineMany:
    """The related records, an empty list when there are none."""

    slot: int
    positions: tuple[int, ...]


Output = Value | ItemLink | RelationLink | InlineOne | InlineMany

_NAMESPACE: Mapping[str, Any] = {
    "b64encode": b64encode,
    "key_text": key_text,
    "to_jsonable": to_jsonable,
    "utc": timezone.utc,
}


def compile_dump(outputs: Mapping[str, Output], width: int) -> DumpFunction:
    """Generate the dump function of one plan.

    Args:
        outputs: JSON key to what it shows, in the order of the record.
        width: Number of columns in a row.
    """
    names = [f"c{position}" for position in range(width)]
    fields = ", ".join(f"{key!r}: {_source(output)}" for key, output in outputs.items())
    unpacked = f"({', '.join(names)},)"
    source = f"def dump(rows, root, inlined):\n    return [{{{fields}}} for {unpacked} in rows]\n"
    namespace = {**_NAMESPACE, **_converters(outputs)}
    exec(compile(source, "<flarchitect dump>", "exec"), namespace)  # noqa: S102 - see the module docstring
    dump: Callable[..., list[Record]] = namespace["dump"]
    return dump


def _converters(outputs: Mapping[str, Output]) -> dict[str, Callable[[Any], Any]]:
    """Give the conversions that are no expression but a method of their field, by their names in the source."""
    values = [output for output in outputs.values() if isinstance(output, Value)]
    return {
        _converter(value): value.codec.to_json for value in values if "{convert}" in (value.codec.dump_source or "")
    }


def _converter(value: Value) -> str:
    return f"convert{value.position}"


def _source(output: Output) -> str:
    if isinstance(output, Value):
        return _value(output)
    if isinstance(output, ItemLink):
        nulls = " or ".join(f"c{part.position} is None" for part in output.key)
        return f"None if {nulls} else {_link(output.path, output.key)}"
    if isinstance(output, RelationLink):
        return f"{_link(output.path, output.key)} + {('/' + output.segment)!r}"
    lookup = f"inlined[{output.slot}].get({_key(output.positions)})"
    return lookup if isinstance(output, InlineOne) else f"{lookup} or []"


def _value(output: Value) -> str:
    name = f"c{output.position}"
    template = output.codec.dump_source
    if template is None:
        return name
    return f"None if {name} is None else {template.format(v=name, convert=_converter(output))}"


def _link(path: str, key: Sequence[KeyPart]) -> str:
    texts = [f"str(c{part.position})" if part.codec.url_source else f"key_text(c{part.position})" for part in key]
    joined = " + '/' + ".join(texts)
    return f"root + {(path + '/')!r} + {joined}"


def _key(positions: Sequence[int]) -> str:
    names = ", ".join(f"c{position}" for position in positions)
    return names if len(positions) == 1 else f"({names})"
