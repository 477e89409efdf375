"""The store of refresh tokens: hashed, exchanged once, revoked by families (auth 7, S-9 to S-14)."""

from __future__ import annotations

import datetime as dt
import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import sessionmaker

from flarchitect_auth import functions, token_store
from flarchitect_auth.token_store import RefreshToken
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.errors import UnavailableError
from flarchitect_core.testing import error_of

UTC = dt.timezone.utc


@pytest.mark.contract("auth S-9")
@pytest.mark.contract("auth 17.5")
def test_no_column_holds_a_token(served):
    first = served.login()
    second = served.refresh(first["refresh_token"]).get_json()["value"]
    stored = repr(served.rows("SELECT * FROM refresh_tokens"))
    for token in (first["refresh_token"], second["refresh_token"]):
        assert token not in stored
        assert hashlib.sha256(token.encode()).hexdigest() in stored


@pytest.mark.contract("auth S-9")
def test_tokens_may_be_stored_as_they_are(start, database_kind):
    served = start(API_REFRESH_TOKEN_STORAGE="plain")
    token = served.login()["refresh_token"]
    assert served.rows("SELECT token FROM refresh_tokens") == [(token,)]
    assert served.refresh(token).status_code == 200


@pytest.mark.contract("auth S-10")
@pytest.mark.contract("auth 17.3")
def test_a_token_that_is_presented_again_ends_its_family_and_no_other(start, sessions):
    served = start(sessions=sessions)
    other = served.login()["refresh_token"]
    first = served.login()["refresh_token"]
    second = served.refresh(first).get_json()["value"]["refresh_token"]
    error_of(served.refresh(first), 403, "refresh_reused")
    error_of(served.refresh(second), 403, "refresh_reused")
    assert served.refresh(other).status_code == 200


@pytest.mark.contract("auth S-10")
def test_of_twenty_who_renew_one_token_at_once_one_succeeds(start, sessions):
    served = start(sessions=sessions)
    token = served.login()["refresh_token"]
    barrier = Barrier(20)

    def renew(_):
        client = served.app.test_client()
        barrier.wait(30)
        return client.post("/auth/refresh", json={"refresh_token": token})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(renew, range(20)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [403] * 19
    (given,) = [answer.get_json()["value"] for answer in answers if answer.status_code == 200]
    error_of(served.refresh(given["refresh_token"]), 403, "refresh_reused")
    assert served.rows("SELECT count(*) FROM refresh_tokens WHERE NOT revoked") == [(0,)]


# Whether somebody waits for what the transaction of a connection has locked.
WAITED_FOR = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE {} = ANY (pg_blocking_pids(pid))",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_lock_waits JOIN information_schema.innodb_trx "
    "ON trx_id = blocking_trx_id WHERE trx_mysql_thread_id = {}",
}
OWN_ID = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT connection_id()"}


@pytest.mark.contract("auth S-10")
@pytest.mark.contract("auth S-11")
@pytest.mark.parametrize("end", ["logout", "reuse", "revoke_user"])
def test_a_renewal_under_way_does_not_outlive_its_login(start, kit, database_kind, end):
    served = start()
    first = served.login()
    pair = served.refresh(first["refresh_token"]).get_json()["value"]
    exchanged, ending = Event(), Event()

    def meet(connection, cursor, statement, *_):
        if statement.startswith("UPDATE refresh_tokens") and exchanged.is_set():
            ending.set()
        if not statement.startswith("INSERT INTO refresh_tokens"):
            return
        exchanged.set()
        assert ending.wait(30)
        if database_kind in WAITED_FOR:
            cursor.execute(OWN_ID[database_kind])
            question = WAITED_FOR[database_kind].format(cursor.fetchone()[0])
            while served.rows(question) == [(0,)]:
                pass

    def finish():
        assert exchanged.wait(30)
        client = served.app.test_client()
        if end == "logout":
            return client.post("/auth/logout", headers=kit.bearer(pair["access_token"])).status_code
        if end == "reuse":
            return client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}).status_code
        with served.app.app_context():
            functions.revoke_user_tokens(1)
        return 200

    sa.event.listen(served.engine, "before_cursor_execute", meet)
    with ThreadPoolExecutor(2) as pool:
        ended = pool.submit(finish)
        renewed = served.refresh(pair["refresh_token"])
        assert ended.result(30) == (403 if end == "reuse" else 200)
    sa.event.remove(served.engine, "before_cursor_execute", meet)
    if renewed.status_code == 200:
        error_of(served.refresh(renewed.get_json()["value"]["refresh_token"]), 403)
    assert served.rows("SELECT count(*) FROM refresh_tokens WHERE NOT revoked") == [(0,)]


@pytest.mark.contract("auth S-10")
def test_within_the_grace_a_lost_answer_can_be_asked_for_again(start):
    served = start(API_REFRESH_REUSE_GRACE=30)
    first = served.login()["refresh_token"]
    second, third = (served.refresh(first).get_json()["value"]["refresh_token"] for _ in range(2))
    assert served.refresh(second).status_code == 200
    assert served.refresh(third).status_code == 200
    served.execute(sa.update(RefreshToken).values(revoked_at=dt.datetime.now(UTC) - dt.timedelta(minutes=1)))
    error_of(served.refresh(first), 403, "refresh_reused")


@pytest.mark.contract("auth S-10")
def test_the_grace_revives_no_login_that_was_ended(start, kit):
    served = start(API_REFRESH_REUSE_GRACE=30)
    pair = served.login()
    served.refresh(pair["refresh_token"])
    served.post("/auth/logout", headers=kit.bearer(pair["access_token"]))
    error_of(served.refresh(pair["refresh_token"]), 403)


@pytest.mark.contract("auth S-10")
def test_a_family_ends_however_often_it_is_renewed(start):
    served = start(API_REFRESH_FAMILY_MAX_AGE=1)
    token = served.login()["refresh_token"]
    (ends, expires) = served.rows("SELECT family_ends_at, expires_at FROM refresh_tokens")[0]
    assert expires <= ends
    token = served.refresh(token).get_json()["value"]["refresh_token"]
    served.execute(sa.update(RefreshToken).values(family_ends_at=dt.datetime.now(UTC) - dt.timedelta(seconds=1)))
    error_of(served.refresh(token), 403, "refresh_refused")


@pytest.mark.contract("auth 17.4")
def test_when_the_store_fails_nothing_is_given_out_and_nothing_is_lost(start, sessions):
    served = start(sessions=sessions)
    token = served.login()["refresh_token"]
    served.execute(sa.text("ALTER TABLE refresh_tokens RENAME TO elsewhere"))
    error_of(served.refresh(token), 503, "token_store_unavailable")
    body = {"username": "mira", "password": "correct horse battery"}
    error_of(served.post("/auth/login", json=body), 503, "token_store_unavailable")
    served.execute(sa.text("ALTER TABLE elsewhere RENAME TO refresh_tokens"))
    assert served.refresh(token).status_code == 200


def test_without_the_table_of_logged_out_tokens_no_token_counts(start, sessions, kit):
    served = start(sessions=sessions, API_JWT_DENYLIST=True)
    headers = served.bearer()
    served.execute(sa.text("DROP TABLE denied_access_tokens"))
    error_of(served.get("/plain", headers=headers), 503, "token_store_unavailable")


def test_a_database_that_is_away_is_503_and_never_200(start, kit, tmp_path):
    def prepare(app):
        kit.add_views(app)
        # A folder is no database, and nobody has to wait for that.
        engine = sa.create_engine(f"sqlite:///{tmp_path}")
        app.config["API_SESSION_GETTER"] = sessionmaker(engine)
        app.config["API_DATABASE_URI"] = None

    good = start()
    pair = good.login()
    away = start(prepare=prepare)
    for response in (
        away.get("/plain", headers=kit.bearer(pair["access_token"])),
        away.get("/auth/me", headers=kit.bearer(pair["access_token"])),
        away.post("/auth/login", json={"username": "mira", "password": kit.PASSWORD}),
        away.refresh(pair["refresh_token"]),
        away.post("/auth/logout", headers=kit.bearer(pair["access_token"])),
    ):
        error_of(response, 503)


def test_a_pool_of_one_connection_is_enough(start, kit, tmp_path):
    served = start(
        API_DATABASE_ENGINE_OPTIONS={"pool_size": 1, "max_overflow": 0, "pool_timeout": 30, "poolclass": sa.QueuePool}
    )

    def round_trip(_):
        client = served.app.test_client()
        pair = served.login(client=client)
        renewed = client.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]}).get_json()["value"]
        headers = kit.bearer(renewed["access_token"])
        return client.get("/plain", headers=headers).status_code, client.post(
            "/auth/logout", headers=headers
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(round_trip, range(16))) == {(200, 200)}


@pytest.mark.contract("auth S-14")
@pytest.mark.contract("auth 17.26")
def test_no_request_creates_a_table(start):
    served = start()
    statements = []
    sa.event.listen(served.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    token = served.login()["refresh_token"]
    served.refresh(token)
    assert statements
    assert not any(word in statement for statement in statements for word in ("CREATE", "ALTER", "PRAGMA"))


@pytest.mark.contract("auth S-14")
def test_tables_are_not_created_where_migrations_do_it(start):
    served = start(API_TOKEN_STORE_AUTO_CREATE=False)
    assert not sa.inspect(served.engine).has_table("refresh_tokens")
    runner = served.app.test_cli_runner()
    assert runner.invoke(args=["flarchitect", "auth", "create-tables"]).exit_code == 0
    assert sa.inspect(served.engine).has_table("refresh_tokens")
    served.login()


@pytest.mark.contract("auth 17.26")
def test_each_row_has_its_own_time(served):
    before = dt.datetime.now(UTC) - dt.timedelta(seconds=1)
    served.login()
    with sa.orm.Session(served.engine) as session:
        (row,) = session.scalars(sa.select(RefreshToken))
    assert before <= row.created_at <= dt.datetime.now(UTC)
    assert row.expires_at.tzinfo is not None


# --- the documented functions -----------------------------------------------------------------------------------------

SOON = dt.timedelta(hours=1)


@pytest.fixture
def context(start, sessions):
    """The context of an application, for functions that its code calls."""
    served = start(sessions=sessions)
    with served.app.app_context():
        yield served


@pytest.mark.contract("auth 7")
@pytest.mark.contract("auth 17.2")
def test_storing_never_overwrites(context):
    ends = dt.datetime.now(UTC) + SOON
    functions.store_refresh_token("a.b.c", 1, "mira", ends)
    functions.revoke_refresh_token("a.b.c")
    with pytest.raises(UnavailableError):
        functions.store_refresh_token("a.b.c", 1, "mira", ends)
    assert functions.get_refresh_token("a.b.c") is None


@pytest.mark.contract("auth 7")
def test_a_row_can_be_found_marked_exchanged_revoked_and_forgotten(context):
    ends = dt.datetime.now(UTC) + SOON
    for token in ("a.b.c", "d.e.f"):
        functions.store_refresh_token(token, 1, "mira", ends)
    functions.mark_refresh_token_used("a.b.c", replaced_by="d.e.f")
    row = functions.get_refresh_token("a.b.c")
    assert (row.user_pk, row.user_lookup, row.revoked) == ("1", "mira", False)
    assert row.replaced_by == token_store.stored_form("d.e.f")
    assert abs(row.last_used_at - dt.datetime.now(UTC)) < SOON
    functions.rotate_refresh_token("a.b.c", "d.e.f")
    assert functions.get_refresh_token("a.b.c") is None
    assert [each.token for each in functions.list_user_tokens(1)] == [token_store.stored_form("d.e.f")]
    assert functions.revoke_user_tokens(1) == 1
    functions.delete_refresh_token("d.e.f")
    for forget in (functions.delete_refresh_token, functions.revoke_refresh_token, functions.mark_refresh_token_used):
        forget("not.there.x")
    assert len(context.rows("SELECT * FROM refresh_tokens")) == 1


@pytest.mark.contract("auth 7")
@pytest.mark.contract("auth 17.4")
def test_an_exchange_by_code_is_whole_or_not_at_all(context):
    ends = dt.datetime.now(UTC) + SOON
    for token in ("a.b.c", "d.e.f"):
        functions.store_refresh_token(token, 1, "mira", ends)
    commits = []
    sa.event.listen(context.engine, "commit", commits.append)
    functions.rotate_refresh_token("a.b.c", "d.e.f")
    assert len(commits) == 1
    columns = "revoked, revoked_reason, replaced_by"
    (row,) = context.rows(f"SELECT {columns} FROM refresh_tokens WHERE replaced_by IS NOT NULL")
    assert (bool(row[0]), *row[1:]) == (True, "rotated", token_store.stored_form("d.e.f"))
    # What was exchanged once is not linked to anything else.
    functions.rotate_refresh_token("a.b.c", "g.h.i")
    assert context.rows(f"SELECT {columns} FROM refresh_tokens WHERE replaced_by IS NOT NULL") == [row]


@pytest.mark.contract("auth S-14")
def test_purging_deletes_what_expired_long_ago(context):
    now = dt.datetime.now(UTC)
    for token, days in (("a.b.c", -40), ("d.e.f", -10), ("g.h.i", 10)):
        functions.store_refresh_token(token, 1, "mira", now + dt.timedelta(days=days))
    assert functions.purge_expired_refresh_tokens() == 1
    assert functions.purge_expired_refresh_tokens(older_than=dt.timedelta(days=1)) == 1
    assert len(context.rows("SELECT * FROM refresh_tokens")) == 1


@pytest.mark.contract("auth 6")
def test_tokens_can_be_made_read_and_renewed_by_code(context, kit):
    user = kit.User(id=1, username="mira")
    access, refresh = functions.generate_access_token(user), functions.generate_refresh_token(user)
    assert functions.get_user_from_token(access).username == "mira"
    assert functions.decode_token(f"Bearer {access}", kit.ACCESS)["sub"] == "1"
    token, renewed_user = functions.refresh_access_token(refresh)
    assert (renewed_user.id, functions.get_user_from_token(token).id) == (1, 1)
    assert functions.get_refresh_token(refresh) is None
    assert functions.get_pk_and_lookups() == ("id", "username")
    assert (functions.get_jwt_algorithm(), functions.get_allowed_algorithms()) == ("HS256", ["HS256"])


@pytest.mark.contract("auth 6")
def test_a_signed_payload_comes_back_with_moments(context, kit):
    token, payload = functions.create_jwt({"id": "2", "username": "noor"}, kit.ACCESS, 5, "HS256")
    assert payload["exp"] - payload["iat"] == dt.timedelta(minutes=5)
    assert payload["exp"].tzinfo is not None
    assert functions.get_user_from_token(token, kit.ACCESS).username == "noor"


@pytest.mark.contract("auth 6")
@pytest.mark.contract("auth 17.25")
def test_a_lifetime_of_nothing_is_nothing(context, kit):
    token = functions.generate_access_token(kit.User(id=1, username="mira"), expires_in_minutes=0)
    with pytest.raises(Exception, match="Token has expired") as caught:
        functions.get_user_from_token(token)
    assert caught.value.status_code == 401


@pytest.mark.contract("auth 6")
def test_a_token_that_names_nobody_has_no_payload(context, kit):
    token, _ = functions.create_jwt({"username": "mira"}, kit.ACCESS, 5, "HS256")
    with pytest.raises(Exception, match="Invalid token payload"):
        functions.get_user_from_token(token)
    for wrong in ("a.b", 7, None, "a.b.c"):
        with pytest.raises(Exception, match="Invalid token"):
            functions.decode_token(wrong, kit.ACCESS)


@pytest.mark.contract("auth 6")
def test_a_missing_user_may_be_told_by_404_to_code_alone(start, kit):
    served = start(API_JWT_USER_MISSING_STATUS=404)
    with served.app.app_context():
        token = functions.generate_access_token(kit.User(id=77, username="gone"))
        with pytest.raises(Exception, match="User not found") as caught:
            functions.get_user_from_token(token)
    assert caught.value.status_code == 404
    error_of(served.get("/plain", headers=kit.bearer(token)), 401, "invalid_token")


@pytest.mark.contract("auth 7")
def test_a_short_session_is_not_that_of_the_request(start, sessions, kit):
    def prepare(app):
        @app.get("/short")
        def short():
            user = get_current_user()
            with functions.get_session() as session:
                name = session.scalar(sa.select(kit.User.username).where(kit.User.id == 2))
            return {"name": name, "is_attached": sa.orm.object_session(user) is not None}

    served = start(sessions=sessions, prepare=prepare)
    assert served.get("/short", headers=served.bearer()).get_json() == {"name": "noor", "is_attached": True}
