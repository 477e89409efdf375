"""Which named checks a column has: declared in its `info`, or chosen by its format or name (rest 5.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flarchitect_core import options
from flarchitect_core.model.fields import ArrayField, ColumnField, StringField
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.model.naming import convert_case
from flarchitect_core.model.validators import VALIDATORS, Validator, validate_by_type, validator_names
from flarchitect_core.settings import Settings
from flarchitect_core.startup import StartupReport
from flarchitect_core.suggestions import did_you_mean

__all__ = ["ColumnValidation"]

_BODY_METHODS = ("POST", "PUT", "PATCH")

# Whole words of a snake_case name, and the check of a string column that has them in its name; the first match counts.
_NAME_RULES: tuple[tuple[str, str], ...] = (
    ("email", "email"),
    ("url", "url"),
    ("datetime", "datetime"),
    ("date_time", "datetime"),
    ("date", "date"),
    ("boolean", "boolean"),
    ("domain", "domain"),
    ("phone", "phone"),
    ("postal", "postal_code"),
    ("zip", "postal_code"),
)


class ColumnValidation:
    """The checks of one model's columns, read once.

    Args:
        methods: HTTP methods of the model; where none of them has a body, nothing is checked.
    """

    def __init__(self, model: type, methods: Iterable[str], settings: Settings, report: StartupReport) -> None:
        bodies = [method for method in _BODY_METHODS if method in frozenset(methods)]
        self._has_bodies = bool(bodies)
        self._automatic_in = [
            method for method in bodies if settings.get(options.AUTO_VALIDATE, model=model, method=method)
        ]
        self._report = report
        self._model = model

    def apply(self, fact: ColumnFact, codec: ColumnField) -> Mapping[str, Validator]:
        """Add the declared checks of a column to its field; a list of values has them for each value.

        Returns:
            HTTP method to the check that is chosen automatically, which only bodies of that method get.
        """
        checked = codec.inner if isinstance(codec, ArrayField) else codec
        declared = list(self._declared(fact, checked))
        checked.validators.extend(declared)
        chosen = None if _declares(fact) else _automatic(fact, checked)
        if self._has_bodies:
            for validator in (*declared, *([chosen] if chosen else [])):
                validator.warm_up()
        return {} if chosen is None else dict.fromkeys(self._automatic_in, chosen)

    def _declared(self, fact: ColumnFact, codec: ColumnField) -> Iterator[Validator]:
        if "validator_message" in fact.info and fact.info.get("validator") is None:
            self._problem(fact, "has a validator_message and no validator. Name one in info['validator'].")
        for name, message in _entries(fact.info):
            validator = validate_by_type(name) if isinstance(name, str) else None
            if validator is None:
                self._problem(fact, f"names {name!r}, which is no validator.{_hint(name)}")
            elif not (message is None or isinstance(message, str)):
                self._problem(fact, f"gives {name!r} the message {message!r}, which is no text.")
            elif not _fits(validator, codec):
                fitting = ", ".join(other.name for other in VALIDATORS.values() if _fits(other, codec)) or "none"
                self._problem(
                    fact,
                    f"names {name!r}, which refuses every value of the type {fact.type!r}. Remove it. "
                    f"Validators for this type: {fitting}.",
                )
            else:
                yield validator.saying(message)

    def _problem(self, fact: ColumnFact, sentence: str) -> None:
        self._report.problem(f"The info of {self._model.__name__}.{fact.name} {sentence}")


def _entries(info: Mapping[Any, Any]) -> Iterator[tuple[object, object]]:
    """Give name and message of every check that an `info` declares, in any of its forms."""
    declared = info.get("validate")
    if isinstance(declared, Mapping):
        yield from declared.items()
    elif isinstance(declared, (list, tuple, set, frozenset)):
        yield from ((name, None) for name in declared)
    elif declared is not None and declared is not False:
        yield declared, None
    if info.get("validator") is not None:
        yield info["validator"], info.get("validator_message")


def _declares(fact: ColumnFact) -> bool:
    # Declaring nothing is a declaration too: `info={"validate": None}` turns the automatic check off.
    return "validate" in fact.info or fact.info.get("validator") is not None


def _automatic(fact: ColumnFact, codec: ColumnField) -> Validator | None:
    """Choose a check by the declared format, else by the words of the attribute's or the column's name."""
    declared = fact.info.get("format")
    by_format = validate_by_type(declared) if isinstance(declared, str) else None
    if by_format is not None:
        return by_format if _fits(by_format, codec) else None
    # A foreign key holds what the other table's key is, whatever its own name says.
    if not isinstance(codec, StringField) or fact.column is None or fact.column.foreign_keys:
        return None
    for name in (fact.name, fact.column.name):
        words = f"_{convert_case(name, 'snake')}_"
        for rule, validator in _NAME_RULES:
            if f"_{rule}_" in words:
                return VALIDATORS[validator]
    return None


def _fits(validator: Validator, codec: ColumnField) -> bool:
    return codec.python_type is None or issubclass(codec.python_type, validator.types)


def _hint(name: object) -> str:
    near = did_you_mean(name, validator_names()) if isinstance(name, str) else ""
    return near or f" Validators are: {', '.join(VALIDATORS)}."
