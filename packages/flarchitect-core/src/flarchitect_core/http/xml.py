"""XML in and out (rest 4.4). It says what JSON says: one element for each member, `item` for each entry of a list.

The parser is imported when the first document arrives, because most applications never see one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from flarchitect_core.errors import BadRequestError
from flarchitect_core.http.encoding import encode_json

__all__ = ["dict_to_xml", "encode_xml", "parse_xml", "xml_to_dict"]

_DECLARATION = '<?xml version="1.0" encoding="UTF-8" ?>'
_ROOT = "root"
_ITEM = "item"
_DEPTH_MAX = 200

# What XML 1.0 cannot hold, escaped or not, and what has to be escaped; a bare CR would be read as LF.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})

# The letters of names that every parser takes; the editions of XML 1.0 disagree about many others.
_LETTERS = "A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\xff\u0391-\u03a1\u03a3-\u03ce\u0410-\u044f\u05d0-\u05ea\u0621-\u063a"
_LETTERS += "\u3041-\u3094\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3"
_NO_NAME_CHARACTER = re.compile(rf"[^{_LETTERS}\-.0-9]")
_NAME_BEGINS = re.compile(rf"[{_LETTERS}]")

_Tree = dict[str, Any]


# --- writing ----------------------------------------------------------------------------------------------------------


def encode_xml(value: object) -> bytes:
    """Write a value as an XML document whose root element is `root`.

    Null and the empty string are an empty element each. A name that XML does not take has `_` in place of what is
    wrong with it; characters that XML cannot hold become U+FFFD.
    """
    return dict_to_xml(value).encode("utf-8")


def dict_to_xml(value: object) -> str:
    """Write a value as `encode_xml` does, as text."""
    # By way of JSON, so that every number, date and unknown type reads the same in both; numbers stay as they are
    # written there.
    plain = json.loads(encode_json(value), parse_float=str, parse_int=str, parse_constant=str)
    parts = [_DECLARATION]
    _write(_ROOT, plain, parts)
    return "".join(parts)


def _write(name: str, value: Any, parts: list[str]) -> None:
    parts.append(f"<{name}>")
    if isinstance(value, dict):
        for key, item in value.items():
            _write(_element_name(key), item, parts)
    elif isinstance(value, list):
        for item in value:
            _write(_ITEM, item, parts)
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif value is not None:
        parts.append(_UNWRITABLE.sub("\ufffd", value).translate(_ESCAPED))
    parts.append(f"</{name}>")


def _element_name(key: str) -> str:
    name = _NO_NAME_CHARACTER.sub("_", key)
    return name if _NAME_BEGINS.match(name) else f"_{name}"


# --- reading ----------------------------------------------------------------------------------------------------------


def parse_xml(raw: bytes, depth_max: int) -> _Tree:
    """Read the body of a request: the children of its root element are the object.

    Repeated elements become lists, and so does an element whose children are all `item`, as lists are in answers; an
    empty element is null. Everything else is text. Attributes and namespaces say nothing.

    Raises:
        BadRequestError: It is no XML, it has a DTD or entities, or it is nested deeper than `depth_max`.
    """
    _, value = _parse(raw, depth_max, lists=True)
    if isinstance(value, str):
        raise BadRequestError(
            "The root element of the body must hold one element for each field, such as "
            "<root><name>value</name></root>; it holds text.",
            reason="not_an_object",
        )
    return value or {}


def xml_to_dict(document: str | bytes) -> _Tree:
    """Read an XML document into a dictionary whose one key is the tag of the root element.

    Repeated elements become lists, an empty element is `None`, and everything else is text.

    Raises:
        ValueError: It is no XML, or it has a DTD or entities.
    """
    try:
        name, value = _parse(document, _DEPTH_MAX, lists=False)
    except BadRequestError as error:
        raise ValueError(error.message) from error
    return {name: value}


def _parse(document: str | bytes, depth_max: int, *, lists: bool) -> tuple[str, Any]:
    from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
    from defusedxml.ElementTree import DefusedXMLParser, ParseError  # type: ignore[import-untyped]

    tree = _TreeTarget(depth_max, lists=lists)
    parser = DefusedXMLParser(target=tree, forbid_dtd=True)
    try:
        parser.feed(document)
        parser.close()
    except DefusedXmlException as error:
        raise BadRequestError("The XML has a DTD or entities. Send it without them.", reason="unsafe_xml") from error
    except ParseError as error:
        line, column = error.position
        raise BadRequestError(
            f"The XML cannot be read (line {line}, column {column + 1}).", reason="malformed_xml"
        ) from error
    except (LookupError, ValueError) as error:
        # The declared encoding is unknown, or one that the parser does not take.
        raise BadRequestError(
            "The XML is in an encoding that cannot be read. Send UTF-8.", reason="malformed_xml"
        ) from error
    return tree.root


class _TreeTarget:
    """Builds the dictionaries while the parser reads, so that nothing deeper than allowed is ever kept."""

    def __init__(self, depth_max: int, *, lists: bool) -> None:
        self.root: tuple[str, Any] = (_ROOT, None)
        self._depth_max = depth_max
        self._lists = lists
        # Of each element that is open: the values of its children by their name, and its texts.
        self._open: list[tuple[dict[str, list[Any]], list[str]]] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Open an element."""
        if len(self._open) > self._depth_max:
            raise BadRequestError(f"The XML is nested deeper than {self._depth_max} levels.", reason="nested_too_deep")
        self._open.append(({}, []))

    def data(self, text: str) -> None:
        """Add text to the element that is open."""
        self._open[-1][1].append(text)

    def end(self, tag: str) -> None:
        """Close an element and give its value to the one around it."""
        children, texts = self._open.pop()
        name = tag.rpartition("}")[2]
        value = self._value(name, children, "".join(texts))
        if not self._open:
            self.root = (name, value)
            return
        self._open[-1][0].setdefault(name, []).append(value)

    def close(self) -> None:
        """End the document."""

    def _value(self, name: str, children: Mapping[str, list[Any]], text: str) -> Any:
        if not children:
            return text or None
        if text.strip():
            raise BadRequestError(
                f"The element {name!r} holds both text and elements. Send one of them.", reason="mixed_content"
            )
        if self._lists and self._open and children.keys() == {_ITEM}:
            return children[_ITEM]
        return {key: values[0] if len(values) == 1 else values for key, values in children.items()}
