"""Calls from pages of other origins, by Flask-Cors (rest 9.3)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from flask import Flask, Response, request

from flarchitect_core import options as core
from flarchitect_core.http.preferences import APPLIED
from flarchitect_core.state import ApplicationState
from flarchitect_rest import options
from flarchitect_rest.repetition import REPLAYED

__all__ = ["check_cors", "register_cors"]

_ALLOWED_ORIGIN = "Access-Control-Allow-Origin"

# An origin that nobody names: what lets it in lets everybody in.
_ANYBODY = "https://anybody.invalid"

# What a page may read besides the headers that every page may.
_EXPOSED = (
    *("Content-Disposition", "Deprecation", "ETag", REPLAYED, "Link", "Location", APPLIED),
    *("RateLimit", "RateLimit-Policy", "Retry-After", "Sunset", "X-Total-Count-Kind"),
)
_EXPOSED_LIMITS = tuple(f"X-RateLimit-{name}" for name in ("Limit", "Remaining", "Reset"))


def check_cors(state: ApplicationState) -> None:
    """Report a missing Flask-Cors, rules without origins, and credentials for everybody."""
    settings, report = state.settings, state.report
    if not settings.get(options.ENABLE_CORS):
        return
    if find_spec("flask_cors") is None:
        report.problem('API_ENABLE_CORS needs Flask-Cors. Run `pip install "flarchitect-rest[cors]"`.')
        return
    rules: Mapping[Any, Any] = settings.get(options.CORS_RESOURCES)
    if not rules:
        report.notice("API_ENABLE_CORS is on and CORS_RESOURCES is empty, so no other origin may call anything.")
    for pattern, rule in rules.items():
        where = f"CORS_RESOURCES[{pattern!r}]"
        if not isinstance(rule, Mapping):
            report.problem(f'{where} must be a dictionary, such as {{"origins": ["https://shop.example"]}}.')
        elif not rule.get("origins") and not state.app.config.get("CORS_ORIGINS"):
            report.problem(f'{where} names no origin. Add "origins": a URL, a list of them, or "*" for everybody.')
        else:
            _check_rule(state, where, pattern, rule)


def _check_rule(state: ApplicationState, where: str, pattern: Any, rule: Mapping[str, Any]) -> None:
    """Ask Flask-Cors itself what a rule does, with an application made for that."""
    probe = Flask("flarchitect_cors_probe")
    probe.config.update({key: value for key, value in state.app.config.items() if key.startswith("CORS_")})
    # With a wildcard header, Flask-Cors would refuse credentials itself, and in words of its own.
    tested = {key: {**given, "send_wildcard": False} for key, given in ((pattern, rule), (r".*", rule))}
    try:
        _install(probe, tested, ())
    except (TypeError, ValueError) as error:
        state.report.problem(f"Flask-Cors does not take {where}: {error}")
        return
    answer = probe.test_client().get("/", headers={"Origin": _ANYBODY})
    if answer.headers.get(_ALLOWED_ORIGIN) and answer.headers.get("Access-Control-Allow-Credentials"):
        state.report.problem(
            f"{where} lets every origin act with the credentials of its visitors. Name the origins, or leave "
            f"supports_credentials out."
        )


def register_cors(state: ApplicationState) -> None:
    """Add the headers of the rules to every answer, and the answers to preflight requests."""
    rules: Mapping[Any, Any] = state.settings.get(options.CORS_RESOURCES)
    if not state.settings.get(options.ENABLE_CORS) or not rules:
        return

    def vary(response: Response) -> Response:
        # Flask-Cors says so only when it lets one of several origins in; a cache must know when it does not, too.
        allowed = response.headers.get(_ALLOWED_ORIGIN)
        if allowed != "*" and (allowed or state.owns(request.path)):
            response.vary.add("Origin")
        return response

    # Registered first, it runs after Flask-Cors.
    state.app.after_request(vary)
    _install(state.app, rules, (state.settings.get(core.REQUEST_ID_HEADER), *_EXPOSED, *_EXPOSED_LIMITS))


def _install(app: Flask, rules: Mapping[Any, Any], exposed: tuple[str, ...]) -> None:
    """Install Flask-Cors; what we set by default gives way to what the application says."""
    from flask_cors import CORS

    defaults: dict[str, Any] = {"send_wildcard": True, "expose_headers": list(exposed)}
    general = {name: value for name, value in defaults.items() if f"CORS_{name.upper()}" not in app.config}
    # Without it, a cache would give the answer to one who is no page, which has no header, to a page.
    resources = {pattern: {"always_send": _is_wildcard(rule), **rule} for pattern, rule in rules.items()}
    CORS(app, resources=resources, **general)


def _is_wildcard(rule: Mapping[str, Any]) -> bool:
    origins = rule.get("origins")
    return origins == "*" or (isinstance(origins, (list, tuple, set)) and "*" in origins)
