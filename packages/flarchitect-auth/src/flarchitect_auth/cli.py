"""The commands of `flask flarchitect auth`: keys, tokens and their tables."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from flarchitect_auth import options
from flarchitect_auth.accounts import stored_moment
from flarchitect_auth.authentication import Authentication
from flarchitect_auth.current import authentication_of
from flarchitect_auth.strategies.api_key import hash_of_key
from flarchitect_core.access.explain import explain
from flarchitect_core.access.rules import RowAction
from flarchitect_core.suggestions import nearest

__all__ = ["auth_commands"]


def auth_commands() -> Iterable[click.Command]:
    """Give the group of commands."""
    commands = [_create_api_key, _revoke, _purge_tokens, _create_tables]
    policy = AppGroup("policy", commands=[_explain], help="What the rules about rows mean.")
    return [AppGroup("auth", commands=commands, help="Keys and tokens of users."), policy, _purge_alias]


@click.command("create-api-key")
@click.argument("user")
@click.option("--days", type=click.IntRange(min=1), help="End the key after so many days.")
@with_appcontext
def _create_api_key(user: str, days: int | None) -> None:
    """Give USER, a login name or key of the table, a new API key, and print it: it is shown this once."""
    authentication = authentication_of()
    accounts, model = authentication.accounts, _user_model(authentication)
    id_field = accounts.option(options.KEY_ID_FIELD)
    hash_field = accounts.option(options.CREDENTIAL_HASH_FIELD)
    if not id_field or not hash_field:
        raise click.ClickException(
            "Set API_KEY_ID_FIELD and API_CREDENTIAL_HASH_FIELD to two columns of the user model: the key is found by "
            "the first, and its hash is stored in the second."
        )
    ends_field = accounts.option(options.KEY_EXPIRES_FIELD)
    if days is not None and not ends_field:
        raise click.ClickException("Set API_KEY_EXPIRES_FIELD to a column that keeps when a key ends.")
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    with authentication.state.database.session_scope(model) as session:
        found = session.merge(_found(authentication, user), load=True)
        setattr(found, id_field, key_id)
        setattr(found, hash_field, hash_of_key(secret))
        if ends_field:
            ends = None if days is None else dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=days)
            column = getattr(model, ends_field).type
            setattr(found, ends_field, None if ends is None else stored_moment(ends, column))
        session.commit()
    click.echo(f"{authentication.settings.get(options.KEY_PREFIX)}_{key_id}.{secret}")


@click.command("revoke")
@click.argument("user")
@with_appcontext
def _revoke(user: str) -> None:
    """End all logins of USER, a login name or key of the table: its refresh tokens count no more."""
    authentication = authentication_of()
    pk = authentication.accounts.pk_of(_found(authentication, user))
    click.echo(f"{authentication.store.revoke_user(pk)} revoked.")


@click.command("purge-tokens")
@click.option("--days", type=click.IntRange(min=0), default=30, show_default=True, help="Keep what expired since then.")
@with_appcontext
def _purge_tokens(days: int) -> None:
    """Delete refresh tokens that expired; run it from time to time."""
    click.echo(f"{authentication_of().store.purge(dt.timedelta(days=days))} deleted.")


_purge_alias = click.Command(
    "purge-tokens", callback=_purge_tokens.callback, params=list(_purge_tokens.params), help=_purge_tokens.help
)


@click.command("create-tables")
@with_appcontext
def _create_tables() -> None:
    """Create the tables of tokens where they are missing."""
    authentication_of().store.create_tables()
    click.echo("The tables are there.")


@click.command("explain")
@click.argument("user")
@click.argument("model")
@click.argument("action", type=click.Choice(["read", "create", "update", "delete"]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
def _explain(user: str, model: str, action: RowAction, as_json: bool) -> None:
    """Print which rule decides whether USER may do ACTION with rows of MODEL, and the SQL of these rows.

    USER is a login name, a key of the table, or `-` for a caller whom nobody knows.
    """
    authentication = authentication_of()
    state = authentication.state
    resource = next((each for each in state.registry if each.name == model), None)
    if resource is None:
        near = nearest(model, [each.name for each in state.registry], limit=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise click.ClickException(f"No published model is called {model!r}.{hint}")
    who = None if user == "-" else _found(authentication, user)
    try:
        explanation = explain(state, resource, action, who)
    except Exception as error:
        raise click.ClickException(
            f"The policy of {model} cannot be asked here: {type(error).__name__}: {error}. A hook that looks at its "
            f"`request` gets None outside of a request."
        ) from error
    if as_json:
        click.echo(json.dumps(asdict(explanation), indent=2))
    else:
        click.echo(f"{explanation.action} {explanation.model}: {explanation.rule}\n{explanation.sql}")


def _user_model(authentication: Authentication) -> type:
    model: type | None = authentication.settings.get(options.USER_MODEL)
    if model is None:
        raise click.ClickException("Set API_USER_MODEL to the mapped class of your users.")
    return model


def _found(authentication: Authentication, user: str) -> Any:
    _user_model(authentication)
    accounts = authentication.accounts
    found = (accounts.by_name(user) if accounts.is_configured else None) or accounts.by_pk(user)
    if found is None:
        raise click.ClickException(f"No user is called {user!r}, or has this key.")
    return found
