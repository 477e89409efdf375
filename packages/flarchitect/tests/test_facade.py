"""The documented import paths: each is the object of core itself, and importing them does nothing else."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from importlib.metadata import version

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

import flarchitect
import flarchitect_core.architect
import flarchitect_core.constants
import flarchitect_core.errors
import flarchitect_core.http.exceptions
import flarchitect_core.http.hooks
import flarchitect_core.http.logs
import flarchitect_core.http.request_id
import flarchitect_core.model.fields
import flarchitect_core.model.naming
import flarchitect_core.model.schemas
import flarchitect_core.resolution
import flarchitect_core.session

core = flarchitect_core
PATHS = {
    "flarchitect.Architect": core.architect.Architect,
    "flarchitect.clear_config_cache": core.resolution.clear_config_cache,
    "flarchitect.core.Architect": core.architect.Architect,
    "flarchitect.core.architect.Architect": core.architect.Architect,
    "flarchitect.core.architect.FLASK_APP_NAME": core.architect.FLASK_APP_NAME,
    "flarchitect.exceptions.ApiError": core.errors.ApiError,
    "flarchitect.exceptions.ConfigurationError": core.errors.ConfigurationError,
    "flarchitect.exceptions.CustomHTTPException": core.http.exceptions.CustomHTTPException,
    "flarchitect.exceptions.FlarchitectError": core.errors.FlarchitectError,
    "flarchitect.exceptions.handle_http_exception": core.http.hooks.handle_http_exception,
    "flarchitect.logging.JsonFormatter": core.http.logs.JsonFormatter,
    "flarchitect.logging.TextFormatter": core.http.logs.TextFormatter,
    "flarchitect.logging.current_request_id": core.http.request_id.current_request_id,
    "flarchitect.schemas.AutoSchema": core.model.schemas.AutoSchema,
    "flarchitect.schemas.bases.AutoSchema": core.model.schemas.AutoSchema,
    "flarchitect.schemas.bases.EnumField": core.model.fields.EnumField,
    "flarchitect.utils.get_session": core.session.get_session,
    "flarchitect.utils.config_helpers.get_config_or_model_meta": core.resolution.get_config_or_model_meta,
    "flarchitect.utils.core_utils.convert_camel_to_snake": core.model.naming.convert_camel_to_snake,
    "flarchitect.utils.core_utils.convert_case": core.model.naming.convert_case,
    "flarchitect.utils.core_utils.convert_kebab_to_snake": core.model.naming.convert_kebab_to_snake,
    "flarchitect.utils.core_utils.convert_snake_to_camel": core.model.naming.convert_snake_to_camel,
    "flarchitect.utils.general.DATETIME_FORMAT": core.constants.DATETIME_FORMAT,
    "flarchitect.utils.general.DATE_FORMAT": core.constants.DATE_FORMAT,
    "flarchitect.utils.general.HTTP_BAD_REQUEST": core.constants.HTTP_BAD_REQUEST,
    "flarchitect.utils.general.HTTP_FORBIDDEN": core.constants.HTTP_FORBIDDEN,
    "flarchitect.utils.general.HTTP_INTERNAL_SERVER_ERROR": core.constants.HTTP_INTERNAL_SERVER_ERROR,
    "flarchitect.utils.general.HTTP_METHODS": core.constants.HTTP_METHODS,
    "flarchitect.utils.general.HTTP_OK": core.constants.HTTP_OK,
    "flarchitect.utils.general.HTTP_UNAUTHORIZED": core.constants.HTTP_UNAUTHORIZED,
    "flarchitect.utils.general.HTTP_UNPROCESSABLE_ENTITY": core.constants.HTTP_UNPROCESSABLE_ENTITY,
    "flarchitect.utils.general.pluralize_last_word": core.model.naming.pluralise_last_word,
    "flarchitect.utils.session.get_session": core.session.get_session,
}

# What must cost nobody anything who does not use it.
HEAVY = """
apispec bs4 fastmcp flarchitect_auth flarchitect_docs flarchitect_graphql flarchitect_mcp flarchitect_rest
flarchitect_ws flask_limiter flask_sqlalchemy flask_sock graphene jwt mariadb MySQLdb numpy psycopg psycopg2 pymongo
pymysql redis requests sqlite3 waitress xml
"""


def modules() -> list[str]:
    """List every module of the facade."""
    return [
        "flarchitect",
        *(found.name for found in pkgutil.walk_packages(flarchitect.__path__, prefix="flarchitect.")),
    ]


def run_alone(program: str) -> str:
    """Run a program in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)  # noqa: S603 - our own interpreter and text
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.contract("core 10")
@pytest.mark.parametrize("path", PATHS)
def test_a_documented_path_is_the_object_of_core(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert getattr(importlib.import_module(module), name) is PATHS[path]


def test_every_public_name_of_the_facade_is_tested_here() -> None:
    public = {
        f"{module}.{name}"
        for module in modules()
        for name in importlib.import_module(module).__all__
        if f"{module}.{name}" not in modules()
    }
    public -= {"flarchitect.__version__", "flarchitect.utils.session"}
    # These two are modules of core, where more than the documented name is public.
    public -= {f"flarchitect.utils.config_helpers.{name}" for name in ("clear_config_cache", "forget_request_lookups")}
    assert public == set(PATHS)


@pytest.mark.contract("core 10")
def test_the_version_is_that_of_the_distribution() -> None:
    assert flarchitect.__version__ == version("flarchitect")


@pytest.mark.contract("core C-4")
def test_importing_every_module_loads_nothing_heavy_and_touches_nothing() -> None:
    program = (
        f"import importlib, json, logging, sys, threading, flarchitect\n"
        f"for name in {modules()!r}: importlib.import_module(name)\n"
        "loggers = [name for name in logging.root.manager.loggerDict if logging.getLogger(name).handlers]\n"
        "print(json.dumps([[*sys.modules], threading.active_count(), loggers, logging.root.handlers]))"
    )
    loaded, threads, loggers_with_handlers, root_handlers = json.loads(run_alone(program))
    assert {name.split(".")[0] for name in loaded} & set(HEAVY.split()) == set()
    assert (threads, loggers_with_handlers, root_handlers) == (1, [], [])


@pytest.mark.contract("core 10")
def test_names_that_do_not_exist_yet_are_no_part_of_the_facade() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("flarchitect.graphql")


@pytest.mark.contract("core 10")
def test_what_is_patched_in_a_module_of_the_facade_takes_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sa.create_engine("sqlite://")

    class MySession(Session):
        pass

    monkeypatch.setattr(
        "flarchitect.utils.session.get_config_or_model_meta", lambda *names, **rest: lambda: MySession(engine)
    )
    with Flask("patched").app_context(), flarchitect.utils.get_session() as session:
        assert type(session) is MySession
    engine.dispose()
