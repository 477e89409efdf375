"""What is unsafe, wrong or slow in an application that starts: the checks of `flask flarchitect doctor` (bar R47)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain

from flarchitect_core import options
from flarchitect_core.database_diagnosis import check_database
from flarchitect_core.findings import Finding
from flarchitect_core.http.operational_routes import exposed_paths
from flarchitect_core.model.mapped_classes import unpublished_models
from flarchitect_core.state import ApplicationState

__all__ = ["diagnose"]

_ORDER = ("error", "warning", "info")
_SECRET_KEYS = ("SECRET_KEY", "ACCESS_SECRET_KEY", "REFRESH_SECRET_KEY")
# What stands in examples and is then forgotten there.
_SAMPLE_SECRETS = re.compile(
    r"(dev|test|secret|password|change[ _-]?me|default|example|your|super|key|123|abc|xxx|todo|insecure)", re.IGNORECASE
)
_SECRET_CHARACTERS_MIN = 16
_SAMPLE_CHARACTERS_MAX = 32


def diagnose(state: ApplicationState) -> list[Finding]:
    """Run all checks of core and of the parts; the gravest findings come first. Needs an application context."""
    own = chain.from_iterable(check(state) for check in _CHECKS)
    of_parts = chain.from_iterable(part.diagnose(state) for part in state.parts)
    return sorted([*own, *of_parts], key=lambda finding: _ORDER.index(finding.severity))


def _check_debug(state: ApplicationState) -> Iterator[Finding]:
    if state.app.debug or state.is_debug_configured:
        yield Finding(
            "warning",
            "debug",
            "Debug mode is on: errors show the text of exceptions, and the debugger runs code for who reaches it. "
            "Turn it off where strangers can reach the application.",
        )
    if state.settings.get(options.EXPOSE_EXCEPTIONS):
        yield Finding(
            "warning",
            "expose-exceptions",
            "API_EXPOSE_EXCEPTIONS is on: a 500 shows the text of the exception, which may hold rows or paths. "
            "Remove it; the log has the text.",
        )


def _check_secrets(state: ApplicationState) -> Iterator[Finding]:
    for key in _SECRET_KEYS:
        value = state.app.config.get(key)
        if not value:
            continue
        text = value if isinstance(value, str) else bytes(value).decode("latin-1")
        is_sample = len(text) <= _SAMPLE_CHARACTERS_MAX and _SAMPLE_SECRETS.match(text) is not None
        if is_sample or len(text) < _SECRET_CHARACTERS_MIN:
            yield Finding(
                "warning",
                "weak-secret",
                f"{key} is short or looks like an example, so it can be guessed. "
                f'Set it to a random one: python -c "import secrets; print(secrets.token_hex())"',
            )


def _check_hosts(state: ApplicationState) -> Iterator[Finding]:
    if not state.app.config.get("TRUSTED_HOSTS"):
        yield Finding(
            "warning",
            "trusted-hosts",
            "TRUSTED_HOSTS is not set: links in answers carry whatever host a client names. "
            "Set it to the host names of this application.",
        )


def _check_operations(state: ApplicationState) -> Iterator[Finding]:
    get = state.settings.get
    if not get(options.EXPOSE_HEALTH):
        yield Finding(
            "info",
            "health",
            "API_EXPOSE_HEALTH is off: nothing tells a load balancer whether this process can serve.",
        )
    if get(options.EXPOSE_METRICS):
        yield Finding(
            "info",
            "metrics",
            f"{get(options.METRICS_PATH)} answers everybody. Let your proxy refuse it to strangers.",
        )
    if get(options.SERVER_TIMING) and not state.app.debug:
        yield Finding(
            "info",
            "server-timing",
            "API_SERVER_TIMING is on: clients learn the time and number of SQL statements.",
        )


def _check_routes(state: ApplicationState) -> Iterator[Finding]:
    """Find routes that can never be reached, because an earlier one has the same URLs."""
    first: dict[tuple[str, str], str] = {}
    for rule in state.app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            shape = re.sub(r"<[^>]*>", "<>", rule.rule)
            endpoint = first.setdefault((shape, method), rule.endpoint)
            if endpoint != rule.endpoint:
                known = "a path of flarchitect" if rule.rule in exposed_paths(state) else "another route"
                yield Finding(
                    "warning",
                    "shadowed-route",
                    f"{method} {rule.rule} of {rule.endpoint!r} is never reached: {endpoint!r} is {known} with the "
                    f"same URLs. Rename one of them.",
                )


def _check_models(state: ApplicationState) -> Iterator[Finding]:
    names = unpublished_models(state.settings.get(options.BASE_MODEL) or ())
    if names:
        yield Finding(
            "info",
            "unpublished-models",
            f"Not published, because they have no inner class Meta: {', '.join(names)}.",
        )
    unmapped = sorted(
        {
            table.fullname
            for resource in state.registry
            for table in resource.facts.mapper.registry.metadata.tables.values()
            if not table.primary_key and table is not resource.facts.mapper.local_table
        }
    )
    if unmapped:
        yield Finding(
            "info",
            "no-primary-key",
            f"These tables have no primary key, so they are no resources: {', '.join(unmapped)}.",
        )


def _tell_notices(state: ApplicationState) -> Iterator[Finding]:
    for notice in state.report.notices:
        yield Finding("info", "start-up", notice)


_CHECKS: tuple[Callable[[ApplicationState], Iterator[Finding]], ...] = (
    _check_debug,
    _check_secrets,
    _check_hosts,
    _check_operations,
    _check_routes,
    _check_models,
    check_database,
    _tell_notices,
)
