"""Registering the URLs of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from flarchitect_docs import options
from flarchitect_docs.pages.access import Access, check_access
from flarchitect_docs.pages.assets import Assets
from flarchitect_docs.pages.endpoints import (
    ASSET,
    AUDIENCE_PAGE,
    AUDIENCE_SPEC,
    AUDIENCE_YAML,
    BLUEPRINT,
    LEGACY,
    LOGOUT,
    PAGE,
    REDIRECT,
    SPEC,
    YAML,
)
from flarchitect_docs.pages.page_views import PageViews
from flarchitect_docs.pages.paths import Paths, paths_of
from flarchitect_docs.pages.renderer import Renderer
from flarchitect_docs.pages.spec_views import SpecViews

if TYPE_CHECKING:
    from flarchitect_core.settings import Option
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
    wanted: list[tuple[Option[Any], str | None]] = [
        (options.DOCUMENTATION_URL, paths.page),
        (options.DOCS_SPEC_ROUTE, paths.spec),
        (options.SPEC_ROUTE, paths.redirect),
    ]
    audiences: Iterable[str] = state.settings.get(options.DOCS_AUDIENCES) or ()
    wanted += [(options.DOCS_AUDIENCES, f"{paths.folder}/{name}") for name in audiences]
    for option, path in wanted:
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
    spec_views = SpecViews(state, access)
    _add_spec(blueprint, paths, spec_views, {rule.rule for rule in state.app.url_map.iter_rules()})
    _add(blueprint, paths.page, PAGE, pages.page, methods=_page_methods(access))
    _add_audiences(blueprint, paths, state.documents.audiences.names, spec_views, pages, access)
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


def _page_methods(access: Access) -> Sequence[str]:
    return ["GET", "POST"] if access.is_protected else ["GET"]


def _add_audiences(
    blueprint: Blueprint, paths: Paths, names: Sequence[str], views: SpecViews, pages: PageViews, access: Access
) -> None:
    if not names:
        return
    quoted = ", ".join(f'"{name}"' for name in names)
    folder = f"{paths.folder}/<any({quoted}):audience>"
    _add(blueprint, folder, AUDIENCE_PAGE, pages.page, methods=_page_methods(access))
    _add(blueprint, f"{folder}/apispec.json", AUDIENCE_SPEC, views.spec, methods=["GET", "OPTIONS"])
    if paths.yaml is not None:
        _add(blueprint, f"{folder}/openapi.yaml", AUDIENCE_YAML, views.yaml, methods=["GET", "OPTIONS"])


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
        strict_slashes=endpoint not in (PAGE, AUDIENCE_PAGE),
    )
