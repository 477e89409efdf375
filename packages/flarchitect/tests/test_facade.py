"""The documented import paths: each is the object of core or of a part itself, and importing them does nothing else."""

from __future__ import annotations

import importlib
import inspect
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
import flarchitect_auth.account_schemas
import flarchitect_auth.decorators
import flarchitect_auth.functions
import flarchitect_auth.passwords
import flarchitect_auth.providers
import flarchitect_auth.role_answers
import flarchitect_auth.roles
import flarchitect_auth.schemas
import flarchitect_auth.token_store
import flarchitect_core.access.identity
import flarchitect_core.access.rules
import flarchitect_core.architect
import flarchitect_core.attribute_initialiser
import flarchitect_core.constants
import flarchitect_core.errors
import flarchitect_core.http.cookies
import flarchitect_core.http.exceptions
import flarchitect_core.http.hooks
import flarchitect_core.http.logs
import flarchitect_core.http.negotiation
import flarchitect_core.http.request_id
import flarchitect_core.http.xml
import flarchitect_core.levelled_log
import flarchitect_core.mappings
import flarchitect_core.markup
import flarchitect_core.model.endpoints
import flarchitect_core.model.fields
import flarchitect_core.model.join_tokens
import flarchitect_core.model.key_rules
import flarchitect_core.model.naming
import flarchitect_core.model.schemas
import flarchitect_core.model.validators
import flarchitect_core.operations.crud
import flarchitect_core.plugins
import flarchitect_core.query.plain
import flarchitect_core.rates
import flarchitect_core.resolution
import flarchitect_core.route_list
import flarchitect_core.schema_tools
import flarchitect_core.session
import flarchitect_core.simple_cache
import flarchitect_core.views.bodies
import flarchitect_core.views.dumping
import flarchitect_core.views.managed
import flarchitect_core.views.results
import flarchitect_core.views.sse
import flarchitect_docs.bundle
import flarchitect_docs.discovery
import flarchitect_docs.generator
import flarchitect_docs.spec
from flarchitect._parts import lazily
from flarchitect.utils.release import bump_version_if_needed

auth = flarchitect_auth
core = flarchitect_core
docs = flarchitect_docs
schema_tools = core.schema_tools
PATHS = {
    "flarchitect.schemas.models.DeleteSuccessfulSchema": auth.account_schemas.DeleteSuccessfulSchema,
    "flarchitect.schemas.models.LoginInputSchema": auth.account_schemas.LoginInputSchema,
    "flarchitect.schemas.models.RefreshInputSchema": auth.account_schemas.RefreshInputSchema,
    "flarchitect.schemas.models.RefreshOutputSchema": auth.account_schemas.RefreshOutputSchema,
    "flarchitect.schemas.models.ResetPasswordSchemaIn": auth.account_schemas.ResetPasswordSchemaIn,
    "flarchitect.schemas.models.ResetPasswordSchemaOut": auth.account_schemas.ResetPasswordSchemaOut,
    "flarchitect.schemas.models.TokenRefreshSchema": auth.account_schemas.TokenRefreshSchema,
    "flarchitect.schemas.models.UserSchema": auth.account_schemas.UserSchema,
    "flarchitect.authentication.public": auth.decorators.public,
    "flarchitect.authentication.require_roles": auth.decorators.require_roles,
    "flarchitect.authentication.require_scopes": auth.decorators.require_scopes,
    "flarchitect.authentication.roles_accepted": auth.decorators.roles_accepted,
    "flarchitect.authentication.roles_required": auth.decorators.roles_required,
    "flarchitect.authentication.load_user_from_cookie": auth.functions.load_user_from_cookie,
    "flarchitect.authentication.PasswordMixin": auth.passwords.PasswordMixin,
    "flarchitect.authentication.hash_password": auth.passwords.hash_password,
    "flarchitect.authentication.needs_rehash": auth.passwords.needs_rehash,
    "flarchitect.authentication.verify_password": auth.passwords.verify_password,
    "flarchitect.authentication.helpers.load_user_from_cookie": auth.functions.load_user_from_cookie,
    "flarchitect.authentication.jwt.create_jwt": auth.functions.create_jwt,
    "flarchitect.authentication.jwt.decode_token": auth.functions.decode_token,
    "flarchitect.authentication.jwt.generate_access_token": auth.functions.generate_access_token,
    "flarchitect.authentication.jwt.generate_refresh_token": auth.functions.generate_refresh_token,
    "flarchitect.authentication.jwt.get_allowed_algorithms": auth.functions.get_allowed_algorithms,
    "flarchitect.authentication.jwt.get_jwt_algorithm": auth.functions.get_jwt_algorithm,
    "flarchitect.authentication.jwt.get_pk_and_lookups": auth.functions.get_pk_and_lookups,
    "flarchitect.authentication.jwt.get_user_from_token": auth.functions.get_user_from_token,
    "flarchitect.authentication.jwt.refresh_access_token": auth.functions.refresh_access_token,
    "flarchitect.authentication.roles.require_roles": auth.decorators.require_roles,
    "flarchitect.authentication.roles.roles_accepted": auth.decorators.roles_accepted,
    "flarchitect.authentication.roles.roles_required": auth.decorators.roles_required,
    "flarchitect.authentication.roles._build_user_context": auth.role_answers.build_user_context,
    "flarchitect.authentication.roles._forbidden_with_context": auth.role_answers.forbidden_with_context,
    "flarchitect.authentication.roles._infer_resource_from_path": auth.roles.infer_resource,
    "flarchitect.authentication.token_providers.DEFAULT_AUTH_COOKIE_NAME": auth.providers.DEFAULT_AUTH_COOKIE_NAME,
    "flarchitect.authentication.token_providers.DEFAULT_TOKEN_PROVIDERS": auth.providers.DEFAULT_TOKEN_PROVIDERS,
    "flarchitect.authentication.token_providers.extract_token_from_cookie": auth.providers.extract_token_from_cookie,
    "flarchitect.authentication.token_providers.extract_token_from_request": auth.providers.extract_token_from_request,
    "flarchitect.authentication.token_providers.resolve_token_providers": auth.providers.resolve_token_providers,
    "flarchitect.authentication.token_store.Base": auth.token_store.Base,
    "flarchitect.authentication.token_store.RefreshToken": auth.token_store.RefreshToken,
    "flarchitect.authentication.token_store.delete_refresh_token": auth.functions.delete_refresh_token,
    "flarchitect.authentication.token_store.get_refresh_token": auth.functions.get_refresh_token,
    "flarchitect.authentication.token_store.get_session": auth.functions.get_session,
    "flarchitect.authentication.token_store.list_user_tokens": auth.functions.list_user_tokens,
    "flarchitect.authentication.token_store.mark_refresh_token_used": auth.functions.mark_refresh_token_used,
    "flarchitect.authentication.token_store.purge_expired_refresh_tokens": auth.functions.purge_expired_refresh_tokens,
    "flarchitect.authentication.token_store.revoke_family": auth.functions.revoke_family,
    "flarchitect.authentication.token_store.revoke_refresh_token": auth.functions.revoke_refresh_token,
    "flarchitect.authentication.token_store.revoke_user_tokens": auth.functions.revoke_user_tokens,
    "flarchitect.authentication.token_store.rotate_refresh_token": auth.functions.rotate_refresh_token,
    "flarchitect.authentication.token_store.store_refresh_token": auth.functions.store_refresh_token,
    "flarchitect.authentication.user.current_user": core.access.identity.current_user,
    "flarchitect.authentication.user.get_current_user": core.access.identity.get_current_user,
    "flarchitect.authentication.user.set_current_user": core.access.identity.set_current_user,
    "flarchitect.authorization.ANONYMOUS": core.access.rules.ANONYMOUS,
    "flarchitect.authorization.ANYBODY": core.access.rules.ANYBODY,
    "flarchitect.authorization.Policy": core.access.rules.Policy,
    "flarchitect.authorization.owner": core.access.rules.owner,
    "flarchitect.authorization.roles._resolve_required_roles": auth.role_answers.resolve_required_roles,
    "flarchitect.authorization.roles._normalize_roles_spec": auth.roles.normalise_roles_spec,
    "flarchitect.core.jwt_authentication": auth.decorators.jwt_authentication,
    "flarchitect.core.architect.jwt_authentication": auth.decorators.jwt_authentication,
    "flarchitect.schemas.LoginSchema": auth.schemas.LoginSchema,
    "flarchitect.schemas.RefreshSchema": auth.schemas.RefreshSchema,
    "flarchitect.schemas.TokenSchema": auth.schemas.TokenSchema,
    "flarchitect.schemas.auth.LoginSchema": auth.schemas.LoginSchema,
    "flarchitect.schemas.auth.RefreshSchema": auth.schemas.RefreshSchema,
    "flarchitect.schemas.auth.TokenSchema": auth.schemas.TokenSchema,
    "flarchitect.Architect": core.architect.Architect,
    "flarchitect.clear_config_cache": core.resolution.clear_config_cache,
    "flarchitect.core.Architect": core.architect.Architect,
    "flarchitect.core.SimpleCache": core.simple_cache.SimpleCache,
    "flarchitect.core.simple_cache.SimpleCache": core.simple_cache.SimpleCache,
    "flarchitect.core.architect.Architect": core.architect.Architect,
    "flarchitect.core.architect.FLASK_APP_NAME": core.architect.FLASK_APP_NAME,
    "flarchitect.exceptions.ApiError": core.errors.ApiError,
    "flarchitect.exceptions.ConfigurationError": core.errors.ConfigurationError,
    "flarchitect.exceptions.CustomHTTPException": core.http.exceptions.CustomHTTPException,
    "flarchitect.exceptions.FlarchitectError": core.errors.FlarchitectError,
    "flarchitect.exceptions.handle_http_exception": core.http.hooks.handle_http_exception,
    "flarchitect.logging.CustomLogger": core.levelled_log.CustomLogger,
    "flarchitect.logging.JsonFormatter": core.http.logs.JsonFormatter,
    "flarchitect.logging.TextFormatter": core.http.logs.TextFormatter,
    "flarchitect.logging.color_text_with_multiple_patterns": core.markup.color_text_with_multiple_patterns,
    "flarchitect.logging.current_request_id": core.http.request_id.current_request_id,
    "flarchitect.logging.get_logger": core.levelled_log.get_logger,
    "flarchitect.logging.logger": core.levelled_log.logger,
    "flarchitect.schemas.AutoSchema": core.model.schemas.AutoSchema,
    "flarchitect.schemas.bases.AutoSchema": core.model.schemas.AutoSchema,
    "flarchitect.schemas.bases.EnumField": core.model.fields.EnumField,
    "flarchitect.schemas.bases.register_type_mapping": core.model.type_table.register_type_mapping,
    "flarchitect.schemas.validators.validate_base64": core.model.validators.validate_base64,
    "flarchitect.schemas.validators.validate_boolean": core.model.validators.validate_boolean,
    "flarchitect.schemas.validators.validate_by_type": core.model.validators.validate_by_type,
    "flarchitect.schemas.validators.validate_cron": core.model.validators.validate_cron,
    "flarchitect.schemas.validators.validate_currency": core.model.validators.validate_currency,
    "flarchitect.schemas.validators.validate_date": core.model.validators.validate_date,
    "flarchitect.schemas.validators.validate_datetime": core.model.validators.validate_datetime,
    "flarchitect.schemas.validators.validate_decimal": core.model.validators.validate_decimal,
    "flarchitect.schemas.validators.validate_phone_number": core.model.validators.validate_phone_number,
    "flarchitect.schemas.validators.validate_postal_code": core.model.validators.validate_postal_code,
    "flarchitect.schemas.validators.validate_time": core.model.validators.validate_time,
    "flarchitect.schemas.validators.wrap_validator": core.model.validators.wrap_validator,
    "flarchitect.utils.get_session": core.session.get_session,
    "flarchitect.utils.config_helpers.get_config_or_model_meta": core.resolution.get_config_or_model_meta,
    "flarchitect.utils.config_helpers.is_xml": core.http.negotiation.is_xml,
    "flarchitect.utils.core_utils.dict_to_xml": core.http.xml.dict_to_xml,
    "flarchitect.utils.general.xml_to_dict": core.http.xml.xml_to_dict,
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
    "flarchitect.utils.general.check_rate_prerequisites": core.rates.check_driver,
    "flarchitect.utils.general.check_rate_services": core.rates.check_rate_services,
    "flarchitect.utils.general.validate_flask_limiter_rate_limit_string": core.rates.is_rate_text,
    "flarchitect.utils.general.pluralize_last_word": core.model.naming.pluralise_last_word,
    "flarchitect.utils.session.get_session": core.session.get_session,
    "flarchitect.core.find_rule_by_function": core.route_list.find_rule_by_function,
    "flarchitect.core.routes.find_rule_by_function": core.route_list.find_rule_by_function,
    "flarchitect.core.utils.SQLALCHEMY_TO_FLASK_CONVERTER": core.model.key_rules.SQLALCHEMY_TO_FLASK_CONVERTER,
    "flarchitect.core.utils.get_foreign_key_to_parent": core.model.key_rules.get_foreign_key_to_parent,
    "flarchitect.core.utils.get_pk": core.model.key_rules.get_pk,
    "flarchitect.core.utils.get_primary_key_info": core.model.key_rules.get_primary_key_info,
    "flarchitect.core.utils.get_url_pk": core.model.key_rules.get_url_pk,
    "flarchitect.database.CrudService": core.operations.crud.CrudService,
    "flarchitect.database.apply_sorting_to_query": core.query.plain.apply_sorting_to_query,
    "flarchitect.database.constants.AGGREGATE_FUNCS": core.query.plain.AGGREGATE_FUNCS,
    "flarchitect.database.constants.OPERATORS": core.query.plain.OPERATORS,
    "flarchitect.database.get_model_columns": core.query.plain.get_model_columns,
    "flarchitect.database.get_model_relationships": core.query.plain.get_model_relationships,
    "flarchitect.database.inspections.get_model_columns": core.query.plain.get_model_columns,
    "flarchitect.database.inspections.get_model_relationships": core.query.plain.get_model_relationships,
    "flarchitect.database.operations.CrudService": core.operations.crud.CrudService,
    "flarchitect.database.operations.apply_sorting_to_query": core.query.plain.apply_sorting_to_query,
    "flarchitect.database.operations.paginate_query": core.query.plain.paginate_query,
    "flarchitect.database.operations.recursive_delete": core.operations.crud.recursive_delete,
    "flarchitect.database.paginate_query": core.query.plain.paginate_query,
    "flarchitect.database.utils.AGGREGATE_FUNCS": core.query.plain.AGGREGATE_FUNCS,
    "flarchitect.database.utils.OPERATORS": core.query.plain.OPERATORS,
    "flarchitect.database.utils.get_all_columns_and_hybrids": core.query.plain.get_all_columns_and_hybrids,
    "flarchitect.database.utils.get_primary_key_filters": core.query.plain.get_primary_key_filters,
    "flarchitect.database.utils.get_primary_keys": core.query.plain.get_primary_keys,
    "flarchitect.database.utils.is_hybrid_property": core.query.plain.is_hybrid_property,
    "flarchitect.database.utils.list_model_columns": core.query.plain.get_model_columns,
    "flarchitect.database.utils.normalise_join_token": core.model.join_tokens.normalise_join_token,
    "flarchitect.exceptions._handle_exception": core.http.hooks.handle_exception,
    "flarchitect.exceptions._print_exception": core.http.hooks.print_exception,
    "flarchitect.plugins.PluginBase": core.plugins.PluginBase,
    "flarchitect.plugins.PluginManager": core.plugins.PluginManager,
    "flarchitect.schemas.utils.deserialise_data": core.views.bodies.deserialise_data,
    "flarchitect.schemas.utils.deserialize_data": core.views.bodies.deserialise_data,
    "flarchitect.schemas.utils.create_dynamic_schema": schema_tools.create_dynamic_schema,
    "flarchitect.schemas.utils.dump_schema_if_exists": schema_tools.dump_schema_if_exists,
    "flarchitect.schemas.utils.filter_keys": schema_tools.filter_keys,
    "flarchitect.schemas.utils.get_input_output_from_model_or_make": schema_tools.get_input_output_from_model_or_make,
    "flarchitect.schemas.utils.get_schema_subclass": schema_tools.get_schema_subclass,
    "flarchitect.schemas.utils.list_schema_fields": schema_tools.list_schema_fields,
    "flarchitect.schemas.DeleteSchema": schema_tools.DeleteSchema,
    "flarchitect.schemas.FileField": core.views.files.FileField,
    "flarchitect.schemas.Upload": core.views.files.Upload,
    "flarchitect.schemas.UploadedFile": core.views.files.UploadedFile,
    "flarchitect.schemas.bases.DeleteSchema": schema_tools.DeleteSchema,
    "flarchitect.schemas.get_input_output_from_model_or_make": schema_tools.get_input_output_from_model_or_make,
    "flarchitect.core.discovery.build_schema_discovery_payload": docs.discovery.build_schema_discovery_payload,
    "flarchitect.core.docbundle.build_docs_bundle": docs.bundle.build_docs_bundle,
    "flarchitect.specs.CustomSpec": docs.spec.CustomSpec,
    "flarchitect.specs.register_routes_with_spec": docs.generator.register_routes_with_spec,
    "flarchitect.specs.register_schemas": docs.generator.register_schemas,
    "flarchitect.specs.generator.CustomSpec": docs.spec.CustomSpec,
    "flarchitect.specs.generator.generate_swagger_spec": docs.generator.generate_swagger_spec,
    "flarchitect.specs.generator.register_routes_with_spec": docs.generator.register_routes_with_spec,
    "flarchitect.specs.generator.register_schemas": docs.generator.register_schemas,
    "flarchitect.specs.utils.endpoint_namer": core.model.endpoints.endpoint_namer,
    "flarchitect.utils.cookie_settings": core.http.cookies.cookie_settings,
    "flarchitect.utils.cookies.cookie_settings": core.http.cookies.cookie_settings,
    "flarchitect.utils.core_utils.get_count": core.views.results.get_count,
    "flarchitect.utils.decorators.handle_many": core.views.managed.handle_many,
    "flarchitect.utils.decorators.handle_one": core.views.managed.handle_one,
    "flarchitect.utils.decorators.standardise_response": core.views.managed.standardise_response,
    "flarchitect.utils.decorators.standardize_response": core.views.managed.standardise_response,
    "flarchitect.utils.general.AttributeInitialiserMixin": core.attribute_initialiser.AttributeInitialiserMixin,
    "flarchitect.utils.general.AttributeInitializerMixin": core.attribute_initialiser.AttributeInitializerMixin,
    "flarchitect.utils.general.case_no_change": core.mappings.case_no_change,
    "flarchitect.utils.general.handle_result": core.views.results.handle_result,
    "flarchitect.utils.general.make_base_dict": core.mappings.make_base_dict,
    "flarchitect.utils.general.normalize_key": core.mappings.normalize_key,
    "flarchitect.utils.general.pretty_print_dict": core.mappings.pretty_print_dict,
    "flarchitect.utils.general.search_all_keys": core.mappings.search_all_keys,
    "flarchitect.utils.general.update_dict_if_flag_true": core.mappings.update_dict_if_flag_true,
    "flarchitect.utils.model_event": core.views.sse.model_event,
    "flarchitect.utils.response_filters._filter_response_data": core.views.results.filter_response_data,
    "flarchitect.utils.response_helpers.create_response": core.views.results.create_response,
    "flarchitect.utils.responses.CustomResponse": core.views.results.CustomResponse,
    "flarchitect.utils.responses.serialise_output_with_mallow": core.views.dumping.serialise_output_with_mallow,
    "flarchitect.utils.responses.serialize_output_with_mallow": core.views.dumping.serialise_output_with_mallow,
    "flarchitect.utils.sse.model_event": core.views.sse.model_event,
    "flarchitect.utils.sse.sse_message": core.views.sse.sse_message,
    "flarchitect.utils.sse.stream_model_events": core.views.sse.stream_model_events,
    "flarchitect.utils.sse.stream_sse_response": core.views.sse.stream_sse_response,
    "flarchitect.utils.sse_message": core.views.sse.sse_message,
    "flarchitect.utils.stream_model_events": core.views.sse.stream_model_events,
    "flarchitect.utils.stream_sse_response": core.views.sse.stream_sse_response,
}

# What must cost nobody anything who does not use it.
HEAVY = """
apispec argon2 bs4 cachelib cryptography dns email_validator fastmcp flarchitect_docs flarchitect_graphql
flarchitect_mcp flarchitect_rest flarchitect_ws flask_caching flask_cors flask_limiter flask_sock flask_sqlalchemy
graphene jwt limits mariadb MySQLdb numpy psycopg psycopg2 pymongo pymysql redis requests sqlite3 validators waitress
xml
"""


# The facade itself has these; nothing in core stands behind them.
OWN = {
    "flarchitect._parts.lazily",
    "flarchitect._parts.missing_part",
    "flarchitect.utils.release.bump_version_if_needed",
}

# Modules of parts that do not exist yet; each moves to the paths above together with its part.
MISSING = {
    "flarchitect.core.websockets": "flarchitect-ws",
    "flarchitect.graphql": "flarchitect-graphql",
    "flarchitect.mcp": "flarchitect-mcp",
}

# Parameters that the contracts name, in their order.
SIGNATURES = {
    "flarchitect.Architect.get_config": "key default",
    "flarchitect.Architect.set_route": "info",
    "flarchitect.Architect.schema_constructor": "output_schema input_schema model many group_tag tag summary "
    "error_responses auth roles roles_any_of many_to_many_model multiple parent_model method relation_name "
    "description operation_id deprecated sunset query_params request_examples response_examples security stream",
    "flarchitect.authentication.jwt.create_jwt": "payload secret_key exp_minutes algorithm",
    "flarchitect.authentication.jwt.decode_token": "token secret_key algorithm allowed_algorithms",
    "flarchitect.authentication.jwt.generate_access_token": "usr_model expires_in_minutes",
    "flarchitect.authentication.jwt.generate_refresh_token": "usr_model expires_in_minutes",
    "flarchitect.authentication.jwt.get_user_from_token": "token secret_key",
    "flarchitect.authentication.jwt.refresh_access_token": "refresh_token",
    "flarchitect.authentication.load_user_from_cookie": "cookie_name silent",
    "flarchitect.authentication.require_roles": "roles any_of",
    "flarchitect.authentication.token_providers.extract_token_from_request": "model output_schema input_schema method",
    "flarchitect.authentication.token_providers.extract_token_from_cookie": "cookie_name req",
    "flarchitect.authentication.token_store.mark_refresh_token_used": "token replaced_by",
    "flarchitect.authentication.token_store.revoke_refresh_token": "token",
    "flarchitect.authentication.token_store.rotate_refresh_token": "old_token new_token",
    "flarchitect.authentication.token_store.store_refresh_token": "token user_pk user_lookup expires_at",
    "flarchitect.core.routes.find_rule_by_function": "architect function",
    "flarchitect.database.CrudService": "model session",
    "flarchitect.exceptions.CustomHTTPException": "status_code reason headers code_name details",
    "flarchitect.exceptions._handle_exception": "error status_code error_name print_exc",
    "flarchitect.schemas.utils.deserialise_data": "input_schema request",
    "flarchitect.schemas.get_input_output_from_model_or_make": "model arguments",
    "flarchitect.specs.utils.endpoint_namer": "model input_schema output_schema",
    "flarchitect.utils.config_helpers.get_config_or_model_meta": "key model output_schema input_schema default "
    "allow_join method return_from_config",
    "flarchitect.utils.cookies.cookie_settings": "overrides settings",
    "flarchitect.utils.decorators.handle_many": "output_schema input_schema",
    "flarchitect.utils.decorators.handle_one": "output_schema input_schema",
    "flarchitect.utils.response_helpers.create_response": "value status errors count next_url previous_url "
    "response_ms result",
    "flarchitect.utils.responses.CustomResponse": "value next_url previous_url count",
    "flarchitect.utils.responses.serialise_output_with_mallow": "schema data",
    "flarchitect.utils.session.get_session": "model",
    "flarchitect.utils.sse.model_event": "instance schema event id retry",
    "flarchitect.utils.sse.sse_message": "data event id retry encoder",
    "flarchitect.utils.sse.stream_model_events": "instances schema event id_factory retry",
    "flarchitect.utils.sse.stream_sse_response": "messages",
}


def modules() -> list[str]:
    """List every module of the facade that an installed part stands behind."""
    found = [module.name for module in pkgutil.walk_packages(flarchitect.__path__, prefix="flarchitect.")]
    return ["flarchitect", *(name for name in found if name not in MISSING)]


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
    public -= {"flarchitect.__version__", "flarchitect.utils.session", *OWN}
    assert public == set(PATHS)


@pytest.mark.contract("core 10")
def test_the_version_is_that_of_the_distribution() -> None:
    assert flarchitect.__version__ == version("flarchitect")


@pytest.mark.contract("core 12 25")
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


@pytest.mark.contract("core 12 28")
def test_importing_every_module_changes_no_module_of_others() -> None:
    program = (
        "import importlib, flask, marshmallow, sqlalchemy.orm, werkzeug, werkzeug.exceptions, flarchitect\n"
        "others = (flask, marshmallow, sqlalchemy, sqlalchemy.orm, werkzeug, werkzeug.exceptions)\n"
        "classes = [cls for each in others for cls in vars(each).values() if isinstance(cls, type)]\n"
        "def names():\n"
        "    return [{name: id(value) for name, value in vars(each).items()} for each in (*others, *classes)]\n"
        "before = names()\n"
        f"for name in {modules()!r}: importlib.import_module(name)\n"
        # A submodule that is imported becomes a member of its package, which is no change of what was there.
        "print(all(old.items() <= new.items() for old, new in zip(before, names())), hasattr(werkzeug, '__version__'))"
    )
    assert run_alone(program).split() == ["True", "False"]


@pytest.mark.contract("core 10")
@pytest.mark.parametrize("module", MISSING)
def test_a_module_of_a_missing_part_names_what_to_install(module: str) -> None:
    with pytest.raises(ImportError, match=f"^{module} belongs to .* `pip install {MISSING[module]}`"):
        importlib.import_module(module)


@pytest.mark.contract("core 10")
def test_a_name_of_a_missing_part_names_what_to_install() -> None:
    find = lazily("flarchitect.x", {"Y": "flarchitect_missing.y"}, "flarchitect-missing")
    with pytest.raises(ImportError, match=r"^flarchitect\.x\.Y belongs to .* `pip install flarchitect-missing`"):
        find("Y")
    assert not hasattr(flarchitect.specs, "unheard_of")


@pytest.mark.contract("core C-3")
@pytest.mark.contract("core C-10")
@pytest.mark.parametrize("path", SIGNATURES)
def test_a_documented_signature_stays(path: str) -> None:
    module, _, name = path.rpartition(".")
    owner = flarchitect.Architect if module == "flarchitect.Architect" else importlib.import_module(module)
    parameters = inspect.signature(getattr(owner, name)).parameters
    assert [each for each in parameters if each != "self"] == SIGNATURES[path].split()


def test_the_release_helper_says_that_it_does_nothing() -> None:
    with pytest.raises(RuntimeError, match="does not release itself"):
        bump_version_if_needed(dry_run=True)


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
