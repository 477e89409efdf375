"""Registering the URLs of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from flarchitect_docs import options
from flarchitect_docs.pages.access import Access, check_access
from flarchitect_docs.pages.assets import Assets
from flarchitect_docs.pages.endpoints import ASSET, BLUEPRINT, LEGACY, LOGOUT, PAGE, REDIRECT, SPEC, YAML
from flarchitect_docs.pages.page_views import PageViews
from flarchitect_docs.pages.paths import Paths, paths_of
from flarchitect_docs.pages.renderer import Renderer
from flarchitect_docs.pages.spec_views import SpecViews

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState

__all__ = ["check_pages", "register_pages"]


def check_pages(state: ApplicationState) -> None:
    """Report paths that something else has already, and a login that would not work."""
    if not state.settings.get(options.CREATE_DOCS):
        return
    check_access(state)
    paths = paths_of(state.settings)
    # Ours are there already where routes are generated later (`init_api`).
    others = (rule for rule in state.app.url_map.iter_rules() if not rule.endpoint.startswith(f"{BLUEPRINT}."))
    taken = {rule.rule: f"the route of {rule.endpoint!r}" for rule in others}
    taken.update(dict.fromkeys(state.registry.paths(), "the path of a model"))
    for option, path in (
        (options.DOCUMENTATION_URL, paths.page),
        (options.DOCS_SPEC_ROUTE, paths.spec),
        (options.SPEC_ROUTE, paths.redirect),
    ):
        if path in taken:
            state.report.problem(
                f"{option.key} is {path}, which is {taken[path]} already. Set {option.key} to another path, or "
                f"API_CREATE_DOCS = False."
            )
        elif path is not None:
            taken[path] = f"that of {option.key}"


def register_pages(state: ApplicationState) -> None:
    """Add every URL of the documentation to the application."""
    if not state.settings.get(options.CREATE_DOCS):
        return
    paths, access = paths_of(state.settings), Access(state)
    assets = Assets(state.settings.get(options.DOCS_ASSETS), ASSET)
    pages = PageViews(state, access, Renderer(state.settings, assets))
    blueprint = Blueprint(BLUEPRINT, "flarchitect_docs")
    _add_spec(blueprint, paths, SpecViews(state, access), {rule.rule for rule in state.app.url_map.iter_rules()})
    _add(blueprint, paths.page, PAGE, pages.page, methods=["GET", "POST"] if access.is_protected else ["GET"])
    _add(blueprint, f"{paths.assets}/<name>", ASSET, assets.serve)
    if access.is_protected:
        _add(blueprint, paths.logout, LOGOUT, pages.log_out, methods=["POST"])
    state.app.register_blueprint(blueprint)


def _add_spec(blueprint: Blueprint, paths: Paths, views: SpecViews, taken: Collection[str]) -> None:
    methods = ["GET", "OPTIONS"]
    _add(blueprint, paths.spec, SPEC, views.spec, methods=methods)
    if paths.yaml is not None:
        _add(blueprint, paths.yaml, YAML, views.yaml, methods=methods)
    for number, path in enumerate(paths.legacy):
        # Nobody chose these paths: what the application has there itself stays.
        if path not in taken:
            _add(blueprint, path, f"{LEGACY}_{number}", views.spec, methods=methods)
    if paths.redirect is not None:
        _add(blueprint, paths.redirect, REDIRECT, views.redirect)


def _add(
    blueprint: Blueprint, path: str, endpoint: str, function: Callable[..., Any], *, methods: Sequence[str] = ("GET",)
) -> None:
    def view(**variables: str) -> Any:
        return function(**variables)

    # The one decision about these URLs is made in them; what guards the API has no say here.
    view._auth_disabled = True  # type: ignore[attr-defined]  # noqa: SLF001 - the documented mark
    blueprint.add_url_rule(
        path,
        endpoint.removeprefix(f"{BLUEPRINT}."),
        view,
        methods=list(methods),
        strict_slashes=endpoint != PAGE,
    )
