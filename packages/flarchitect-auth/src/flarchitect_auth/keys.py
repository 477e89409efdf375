"""The keys that sign and verify tokens: where each comes from, and whether it is good enough.

A key is read from the environment first, then from the configuration, at each use, so that a secret can be changed
without a start (auth 6). `API_JWT_KEYS` names keys by id instead, for rotation (S-7).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flarchitect_auth import options
from flarchitect_auth.errors import TokenError
from flarchitect_core import options as core
from flarchitect_core.bounded import BoundedCache
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.settings import Option, Settings
from flarchitect_core.startup import StartupReport

__all__ = ["ALGORITHMS", "Key", "Keys", "Kind", "allowed_algorithms"]

Kind = Literal["access", "refresh"]
Use = Literal["sign", "verify"]
Tell = Callable[[str], None]

# Algorithm to the kind of key it needs. `none` is no algorithm here.
ALGORITHMS: Mapping[str, str] = {
    **dict.fromkeys(("HS256", "HS384", "HS512"), "secret"),
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "Ed25519 or Ed448",
}
_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_SAMPLES = ("secret", "change", "example", "sample", "password", "your", "default", "insecure", "12345")
_PREPARED_MAX = 32

_NAMED: Mapping[tuple[Kind, str], Option[str | None]] = {
    ("access", "secret"): options.ACCESS_SECRET_KEY,
    ("access", "private"): options.ACCESS_PRIVATE_KEY,
    ("access", "public"): options.ACCESS_PUBLIC_KEY,
    ("refresh", "secret"): options.REFRESH_SECRET_KEY,
    ("refresh", "private"): options.REFRESH_PRIVATE_KEY,
    ("refresh", "public"): options.REFRESH_PUBLIC_KEY,
}
# What is looked for, best first.
_WANTED: Mapping[tuple[bool, Use], tuple[str, ...]] = {
    (True, "sign"): ("secret",),
    (True, "verify"): ("secret",),
    (False, "sign"): ("private", "secret"),
    (False, "verify"): ("public", "secret"),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key that can be used; its `repr` does not tell it.

    Attributes:
        value: What PyJWT takes.
        algorithms: Algorithms that it may be used with; of a key that signs, the one.
        kid: Its id, `None` of keys without one.
    """

    value: Any = field(repr=False)
    algorithms: tuple[str, ...]
    kid: str | None = None


class Keys:
    """The keys of one application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prepared: BoundedCache[tuple[str, str], Any] = BoundedCache(_PREPARED_MAX)

    @property
    def algorithm(self) -> str:
        """The algorithm that signs where the key names none."""
        return self._settings.get(options.JWT_ALGORITHM)

    def signing(self, kind: Kind) -> Key:
        """Give the key that signs tokens.

        Raises:
            CustomHTTPException: There is none (500).
        """
        kid = self._active_kid()
        if kid is None:
            return Key(self._named(kind, "sign", self.algorithm), (self.algorithm,))
        entry = self._entries()[kid]
        algorithm = entry.get("algorithm", self.algorithm)
        return Key(self._of_entry(kid, entry, "sign"), (algorithm,), kid)

    def verifying(self, kind: Kind, kid: object) -> Key:
        """Give the key that verifies a token.

        Args:
            kid: What the header of the token names, `None` when it names nothing.

        Raises:
            TokenError: There is no such key.
            CustomHTTPException: No key is configured (500).
        """
        entries = self._entries()
        if kid is None:
            if entries and not self.is_named(kind, "verify"):
                raise TokenError
            allowed = allowed_algorithms(self._settings)
            return Key(self._named(kind, "verify", allowed[0]), allowed)
        # A name that we do not know is no name of a file or an address either: it is looked up here and nowhere else.
        entry = entries.get(kid) if isinstance(kid, str) else None
        if entry is None:
            raise TokenError
        return Key(self._of_entry(str(kid), entry, "verify"), (entry.get("algorithm", self.algorithm),), str(kid))

    def prepared(self, text: str, algorithm: str) -> Any:
        """Turn text into a key, once for each.

        Raises:
            UnusableKeyError: The algorithm cannot use it.
        """
        return self._prepared.get((algorithm, text), lambda: _prepare(text, algorithm))

    def is_named(self, kind: Kind, use: Use) -> bool:
        """Say whether a key without id is configured."""
        return self._text(kind, use, self.algorithm)[1] is not None

    def public_keys(self) -> Iterator[dict[str, Any]]:
        """Give the public keys as JSON Web Keys (RFC 7517); none of secrets."""
        entries = self._entries()
        for kid, entry in entries.items():
            algorithm = entry.get("algorithm", self.algorithm)
            if ALGORITHMS[algorithm] != "secret":
                yield {**_as_jwk(self._of_entry(kid, entry, "verify"), algorithm), "kid": kid}
        if ALGORITHMS[self.algorithm] != "secret" and self.is_named("access", "verify"):
            yield _as_jwk(self._named("access", "verify", self.algorithm), self.algorithm)

    # --- where they come from -----------------------------------------------------------------------------------------

    def _entries(self) -> Mapping[str, Mapping[str, Any]]:
        entries: Mapping[str, Mapping[str, Any]] = self._settings.get(options.JWT_KEYS)
        return entries

    def _active_kid(self) -> str | None:
        entries = self._entries()
        if not entries:
            return None
        kid = self._settings.get(options.JWT_ACTIVE_KID)
        return kid if kid is not None else next(iter(entries))

    def _named(self, kind: Kind, use: Use, algorithm: str) -> Any:
        name, text = self._text(kind, use, algorithm)
        if text is None:
            raise CustomHTTPException(500, f"{name} missing", code_name="signing_key_missing")
        return self.prepared(text, algorithm)

    def _text(self, kind: Kind, use: Use, algorithm: str) -> tuple[str, str | None]:
        """Give the name of the preferred key, and the text of the first one that there is."""
        wanted = _WANTED[ALGORITHMS[algorithm] == "secret", use]
        preferred = _NAMED[kind, wanted[0]].name
        texts = (self.text(_NAMED[kind, form]) for form in wanted)
        return preferred, next((text for text in texts if text), None)

    def text(self, option: Option[str | None]) -> str | None:
        """Read a key, from the environment first; an empty one is none.

        Environments often hold a PEM in one line, with `\\n` where its lines end.
        """
        text = os.environ.get(option.name) or self._settings.get(option) or None
        return text.replace("\\n", "\n") if text and text.startswith("-----BEGIN ") else text

    def _of_entry(self, kid: str, entry: Mapping[str, Any], use: Use) -> Any:
        algorithm = entry.get("algorithm", self.algorithm)
        wanted = "secret" if ALGORITHMS[algorithm] == "secret" else "private" if use == "sign" else "public"
        text = entry.get(wanted)
        if not text:
            missing = f"API_JWT_KEYS[{kid!r}][{wanted!r}] missing"
            raise CustomHTTPException(500, missing, code_name="signing_key_missing")
        return self.prepared(text, algorithm)

    # --- start-up -----------------------------------------------------------------------------------------------------

    def check(self, report: StartupReport) -> None:
        """Report what is missing, what cannot be used, and what is weak (auth 2, S-1 to S-3)."""
        if not _check_algorithms(self._settings, report):
            return
        is_strict = self._settings.get(core.SECURITY_PROFILE) == "strict"
        tell_weak = report.problem if is_strict else report.notice
        if self._entries():
            self._check_entries(report, tell_weak)
            return
        found: dict[Kind, str] = {}
        for kind in ("access", "refresh"):
            pair: dict[Use, tuple[str, Any]] = {}
            for use in ("sign", "verify"):
                name, text = self._text(kind, use, self.algorithm)
                if text is None:
                    what = "32 random bytes or more" if ALGORITHMS[self.algorithm] == "secret" else "the PEM of a key"
                    report.problem(
                        f"{name} is not set, and {self.algorithm} tokens need it. Set it to {what}, in the "
                        f"environment or in the configuration; `python -c 'import secrets; "
                        f"print(secrets.token_urlsafe(48))'` prints a good secret."
                    )
                    continue
                pair[use] = name, self._check_key(report, tell_weak, name, text, self.algorithm, use)
                found[kind] = text
            _check_pair(report, self.algorithm, pair)
        if ALGORITHMS[self.algorithm] == "secret" and len(set(found.values())) < len(found):
            tell_weak(
                "ACCESS_SECRET_KEY and REFRESH_SECRET_KEY are the same. Give each token its own secret, so that one "
                "that leaks does not open the other."
            )

    def _check_entries(self, report: StartupReport, tell_weak: Tell) -> None:
        entries, active = self._entries(), self._active_kid()
        if active not in entries:
            report.problem(f"API_JWT_ACTIVE_KID is {active!r}, which is no key of API_JWT_KEYS ({', '.join(entries)}).")
        for kid, entry in entries.items():
            where = f"API_JWT_KEYS[{kid!r}]"
            if not _is_entry(kid, entry):
                report.problem(f"{where} must be a mapping with `secret`, or with `private` and `public`.")
                continue
            algorithm = entry.get("algorithm", self.algorithm)
            if algorithm not in ALGORITHMS:
                report.problem(f"{where} names the algorithm {algorithm!r}. Use one of {', '.join(ALGORITHMS)}.")
                continue
            is_secret = ALGORITHMS[algorithm] == "secret"
            needed = ["secret"] if is_secret else ["public"]
            if kid == active and not is_secret:
                needed.append("private")
            pair: dict[Use, tuple[str, Any]] = {}
            for form in needed:
                text = entry.get(form)
                if not text or not isinstance(text, str):
                    report.problem(f"{where} has no {form!r}, a text, which {algorithm} needs.")
                    continue
                use: Use = "sign" if form == "private" else "verify"
                name = f"{where}[{form!r}]"
                pair[use] = name, self._check_key(report, tell_weak, name, text, algorithm, use)
            _check_pair(report, algorithm, pair)

    def _check_key(
        self, report: StartupReport, tell_weak: Tell, name: str, text: str, algorithm: str, use: Use
    ) -> Any | None:
        """Report what is wrong with a key, and give it where it can be used."""
        try:
            key = self.prepared(text, algorithm)
        except ValueError as error:
            expected = _EXPECTED[ALGORITHMS[algorithm]]
            report.problem(f"{name} is no key for {algorithm}: {error}. {expected}")
            return None
        if use == "sign" and ALGORITHMS[algorithm] != "secret" and not hasattr(key, "sign"):
            report.problem(f"{name} is a public key, which signs nothing. Give the private one.")
            return None
        weakness = _weakness(key, text, algorithm)
        if weakness:
            tell_weak(f"{name} is weak: {weakness}.")
        return key


def _check_pair(report: StartupReport, algorithm: str, pair: Mapping[Use, tuple[str, Any]]) -> None:
    """Report two keys of which one verifies nothing that the other has signed."""
    if ALGORITHMS[algorithm] == "secret" or len(pair) < 2:
        return
    from flarchitect_auth.signatures import is_pair

    (signing, private), (verifying, public) = pair["sign"], pair["verify"]
    if None not in (private, public) and not is_pair(private, public):
        report.problem(f"{signing} and {verifying} are no pair, so that no token would count. Give two that are one.")


_EXPECTED = {
    "secret": "Give a random text that is no PEM.",
    "RSA": "Give the PEM of an RSA key of 2048 bits or more.",
    "EC": "Give the PEM of a key on P-256, P-384 or P-521, as the algorithm says.",
    "Ed25519 or Ed448": "Give the PEM of an Ed25519 or Ed448 key.",
}


def allowed_algorithms(settings: Settings) -> tuple[str, ...]:
    """List the algorithms that tokens may be signed with."""
    allowed = settings.get(options.JWT_ALLOWED_ALGORITHMS)
    if not allowed:
        return (settings.get(options.JWT_ALGORITHM),)
    words = allowed.split(",") if isinstance(allowed, str) else allowed
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))


def _check_algorithms(settings: Settings, report: StartupReport) -> bool:
    algorithm, allowed = settings.get(options.JWT_ALGORITHM), allowed_algorithms(settings)
    unknown = [name for name in dict.fromkeys((algorithm, *allowed)) if name not in ALGORITHMS]
    if unknown:
        report.problem(
            f"{', '.join(map(repr, unknown))} is no algorithm for tokens. API_JWT_ALGORITHM and "
            f"API_JWT_ALLOWED_ALGORITHMS take {', '.join(ALGORITHMS)}."
        )
        return False
    if len({ALGORITHMS[name] for name in allowed}) > 1:
        report.problem(
            f"API_JWT_ALLOWED_ALGORITHMS mixes algorithms with different kinds of keys ({', '.join(allowed)}), so that "
            f"a public key could pass for a secret. Keep those of one kind; use API_JWT_KEYS to move from one to "
            f"another."
        )
        return False
    if algorithm not in allowed:
        report.problem(f"API_JWT_ALGORITHM is {algorithm}, which API_JWT_ALLOWED_ALGORITHMS does not allow. Add it.")
        return False
    return True


def _is_entry(kid: object, entry: object) -> bool:
    return isinstance(kid, str) and isinstance(entry, Mapping)


def _weakness(key: Any, text: str, algorithm: str) -> str | None:
    least = _SECRET_BYTES.get(algorithm)
    if least is not None:
        size = len(text.encode())
        if size < least:
            return f"{size} bytes, and {algorithm} needs {least} or more"
        if any(word in text.lower() for word in _SAMPLES) or len(set(text)) < 10:
            return "it looks like a sample or a word. Use random text"
    from flarchitect_auth.signatures import weakness

    return weakness(key)


def _prepare(text: str, algorithm: str) -> Any:
    from flarchitect_auth.signatures import prepare

    return prepare(text, algorithm)


def _as_jwk(key: Any, algorithm: str) -> dict[str, Any]:
    from flarchitect_auth.signatures import as_jwk

    return as_jwk(key, algorithm)
