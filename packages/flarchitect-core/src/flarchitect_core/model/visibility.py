"""Which columns of a model clients may see and set, method by method (rest 5.6, decisions 18)."""

from __future__ import annotations

import datetime as dt
import fnmatch
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy.types import Boolean, Date, DateTime, Integer, Interval, Time, TypeDecorator, TypeEngine, Uuid

from flarchitect_core import options
from flarchitect_core.model.inspect import ColumnFact, HybridFact
from flarchitect_core.model.naming import field_name
from flarchitect_core.settings import HTTP_METHODS, Option, Settings
from flarchitect_core.startup import StartupReport
from flarchitect_core.suggestions import did_you_mean

if TYPE_CHECKING:
    from flarchitect_core.access.fields import FieldLimits

__all__ = ["Visibility"]

_LISTS: tuple[Option[Any], ...] = (
    options.IGNORE_FIELDS,
    options.IGNORE_OUTPUT_FIELDS,
    options.IGNORE_INPUT_FIELDS,
)
_ALL_METHODS = frozenset(HTTP_METHODS)
_NEVER_SECRET = (Boolean, Date, DateTime, Time, Interval)
_NEVER_SECRET_PYTHON = (bool, dt.date, dt.datetime, dt.time, dt.timedelta)


class Visibility:
    """The rules of one model, read once."""

    def __init__(self, model: type, settings: Settings, limits: FieldLimits | None = None) -> None:
        self._limits = limits
        self._model = model
        self._settings = settings
        self._listed = {
            option.name: {method: _as_set(settings.get(option, model=model, method=method)) for method in HTTP_METHODS}
            for option in _LISTS
        }
        self._client_key = settings.get(options.ALLOW_CLIENT_PK, model=model)
        self._without_hybrids = frozenset(
            method
            for method in HTTP_METHODS
            if not settings.get(options.DUMP_HYBRID_PROPERTIES, model=model, method=method)
        )
        self._secret_patterns = _as_set(settings.get(options.SECRET_FIELDS, model=model))

    def hidden_in(self, fact: ColumnFact | HybridFact) -> frozenset[str]:
        """Give the methods whose answers leave the column out."""
        if fact.info.get("write_only") or self.is_secret(fact) or self._is_limited(fact, "hides"):
            return _ALL_METHODS
        listed = self._methods_listing(fact.name, options.IGNORE_FIELDS, options.IGNORE_OUTPUT_FIELDS)
        unwanted = self._without_hybrids if isinstance(fact, HybridFact) else frozenset[str]()
        return listed | unwanted | self.inherited(fact)

    def inherited(self, fact: ColumnFact | HybridFact) -> frozenset[str]:
        """Give the methods that leave out a column that a hybrid property or an expression is made from.

        What is made from a hidden column could tell it, unless its author says otherwise: `info["secret"] = False`.
        """
        if fact.info.get("secret") is not None:
            return frozenset()
        if any(map(self.hides_foreign, fact.sources.foreign)):
            return _ALL_METHODS
        return frozenset[str]().union(*map(self.hidden_in, fact.sources.own))

    def hides_foreign(self, column: sa.Column[Any]) -> bool:
        """Say whether a column of another table is hidden."""
        return self._is_secret_column(column) or self._is_limited_column(column)

    def locked_in(self, fact: ColumnFact | HybridFact) -> frozenset[str]:
        """Give the methods whose bodies do not take the column."""
        if isinstance(fact, HybridFact):
            locked = not fact.settable
        elif fact.primary_key:
            locked = fact.generated and not self._client_key
        else:
            locked = fact.generated or bool(fact.info.get("read_only")) or fact.column is None
        if locked or self._is_limited(fact, "locks") or self.is_protected(fact):
            return frozenset(HTTP_METHODS)
        return self._methods_listing(fact.name, options.IGNORE_FIELDS, options.IGNORE_INPUT_FIELDS)

    def is_out_of_reach(self, fact: ColumnFact | HybridFact, how: Literal["hides", "locks"]) -> bool:
        """Say whether a rule about fields hides or locks a column for the caller, whatever an own schema declares."""
        if self._is_limited(fact, how):
            return True
        if how == "locks" or fact.info.get("secret") is not None:
            return False
        sources = fact.sources
        return any(self._is_limited(each, how) for each in sources.own) or any(
            map(self._is_limited_column, sources.foreign)
        )

    def _is_limited_column(self, column: sa.Column[Any]) -> bool:
        return self._limits is not None and self._limits.hides_column(column)

    def _is_limited(self, fact: ColumnFact | HybridFact, how: Literal["hides", "locks"]) -> bool:
        return self._limits is not None and getattr(self._limits, how)(self._model, fact.name)

    def is_protected(self, fact: ColumnFact | HybridFact) -> bool:
        """Say whether a field gives its user rights, so that no body may set it (auth S-20)."""
        users = self._settings.named("USER_MODEL")
        if users is None or self._settings.get(users) is not self._model:
            return False
        return fact.name in _as_set(self._settings.get(options.PROTECTED_FIELDS, model=self._model))

    def hides_relation(self, name: str) -> bool:
        """Say whether a relationship is listed as hidden."""
        return "GET" in self._methods_listing(name, options.IGNORE_FIELDS, options.IGNORE_OUTPUT_FIELDS)

    def is_secret(self, fact: ColumnFact | HybridFact) -> bool:
        """Say whether a column must never leave: declared so, or named like a secret (auth S-20)."""
        declared = fact.info.get("secret")
        if declared is not None:
            return bool(declared)
        if isinstance(fact, HybridFact):
            return fact.python_type not in _NEVER_SECRET_PYTHON and self._looks_secret(fact.name)
        return not fact.primary_key and self._may_be_secret(fact.type, fact.column) and self._looks_secret(fact.name)

    def hides_derived(self, fact: ColumnFact | HybridFact) -> bool:
        """Say whether a hybrid property or an expression is hidden without its author having said so."""
        if isinstance(fact, ColumnFact):
            return "GET" in self.inherited(fact)
        return fact.info.get("secret") is None and (self.is_secret(fact) or "GET" in self.inherited(fact))

    def is_open_key(self, fact: ColumnFact) -> bool:
        """Say whether a key would be taken for a secret, were it not in every URL and link."""
        if not fact.primary_key or fact.info.get("secret") is not None or isinstance(_plain(fact.type), Integer):
            return False
        return self._may_be_secret(fact.type, fact.column) and self._looks_secret(fact.name)

    def _is_secret_column(self, column: sa.Column[Any]) -> bool:
        """Judge a column of another table, of whose model nothing is known."""
        declared = column.info.get("secret")
        if declared is not None or column.info.get("write_only"):
            return bool(declared or column.info.get("write_only"))
        return not column.primary_key and self._may_be_secret(column.type, column) and self._looks_secret(column.name)

    @staticmethod
    def _may_be_secret(type_: TypeEngine[Any], column: sa.Column[Any] | None) -> bool:
        is_reference = column is not None and bool(column.foreign_keys)
        plain = _plain(type_)
        return not isinstance(plain, _NEVER_SECRET) and not (is_reference and isinstance(plain, (Integer, Uuid)))

    def _looks_secret(self, name: str) -> bool:
        # A leading underscore is how a column hides behind a hybrid property of its name.
        snake = field_name(name, "snake").lstrip("_")
        return any(fnmatch.fnmatchcase(snake, pattern) for pattern in self._secret_patterns)

    def check(self, report: StartupReport, attributes: Iterable[str]) -> None:
        """Report names in the model's own lists that are no attribute: a typo must not leave a column open."""
        known = list(attributes)
        for option in _LISTS:
            for method in HTTP_METHODS:
                if self._settings.resolve(option, model=self._model, method=method)[1] != "model":
                    continue
                for name in sorted(self._listed[option.name][method].difference(known)):
                    hint = did_you_mean(name, known)
                    report.problem(
                        f"{self._model.__name__}.Meta.{option.name.lower()} names {name!r}, which is no attribute of "
                        f"the model.{hint}"
                    )

    def _methods_listing(self, name: str, *lists: Option[Any]) -> frozenset[str]:
        return frozenset(
            method for method in HTTP_METHODS if any(name in self._listed[option.name][method] for option in lists)
        )


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return type_.impl_instance if isinstance(type_, TypeDecorator) else type_


def _as_set(value: Any) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else value)
