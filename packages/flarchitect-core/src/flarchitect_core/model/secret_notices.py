"""What start-up tells of columns that are taken for secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.model.resource import Field, Resource
from flarchitect_core.model.visibility import Visibility
from flarchitect_core.startup import StartupReport

__all__ = ["tell_secrets"]

# Whether the model was made from a table, and what its user can do about a column that is taken for a secret.
_SECRET_ADVICE = {
    False: "Show a column with info={'secret': False}, or keep it hidden with info={'secret': True}.",
    True: "Exclude a table to leave out the rest of it too; to show such a column, write a model for its table.",
}
_OPEN_KEY_ADVICE = {
    False: "Give such a table another key, or rename the column; if it is no secret, say so with "
    "info={'secret': False}.",
    True: "Exclude such a table, give it another key, or rename the column.",
}


def tell_secrets(resources: Iterable[Resource], visibilities: Mapping[type, Visibility], report: StartupReport) -> None:
    """Tell of columns that are hidden because they look like secrets, and of keys that are shown although they do.

    Args:
        resources: All resources of the application.
        visibilities: Model to what clients may see of it.
    """
    known = [(resource, visibilities[resource.model]) for resource in resources]
    hidden = [
        (resource, field)
        for resource, visibility in known
        for field in resource.fields.values()
        if isinstance(field.fact, ColumnFact)
        and field.fact.info.get("secret") is None
        and visibility.is_secret(field.fact)
    ]
    for names, advice in _advised(hidden, _SECRET_ADVICE):
        report.notice(f"Never returned, because their names look like secrets (API_SECRET_FIELDS): {names}. {advice}")
    derived = [
        _name(resource, field)
        for resource, visibility in known
        for field in resource.fields.values()
        if visibility.hides_derived(field.fact)
    ]
    if derived:
        report.notice(
            f"Never returned, because they are made from hidden columns or their names look like secrets: "
            f"{', '.join(derived)}. Show a hybrid property with `name.info['secret'] = False` below it in its "
            f"class, a column_property with info={{'secret': False}}."
        )
    open_keys = [
        (resource, field)
        for resource, visibility in known
        for field in resource.key
        if isinstance(field.fact, ColumnFact) and visibility.is_open_key(field.fact)
    ]
    for names, advice in _advised(open_keys, _OPEN_KEY_ADVICE):
        report.notice(
            f"Returned although their names look like secrets (API_SECRET_FIELDS), because keys stand in URLs "
            f"and links: {names}. {advice}"
        )


def _advised(found: Sequence[tuple[Resource, Field]], advice: Mapping[bool, str]) -> Iterator[tuple[str, str]]:
    """Give the names of fields with what can be done about them, those of models and those of bare tables apart."""
    for is_reflected, text in advice.items():
        names = [_name(*each) for each in found if bool(each[1].fact.info.get("reflected")) == is_reflected]
        if names:
            yield ", ".join(names), text


def _name(resource: Resource, field: Field) -> str:
    return f"{resource.name}.{field.attribute}"
