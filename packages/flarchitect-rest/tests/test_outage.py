"""A Redis server of the test's own goes away while requests are under way, and comes back."""

from __future__ import annotations

import logging
import threading
from collections import Counter

import pytest

URL = "/api/studios"
PATIENCE_SECONDS = 60


class Traffic:
    """Threads that read, and one that writes and reads what it wrote, until they are told to end."""

    def __init__(self, app, readers=3):
        self.answers = Counter()
        self.stale = []
        self._app = app
        self._changed = threading.Condition()
        self._done = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._write, *[self._read] * readers)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        self._done.set()
        for thread in self._threads:
            thread.join()

    def wait(self, is_reached, answers=20):
        """Wait until something is reached, and for some answers after that."""
        with self._changed:
            assert self._changed.wait_for(is_reached, PATIENCE_SECONDS)
            enough = self.answers.total() + answers
            assert self._changed.wait_for(lambda: self.answers.total() >= enough, PATIENCE_SECONDS)

    def _note(self, response):
        reason = "" if response.status_code == 200 else response.get_json()["errors"]["reason"]
        with self._changed:
            self.answers[response.status_code, reason] += 1
            self._changed.notify_all()

    def _read(self):
        client = self._app.test_client()
        while not self._done.is_set():
            self._note(client.get(URL))

    def _write(self):
        client = self._app.test_client()
        number = 0
        while not self._done.is_set():
            number += 1
            changed = client.patch(f"{URL}/1", json={"name": f"name {number}"})
            read = client.get(f"{URL}/1")
            self._note(changed)
            self._note(read)
            if (changed.status_code, read.status_code) == (200, 200):
                name = read.get_json()["value"]["name"]
                self.stale += [] if name == f"name {number}" else [(name, number)]


@pytest.mark.contract("bar R41")
@pytest.mark.parametrize(
    "outage, policy", [("stop", "local"), ("stop", "open"), ("stop", "closed"), ("freeze", "local")]
)
def test_redis_goes_away_during_requests_and_answers_go_on(
    serve, cinema, fill, own_redis, prefix, caplog, outage, policy
):
    served = serve(
        cinema.Base,
        API_RATE_LIMIT="1000000 per minute",
        API_RATE_LIMIT_STORAGE_URI=own_redis.url,
        API_RATE_LIMIT_KEY_PREFIX=prefix,
        API_RATE_LIMIT_ON_FAILURE=policy,
        API_CACHE_TYPE="RedisCache",
        CACHE_REDIS_URL=own_redis.url,
        CACHE_KEY_PREFIX=prefix,
    )
    fill(served, cinema)

    # Under "closed" nothing needs to get as far as the cache; what is under way when Redis goes away may.
    services = ["The storage of rate limits", *([] if policy == "closed" else ["The response cache"])]

    def is_told(words):
        return lambda: all(f"{service} {words}" in "\n".join(caplog.messages) for service in services)

    with caplog.at_level(logging.WARNING, "flarchitect.services"), Traffic(served.app) as traffic:
        traffic.wait(lambda: True)
        before = dict(traffic.answers)
        getattr(own_redis, outage)()
        traffic.wait(is_told("does not answer"))
        getattr(own_redis, {"stop": "start", "freeze": "thaw"}[outage])()
        traffic.wait(is_told("answers again"))
        last = Counter(traffic.answers)
        traffic.wait(lambda: True)
        after = set(traffic.answers - last)
    assert (200, "") in before
    assert (200, "") in after
    assert set(traffic.answers) == {(200, ""), *([(503, "rate_limit_unavailable")] if policy == "closed" else [])}
    assert traffic.stale == []
