"""`DocsPart`: the OpenAPI document of an application and what shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from flarchitect_core import options as core
from flarchitect_core.findings import Finding
from flarchitect_core.part import Part
from flarchitect_core.settings import Option
from flarchitect_core.state import ApplicationState
from flarchitect_docs import options
from flarchitect_docs.bundle import register_bundle
from flarchitect_docs.cli import add_openapi_commands
from flarchitect_docs.discovery import register_discovery
from flarchitect_docs.document.documents import Documents
from flarchitect_docs.document.templates import check_file
from flarchitect_docs.options import DOCS_OPTIONS
from flarchitect_docs.pages.access import diagnose_access
from flarchitect_docs.pages.routes import check_pages, register_pages

__all__ = ["DocsPart"]


class DocsPart(Part):
    """Describes every operation that the parts and the application offer."""

    name: ClassVar[str] = "docs"
    order: ClassVar[int] = 90
    distribution: ClassVar[str] = "flarchitect-docs"
    options: ClassVar[Sequence[Option[Any]]] = DOCS_OPTIONS

    def check(self, state: ApplicationState) -> None:
        """Look for URLs that are taken, for a login that nobody could use, and for a description that is not there."""
        check_pages(state)
        description = state.settings.get(core.DESCRIPTION)
        if isinstance(description, str):
            check_file(description, state, core.DESCRIPTION.key)

    def install(self, state: ApplicationState) -> None:
        """Make ready the document, which is written when somebody asks for it, its pages, and the commands about it."""
        state.documents = Documents(state)
        register_pages(state)
        add_openapi_commands(state)

    def register(self, state: ApplicationState) -> None:
        """Register what tells about models and routes as data."""
        if state.settings.get(options.CREATE_DOCS):
            register_discovery(state)
            register_bundle(state)

    def diagnose(self, state: ApplicationState) -> Iterable[Finding]:
        """Look for a documentation that is more open than what it describes."""
        return diagnose_access(state) if state.settings.get(options.CREATE_DOCS) else ()
