"""Checks of values by name (rest 5.5): `email`, `url`, `iban` and the others, each with its message.

They are marshmallow validators: called with a value, they raise its `ValidationError` or do nothing. A value of a
foreign type is refused with the same message. E-mail addresses are judged by email-validator, without a look at the
DNS; URLs, domains, IBANs and card numbers by the library `validators`. Both are imported when a check first needs them.
"""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import marshmallow as ma

from flarchitect_core.model.iso_codes import COUNTRY_CODES, CURRENCY_CODES

__all__ = ["EXAMPLES", "VALIDATORS", "Validator", "validate_base64", "validate_boolean", "validate_by_type"]
__all__ += ["validate_cron", "validate_currency", "validate_date", "validate_datetime", "validate_decimal"]
__all__ += ["validate_phone_number", "validate_postal_code", "validate_time", "validator_names", "wrap_validator"]

# Longer texts are refused unread: what is no address should not cost what reading it would.
_EMAIL_MAX = 320
_HOST_MAX = 253
_URL_MAX = 8000

_DATE_FORMATS = ("%Y-%m-%d", "%d-%m-%Y", "%m/%d/%Y")
_DATETIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
_TIME_FORMATS = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S%z", "%H:%M:%S.%f%z")
_BOOLEAN_WORDS = frozenset({"true", "false", "yes", "no", "1", "0"})
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NEVER_IN_URLS = re.compile("[\x00-\x20\x7f\ud800-\udfff]")
_LABEL = "(?!-)[a-z0-9-]{1,63}(?<!-)"
_CRON_ITEM = re.compile(r"(?:\*|(?P<start>[0-9]{1,2})(?:-(?P<end>[0-9]{1,2}))?)(?:/(?P<step>[0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class Validator:
    """A check that has a name and a message, in the form of a marshmallow validator.

    Attributes:
        holds: Says whether a value of one of the `types` is right; raises nothing.
        pattern: The same as a regular expression of JSON Schema, where it is one.
    """

    name: str
    message: str
    holds: Callable[[Any], bool]
    types: tuple[type, ...] = (str,)
    pattern: str | None = None

    def __call__(self, value: object) -> None:
        """Check a value.

        Raises:
            marshmallow.ValidationError: It is wrong, or no value of the `types`.
        """
        if not (isinstance(value, self.types) and self.holds(value)):
            raise ma.ValidationError(self.message)

    def saying(self, message: str | None) -> Validator:
        """Give the same check with another message; without one, this one."""
        return self if message is None else replace(self, message=message)

    def warm_up(self) -> None:
        """Import the library behind the check now, so that no request waits for it."""
        if str in self.types:
            self.holds("")


def wrap_validator(check: Callable[[Any], object], message: str) -> Callable[[object], None]:
    """Make a marshmallow validator of a function that says whether a value is right.

    Args:
        check: Gives something true for a right value. The errors that a wrong value makes it raise mean no.
        message: What is said of a wrong value.
    """

    def validator(value: object) -> None:
        try:
            holds = bool(check(value))
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
            raise ma.ValidationError(message) from error
        if not holds:
            raise ma.ValidationError(message)

    return validator


# --- addresses --------------------------------------------------------------------------------------------------------


def _is_email(value: str) -> bool:
    from email_validator import EmailNotValidError, validate_email

    if len(value) > _EMAIL_MAX:
        return False
    try:
        # The test environment lets `.test` pass, where the addresses of everybody's tests live (RFC 6761).
        validate_email(value, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError):
        return False
    return True


def _is_url(value: str) -> bool:
    from validators import url

    if len(value) > _URL_MAX or _NEVER_IN_URLS.search(value):
        return False
    return _agrees(url, value, simple_host=True, strict_query=False, rfc_1034=True)


def _is_domain(value: str) -> bool:
    from validators import domain

    return _is_word(value) and len(value) <= _HOST_MAX and _agrees(domain, value)


def _is_hostname(value: str) -> bool:
    if len(value) > _HOST_MAX:
        return False
    if value.rpartition(".")[2].isdigit():
        return _is_ipv4(value)
    return _is_ascii_hostname(value) or _is_domain(value)


def _is_ipv4(value: str) -> bool:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True


def _is_ipv6(value: str) -> bool:
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    # A zone (`fe80::1%eth0`) is no part of the address: it means something on one machine only.
    return "%" not in value


def _is_word(value: str) -> bool:
    """Say whether a text has neither spaces nor control characters: patterns that end in `$` pass a final line feed."""
    return value.isprintable() and " " not in value


def _agrees(check: Callable[..., object], value: str, **options: bool) -> bool:
    from validators import ValidationError

    try:
        return check(value, **options) is True
    except ValidationError:
        # RAISE_VALIDATION_ERROR in the environment turns the result of that library into an exception.
        return False


# --- numbers and codes ------------------------------------------------------------------------------------------------


def _is_iban(value: str) -> bool:
    from validators import iban

    return value.isascii() and value.isalnum() and len(value) <= 34 and _agrees(iban, value)


def _is_card(value: str) -> bool:
    from validators import card_number

    return re.fullmatch("[0-9]{12,19}", value) is not None and _agrees(card_number, value)


def _is_uuid(value: str | uuid.UUID) -> bool:
    return isinstance(value, uuid.UUID) or _matches(r"[0-9a-f]{8}(-?)[0-9a-f]{4}(\1[0-9a-f]{4}){3}[0-9a-f]{8}")(value)


def _is_decimal(value: str | float | decimal.Decimal) -> bool:
    if isinstance(value, bool) or (isinstance(value, str) and not (_is_word(value) and value.isascii())):
        return False
    try:
        return "_" not in str(value) and decimal.Decimal(value).is_finite()
    except decimal.InvalidOperation:
        return False


def _is_boolean(value: str | int) -> bool:
    return value in (0, 1) if isinstance(value, int) else value.lower() in _BOOLEAN_WORDS


def _is_cron(value: str) -> bool:
    fields = re.split("[ \t]+", value)
    return len(fields) == len(_CRON_RANGES) and all(
        _is_cron_item(item, *bounds)
        for field, bounds in zip(fields, _CRON_RANGES, strict=True)
        for item in field.split(",")
    )


def _is_cron_item(item: str, minimum: int, maximum: int) -> bool:
    match = _CRON_ITEM.fullmatch(item)
    if match is None or (match["step"] is not None and int(match["step"]) < 1):
        return False
    if match["start"] is None:
        return True
    if match["end"] is None:
        # A step needs a range to step through.
        return match["step"] is None and minimum <= int(match["start"]) <= maximum
    return minimum <= int(match["start"]) <= int(match["end"]) <= maximum


def _matches(pattern: str) -> Callable[[str], bool]:
    """Make a check of a pattern over the whole text; capital and small letters are alike, and ASCII only."""

    def holds(value: str) -> bool:
        return re.fullmatch(pattern, value, re.IGNORECASE | re.ASCII) is not None

    return holds


def _by_pattern(name: str, message: str, pattern: str) -> Validator:
    """Make a check that is a pattern; letters in it stand for capital and small ones."""
    # JSON Schema has no flag for letter case.
    both_cases = pattern.replace("a-z", "A-Za-z").replace("a-f", "A-Fa-f")
    return Validator(name, message, _matches(pattern), pattern=f"^(?:{both_cases})$")


_is_ascii_hostname = _matches(rf"{_LABEL}(?:\.{_LABEL})*")


def _is_one_of(words: Iterable[str]) -> Callable[[str], bool]:
    return frozenset(words).__contains__


# --- times ------------------------------------------------------------------------------------------------------------


def _has_format(formats: tuple[str, ...], kind: type) -> Callable[[Any], bool]:
    """Make a check of a text by `strptime`; an object of the kind passes as it is."""

    def holds(value: Any) -> bool:
        return isinstance(value, kind) or (value.isascii() and any(_parses(value, form) for form in formats))

    return holds


def _parses(value: str, form: str) -> bool:
    try:
        dt.datetime.strptime(value, form)
    except ValueError:
        return False
    return True


def _acceptable(what: str, formats: Iterable[str]) -> str:
    return f"Invalid {what} format. Acceptable formats are: {', '.join(formats)}"


# --- by name ----------------------------------------------------------------------------------------------------------

validate_base64 = _by_pattern(
    "base64",
    "Base64 string is not valid.",
    "(?:[a-z0-9+/]{4})*(?:[a-z0-9+/]{4}|[a-z0-9+/]{3}=|[a-z0-9+/]{2}==)",
)
validate_boolean = Validator(
    "boolean",
    "Invalid boolean value. Accepted values are: True, False, 1, 0, 'true', 'false', 'yes', 'no'.",
    _is_boolean,
    (int, str),
)
validate_cron = Validator("cron", "Cron expression is not valid.", _is_cron)
validate_currency = Validator("currency", "Currency code is not valid.", _is_one_of(CURRENCY_CODES))
validate_date = Validator(
    "date", _acceptable("date", _DATE_FORMATS), _has_format(_DATE_FORMATS, dt.date), (dt.date, str)
)
validate_datetime = Validator(
    "datetime",
    _acceptable("datetime", _DATETIME_FORMATS),
    _has_format(_DATETIME_FORMATS, dt.datetime),
    (dt.datetime, str),
)
validate_decimal = Validator("decimal", "Invalid decimal number.", _is_decimal, (int, float, decimal.Decimal, str))
validate_phone_number = _by_pattern("phone", "Phone number is not valid.", r"\+?(?=[^0-9]*[0-9])[0-9 \-().]{7,20}")
validate_postal_code = _by_pattern("postal_code", "Postal code is not valid.", r"[a-z0-9][a-z0-9 \-]{2,10}")
validate_time = Validator(
    "time", _acceptable("time", _TIME_FORMATS), _has_format(_TIME_FORMATS, dt.time), (dt.time, str)
)

_HASH_DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}

VALIDATORS: Mapping[str, Validator] = {
    validator.name: validator
    for validator in (
        Validator("email", "Email address is not valid.", _is_email),
        Validator("url", "URL is not valid.", _is_url),
        Validator("ipv4", "IPv4 address is not valid.", _is_ipv4),
        Validator("ipv6", "IPv6 address is not valid.", _is_ipv6),
        _by_pattern("mac", "MAC address is not valid.", r"[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}"),
        Validator("hostname", "Hostname is not valid.", _is_hostname),
        Validator("domain", "Domain is not valid.", _is_domain),
        Validator("iban", "IBAN is not valid.", _is_iban),
        validate_cron,
        validate_base64,
        Validator(
            "slug",
            "Slug is not valid.",
            lambda value: re.fullmatch("[a-z0-9]+(?:-[a-z0-9]+)*", value) is not None,
            pattern="^[a-z0-9]+(?:-[a-z0-9]+)*$",
        ),
        Validator("uuid", "UUID is not valid.", _is_uuid, (uuid.UUID, str)),
        Validator("card", "Card number is not valid.", _is_card),
        Validator("country_code", "Country code is not valid.", _is_one_of(COUNTRY_CODES)),
        validate_currency,
        *(
            _by_pattern(name, f"{name.upper()} hash is not valid.", f"[0-9a-f]{{{digits}}}")
            for name, digits in _HASH_DIGITS.items()
        ),
        validate_phone_number,
        validate_postal_code,
        validate_date,
        validate_datetime,
        validate_time,
        validate_boolean,
        validate_decimal,
    )
}
"""Name to check."""

EXAMPLES: Mapping[str, str] = {
    "email": "mira@example.org",
    "url": "https://example.org/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "mac": "00:00:5e:00:53:01",
    "hostname": "example.org",
    "domain": "example.org",
    "iban": "GB82WEST12345698765432",
    "cron": "0 6 * * 1",
    "base64": "AQID",
    "slug": "low-tide",
    "uuid": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "card": "4111111111111111",
    "country_code": "GB",
    "currency": "EUR",
    **{name: "0123456789abcdef" * (digits // 16) + "01234567"[: digits % 16] for name, digits in _HASH_DIGITS.items()},
    "phone": "+44 20 7946 0000",
    "postal_code": "SW1A 1AA",
    "date": "2024-05-06",
    "datetime": "2024-05-06T07:08:09",
    "time": "07:08:09",
    "boolean": "true",
    "decimal": "9.99",
}
"""Name of a check to a text that it takes."""

_OTHER_NAMES: Mapping[str, str] = {
    "uri": "url",
    "url_path": "url",
    "phone_number": "phone",
    "zip": "postal_code",
    "zipcode": "postal_code",
}


def validate_by_type(name: str) -> Validator | None:
    """Find a check by its name, or by another name that it has as a `format`; `None` when there is no such check."""
    return VALIDATORS.get(_OTHER_NAMES.get(name, name))


def validator_names() -> list[str]:
    """List every name that `validate_by_type` knows."""
    return [*VALIDATORS, *_OTHER_NAMES]
