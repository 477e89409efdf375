"""The client of `test_load.py`: a process of its own that reads and writes, and tells what it was answered.

Every thread writes orders of its own, so that it knows their state at any moment, and rows that all write. It prints a
report as JSON: what was acknowledged, what was refused, and every answer that was not as it had to be.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

THREADS = 8
WORKERS = 2
SHARED = range(1, 9)
# Longer than anything may take on a machine that has other work too.
PATIENCE_SECONDS = 90


class DroppedError(Exception):
    """There was no answer."""


class WrongAnswerError(Exception):
    """The answer is not what it had to be."""


class Answer:
    """One answer; `body` is its JSON."""

    def __init__(self, asked: str, response: http.client.HTTPResponse) -> None:
        self.asked = asked
        data = response.read()
        self.status = response.status
        self.headers = response.headers
        self.body: Any = json.loads(data) if response.headers.get_content_type() == "application/json" else None
        self.text = data[:300]

    def must_be(self, *statuses: int) -> Answer:
        """Give the answer, which must have one of these statuses."""
        if self.status not in statuses:
            raise WrongAnswerError(f"{self.asked}: {self.status} instead of {statuses}: {self.text!r}")
        return self

    @property
    def value(self) -> Any:
        """The `value` of the envelope."""
        return self.body["value"]


class Channel:
    """A connection that stays open, to whichever worker took it.

    Attributes:
        worker: Process id of that worker, `None` before the first answer.
        is_writing: Whether a write is under way.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self._asked = ""
        self.worker: int | None = None
        self.is_writing = False

    def begin(self, method: str, path: str, body: Any = None, **headers: str) -> None:
        """Send a request and do not wait."""
        self._asked = f"{method} {path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named["Content-Type"] = "application/json"
        self.is_writing = method != "GET"
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), named)
        except (OSError, http.client.HTTPException) as error:
            self._drop(error)

    def end(self) -> Answer:
        """Wait for the answer."""
        try:
            answer = Answer(self._asked, self._connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            self._drop(error)
        self.is_writing = False
        self.worker = int(answer.headers.get("X-Worker", 0)) or self.worker
        return answer

    def abandon(self) -> None:
        """Read the beginning of an answer and hang up."""
        try:
            self._connection.getresponse().read(100)
        except (OSError, http.client.HTTPException) as error:
            self._drop(error)
        self.close()

    def close(self) -> None:
        """Hang up; the next request opens another connection."""
        self._connection.close()
        self.worker, self.is_writing = None, False

    def _drop(self, error: Exception) -> Any:
        self.close()
        raise DroppedError(f"{self._asked}: {error!r}") from error


class Ledger:
    """What all threads were answered."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.statuses: Counter[str] = Counter()
        self.counters: Counter[str] = Counter()
        self.orders: dict[str, dict[str, Any]] = {}
        self.uncertain: dict[str, dict[str, Any]] = {}
        self.customers: list[str] = []
        self.refused: list[str] = []
        self.failures: list[str] = []
        self.writes = 0
        self.dropped = 0
        self.replayed = 0

    def note(self, answer: Answer) -> None:
        """Count an answer."""
        method, path = answer.asked.partition("?")[0].split()
        with self.lock:
            self.statuses[f"{method} {path.split('/')[2]} {answer.status}"] += 1
            self.replayed += "Idempotency-Replayed" in answer.headers
            self.writes += method != "GET"
            self.lock.notify_all()

    def wait_for_writes(self, number: int, stopped: threading.Event) -> None:
        """Wait until so many more writes are answered, or the run is stopped."""
        with self.lock:
            enough = self.writes + number
            if not self.lock.wait_for(lambda: self.writes >= enough or stopped.is_set(), PATIENCE_SECONDS):
                raise WrongAnswerError("No write has been answered for long.")


class Shopper(threading.Thread):
    """One thread: sends requests one after the other until it is stopped, or until something is wrong."""

    def __init__(self, name: str, port: int, ledger: Ledger, stopped: threading.Event, *, may_drop: bool) -> None:
        super().__init__(name=name)
        self.channel = Channel(port)
        self._second = Channel(port)
        self._ledger = ledger
        self._stopped = stopped
        self._may_drop = may_drop
        self._random = random.Random(name)  # noqa: S311 - no secret
        self._number = 0
        # Orders of this thread by id; `code` and `state` of each.
        self._own: dict[int, tuple[str, dict[str, Any]]] = {}

    def run(self) -> None:
        actions: list[tuple[Callable[[], None], int]] = [
            (self.create, 20),
            (self.create_twice, 6),
            (self.create_as_twins, 6),
            (self.create_without_key, 4),
            (self.be_refused, 14),
            (self.count_up, 16),
            (self.replace_lines, 8),
            (self.race, 8),
            (self.create_many, 4),
            (self.be_refused_many, 4),
            (self.change_shared, 6),
            (self.change_matching, 4),
            (self.delete, 4),
            (self.read_own, 14),
            (self.read_all_own, 2),
            (self.search, 10),
            (self.hang_up, 2),
        ]
        choices, weights = zip(*actions, strict=True)
        try:
            while not self._stopped.is_set():
                self._random.choices(choices, weights)[0]()
        except Exception:  # noqa: BLE001 - the report tells it, and the test fails
            with self._ledger.lock:
                self._ledger.failures.append(traceback.format_exc())
            self._stopped.set()
        finally:
            self.channel.close()
            self._second.close()

    # --- sending ------------------------------------------------------------------------------------------------------

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send until there is an answer; what is written must bear to be sent again."""
        begun = time.monotonic()
        while True:
            try:
                return self.send_once(method, path, body, **headers)
            except DroppedError:
                if time.monotonic() - begun > PATIENCE_SECONDS:
                    raise

    def send_once(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send, and count what was answered or not."""
        try:
            self.channel.begin(method, path, body, **headers)
            answer = self.channel.end()
        except DroppedError:
            self._note_drop()
            raise
        self._ledger.note(answer)
        return answer

    def _note_drop(self) -> None:
        with self._ledger.lock:
            self._ledger.dropped += 1
        if not self._may_drop:
            raise WrongAnswerError("A connection was dropped, and nobody was killed.")

    def _token(self) -> str:
        self._number += 1
        return f"{self.name}-{self._number}"

    def _key(self) -> dict[str, str]:
        return {"Idempotency_Key": self._token()}

    # --- orders -------------------------------------------------------------------------------------------------------

    def _draft(self) -> dict[str, Any]:
        lines = [self._line() for _ in range(self._random.randint(1, 4))]
        # In any order: whoever locks them in this order meets another one.
        tags = [{"id": key} for key in self._random.sample(SHARED, self._random.randint(0, 3))]
        customer = self._random.choice(SHARED)
        return {"code": self._token(), "owner": self.name, "customer_id": customer, "lines": lines, "tags": tags}

    def _line(self) -> dict[str, Any]:
        return {"code": self._token(), "quantity": self._random.randint(1, 9)}

    def _keep(self, draft: dict[str, Any], answer: Answer) -> None:
        """Take note of an order that was acknowledged."""
        state = {
            "lines": {line["code"]: line["quantity"] for line in draft["lines"]},
            "tags": sorted(tag["id"] for tag in draft["tags"]),
            "status": "new",
            "deleted": False,
        }
        self._ledger.orders[draft["code"]] = state
        self._own[answer.value["id"]] = draft["code"], state

    def create(self) -> None:
        """Create an order with its lines and tags."""
        draft = self._draft()
        self._keep(draft, self.send("POST", "/api/orders", draft, **self._key()).must_be(201))

    def create_twice(self) -> None:
        """Send a create, and send it again when it is done."""
        draft, key = self._draft(), self._key()
        first = self.send("POST", "/api/orders", draft, **key).must_be(201)
        again = self.send("POST", "/api/orders", draft, **key).must_be(201)
        if again.body != first.body or "Idempotency-Replayed" not in again.headers:
            raise WrongAnswerError(f"{first.asked}: {first.body} and, sent again, {again.body}")
        self._keep(draft, first)

    def create_as_twins(self) -> None:
        """Send one create over two connections at the same moment."""
        draft, key = self._draft(), self._key()
        channels = (self.channel, self._second)
        answers: list[Answer] = []
        for channel in channels:
            with contextlib.suppress(DroppedError):
                channel.begin("POST", "/api/orders", draft, **key)
        for channel in channels:
            try:
                answers.append(channel.end())
            except DroppedError:
                self._note_drop()
        for answer in answers:
            self._ledger.note(answer.must_be(201, 409))
            if answer.status == 409 and answer.body["errors"]["reason"] != "request_in_progress":
                raise WrongAnswerError(f"{answer.asked}: {answer.body}")
        answers.append(self.send("POST", "/api/orders", draft, **key).must_be(201))
        done = [answer for answer in answers if answer.status == 201]
        if any(answer.body != done[0].body for answer in done):
            raise WrongAnswerError(f"Twins differ: {[answer.body for answer in done]}")
        self._keep(draft, done[0])

    def create_without_key(self) -> None:
        """Create an order that cannot be sent again; without an answer, nobody knows whether it is there."""
        draft = self._draft()
        try:
            self._keep(draft, self.send_once("POST", "/api/orders", draft).must_be(201))
        except DroppedError:
            self._ledger.uncertain[draft["code"]] = {line["code"]: line["quantity"] for line in draft["lines"]}

    def be_refused(self) -> None:
        """Send an order that is refused, by a check of ours or by the database after its first rows are written."""
        draft = self._draft()
        last: dict[str, Any] = draft["lines"][-1]
        kind = self._random.choice(["check", "key", "child", "text", "unknown", "customer", "tag"])
        if kind == "check":
            last["quantity"], status = 0, 422
        elif kind == "key":
            draft["number"], status = "taken", 409
        elif kind == "child":
            last["number"], status = "taken", 409
        elif kind == "text":
            last["quantity"], status = "many", 400
        elif kind == "unknown":
            draft["colour"], status = "red", 400
        elif kind == "customer":
            draft["customer_id"], status = 10**6, 409
        else:
            draft["tags"], status = [{"id": 10**6}], 400
        self._ledger.refused += [draft["code"], *(line["code"] for line in draft["lines"])]
        headers = self._key() if self._random.random() < 0.5 else {}
        self.send("POST", "/api/orders", draft, **headers).must_be(status)

    def replace_lines(self) -> None:
        """Put other lines in place of some, in one request."""
        if not self._own:
            return
        key, (_, state) = self._any_own()
        rows = self.send("GET", f"/api/orders/{key}?dump=json&fields=id,lines").must_be(200).value["lines"]
        kept = self._random.sample(rows, self._random.randint(0, len(rows)))
        lines = [{"id": row["id"], "quantity": self._random.randint(1, 9)} for row in kept]
        lines += [self._line() for _ in range(self._random.randint(0, 2))]
        codes = {row["id"]: row["code"] for row in kept}
        self.send("PATCH", f"/api/orders/{key}", {"lines": lines}, **self._key()).must_be(200)
        state["lines"] = {line.get("code") or codes[line["id"]]: line["quantity"] for line in lines}

    def change_matching(self) -> None:
        """Change what a filter finds: one order of this thread."""
        if not self._own:
            return
        _, (code, state) = self._any_own()
        status = self._random.choice(["paid", "sent"])
        query = urlencode({"code__eq": code, "max_affected": 1})
        answer = self.send("PATCH", f"/api/orders?{query}", {"status": status}).must_be(200)
        if answer.body["total_count"] != 1:
            raise WrongAnswerError(f"{answer.asked}: {answer.body}")
        state["status"] = status

    def delete(self) -> None:
        """Mark an order as deleted; after that it is not there."""
        if not self._own:
            return
        key, (_, state) = self._any_own()
        # After a connection is lost, it may be deleted already.
        self.send("DELETE", f"/api/orders/{key}").must_be(200, *([404] if self._may_drop else []))
        self.send("GET", f"/api/orders/{key}").must_be(404)
        state["deleted"] = True
        del self._own[key]

    def _any_own(self) -> tuple[int, tuple[str, dict[str, Any]]]:
        key = self._random.choice(list(self._own))
        return key, self._own[key]

    # --- what all write -----------------------------------------------------------------------------------------------

    def count_up(self) -> None:
        """Add one to a counter unless somebody else has meanwhile."""
        url = f"/api/{self._random.choice(['accounts', 'meters'])}/{self._random.choice(SHARED[:3])}"
        read = self.send("GET", url).must_be(200)
        body = {"value": read.value["value"] + 1}
        answer = self.send("PATCH", url, body, If_Match=read.headers["ETag"], **self._key()).must_be(200, 412)
        if answer.status == 200:
            with self._ledger.lock:
                self._ledger.counters[url] += 1

    def change_shared(self) -> None:
        """Change several rows that others change at the same moment, in an order of this thread's own."""
        note = self._token()
        body = [{"id": key, "note": note} for key in self._random.sample(SHARED, 4)]
        self.send("PATCH", "/api/customers", body).must_be(200)

    def race(self) -> None:
        """Take a number that others try to take at the same moment; one of them gets it."""
        code = self._token()
        body = {"code": code, "number": f"race {self._ledger.writes // 20}"}
        status = self.send("POST", "/api/customers", body, **self._key()).must_be(201, 409).status
        (self._ledger.customers if status == 201 else self._ledger.refused).append(code)

    def create_many(self) -> None:
        """Create several rows by one request."""
        body = self._customers()
        self.send("POST", "/api/customers", body, **self._key()).must_be(201)
        self._ledger.customers += [item["code"] for item in body]

    def be_refused_many(self) -> None:
        """Send several rows of which the last is refused, by a check of ours or by the database."""
        body = self._customers()
        wrong, status = self._random.choice([({"number": "taken 1"}, 409), ({"note": 5}, 400)])
        body[-1].update(wrong)
        self._ledger.refused += [item["code"] for item in body]
        answer = self.send("POST", "/api/customers", body, **self._key()).must_be(400)
        if [(item["index"], item["status"]) for item in answer.body["errors"]["items"]] != [(len(body) - 1, status)]:
            raise WrongAnswerError(f"{answer.asked}: {answer.body}")

    def _customers(self) -> list[dict[str, Any]]:
        return [{"code": self._token()} for _ in range(self._random.randint(2, 10))]

    # --- reading ------------------------------------------------------------------------------------------------------

    def read_own(self) -> None:
        """Read an order, or its lines by their own route: as this thread left it."""
        if not self._own:
            return
        key, (code, state) = self._any_own()
        if self._random.random() < 0.5:
            lines = self.send("GET", f"/api/orders/{key}/lines?limit=100").must_be(200).value
            self._compare(lines, state)
            return
        value = self.send("GET", f"/api/orders/{key}?dump=json").must_be(200).value
        self._compare(value["lines"], state)
        told = (value["code"], value["status"], sorted(tag["id"] for tag in value["tags"]))
        if told != (code, state["status"], state["tags"]):
            raise WrongAnswerError(f"Order {key} is {told} instead of {state}")

    @staticmethod
    def _compare(lines: Iterable[dict[str, Any]], state: dict[str, Any]) -> None:
        told = {line["code"]: line["quantity"] for line in lines}
        if told != state["lines"]:
            raise WrongAnswerError(f"The lines are {told} instead of {state['lines']}")

    def read_all_own(self) -> None:
        """Read all orders of this thread page by page: each is there once, and no other."""
        query = {"owner__eq": self.name, "order_by": "-id", "limit": 50, "fields": "id,code", "cursor": ""}
        url = f"/api/orders?{urlencode(query)}"
        told: list[str] = []
        while url:
            body = self.send("GET", url).must_be(200).body
            told += [row["code"] for row in body["value"]]
            url = "/api" + body["next_url"].partition("/api")[2] if body["next_url"] else ""
        expected = [self._own[key][0] for key in sorted(self._own, reverse=True)]
        if [code for code in told if code not in self._ledger.uncertain] != expected:
            raise WrongAnswerError(f"The orders are {told} instead of {expected}")

    def search(self) -> None:
        """Read a page with filters over relations, joins and embedded rows."""
        query = self._random.choice(
            [
                {"join": "lines,customer", "dump": "dynamic", "lines.quantity__gt": 5, "order_by": "-id", "limit": 20},
                {"tags.name__eq": "tag 1", "dump": "json", "limit": 10, "page": 2},
                {"customer.code__eq": "shared", "status__in": "new,paid", "order_by": "status,-id", "fields": "id"},
                {"order_by": "-id", "count": "none", "limit": 100},
            ]
        )
        self.send("GET", f"/api/orders?{urlencode(query)}").must_be(200)

    def hang_up(self) -> None:
        """Ask for all lines, and go away before they have come."""
        try:
            self._second.begin("GET", "/api/lines", Accept="application/x-ndjson")
            self._second.abandon()
        except DroppedError:
            self._note_drop()


# --- the whole run ----------------------------------------------------------------------------------------------------


def kill_workers(shoppers: list[Shopper], ledger: Ledger, stopped: threading.Event, times: int) -> list[int]:
    """Kill as many workers, one after the other, each while it writes."""
    killed: list[int] = []
    chance = random.Random(times)  # noqa: S311 - no secret
    while len(killed) < times and not stopped.is_set():
        ledger.wait_for_writes(chance.randint(1, 25), stopped)
        channels = [shopper.channel for shopper in shoppers]
        writing = [channel.worker for channel in channels if channel.is_writing and channel.worker]
        victims = set(writing).difference(killed)
        if victims:
            victim = chance.choice(sorted(victims))
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)
    return killed


def ask_workers(port: int, *, idle: bool) -> dict[int, dict[str, int]]:
    """Ask until all workers have told their state; with `idle`, until all have returned their connections."""
    states: dict[int, dict[str, int]] = {}
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        channel = Channel(port)
        # A worker that was killed may still have been asked.
        with contextlib.suppress(DroppedError):
            channel.begin("GET", "/worker")
            state = channel.end().must_be(200).body
            states[state["pid"]] = state
        channel.close()
        if len(states) == WORKERS and not (idle and any(state["checked_out"] for state in states.values())):
            break
    return states


def run(port: int, seconds: float, kills: int) -> dict[str, Any]:
    """Read and write until the time is over, or until as many workers are killed, and give the report."""
    ledger, stopped = Ledger(), threading.Event()
    shoppers = [Shopper(f"s{number}", port, ledger, stopped, may_drop=bool(kills)) for number in range(THREADS)]
    ask_workers(port, idle=False)  # they have started
    begun = time.monotonic()
    for shopper in shoppers:
        shopper.start()
    killed: list[int] = []
    before: dict[int, dict[str, int]] = {}
    try:
        if kills:
            killed = kill_workers(shoppers, ledger, stopped, kills)
        else:
            # What is made once, such as compiled statements, is made in the first fifth.
            stopped.wait(seconds / 5)
            before = ask_workers(port, idle=False)
            stopped.wait(max(seconds - (time.monotonic() - begun), 0))
    finally:
        stopped.set()
        for shopper in shoppers:
            shopper.join()
    took = time.monotonic() - begun
    after = ask_workers(port, idle=True)
    return {
        "requests": sum(ledger.statuses.values()),
        "seconds": took,
        "statuses": dict(sorted(ledger.statuses.items())),
        "dropped": ledger.dropped,
        "replayed": ledger.replayed,
        "killed": killed,
        "failures": ledger.failures,
        "orders": ledger.orders,
        "uncertain": ledger.uncertain,
        "customers": ledger.customers,
        "refused": ledger.refused,
        "counters": ledger.counters,
        "before": list(before.values()),
        "after": list(after.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--kills", type=int, default=0)
    arguments = parser.parse_args()
    json.dump(run(arguments.port, arguments.seconds, arguments.kills), sys.stdout)


if __name__ == "__main__":
    main()
