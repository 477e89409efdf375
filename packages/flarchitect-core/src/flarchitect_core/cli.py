"""The commands of `flask flarchitect`: what an application serves, with which options, and what is wrong with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import click
from flask.cli import AppGroup, with_appcontext

from flarchitect_core.effective_options import effective_options
from flarchitect_core.route_list import routes_of_application
from flarchitect_core.state import ApplicationState, state_of

__all__ = ["add_commands"]

GROUP = "flarchitect"

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def add_commands(state: ApplicationState) -> None:
    """Give `flask` the group with the commands of core and of all parts."""
    commands = [
        _routes,
        _config,
        _doctor,
        _purge_idempotency_keys,
        *(command for part in state.parts for command in part.commands()),
    ]
    group = AppGroup(GROUP, commands=commands, help="Look at the API of this application.")
    state.app.cli.add_command(group)


@click.command("routes")
@_as_json
@with_appcontext
def _routes(as_json: bool) -> None:
    """List every route: method, rule, resource and endpoint."""
    routes = routes_of_application(state_of())
    if as_json:
        _print_json([asdict(route) for route in routes])
    else:
        rows = [(route.method, route.rule, route.resource or "-", route.endpoint) for route in routes]
        _print_table(("METHOD", "RULE", "RESOURCE", "ENDPOINT"), rows)


@click.command("config")
@click.option("--changed", is_flag=True, help="Leave out what has its default.")
@_as_json
@with_appcontext
def _config(changed: bool, as_json: bool) -> None:
    """List every option with its value and where the value comes from; secrets are hidden."""
    found = [option for option in effective_options(state_of()) if not changed or option.origin != "default"]
    if as_json:
        _print_json([asdict(option) for option in found])
    else:
        _print_table(("OPTION", "VALUE", "ORIGIN"), [(item.name, _shown(item.value), item.origin) for item in found])


@click.command("doctor")
@click.option("--strict", is_flag=True, help="Exit with 1 when there is a warning or an error.")
@_as_json
@with_appcontext
def _doctor(strict: bool, as_json: bool) -> None:
    """Look for what is unsafe, wrong or slow in this configuration, its models and its database; change nothing."""
    # Here and not above: it is needed by this command alone.
    from flarchitect_core.diagnosis import diagnose

    findings = diagnose(state_of())
    if as_json:
        _print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.severity.upper():<8} {finding.check}: {finding.message}")
        click.echo(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}.")
    if strict and any(finding.severity != "info" for finding in findings):
        sys.exit(1)


@click.command("purge-idempotency-keys")
@with_appcontext
def _purge_idempotency_keys() -> None:
    """Delete the answers to `Idempotency-Key` that have expired; run it from time to time."""
    state = state_of()
    purged = 0
    for service in state.services.values():
        keys = service.idempotency
        if keys is not None:
            with state.database.session_scope(keys.model) as session:
                purged += keys.purge(session)
                session.commit()
    click.echo(f"{purged} deleted.")


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=str))


def _print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
