"""Tokens that do not count: 401, whatever is wrong with them, never a failure of ours (auth 4.1, 6, S-1 to S-6)."""

from __future__ import annotations

import base64
import json
import secrets
import time
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flarchitect_core.testing import error_of


def claims_of(**changes):
    """Give what a good access token of `mira` says, with changes; `None` takes a claim away."""
    now = int(time.time())
    claims = {"sub": "1", "id": "1", "username": "mira", "iat": now, "exp": now + 600, "jti": secrets.token_urlsafe(16)}
    claims |= {"token_use": "access", "iss": "shop", "aud": "api", **changes}
    return {name: value for name, value in claims.items() if value is not None}


def part(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(kit, header=None, key=None, algorithm="HS256", **changes):
    return jwt.encode(claims_of(**changes), key or kit.ACCESS, algorithm, headers=header)


def by_hand(kit, header, payload, key=None):
    """Sign what PyJWT would not."""
    import hashlib
    import hmac

    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(hmac.new((key or kit.ACCESS).encode(), text.encode(), hashlib.sha256).digest())}"


@pytest.fixture
def named(start):
    """An application that names an issuer and an audience."""
    return start(API_JWT_ISSUER="shop", API_JWT_AUDIENCE="api")


NOW = int(time.time())
MUTATIONS = {
    "none": lambda kit: f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims_of())}.",
    "none in capitals": lambda kit: f"{part({'alg': 'NONE', 'typ': 'JWT'})}.{part(claims_of())}.",
    "none with a signature": lambda kit: by_hand(kit, {"alg": "none"}, claims_of()),
    "another algorithm of the kind": lambda kit: signed(kit, algorithm="HS512", key=kit.ACCESS * 2),
    "another algorithm in the header": lambda kit: by_hand(kit, {"alg": "HS512"}, claims_of()),
    "an algorithm of another kind": lambda kit: by_hand(kit, {"alg": "RS256"}, claims_of()),
    "an algorithm that is no text": lambda kit: by_hand(kit, {"alg": ["HS256"]}, claims_of()),
    "an algorithm nobody knows": lambda kit: by_hand(kit, {"alg": "XX1"}, claims_of()),
    "no algorithm": lambda kit: by_hand(kit, {"typ": "JWT"}, claims_of()),
    "future nbf": lambda kit: signed(kit, nbf=NOW + 3600),
    "future iat": lambda kit: signed(kit, iat=NOW + 3600),
    "wrong issuer": lambda kit: signed(kit, iss="elsewhere"),
    "no issuer": lambda kit: signed(kit, iss=None),
    "issuer that is a list": lambda kit: by_hand(kit, {"alg": "HS256"}, claims_of(iss=["shop"])),
    "wrong audience": lambda kit: signed(kit, aud="elsewhere"),
    "no audience": lambda kit: signed(kit, aud=None),
    "no exp": lambda kit: signed(kit, exp=None),
    "exp that is text": lambda kit: by_hand(kit, {"alg": "HS256"}, claims_of(exp="soon")),
    "exp that is endless": lambda kit: by_hand(kit, {"alg": "HS256"}, claims_of(exp=float("inf"))),
    "exp that is a list": lambda kit: by_hand(kit, {"alg": "HS256"}, claims_of(exp=[NOW + 600])),
    "no iat": lambda kit: signed(kit, iat=None),
    "no sub": lambda kit: signed(kit, sub=None),
    "sub that is a number": lambda kit: by_hand(kit, {"alg": "HS256"}, claims_of(sub=1)),
    "sub that is nobody": lambda kit: signed(kit, sub="999"),
    "sub that is no key": lambda kit: signed(kit, sub="mira"),
    "sub beyond the column": lambda kit: signed(kit, sub="9" * 60),
    "sub with NUL": lambda kit: signed(kit, sub="1\0"),
    "refresh": lambda kit: signed(kit, token_use="refresh"),
    "a use that nobody knows": lambda kit: signed(kit, token_use="admin"),
    "a use that is a list": lambda kit: signed(kit, token_use=["access"]),
    "the key of refresh tokens": lambda kit: signed(kit, key=kit.REFRESH),
    "a key of somebody else": lambda kit: signed(kit, key="e" * 40),
    "oversize": lambda kit: signed(kit, more="x" * 9000),
    "a kid": lambda kit: signed(kit, {"kid": "1"}),
    "a kid with a path": lambda kit: signed(kit, {"kid": "../../../../dev/null"}, key="\0" * 32),
    "a kid with SQL": lambda kit: signed(kit, {"kid": "' UNION SELECT 'x"}),
    "a kid that is a list": lambda kit: by_hand(kit, {"alg": "HS256", "kid": ["a"]}, claims_of()),
    "a kid that is a number": lambda kit: by_hand(kit, {"alg": "HS256", "kid": 7}, claims_of()),
    "crit": lambda kit: signed(kit, {"crit": ["exp"], "exp": 1}),
    "crit that is empty": lambda kit: by_hand(kit, {"alg": "HS256", "crit": []}, claims_of()),
    "b64": lambda kit: by_hand(kit, {"alg": "HS256", "b64": False}, claims_of()),
    "a header that is a list": lambda kit: by_hand(kit, ["HS256"], claims_of()),
    "a header that is no JSON": lambda kit: by_hand(kit, b"{", claims_of()),
    "a header of nested lists": lambda kit: f"{part(b'[' * 5000)}.{part(claims_of())}.x",
    "claims that are a list": lambda kit: by_hand(kit, {"alg": "HS256"}, ["1"]),
    "claims that are no JSON": lambda kit: by_hand(kit, {"alg": "HS256"}, b"\xff\xfe"),
    "claims of nested lists": lambda kit: by_hand(kit, {"alg": "HS256"}, b"[" * 5000),
    "two parts": lambda kit: signed(kit).rpartition(".")[0],
    "four parts": lambda kit: signed(kit) + ".x",
    "five parts": lambda kit: "a.b.c.d.e",
    "no signature": lambda kit: signed(kit).rpartition(".")[0] + ".",
    "nothing but dots": lambda kit: "..",
    "other letters": lambda kit: signed(kit) + "\u00e9",
}


def is_refused(response, reason="invalid_token"):
    errors = error_of(response, 401, reason)
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="api", error="invalid_token"'), challenge
    assert response.headers.get("Cache-Control") != "public"
    return errors


@pytest.mark.contract("auth S-1")
@pytest.mark.contract("auth S-4")
@pytest.mark.contract("auth S-5")
@pytest.mark.contract("auth S-6")
@pytest.mark.contract("auth 17.7")
@pytest.mark.contract("auth 17.9")
@pytest.mark.contract("auth 17.21")
def test_a_token_with_something_wrong_is_401_with_a_challenge(named, kit):
    assert named.get("/plain", headers=kit.bearer(signed(kit))).status_code == 200
    for name, make in MUTATIONS.items():
        response = named.get("/plain", headers=kit.bearer(make(kit)))
        assert response.status_code == 401, name
        assert is_refused(response)["message"] == "Invalid token", name


@pytest.mark.contract("auth 14")
def test_an_expired_token_is_told_to_be(named, kit):
    response = named.get("/plain", headers=kit.bearer(signed(kit, iat=NOW - 700, exp=NOW - 60)))
    assert is_refused(response, "token_expired")["message"] == "Token has expired"


@pytest.mark.contract("auth S-6")
def test_keys_that_a_token_brings_with_it_are_not_looked_at(named, kit):
    stranger = rsa.generate_private_key(65537, 2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key()))
    brought = {"jku": "http://127.0.0.1:1/jwks.json", "jwk": jwk, "x5u": "http://127.0.0.1:1/x", "x5c": ["AAAA"]}
    for name, value in brought.items():
        is_refused(named.get("/plain", headers=kit.bearer(jwt.encode(claims_of(), stranger, "RS256", {name: value}))))
        is_refused(named.get("/plain", headers=kit.bearer(signed(kit, {name: value}, key="e" * 40))))
        assert named.get("/plain", headers=kit.bearer(signed(kit, {name: value}))).status_code == 200


@pytest.mark.contract("auth S-1")
def test_the_public_key_is_no_secret(start, kit, rsa_pair):
    private, public = rsa_pair
    pairs = {
        f"{kind}_{half}_KEY": pem
        for kind in ("ACCESS", "REFRESH")
        for half, pem in (("PRIVATE", private), ("PUBLIC", public))
    }
    served = start(API_JWT_ALGORITHM="RS256", ACCESS_SECRET_KEY=None, REFRESH_SECRET_KEY=None, **pairs)
    assert served.get("/plain", headers=served.bearer()).status_code == 200
    for header in ({"alg": "HS256"}, {"alg": "HS256", "typ": "at+jwt"}):
        is_refused(served.get("/plain", headers=kit.bearer(by_hand(kit, header, claims_of(), key=public))))
    is_refused(served.get("/plain", headers=kit.bearer(f"{part({'alg': 'none'})}.{part(claims_of())}.")))


@pytest.fixture(scope="module")
def rsa_pair():
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.contract("auth 16.1")
def test_a_token_with_any_byte_changed_is_401(named, kit, data):
    token = signed(kit, jti="fixed", iat=NOW, exp=NOW + 6000)
    place = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.characters(min_codepoint=33, max_codepoint=255))
    changed = token[:place] + sign + token[place + 1 :]
    # The last sign of a part has bits that mean nothing.
    same = all(_bytes(a) == _bytes(b) for a, b in zip(token.split("."), changed.split("."), strict=False))
    response = named.get("/plain", headers={"Authorization": f"Bearer {changed}"})
    if changed.count(".") == 2 and same:
        assert response.status_code in (200, 401)
    else:
        is_refused(response)


def _bytes(text):
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
@pytest.mark.contract("auth 17.21")
def test_no_header_is_a_failure_of_ours(named, value):
    for scheme in ("", "Bearer ", "bearer", "Bearer\t"):
        assert named.get("/plain", headers={"Authorization": scheme + value}).status_code == 401


@pytest.mark.contract("auth 14")
@pytest.mark.contract("auth 17.21")
@pytest.mark.parametrize("header", [None, " ", "", "Bearer", "Bearer ", "Basic bWlyYTp4", "Token x", "Bearerx a.b.c"])
def test_without_a_token_credentials_are_missing(named, header):
    response = named.get("/plain", headers={} if header is None else {"Authorization": header})
    errors = error_of(response, 401, "credentials_missing")
    assert errors["message"] == "Authorization credentials missing"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.contract("auth 4.1")
def test_the_scheme_is_read_in_any_case_and_more_than_two_words_are_no_token(named, kit):
    token = signed(kit)
    assert named.get("/plain", headers={"Authorization": f"bEARER {token}"}).status_code == 200
    is_refused(named.get("/plain", headers={"Authorization": f"Bearer {token} {token}"}))


@pytest.mark.contract("auth S-8")
def test_clocks_may_differ_by_the_leeway(start, kit):
    served = start(API_JWT_LEEWAY=120, API_JWT_ISSUER="shop", API_JWT_AUDIENCE=["web", "api"])
    late = {"iat": NOW - 600, "exp": int(time.time()) - 30}
    assert served.get("/plain", headers=kit.bearer(signed(kit, **late))).status_code == 200
    is_refused(served.get("/plain", headers=kit.bearer(signed(kit, iat=NOW - 600, exp=NOW - 500))), "token_expired")


@pytest.mark.contract("auth S-4")
def test_a_token_without_a_use_counts_as_access_but_not_in_the_strict_profile(start, kit):
    headers = kit.bearer(signed(kit, token_use=None, iss=None, aud=None))
    assert start().get("/plain", headers=headers).status_code == 200
    strict = start(API_SECURITY_PROFILE="strict")
    is_refused(strict.get("/plain", headers=headers, base_url="https://localhost"))


@pytest.mark.contract("auth 6")
def test_a_token_says_whose_it_is_and_what_for(start, kit):
    served = start(API_JWT_ISSUER="shop", API_JWT_AUDIENCE=["api", "web"], API_JWT_EXPIRY_TIME=5)
    pair = served.login()
    access = jwt.decode(pair["access_token"], kit.ACCESS, ["HS256"], audience="web", issuer="shop")
    assert (access["sub"], access["id"], access["username"]) == ("1", "1", "mira")
    assert (access["token_use"], access["exp"] - access["iat"]) == ("access", 300)
    assert len(base64.urlsafe_b64decode(access["jti"] + "==")) >= 16
    assert jwt.get_unverified_header(pair["access_token"])["typ"] == "at+jwt"
    refresh = jwt.decode(pair["refresh_token"], kit.REFRESH, ["HS256"], audience="api")
    assert (refresh["token_use"], refresh["exp"] - refresh["iat"]) == ("refresh", 2880 * 60)


@pytest.mark.contract("auth S-6")
def test_a_refresh_token_with_something_wrong_is_401(named, kit):
    good = {"key": kit.REFRESH, "token_use": "refresh"}
    wrong = [
        {**good, "key": kit.ACCESS},
        {**good, "token_use": "access"},
        {**good, "token_use": None},
        {**good, "iss": "elsewhere"},
        {**good, "aud": "elsewhere"},
        {**good, "exp": None},
        {**good, "sub": None},
        {**good, "header": {"kid": "../x"}},
        {**good, "more": "x" * 9000},
    ]
    for changes in wrong:
        assert error_of(named.refresh(signed(kit, **changes)), 401, "invalid_token")["message"] == "Invalid token"
    error_of(named.refresh(signed(kit, **good)), 403, "refresh_refused")


def test_a_token_that_is_known_expires_all_the_same(named, kit, monkeypatch):
    headers = kit.bearer(signed(kit))
    assert named.get("/plain", headers=headers).status_code == 200
    monkeypatch.setattr("flarchitect_auth.tokens.time", SimpleNamespace(time=lambda: time.time() + 3600))
    is_refused(named.get("/plain", headers=headers), "token_expired")


def test_a_token_that_is_known_counts_no_more_when_what_decides_is_changed(named, kit):
    headers = kit.bearer(signed(kit))
    changes = [{"ACCESS_SECRET_KEY": "e" * 40}, {"API_JWT_ISSUER": "elsewhere"}, {"API_JWT_AUDIENCE": "web"}]
    for change in changes:
        before = {name: named.app.config[name] for name in change}
        assert named.get("/plain", headers=headers).status_code == 200
        named.app.config.update(change)
        is_refused(named.get("/plain", headers=headers))
        named.app.config.update(before)
