"""The commands of `flask openapi`: write the document, check it, compare it with an older one, list its operations.

None of them needs a running server or a database.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml
from flask.cli import AppGroup, with_appcontext

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.state import state_of
from flarchitect_docs.compare import breaking_changes
from flarchitect_docs.document.check import grammar_problems_of, operations_in, problems_of

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState
    from flarchitect_docs.document.audiences import Audiences
    from flarchitect_docs.document.documents import Document

__all__ = ["add_openapi_commands"]

BREAKING = 2

_version = click.option("--version", type=click.Choice(["3.0", "3.1"]), help="Version of OpenAPI.")


def add_openapi_commands(state: ApplicationState) -> None:
    """Give `flask` the group of commands."""
    group = AppGroup("openapi", commands=[_export, _validate, _diff, _routes], help="The OpenAPI document of this API.")
    state.app.cli.add_command(group)


@click.command("export")
@click.option("--format", "form", type=click.Choice(["json", "yaml"]), default="json", help="Notation.")
@_version
@click.option("--audience", help="Write what this audience of API_DOCS_AUDIENCES is shown.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write to.")
@with_appcontext
def _export(form: str, version: str | None, audience: str | None, output: Path | None) -> None:
    """Write the document."""
    audiences: Audiences = state_of().documents.audiences
    if audience is not None and audience not in audiences.names:
        known = ", ".join(audiences.names) or "none"
        raise click.BadParameter(f"There is no audience {audience!r}. There are: {known}.", param_hint="--audience")
    document = audiences.document(_document(version), audience)
    written = document.yaml if form == "yaml" else document.json
    if output is None:
        click.echo(written.decode("utf-8"))
        return
    try:
        output.write_bytes(written)
    except OSError as error:
        raise click.FileError(str(output), error.strerror) from error


@click.command("validate")
@_version
@with_appcontext
def _validate(version: str | None) -> None:
    """Look for references that lead nowhere, components that nobody uses, names that stand twice, and, with
    openapi-spec-validator, mistakes of grammar.
    """
    content = _document(version).content
    problems, verdict = list(problems_of(content)), "The document is valid."
    try:
        problems += grammar_problems_of(content)
    except ImportError:
        verdict = "Nothing is loose. Install flarchitect-docs[validate] to have the grammar checked too."
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        sys.exit(1)
    click.echo(verdict)


@click.command("diff")
@click.argument("old", type=click.Path(path_type=Path))
@click.option("--version", type=click.Choice(["3.0", "3.1"]), help="Version of OpenAPI; that of OLD by default.")
@with_appcontext
def _diff(old: Path, version: str | None) -> None:
    """Compare with the document in the file OLD; exit with 2 when clients of it may break."""
    try:
        before: Any = yaml.safe_load(old.read_text(encoding="utf-8"))
    except OSError as error:
        # By hand, as a path that Click finds wrong ends with 2, which says that clients would break.
        raise click.FileError(str(old), error.strerror) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{old} is neither JSON nor YAML.") from error
    if not isinstance(before, dict) or not str(before.get("openapi", "")).startswith("3."):
        raise click.ClickException(f"{old} is no OpenAPI document of version 3.")
    after = _document(version or str(before["openapi"])[:3]).content
    changes = list(breaking_changes(before, after))
    for change in changes:
        click.echo(change)
    if changes:
        sys.exit(BREAKING)
    click.echo("Nothing that would break a client.")


@click.command("routes")
@with_appcontext
def _routes() -> None:
    """List every operation: method, path, operation id and tag."""
    rows = [
        (method.upper(), path, operation.get("operationId", ""), ", ".join(operation.get("tags", ())))
        for path, method, operation in operations_in(_document(None).content)
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _document(version: str | None) -> Document:
    try:
        document: Document = state_of().documents.current(version)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    return document
