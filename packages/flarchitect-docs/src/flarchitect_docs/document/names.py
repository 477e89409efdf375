"""Names in the document: components, and the operations that generated clients call."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

from flarchitect_core import options as core
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.model.naming import convert_case

if TYPE_CHECKING:
    from flarchitect_core.catalogue.endpoint import Endpoint
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.state import ApplicationState

__all__ = ["SchemaNames", "component_key", "operation_ids", "plain_name"]

_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9._-]+")
# What may follow the name of a model in the names of its components (docs 3.4, 3.6).
_WORDS = ("Create", "Replace", "Update", "UpdateItem", "Envelope", "ListEnvelope", "ReportEnvelope")
_VERBS = {
    "list": "list",
    "get": "get",
    "create": "create",
    "replace": "replace",
    "update": "update",
    "delete": "delete",
    "update_many": "update_many",
    "delete_many": "delete_many",
    "list_related": "list",
    "get_related": "get",
}


def component_key(text: str) -> str:
    """Write any text as the key of a component, other letters without their accents or by their numbers."""
    return _NOT_IN_KEYS.sub("_", _in_ascii(text)).strip("_") or "_"


def _in_ascii(text: str) -> str:
    if text.isascii():
        return text
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() or not letter.isalnum() else f"u{ord(letter):x}" for letter in letters)


class SchemaNames:
    """Names the schemas of one document in `API_SCHEMA_CASE`, no two of them alike.

    Models are named first, whatever else there is; what comes with the extension is named last. So a model `Error` is
    `error`, and the schema of errors goes out of its way.
    """

    def __init__(self, state: ApplicationState) -> None:
        self._settings = state.settings
        names = Counter(resource.name for resource in state.registry)
        self._known: dict[tuple[str, type | None], str] = {}
        self._shared = {name for name, number in names.items() if number > 1}
        self._first_keys: dict[Hashable, Hashable] = {}
        self._given: dict[Hashable, str] = {}
        self._taken: set[str] = set()
        resources = sorted(state.registry, key=lambda each: (each.name, each.segment, each.model.__module__))
        for words in ((), *((word,) for word in _WORDS)):
            for resource in resources:
                self.of_resource(resource, *words)

    def of_resource(self, resource: Resource, *words: str) -> str:
        """Name what stands for a resource, the words after its own name."""
        given = self._given.get(("model", resource.model, words))
        if given is not None:
            return given
        model, name, longer = resource.model, resource.name, f"{resource.name}_{resource.segment}"
        # Two models of one name: their tables tell them apart.
        names = (longer,) if name in self._shared else (name, longer)
        return self._one(("model", model, words), (self.cased("_".join((each, *words)), model) for each in names))

    def of_class(self, kind: type, *words: str, key: Hashable = ()) -> str:
        """Name what stands for a marshmallow schema class.

        Args:
            key: What tells apart the schemas of one class, such as the fields that they leave out.
        """
        plain = plain_name(kind)
        names = [plain, kind.__name__, f"{'_'.join(kind.__module__.split('.'))}_{plain}"]
        # Among the schemas of one class a number tells more than where it is from.
        names = names[:1] if self._first_keys.setdefault((kind, words), key) != key else names
        return self._one(("class", kind, words, key), (self.cased("_".join((each, *words))) for each in names))

    def of_definition(self, name: str, *words: str, owner: str, source: str) -> str:
        """Name what stands for a class that is no marshmallow schema, the same wherever it says the same.

        Args:
            owner: What else tells it apart, such as where it is from.
            source: What it says.
        """
        names = (self.cased("_".join((*more, name, *words))) for more in ((), (owner,)))
        return self._one(("definition", name, words, source), names)

    def of_ours(self, name: str) -> str:
        """Name a schema that comes with the extension."""
        return self._one(("ours", name), (self.cased(name), self.cased(f"Api{name}")))

    def around(self, name: str, word: str) -> str:
        """Name what stands around a component."""
        return self._one(("around", name, word), (self.cased(f"{name}_{word}"),))

    def cased(self, text: str, model: type | None = None) -> str:
        """Write a name in the case."""
        known = self._known.get((text, model))
        if known is None:
            case = self._settings.get(core.SCHEMA_CASE, model=model)
            known = self._known[text, model] = component_key(convert_case(text, case))
        return known

    def _one(self, owner: Hashable, names: Iterable[str]) -> str:
        """Give the name of something, from now on its own: the first that is free, else the last with a number."""
        given = self._given.get(owner)
        if given is None:
            name = ""
            for name in names:
                if name not in self._taken:
                    break
            given = name if name not in self._taken else self._numbered(name)
            self._given[owner] = given
            self._taken.add(given)
        return given

    def _numbered(self, name: str) -> str:
        return next(each for number in count(2) if (each := f"{name}_{number}") not in self._taken)


def plain_name(kind: type) -> str:
    """Give the name of a marshmallow schema class as documents know it: its own without `Schema`."""
    said = getattr(getattr(kind, "Meta", None), "component", None)
    return said if isinstance(said, str) else kind.__name__.removesuffix("Schema") or kind.__name__


def operation_ids(endpoints: Sequence[Endpoint], state: ApplicationState) -> dict[Endpoint, str]:
    """Name every operation: the same after every start, whatever was registered first.

    Raises:
        ConfigurationError: Two operations were given one name.
    """
    given = {endpoint: said for endpoint in endpoints if (said := _given(endpoint, state)) is not None}
    given, shared = _split(given)
    twice = [name for name, number in Counter(given.values()).items() if number > 1]
    if twice:
        raise ConfigurationError(
            [f"Two operations have the operation id {name!r}. Give each its own." for name in twice]
        )
    named = dict(given)
    open_ones = {
        endpoint: list(_candidates(endpoint, state, shared.get(endpoint)))
        for endpoint in endpoints
        if endpoint not in given
    }
    while open_ones:
        counts = Counter(candidates[0] for candidates in open_ones.values())
        taken = set(named.values())
        for endpoint, candidates in list(open_ones.items()):
            if counts[candidates[0]] == 1 and candidates[0] not in taken:
                named[endpoint] = candidates[0]
                del open_ones[endpoint]
            elif len(candidates) > 1:
                candidates.pop(0)
            else:
                raise ConfigurationError(f"{endpoint.method} {endpoint.rule} has no operation id of its own.")
    return named


def _split(given: Mapping[Endpoint, str]) -> tuple[dict[Endpoint, str], dict[Endpoint, str]]:
    """Tell apart the ids of one operation from those of a view that has several, by methods or rules."""
    numbers = Counter((name, _function(endpoint)) for endpoint, name in given.items())
    shared = {
        endpoint: name
        for endpoint, name in given.items()
        if endpoint.view is not None and numbers[name, _function(endpoint)] > 1
    }
    return {endpoint: name for endpoint, name in given.items() if endpoint not in shared}, shared


def _function(endpoint: Endpoint) -> object:
    return None if endpoint.view is None else endpoint.view.function


def _given(endpoint: Endpoint, state: ApplicationState) -> str | None:
    if endpoint.view is not None and endpoint.view.info.operation_id:
        return endpoint.view.info.operation_id
    resource = endpoint.resource
    if resource is None or endpoint.relation is not None or endpoint.kind == "view":
        return None
    if endpoint.rule not in (resource.paths[:1] if endpoint.asked.many else _first_items(resource)):
        return None
    option = core.GET_MANY_OPERATION_ID if endpoint.kind == "list" else core.OPERATION_ID
    said: str | None = state.settings.get(option, model=resource.model, method=endpoint.method)
    return None if endpoint.kind in ("update_many", "delete_many") else said


def _first_items(resource: Resource) -> list[str]:
    return [f"{path}/{resource.item_rule()}" for path in resource.paths[:1]]


def _candidates(endpoint: Endpoint, state: ApplicationState, said: str | None) -> Iterator[str]:
    """Give names from the shortest one to one that no other operation can have.

    Args:
        said: What was given to the view, which has other operations too.
    """
    path = _path_name(endpoint.rule, state.registry.prefix)
    variables = "_".join(re.findall(r"<([^>]*)>", endpoint.rule))
    verb = _VERBS.get(endpoint.kind)
    if said is not None:
        yield f"{said}_{endpoint.method.lower()}"
        yield _identifier([said, endpoint.method.lower(), path, variables])
    elif verb is not None:
        yield f"{verb}_{path}"
    else:
        blueprint, _, plain = endpoint.name.rpartition(".")
        function = endpoint.view.function.__name__ if endpoint.view is not None else plain
        words = [function.removeprefix("flarchitect_")]
        yield _identifier(words)
        if blueprint:
            words.insert(0, blueprint)
            yield _identifier(words)
        words.append(endpoint.method.lower())
        yield _identifier(words)
    yield _identifier([endpoint.name, endpoint.method.lower(), path])
    yield _identifier([endpoint.name, endpoint.method.lower(), path, variables])


def _path_name(rule: str, prefix: str) -> str:
    """Name a rule by the words of its path, without variables: `/api/films/<int:id>/studio` is `films_studio`."""
    return _identifier(part for part in rule.removeprefix(prefix).split("/") if part and not part.startswith("<"))


def _identifier(words: Iterable[str]) -> str:
    return re.sub(r"\W+", "_", _in_ascii("_".join(words)), flags=re.ASCII).strip("_") or "root"
