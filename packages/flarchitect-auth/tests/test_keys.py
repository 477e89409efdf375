"""Keys: where they come from, how they are changed, and which ones are refused (auth 2, 6, S-1 to S-3, S-7)."""

from __future__ import annotations

import json
import logging

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import error_of


def pair_of(key):
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


PAIRS = {
    "RS256": pair_of(rsa.generate_private_key(65537, 2048)),
    "ES256": pair_of(ec.generate_private_key(ec.SECP256R1())),
    "ES384": pair_of(ec.generate_private_key(ec.SECP384R1())),
    "ES512": pair_of(ec.generate_private_key(ec.SECP521R1())),
    "EdDSA": pair_of(ed25519.Ed25519PrivateKey.generate()),
}
PAIRS["PS256"] = PAIRS["RS256"]
OTHER = {
    "RS256": pair_of(rsa.generate_private_key(65537, 2048)),
    "ES256": pair_of(ec.generate_private_key(ec.SECP256R1())),
    "EdDSA": pair_of(ed25519.Ed25519PrivateKey.generate()),
}
NO_SECRETS = {"ACCESS_SECRET_KEY": None, "REFRESH_SECRET_KEY": None}


def keys_for(algorithm):
    private, public = PAIRS[algorithm]
    halves = {"PRIVATE": private, "PUBLIC": public}
    named = {f"{kind}_{half}_KEY": pem for kind in ("ACCESS", "REFRESH") for half, pem in halves.items()}
    return {"API_JWT_ALGORITHM": algorithm, **NO_SECRETS, **named}


@pytest.mark.contract("auth 6")
@pytest.mark.contract("auth 17.10")
@pytest.mark.parametrize("algorithm", PAIRS)
def test_pairs_of_every_kind_sign_and_verify(start, algorithm):
    served = start(API_AUTHENTICATE=True, **keys_for(algorithm))
    pair = served.login()
    assert jwt.get_unverified_header(pair["access_token"])["alg"] == algorithm
    assert served.get("/plain", headers={"Authorization": f"Bearer {pair['access_token']}"}).status_code == 200
    assert served.refresh(pair["refresh_token"]).status_code == 200


@pytest.mark.contract("auth 16.6")
@pytest.mark.contract("auth 17.8")
def test_a_secret_in_the_environment_never_shadows_a_pair(start, monkeypatch):
    served = start(**keys_for("RS256"))
    monkeypatch.setenv("ACCESS_SECRET_KEY", "unrelated-secret-of-another-program")
    assert served.get("/plain", headers=served.bearer()).status_code == 200


@pytest.mark.contract("auth 6")
def test_the_environment_comes_before_the_configuration(start, monkeypatch, kit):
    other = "zQ9-environment-4Hs7Lp2Xc8Vn3Bm6Kj1"
    served = start()
    old = served.bearer()
    monkeypatch.setenv("ACCESS_SECRET_KEY", other)
    assert jwt.decode(served.login()["access_token"], other, ["HS256"])["sub"] == "1"
    error_of(served.get("/plain", headers=old), 401, "invalid_token")
    monkeypatch.setenv("ACCESS_SECRET_KEY", "")
    assert served.get("/plain", headers=old).status_code == 200


@pytest.mark.contract("auth 6")
@pytest.mark.parametrize("end", ["\n", "\\n"])
def test_a_pem_may_come_from_the_environment_in_one_line_too(start, monkeypatch, end):
    for name, value in keys_for("ES256").items():
        if name.endswith("_KEY") and value:
            monkeypatch.setenv(name, value.replace("\n", end))
    served = start(API_JWT_ALGORITHM="ES256", **NO_SECRETS)
    assert served.get("/plain", headers=served.bearer()).status_code == 200


# --- S-7 --------------------------------------------------------------------------------------------------------------

OLD, NEW = "oL1-old-9dGh3Jk6Pq2Ws8Zx4Vb7Nm5Rt0", "nE2-new-1aSd4Fg7Hj9Kl3Qw6Er8Ty5Ui2"


@pytest.mark.contract("auth S-7")
def test_a_retired_key_verifies_until_it_is_removed(start, kit):
    served = start(API_JWT_KEYS={"old": {"secret": OLD}}, **NO_SECRETS)
    old = served.login()
    assert jwt.get_unverified_header(old["access_token"])["kid"] == "old"
    served.app.config.update(API_JWT_KEYS={"new": {"secret": NEW}, "old": {"secret": OLD}}, API_JWT_ACTIVE_KID="new")
    new = served.login()
    assert jwt.get_unverified_header(new["access_token"])["kid"] == "new"
    for pair in (old, new):
        assert served.get("/plain", headers=kit.bearer(pair["access_token"])).status_code == 200
    served.app.config["API_JWT_KEYS"] = {"new": {"secret": NEW}}
    error_of(served.get("/plain", headers=kit.bearer(old["access_token"])), 401, "invalid_token")
    error_of(served.refresh(old["refresh_token"]), 401, "invalid_token")
    assert served.refresh(new["refresh_token"]).status_code == 200


@pytest.mark.contract("auth S-7")
def test_keys_without_id_verify_while_one_moves_to_keys_with_ids(start, kit):
    before = start().login()
    served = start(API_JWT_KEYS={"new": {"secret": NEW}})
    assert served.get("/plain", headers=kit.bearer(before["access_token"])).status_code == 200
    renewed = served.refresh(before["refresh_token"]).get_json()["value"]
    assert jwt.get_unverified_header(renewed["refresh_token"])["kid"] == "new"
    after = start(API_JWT_KEYS={"new": {"secret": NEW}}, **NO_SECRETS)
    error_of(after.get("/plain", headers=kit.bearer(before["access_token"])), 401, "invalid_token")
    assert after.get("/plain", headers=kit.bearer(renewed["access_token"])).status_code == 200


@pytest.mark.contract("auth S-7")
def test_an_id_that_nobody_knows_is_401(start, kit):
    served = start(API_JWT_KEYS={"new": {"secret": NEW}}, **NO_SECRETS)
    claims = jwt.decode(served.login()["access_token"], NEW, ["HS256"])
    for kid in ("other", "../new", "", "NEW"):
        token = jwt.encode(claims, NEW, "HS256", {"kid": kid})
        error_of(served.get("/plain", headers=kit.bearer(token)), 401, "invalid_token")
    error_of(served.get("/plain", headers=kit.bearer(jwt.encode(claims, NEW, "HS256"))), 401, "invalid_token")


@pytest.mark.contract("auth S-1")
@pytest.mark.contract("auth S-7")
def test_a_key_with_an_id_verifies_by_its_own_algorithm_only(start, kit):
    private, public = PAIRS["ES256"]
    keys = {"ec": {"algorithm": "ES256", "private": private, "public": public}, "old": {"secret": OLD}}
    served = start(API_JWT_KEYS=keys, **NO_SECRETS)
    token = served.login()["access_token"]
    assert served.get("/plain", headers=kit.bearer(token)).status_code == 200
    claims = jwt.decode(token, public, ["ES256"])
    error_of(served.get("/plain", headers=kit.bearer(jwt.encode(claims, OLD, "HS256", {"kid": "ec"}))), 401)
    assert served.get("/plain", headers=kit.bearer(jwt.encode(claims, OLD, "HS256", {"kid": "old"}))).status_code == 200


@pytest.mark.contract("auth S-7")
def test_public_keys_are_published_when_asked_for_and_nothing_private_with_them(start):
    private, public = PAIRS["RS256"]
    keys = {"a": {"algorithm": "RS256", "private": private, "public": public}, "b": {"secret": OLD}}
    served = start(API_JWT_KEYS=keys, API_JWT_EXPOSE_JWKS=True, **NO_SECRETS)
    response = served.get("/.well-known/jwks.json")
    (key,) = response.get_json()["keys"]
    assert key.keys() == {"kty", "n", "e", "alg", "use", "kid", "key_ops"} or not {"d", "p", "q", "k"} & key.keys()
    token = served.login()["access_token"]
    assert jwt.decode(token, jwt.PyJWK(key).key, ["RS256"])["sub"] == "1"
    assert start(API_JWT_KEYS=keys, **NO_SECRETS).get("/.well-known/jwks.json").status_code == 404


# --- start-up ---------------------------------------------------------------------------------------------------------

SMALL_RSA = pair_of(rsa.generate_private_key(65537, 1024))  # noqa: S505 - it is to be refused


def refused(start, **config):
    with pytest.raises(ConfigurationError) as caught:
        start(**config)
    return str(caught.value)


@pytest.mark.contract("auth 2")
@pytest.mark.contract("auth S-1")
@pytest.mark.parametrize(
    "config, said",
    [
        ({"ACCESS_SECRET_KEY": None}, "ACCESS_SECRET_KEY is not set"),
        ({"ACCESS_SECRET_KEY": ""}, "ACCESS_SECRET_KEY is not set"),
        ({"REFRESH_SECRET_KEY": None}, "REFRESH_SECRET_KEY is not set"),
        ({"API_JWT_ALGORITHM": "RS256", **NO_SECRETS}, "ACCESS_PRIVATE_KEY is not set"),
        ({"API_JWT_ALGORITHM": "none"}, "'none' is no algorithm"),
        ({"API_JWT_ALGORITHM": "HS265"}, "'HS265' is no algorithm"),
        ({"API_JWT_ALLOWED_ALGORITHMS": ["HS256", "None"]}, "'None' is no algorithm"),
        ({"API_JWT_ALLOWED_ALGORITHMS": "HS256, RS256"}, "mixes algorithms"),
        ({"API_JWT_ALLOWED_ALGORITHMS": ["HS512"]}, "does not allow"),
        ({"API_JWT_LEEWAY": 301}, "from 0 to 300"),
        ({"ACCESS_SECRET_KEY": PAIRS["RS256"][1]}, "ACCESS_SECRET_KEY is no key for HS256"),
        ({**keys_for("ES256"), "ACCESS_PRIVATE_KEY": PAIRS["RS256"][0]}, "ACCESS_PRIVATE_KEY is no key for ES256"),
        ({**keys_for("ES256"), "ACCESS_PRIVATE_KEY": PAIRS["ES384"][0]}, "ACCESS_PRIVATE_KEY is no key for ES256"),
        ({**keys_for("RS256"), "ACCESS_PRIVATE_KEY": PAIRS["RS256"][1]}, "ACCESS_PRIVATE_KEY is a public key"),
        ({**keys_for("RS256"), "ACCESS_PUBLIC_KEY": PAIRS["RS256"][1][:90]}, "ACCESS_PUBLIC_KEY is no key for RS256"),
        ({"API_JWT_KEYS": {"a": {"secret": ""}}}, "API_JWT_KEYS['a'] has no 'secret'"),
        ({"API_JWT_KEYS": {"a": {"secret": 7}}}, "API_JWT_KEYS['a'] has no 'secret'"),
        ({"API_JWT_KEYS": {"a": {"secret": OLD.encode()}}}, "API_JWT_KEYS['a'] has no 'secret'"),
        ({"API_JWT_KEYS": {"a": "text"}}, "API_JWT_KEYS['a'] must be a mapping"),
        ({"API_JWT_KEYS": {"a": {"secret": OLD}}, "API_JWT_ACTIVE_KID": "b"}, "API_JWT_ACTIVE_KID is 'b'"),
        ({"API_JWT_KEYS": {"a": {"algorithm": "none", "secret": OLD}}}, "names the algorithm 'none'"),
    ],
)
def test_keys_and_algorithms_that_cannot_be_used_stop_the_start(start, config, said):
    message = refused(start, **config)
    assert said in message
    assert "BEGIN" not in message


@pytest.mark.contract("auth 2")
@pytest.mark.parametrize("algorithm", OTHER)
def test_keys_that_are_no_pair_stop_the_start(start, algorithm):
    named = {**keys_for(algorithm), "REFRESH_PUBLIC_KEY": OTHER[algorithm][1]}
    assert "REFRESH_PRIVATE_KEY and REFRESH_PUBLIC_KEY are no pair" in refused(start, **named)
    entry = {"algorithm": algorithm, "private": PAIRS[algorithm][0], "public": OTHER[algorithm][1]}
    message = refused(start, API_JWT_KEYS={"a": entry})
    assert "API_JWT_KEYS['a']['private'] and API_JWT_KEYS['a']['public'] are no pair" in message


WEAK = [
    ({"ACCESS_SECRET_KEY": "x7-R4tY6uI8oP0aS2dF4gH6jK8lZ1cV"}, "ACCESS_SECRET_KEY is weak: 31 bytes"),
    ({"REFRESH_SECRET_KEY": "change-me-please-this-is-a-sample!!"}, "REFRESH_SECRET_KEY is weak: it looks like"),
    ({"REFRESH_SECRET_KEY": "kX8-access-2fQz7Lr0vB5nT1yW9mC4hJ6d"}, "are the same"),
    ({**keys_for("RS256"), "ACCESS_PRIVATE_KEY": SMALL_RSA[0], "ACCESS_PUBLIC_KEY": SMALL_RSA[1]}, "1024 bits"),
    ({"API_JWT_KEYS": {"a": {"secret": "short"}}}, "API_JWT_KEYS['a']['secret'] is weak"),
]


@pytest.mark.contract("auth S-2")
@pytest.mark.contract("auth S-3")
@pytest.mark.parametrize("config, said", WEAK)
def test_a_weak_key_is_a_warning_and_in_the_strict_profile_an_error(start, caplog, config, said):
    with caplog.at_level(logging.WARNING):
        start(**config)
    assert said in caplog.text
    assert said in refused(start, API_SECURITY_PROFILE="strict", **config)


@pytest.mark.contract("auth S-30")
def test_nothing_that_holds_a_key_shows_it(start, kit):
    served = start(API_JWT_KEYS={"a": {"secret": OLD}}, API_JWT_ACTIVE_KID="a")
    from flarchitect_core.state import state_of

    authentication = state_of(served.app).authentication
    key = authentication.keys.signing("access")
    with served.app.app_context():
        user = kit.User(id=1, username="mira")
        issued = authentication.tokens.issue("access", "1", authentication.accounts.identity_of(user))
    shown = repr([authentication, authentication.keys, key, issued, authentication.tokens, authentication.csrf])
    assert OLD not in shown
    assert issued.token not in shown
    runner = served.app.test_cli_runner()
    printed = runner.invoke(args=["flarchitect", "config", "--json"]).output
    assert json.loads(printed)
    for secret in (OLD, kit.ACCESS, kit.REFRESH):
        assert secret not in printed
