"""What is looked for at start-up: all that would make authentication fail, or hold less than it says (auth 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import NoInspectionAvailable, SQLAlchemyError

from flarchitect_auth import options
from flarchitect_auth.authentication import METHODS, each_operation, methods_of
from flarchitect_auth.providers import resolved_problems
from flarchitect_auth.requirements import check_requirements
from flarchitect_auth.roles import check_role_map
from flarchitect_core.errors import ApiError
from flarchitect_core.rate_storage import check_storage_options
from flarchitect_core.settings import Option, is_set
from flarchitect_core.suggestions import did_you_mean

if TYPE_CHECKING:
    from flarchitect_auth.authentication import Authentication

__all__ = ["check_authentication"]

# What they name must be there: without it, keys and tokens would count longer than they should.
_NAMED: tuple[Option[Any], ...] = (
    options.USER_ACTIVE_FIELD,
    options.TOKENS_VALID_AFTER_FIELD,
    options.KEY_ID_FIELD,
    options.KEY_EXPIRES_FIELD,
    options.KEY_LAST_USED_FIELD,
    options.KEY_SCOPES_FIELD,
)
_SCANNED_MAX = 100
_HOW_TO_MAKE_ONE = "`python -c 'import secrets; print(secrets.token_urlsafe(48))'` prints a good one"


def check_authentication(authentication: Authentication) -> None:
    """Report every mistake."""
    settings, report = authentication.settings, authentication.state.report
    has_unknown = _check_methods(authentication)
    _check_maps(authentication)
    report.problems_from(resolved_problems(settings, each_operation(authentication.state)))
    enabled = authentication.enabled
    _check_users(authentication)
    if not enabled:
        if settings.get(options.AUTHENTICATE) and not has_unknown:
            report.problem(
                "API_AUTHENTICATE is True, and no API_AUTHENTICATE_METHOD says how callers are recognised. "
                f"Set it to one or several of {', '.join(map(repr, METHODS))}."
            )
        return
    if not authentication.state.app.config.get("SECRET_KEY"):
        report.problem(
            f"API_AUTHENTICATE_METHOD is set, and SECRET_KEY is not. Set it to random text; {_HOW_TO_MAKE_ONE}. "
            f"Keep it out of the source."
        )
    check_storage_options(settings, report)
    if "jwt" in enabled:
        authentication.keys.check(report)
        _check_storage(authentication)
    if "api_key" in enabled:
        _check_api_keys(authentication)
    if "custom" in enabled and settings.get(options.CUSTOM_AUTH) is None:
        report.problem(
            "API_AUTHENTICATE_METHOD lists 'custom', and API_CUSTOM_AUTH is not set. Set it to a callable that "
            "recognises the caller."
        )
    if settings.get(options.EXPOSE_REGISTER) and settings.get(options.REGISTER_USER) is None:
        report.problem("API_EXPOSE_REGISTER is on, and API_REGISTER_USER, which makes the account, is not set.")
    if settings.get(options.AUTHENTICATE) is False:
        report.notice(
            "API_AUTHENTICATE is False: the methods of API_AUTHENTICATE_METHOD are not asked, and every route is open."
        )


def _check_methods(authentication: Authentication) -> bool:
    """Report unknown names of methods, and say whether there are any."""
    settings, report = authentication.settings, authentication.state.report
    found = False
    for model, method in each_operation(authentication.state):
        for name in methods_of(settings, model, method):
            if name not in METHODS:
                found = True
                where = "API_AUTHENTICATE_METHOD" if model is None else f"{model.__name__}.Meta.authenticate_method"
                hint = did_you_mean(name, METHODS)
                report.problem(f"{where} names {name!r}; the methods are {', '.join(map(repr, METHODS))}.{hint}")
    return found


def _check_maps(authentication: Authentication) -> None:
    settings, report = authentication.settings, authentication.state.report
    for model in (None, *(resource.model for resource in authentication.state.registry)):
        for option, check in ((options.ROLE_MAP, check_role_map), (options.AUTH_REQUIREMENTS, check_requirements)):
            value, origin = settings.resolve(option, model=model)
            if is_set(value) and (model is None or origin == "model"):
                where = option.key if model is None else f"{model.__name__}.Meta.{option.name.lower()}"
                report.problems_from(f"{where}{'' if said.startswith('[') else ': '}{said}" for said in check(value))


def _check_users(authentication: Authentication) -> None:
    settings, report = authentication.settings, authentication.state.report
    model, enabled = settings.get(options.USER_MODEL), authentication.enabled
    finds_users = settings.get(options.KEY_AUTH_AND_RETURN_METHOD) is not None
    needing = [name for name in enabled if name in ("jwt", "basic") or (name == "api_key" and not finds_users)]
    if model is None:
        if needing:
            report.problem(
                f"API_AUTHENTICATE_METHOD lists {', '.join(map(repr, needing))}, and API_USER_MODEL is not set. "
                f"Set it to the mapped class of your users."
            )
        return
    try:
        mapper: Any = sa.inspect(model)
    except NoInspectionAvailable:
        report.problem(f"API_USER_MODEL ({model!r}) is not a mapped class.")
        return
    if len(mapper.primary_key) != 1:
        report.problem(f"API_USER_MODEL ({model.__name__}) has a key of several columns; tokens name one value.")
    with authentication.state.app.app_context():
        authentication.state.database.check(report, [model])
    if set(needing) & {"jwt", "basic"}:
        _check_named(authentication, options.USER_LOOKUP_FIELD, "the column with the login name", needed=True)
        _check_named(authentication, options.CREDENTIAL_CHECK_METHOD, "the method that checks a password", needed=True)
    for option in _NAMED:
        if settings.resolve(option, model=model)[1] != "default":
            _check_named(authentication, option, "an attribute", needed=False)


def _check_named(authentication: Authentication, option: Option[Any], what: str, *, needed: bool) -> None:
    settings, report = authentication.settings, authentication.state.report
    model = settings.get(options.USER_MODEL)
    name = settings.get(option, model=model)
    if not name:
        if needed:
            report.problem(f"{option.key} is not set. Set it to the name of {what} of {model.__name__}.")
        return
    if not hasattr(model, name):
        hint = did_you_mean(name, [each for each in dir(model) if not each.startswith("_")])
        report.problem(f"{option.key} names {name!r}, which {model.__name__} does not have.{hint}")


def _check_api_keys(authentication: Authentication) -> None:
    settings, report = authentication.settings, authentication.state.report
    model = settings.get(options.USER_MODEL)
    if settings.get(options.KEY_AUTH_AND_RETURN_METHOD, model=model) is not None or model is None:
        return
    has_id = bool(settings.get(options.KEY_ID_FIELD, model=model))
    _check_named(authentication, options.CREDENTIAL_HASH_FIELD, "the attribute with the hash of the key", needed=True)
    _check_named(authentication, options.CREDENTIAL_CHECK_METHOD, "the method that checks a key", needed=not has_id)
    if not report.problems and not has_id and _has_many_keys(authentication):
        report.notice(
            f"More than {_SCANNED_MAX} users have an API key, and a key is looked for in all of them, one by one. Set "
            f"API_KEY_ID_FIELD to an indexed column with the public part of the key, or "
            f"API_KEY_AUTH_AND_RETURN_METHOD."
        )


def _has_many_keys(authentication: Authentication) -> bool:
    """Say whether a search through all keys is slow; a database that cannot be asked now has told nothing."""
    try:
        with authentication.state.app.app_context():
            return authentication.accounts.has_more_hashes_than(_SCANNED_MAX)
    except (ApiError, SQLAlchemyError):
        return False


def _check_storage(authentication: Authentication) -> None:
    settings, report = authentication.settings, authentication.state.report
    algorithm = settings.get(options.JWT_ALGORITHM)
    if settings.get(options.REFRESH_TOKEN_STORAGE) != "plain":
        return
    if algorithm[:2] in ("RS", "PS"):
        report.problem(
            f"API_REFRESH_TOKEN_STORAGE is 'plain', and tokens signed with {algorithm} are too long for a key of a "
            f"table. Use 'hash'."
        )
    report.notice(
        "API_REFRESH_TOKEN_STORAGE is 'plain': whoever reads the table can use every token in it. Use 'hash'."
    )
