"""The fields of a resource: its columns and hybrid properties, as clients know them."""

from __future__ import annotations

from dataclasses import replace

from flarchitect_core import options
from flarchitect_core.model.fields import ColumnField, DecimalField, TextFormField
from flarchitect_core.model.inspect import ColumnFact, HybridFact, ModelFacts
from flarchitect_core.model.mapped_classes import full_name
from flarchitect_core.model.naming import field_name
from flarchitect_core.model.resource import Field
from flarchitect_core.model.type_table import field_for_expression, field_for_type
from flarchitect_core.model.validation import ColumnValidation
from flarchitect_core.model.visibility import Visibility
from flarchitect_core.settings import HTTP_METHODS, Settings
from flarchitect_core.startup import StartupReport

__all__ = ["fill", "lock", "resource_fields"]


def resource_fields(
    facts: ModelFacts, visibility: Visibility, validation: ColumnValidation, settings: Settings, report: StartupReport
) -> dict[str, Field]:
    """Give the fields of a model by the names that clients know; two of one name are reported."""
    case = settings.get(options.FIELD_CASE, model=facts.model)
    skip_underscore = settings.get(options.IGNORE_UNDERSCORE_ATTRIBUTES, model=facts.model)
    key_names = {fact.name for fact in facts.key}
    fields: dict[str, Field] = {}
    facts_in_order: list[ColumnFact | HybridFact] = [*facts.columns, *facts.hybrids]
    for fact in facts_in_order:
        if fact.name.startswith("_") and skip_underscore and fact.name not in key_names:
            continue
        name = field_name(fact.name, case)
        if name in fields:
            report.problem(
                f"The columns {fields[name].attribute!r} and {fact.name!r} of {full_name(facts.model)} are both "
                f"called {name!r} in {case} case. Rename one, or choose another API_FIELD_CASE."
            )
        codec = _codec(facts.model, fact, settings, report)
        fields[name] = _field(name, fact, codec, visibility, validation)
    return fields


def _field(
    name: str,
    fact: ColumnFact | HybridFact,
    codec: ColumnField,
    visibility: Visibility,
    validation: ColumnValidation,
) -> Field:
    required = isinstance(fact, ColumnFact) and not (fact.nullable or fact.has_default or fact.column is None)
    codec.required = required
    codec.allow_none = not isinstance(fact, ColumnFact) or fact.nullable
    return Field(
        name=name,
        fact=fact,
        codec=codec,
        hidden_in=visibility.hidden_in(fact),
        locked_in=visibility.locked_in(fact),
        required=required,
        is_withheld=visibility.is_out_of_reach(fact, "hides"),
        is_fixed=visibility.is_out_of_reach(fact, "locks"),
        checks=validation.apply(fact, codec) if isinstance(fact, ColumnFact) else {},
    )


def _codec(model: type, fact: ColumnFact | HybridFact, settings: Settings, report: StartupReport) -> ColumnField:
    if isinstance(fact, HybridFact):
        declared, codec = fact.sql_type, field_for_expression(fact.sql_type, fact.python_type)
    else:
        declared, codec = fact.type, field_for_type(fact.type)
    if isinstance(codec, TextFormField):
        report.notice(
            f"{full_name(model)}.{fact.name} has the type {declared!r}, for which no field is known; "
            f"it is given in its text form."
        )
    if isinstance(codec, DecimalField) and settings.get(options.DECIMAL_FORMAT, model=model) == "number":
        codec = DecimalField(precision=codec.precision, scale=codec.scale, as_number=True)
    return codec


def lock(fields: dict[str, Field], attribute: str) -> None:
    """Take a column out of what bodies may carry."""
    for name, item in fields.items():
        if item.attribute == attribute:
            item.codec.required = False
            fields[name] = replace(item, locked_in=frozenset(HTTP_METHODS), required=False)


def fill(fields: dict[str, Field], attribute: str) -> None:
    """Let bodies leave out a column that is filled for them."""
    for name, item in fields.items():
        if item.attribute == attribute:
            item.codec.required = False
            fields[name] = replace(item, required=False)
