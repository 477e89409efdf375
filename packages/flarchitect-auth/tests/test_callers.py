"""The users of an application for other parts that have a login of their own (docs 2.1)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flarchitect_core.access.callers import callers_of
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.errors import ApiError
from flarchitect_core.state import state_of


@pytest.fixture
def callers(served):
    """What recognises users, and gives its answers within a request."""
    found = callers_of(state_of(served.app))
    assert found is not None
    return found


def refused(status, reason, call, *arguments):
    with pytest.raises(ApiError) as raised:
        call(*arguments)
    assert (raised.value.status, raised.value.reason) == (status, reason)


def test_nobody_is_known_where_no_method_is_configured(start):
    served = start(API_AUTHENTICATE_METHOD=None)
    assert callers_of(state_of(served.app)) is None


def test_keys_alone_know_callers_and_no_passwords(start):
    served = start(
        API_AUTHENTICATE_METHOD="api_key", API_KEY_AUTH_AND_RETURN_METHOD=lambda key: None, API_USER_MODEL=None
    )
    assert callers_of(state_of(served.app)).have_passwords is False


def test_a_name_and_a_password_give_the_account_and_make_its_user_the_current_one(served, callers, kit):
    with served.app.test_request_context("/"):
        served.app.preprocess_request()
        account = callers.log_in("mira", kit.PASSWORD)
        assert get_current_user().username == "mira"
        assert callers.recall(account.key) == account
        assert kit.hash_of(kit.PASSWORD) not in account.state


def test_a_wrong_password_is_refused_and_counted(served, callers, kit):
    with served.app.test_request_context("/"):
        served.app.preprocess_request()
        for _ in range(10):
            refused(401, "invalid_credentials", callers.log_in, "mira", "wrong horse")
        refused(429, "too_many_attempts", callers.log_in, "mira", kit.PASSWORD)


@pytest.mark.parametrize(
    "change",
    [
        sa.text("UPDATE users SET password_hash = 'another' WHERE username = 'mira'"),
        sa.text("UPDATE users SET tokens_valid_after = '2026-01-01 00:00:00' WHERE username = 'mira'"),
    ],
    ids=["password", "sessions ended"],
)
def test_the_state_of_an_account_is_another_one_after_its_password_changed(served, callers, kit, change):
    with served.app.test_request_context("/"):
        served.app.preprocess_request()
        account = callers.log_in("mira", kit.PASSWORD)
    served.execute(change)
    with served.app.test_request_context("/"):
        served.app.preprocess_request()
        recalled = callers.recall(account.key)
    assert recalled.key == account.key
    assert recalled.state != account.state


def test_a_hash_that_is_renewed_by_the_login_is_kept(served, callers, kit, monkeypatch):
    original = kit.User.check_password

    def check_password(self, password):
        is_right = original(self, password)
        self.totp_secret = "renewed" if is_right else self.totp_secret
        return is_right

    monkeypatch.setattr(kit.User, "check_password", check_password)
    with served.app.test_request_context("/"):
        served.app.preprocess_request()
        account = callers.log_in("mira", kit.PASSWORD)
    assert served.rows("SELECT totp_secret FROM users WHERE username = 'mira'") == [("renewed",)]
    with served.app.test_request_context("/"):
        served.app.preprocess_request()
        assert callers.recall(account.key) == account


def test_a_closed_account_is_not_recalled(served, callers, kit):
    with served.app.test_request_context("/"):
        served.app.preprocess_request()
        account = callers.log_in("mira", kit.PASSWORD)
    served.execute(sa.text("UPDATE users SET is_active = false WHERE username = 'mira'"))
    with served.app.test_request_context("/"):
        served.app.preprocess_request()
        assert callers.recall(account.key) is None
        assert callers.recall("no such key") is None


def test_a_request_is_recognised_by_what_it_carries(served, callers):
    with served.app.test_request_context("/", headers=served.bearer()):
        served.app.preprocess_request()
        callers.recognise()
        assert get_current_user().username == "mira"
    with served.app.test_request_context("/"):
        served.app.preprocess_request()
        refused(401, "credentials_missing", callers.recognise)
