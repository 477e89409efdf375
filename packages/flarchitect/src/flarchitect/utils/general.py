"""Plurals, XML, checks of rate limits, and constants."""

from __future__ import annotations

from flarchitect_core.attribute_initialiser import AttributeInitialiserMixin, AttributeInitializerMixin
from flarchitect_core.constants import (
    DATE_FORMAT,
    DATETIME_FORMAT,
    HTTP_BAD_REQUEST,
    HTTP_FORBIDDEN,
    HTTP_INTERNAL_SERVER_ERROR,
    HTTP_METHODS,
    HTTP_OK,
    HTTP_UNAUTHORIZED,
    HTTP_UNPROCESSABLE_ENTITY,
)
from flarchitect_core.http.xml import xml_to_dict
from flarchitect_core.mappings import (
    case_no_change,
    make_base_dict,
    normalize_key,
    pretty_print_dict,
    search_all_keys,
    update_dict_if_flag_true,
)
from flarchitect_core.model.naming import pluralise_last_word as pluralize_last_word
from flarchitect_core.rates import check_driver as check_rate_prerequisites
from flarchitect_core.rates import check_rate_services
from flarchitect_core.rates import is_rate_text as validate_flask_limiter_rate_limit_string
from flarchitect_core.views.results import handle_result

__all__ = [
    "DATETIME_FORMAT",
    "DATE_FORMAT",
    "HTTP_BAD_REQUEST",
    "HTTP_FORBIDDEN",
    "HTTP_INTERNAL_SERVER_ERROR",
    "HTTP_METHODS",
    "HTTP_OK",
    "HTTP_UNAUTHORIZED",
    "HTTP_UNPROCESSABLE_ENTITY",
    "AttributeInitialiserMixin",
    "AttributeInitializerMixin",
    "case_no_change",
    "check_rate_prerequisites",
    "check_rate_services",
    "handle_result",
    "make_base_dict",
    "normalize_key",
    "pluralize_last_word",
    "pretty_print_dict",
    "search_all_keys",
    "update_dict_if_flag_true",
    "validate_flask_limiter_rate_limit_string",
    "xml_to_dict",
]
