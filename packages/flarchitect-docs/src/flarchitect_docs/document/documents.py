"""The documents of one application: written when asked for, and again when its routes have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from flarchitect_core.bounded import BoundedCache
from flarchitect_core.http.encoding import encode_json
from flarchitect_docs import options
from flarchitect_docs.document.audiences import Audiences
from flarchitect_docs.document.build import build_spec
from flarchitect_docs.document.check import operations_in
from flarchitect_docs.document.selection import Keep, required_roles, selected
from flarchitect_docs.spec import CustomSpec

if TYPE_CHECKING:
    from yaml import SafeDumper

    from flarchitect_core.state import ApplicationState
else:
    # The emitter in C writes the same in a fifth of the time; wheels of PyYAML have it, builds without libyaml do not.
    SafeDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

__all__ = ["Document", "Documents"]


_PREFIXES_MAX = 8
_SELECTIONS_MAX = 64


class Document:
    """One OpenAPI document, ready to be sent.

    Attributes:
        content: The document as data; not to be changed.
        version: Version of OpenAPI, `3.1` or `3.0`.
        json: The document as JSON in UTF-8.
        etag: Hash of `json`, without quotes; a strong entity tag.
    """

    def __init__(self, content: Mapping[str, Any], version: str) -> None:
        self.content = content
        self.version = version
        self.json = encode_json(content)
        self.etag = hashlib.sha256(self.json).hexdigest()[:32]
        # The paths may come from a header, so that there is no end to them.
        self._below: BoundedCache[str, Document] = BoundedCache(_PREFIXES_MAX)
        self._selected: BoundedCache[Hashable, Document] = BoundedCache(_SELECTIONS_MAX)

    def selected(self, key: Hashable, keep: Keep) -> Document:
        """Give the same with some of its operations.

        Args:
            key: The same for the same operations.
        """
        return self._selected.get(key, lambda: Document(selected(self.content, keep), self.version))

    @cached_property
    def roles(self) -> frozenset[str]:
        """The roles that operations need."""
        operations = (operation for _, _, operation in operations_in(self.content))
        return frozenset(name for each in operations for needed in required_roles(each) for name in needed.names)

    def below(self, path: str) -> Document:
        """Give the same for who reads it below a path, such as that of a proxy: it says that its paths begin there.

        Args:
            path: As WSGI has it (`SCRIPT_NAME`); empty at the root of a host.
        """
        if not path or "servers" in self.content:
            return self

        def make() -> Document:
            members: dict[str, Any] = {}
            for name, value in self.content.items():
                members[name] = value
                if name == "info":
                    members["servers"] = [{"url": quote(path)}]
            return Document(members, self.version)

        return self._below.get(path, make)

    @cached_property
    def yaml(self) -> bytes:
        """The same in YAML, in UTF-8."""
        written: str = yaml.dump(self.content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        return written.encode("utf-8")

    @cached_property
    def yaml_etag(self) -> str:
        """Hash of `yaml`, without quotes."""
        return hashlib.sha256(self.yaml).hexdigest()[:32]


class Documents:
    """The documents of an application, one for each version of OpenAPI.

    Attributes:
        audiences: What each of them is shown.
    """

    def __init__(self, state: ApplicationState) -> None:
        self._state = state
        self.audiences = Audiences(state.settings)
        self._kept: dict[str, tuple[object, CustomSpec, Document]] = {}
        # Entered again by a plugin that asks for the document while it is written.
        self._writing = RLock()

    def current(self, version: str | None = None) -> Document:
        """Give the document for the routes of now; it needs no request, and no database.

        Args:
            version: Version of OpenAPI, the one of `API_OPENAPI_VERSION` by default.

        Raises:
            ConfigurationError: Two operations were given one id.
        """
        return self._made(version)[1]

    def spec(self, version: str | None = None) -> CustomSpec:
        """Give the same as apispec holds it."""
        return self._made(version)[0]

    def published(self) -> CustomSpec | None:
        """Give the document as apispec holds it, `None` where `API_CREATE_DOCS` is off."""
        return self.spec() if self._state.settings.get(options.CREATE_DOCS) else None

    def _made(self, version: str | None) -> tuple[CustomSpec, Document]:
        wanted = version or self._state.settings.get(options.OPENAPI_VERSION)
        kept = self._kept.get(wanted)
        if kept is None or kept[0] != self._mark():
            with self._writing:
                mark, kept = self._mark(), self._kept.get(wanted)
                if kept is None or kept[0] != mark:
                    spec = build_spec(self._state, wanted)
                    kept = self._kept[wanted] = mark, spec, Document(spec.content(), wanted)
        return kept[1], kept[2]

    def _mark(self) -> object:
        """Give what changes when a route is added, which is all that can happen to the routes of Flask."""
        app, architect = self._state.app, self._state.architect
        return sum(1 for _ in app.url_map.iter_rules()), len(architect.route_spec)


class _Dumper(SafeDumper):
    """Writes every value where it stands, and texts of several lines as blocks."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
