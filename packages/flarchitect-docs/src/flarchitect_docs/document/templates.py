"""Texts that may stand in files: Jinja in a sandbox, which sees the configuration without its secrets (docs 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flarchitect_core import options as core
from flarchitect_core.catalogue.access import security_schemes_of
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.redaction import redact_value
from flarchitect_docs.document.envelope import EnvelopeSchemas

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState

__all__ = ["check_file", "default_description", "rendered", "text_or_file", "visible_config"]

_UNUSABLE = (OSError, UnicodeDecodeError, TemplateError)
_LOOKS_LIKE_A_FILE = re.compile(r"\S+\.(?:md|markdown|txt|html|j2|jinja2?)")
_SECRETS = ("*KEY*", "*SECRET*", "*PASSWORD*", "*TOKEN*", "*CREDENTIAL*")


def text_or_file(value: str, state: ApplicationState) -> str:
    """Give a text as it is, and the content of a file, which is a template, in place of its path.

    A relative path is looked for in the folder of the application.

    Raises:
        ConfigurationError: The file cannot be read, or is no template.
    """
    path = _file(value, state)
    if path is None:
        return value
    try:
        return rendered(path.read_text(encoding="utf-8"), state)
    except _UNUSABLE as error:
        raise ConfigurationError(_told(path, error)) from error


def check_file(value: str, state: ApplicationState, key: str) -> None:
    """Report a text that names a file which is not there, or of which nothing can be made."""
    path = _file(value, state)
    if path is None:
        if _LOOKS_LIKE_A_FILE.fullmatch(value.strip()):
            state.report.problem(
                f"{key} is {value!r}, and there is no such file in {state.app.root_path}. Mend the path, or write the "
                f"text itself."
            )
        return
    try:
        Environment().parse(path.read_text(encoding="utf-8"))  # noqa: S701 - nothing is written
    except _UNUSABLE as error:
        state.report.problem(f"{key}: {_told(path, error)}")


def _file(value: str, state: ApplicationState) -> Path | None:
    """Give the file that a text names; `None` of a text that stands for itself."""
    if "\n" in value or len(value) > 500 or not value.strip():
        return None
    path = Path(value)
    path = path if path.is_absolute() else Path(state.app.root_path, value)
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def _told(path: Path, error: Exception) -> str:
    return f"The file {path} cannot be used: {error}. It must be a template of Jinja in UTF-8."


def default_description(state: ApplicationState) -> str:
    """Write the introduction that comes with the package."""
    template = (files("flarchitect_docs") / "templates" / "description.md").read_text(encoding="utf-8")
    return rendered(template, state)


def rendered(template: str, state: ApplicationState) -> str:
    """Render a template of Markdown."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False)
    return environment.from_string(template).render(_variables(state)).strip()


def visible_config(state: ApplicationState) -> dict[str, Any]:
    """Give the configuration without keys that look like secrets, and without passwords in URLs."""
    config: Mapping[str, Any] = state.app.config
    return {
        name: redact_value(value)
        for name, value in sorted(config.items())
        if not any(fnmatchcase(name.upper(), pattern) for pattern in _SECRETS)
    }


def _variables(state: ApplicationState) -> dict[str, Any]:
    from flarchitect_core.mappings import pretty_print_dict

    get = state.settings.get
    schemes = security_schemes_of(state)
    envelopes = EnvelopeSchemas(state)
    limited = state.settings.named("RATE_LIMIT")
    return {
        "config": visible_config(state),
        "api_output_example": pretty_print_dict(envelopes.example({"id": 1})),
        "api_error_example": pretty_print_dict(envelopes.error_example(404)),
        "has_rate_limiting": state.limiter is not None,
        "rate_limit": None if limited is None else get(limited),
        "has_auth": bool(schemes),
        "schemes": schemes,
        "auth": {name.lower(): get(option) for name in _AUTH if (option := state.settings.named(name)) is not None},
        "has_models": len(state.registry) > 0,
        "takes": _queries_of(state),
        "refuses_unknown": get(core.UNKNOWN_PARAMETERS) == "refuse",
        "has_xml": get(core.ALLOW_XML),
        "has_exports": get(core.ALLOW_EXPORT),
        "field_case": get(core.FIELD_CASE),
        "page_size": get(core.PAGINATION_SIZE_DEFAULT),
        "page_size_max": get(core.PAGINATION_SIZE_MAX),
    }


def _queries_of(state: ApplicationState) -> set[str]:
    """Name what the lists of at least one model take."""
    lists = [resource.model for resource in state.registry if "GET" in resource.methods]
    ways = {
        "filters": core.ALLOW_FILTERS,
        "order_by": core.ALLOW_ORDER_BY,
        "fields": core.ALLOW_SELECT_FIELDS,
        "join": core.ALLOW_JOIN,
    }
    return {
        name
        for name, option in ways.items()
        if any(state.settings.get(option, model=model, method="GET") for model in lists)
    }


# What the introduction tells of authentication; nothing in them is secret.
_AUTH = (
    "AUTHENTICATE_METHOD",
    "JWT_ALGORITHM",
    "JWT_EXPIRY_TIME",
    "JWT_REFRESH_EXPIRY_TIME",
    "AUTH_REFRESH_ROUTE",
    "AUTO_AUTH_ROUTES",
)
