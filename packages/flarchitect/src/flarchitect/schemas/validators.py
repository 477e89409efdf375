"""Checks of values by name."""

from __future__ import annotations

from flarchitect_core.model.validators import (
    validate_base64,
    validate_boolean,
    validate_by_type,
    validate_cron,
    validate_currency,
    validate_date,
    validate_datetime,
    validate_decimal,
    validate_phone_number,
    validate_postal_code,
    validate_time,
    wrap_validator,
)

__all__ = [
    "validate_base64",
    "validate_boolean",
    "validate_by_type",
    "validate_cron",
    "validate_currency",
    "validate_date",
    "validate_datetime",
    "validate_decimal",
    "validate_phone_number",
    "validate_postal_code",
    "validate_time",
    "wrap_validator",
]
