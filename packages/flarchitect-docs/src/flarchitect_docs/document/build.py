"""Building one document: everything that the application offers, written into apispec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flarchitect_core.catalogue.access import security_schemes_of
from flarchitect_core.views.endpoints import endpoints_of
from flarchitect_docs import options
from flarchitect_docs.document.check import METHODS
from flarchitect_docs.document.components import Components
from flarchitect_docs.document.converter import Plugin
from flarchitect_docs.document.dialect import in_3_0
from flarchitect_docs.document.info import info_of, title_of, version_of
from flarchitect_docs.document.names import SchemaNames, operation_ids
from flarchitect_docs.document.operations import Operations
from flarchitect_docs.document.paths import openapi_path
from flarchitect_docs.document.tags import Tags
from flarchitect_docs.document.texts import Texts
from flarchitect_docs.spec import CustomSpec

if TYPE_CHECKING:
    from flarchitect_core.catalogue.endpoint import Endpoint
    from flarchitect_core.state import ApplicationState
    from flarchitect_docs.document.converter import SchemaConverter

__all__ = ["build_spec"]

_VERSIONS = {"3.1": "3.1.1", "3.0": "3.0.4"}
# The one that OpenAPI has by default; Swagger UI warns of every other one.
_DIALECT = "https://spec.openapis.org/oas/3.1/dialect/base"

# As people read them; others come last, by name.
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def build_spec(state: ApplicationState, version: str) -> CustomSpec:
    """Write the document of an application; it needs no request and no database.

    Args:
        version: Version of OpenAPI, `3.1` or `3.0`.

    Raises:
        ConfigurationError: Two operations were given one id.
    """
    with state.app.app_context():
        return _build(state, version)


def _build(state: ApplicationState, version: str) -> CustomSpec:
    names = SchemaNames(state)
    plugin = Plugin()
    root: dict[str, Any] = {"info": info_of(state)}
    if version == "3.1":
        root["jsonSchemaDialect"] = _DIALECT
    servers = state.settings.get(options.SERVER_URLS)
    if servers:
        root["servers"] = [dict(server) for server in servers]
    # It is written in the words of 3.1, and rewritten as a whole.
    spec = CustomSpec(
        title_of(state),
        version_of(state),
        _VERSIONS["3.1"],
        plugins=[plugin],
        spec_groups={},
        finish=lambda written: _finished(state, written, version),
        **root,
    )
    # It is there since the plugin knows its document.
    components = Components(spec, cast("SchemaConverter", plugin.converter), state, names)
    state.plugins.spec_build_started(spec)
    schemes = security_schemes_of(state)
    for name, scheme in schemes.items():
        spec.components.security_scheme(name, dict(scheme))
    # No document has a place for other methods, such as those of WebDAV.
    endpoints = [endpoint for endpoint in endpoints_of(state) if endpoint.method.lower() in METHODS]
    tags = Tags(state)
    operations = Operations(state, components, Texts(state, names), tags, operation_ids(endpoints, state), schemes)
    for endpoint in sorted(endpoints, key=_place):
        spec.add_operation(openapi_path(endpoint.rule), endpoint.method, operations.of(endpoint))
    tags.write(spec)
    return spec


def _place(endpoint: Endpoint) -> tuple[str, int, str]:
    method = endpoint.method
    return endpoint.rule, _METHODS.index(method) if method in _METHODS else len(_METHODS), method


def _finished(state: ApplicationState, written: dict[str, Any], version: str) -> dict[str, Any]:
    components = {
        kind: dict(sorted(members.items())) for kind, members in written.get("components", {}).items() if members
    }
    document = {**written, "components": components}
    if version == "3.0":
        document = {**in_3_0(document), "openapi": _VERSIONS["3.0"]}
    finished: dict[str, Any] = state.plugins.spec_build_completed(document)
    return finished
