"""The response cache of the generated GET routes (rest 9.2).

An entry holds what an answer says, not its bytes: the envelope around it is made for each request, and whatever request
functions and plugins do is done. An entry carries the mark that the family of its model had before anything was read; a
write gives the family another mark, and with it the entries of all processes end.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from hashlib import blake2b
from importlib.util import find_spec
from threading import Lock
from typing import Any, Protocol, TypeVar, cast

import orjson
from flask import Flask, Request, Response, request
from flask.typing import ResponseReturnValue

from flarchitect_core.access.identity import get_current_user
from flarchitect_core.circuit import Circuit
from flarchitect_core.events import Change
from flarchitect_core.http.conditional import check_read
from flarchitect_core.http.responses import Answer
from flarchitect_core.model.jsonable import to_jsonable
from flarchitect_core.model.resource import Resource
from flarchitect_core.settings import Settings
from flarchitect_core.simple_cache import SimpleCache
from flarchitect_core.state import ApplicationState
from flarchitect_core.users import state_of_user, user_key
from flarchitect_rest import options
from flarchitect_rest.dependencies import families_of
from flarchitect_rest.visible_rows import VisibleRows

__all__ = ["ResponseCache", "caller_of", "check_cache", "identity_of", "is_anonymous", "make_cache"]

T = TypeVar("T")
View = Callable[..., ResponseReturnValue]

TIMEOUT_SECONDS = 0.25

# What decides about an answer besides its URL and its caller.
_VARYING = ("Accept", "Accept-Language")
# What tells one caller from another, as long as nothing else does.
_CREDENTIALS = ("Authorization", "Cookie", "X-API-Key")
# Headers that belong to one rendering of an answer.
_RENDERED = frozenset({"content-length", "content-type", "vary"})


class Backend(Protocol):
    """What is needed of a cache; those of cachelib and Flask-Caching have it."""

    def get(self, key: str) -> Any: ...

    def get_many(self, *keys: str) -> list[Any]: ...

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any: ...

    def add(self, key: str, value: Any, timeout: int | None = None) -> Any: ...

    def delete(self, key: str) -> Any: ...

    def clear(self) -> Any: ...


def caller_of(current: Request) -> str:
    """Tell callers apart by who they are and what is known of them, or by what they send to identify themselves."""
    user = get_current_user()
    known = user_key(user)
    if known is not None:
        return f"{known}\n{state_of_user(user)}"
    credentials = [current.headers.get(name, "") for name in _CREDENTIALS]
    # A user without a key may have been recognised by anything, such as a header of the application's own.
    return "\n".join(credentials if user is None else [*credentials, state_of_user(user)])


def is_anonymous(current: Request) -> bool:
    """Say whether nothing identifies the caller of a request."""
    return get_current_user() is None and not any(name in current.headers for name in _CREDENTIALS)


def identity_of(current: Request, state: ApplicationState) -> str:
    """Tell apart whom answers are for: callers, and what the headers of `API_CACHE_VARY` say of them."""
    cache: ResponseCache | None = state.cache
    caller = caller_of if cache is None else cache.caller
    # No header holds a line break, so that no caller can pretend to be another one with other headers.
    return "\n".join([*(current.headers.get(name, "") for name in _names(state.settings)), caller(current)])


def check_cache(state: ApplicationState) -> None:
    """Report a backend that cannot be had; that its service does not answer just now is no mistake."""
    settings, report = state.settings, state.report
    kind = settings.get(options.CACHE_TYPE)
    if not kind:
        return
    if _name(kind) == "redis":
        missing = [name for name in ("cachelib", "redis") if find_spec(name) is None]
        if missing:
            report.problem(
                f"API_CACHE_TYPE {kind!r} needs {' and '.join(missing)}. Run `pip install {' '.join(missing)}`."
            )
            return
    elif _name(kind) != "simple" and find_spec("flask_caching") is None:
        report.problem(
            f"API_CACHE_TYPE {kind!r} is a backend of Flask-Caching. Run `pip install flask-caching`, or set "
            f"'SimpleCache' or 'RedisCache'."
        )
        return
    try:
        _backend(state.app, kind)
    except Exception as error:  # noqa: BLE001 - each backend has its own; the text may repeat a URL with a password
        report.problem(
            f"The backend of API_CACHE_TYPE {kind!r} does not take its CACHE_* keys ({type(error).__name__}). Compare "
            f"them with the documentation of Flask-Caching."
        )


def make_cache(state: ApplicationState) -> ResponseCache | None:
    """Make the response cache when one is configured."""
    kind = state.settings.get(options.CACHE_TYPE)
    return ResponseCache(state, _backend(state.app, kind)) if kind else None


class ResponseCache:
    """The cache of one application: of its answers, and of what its own code puts there.

    While the service of the backend is away, nothing is found and nothing is kept.

    Attributes:
        caller: Gives the identity of who asks. Two callers never share an entry.
    """

    def __init__(self, state: ApplicationState, backend: Backend) -> None:
        self._state = state
        self._backend = backend
        self._circuit = Circuit("The response cache", "Answers are made anew meanwhile.")
        self._families = families_of(state.registry)
        self._headers = (*_VARYING, *_names(state.settings))
        if state.settings.get(options.CACHE_INVALIDATE):
            state.listeners.append(self._follow)
        # Marks that are to be changed, each with who asked last: no entry may be read before they are.
        self._pending: dict[str, object] = {}
        self._lock = Lock()
        self.caller: Callable[[Request], str] = caller_of

    # --- for the application ------------------------------------------------------------------------------------------

    def get(self, key: str) -> Any:
        """Give the value of a key, `None` when there is none."""
        return self._ask(lambda: self._backend.get(f"own:{key}"))

    def set(self, key: str, value: Any, timeout: int | None = None) -> bool:
        """Keep a value, and say whether it was kept."""
        return bool(self._ask(lambda: self._backend.set(f"own:{key}", value, timeout)))

    def delete(self, key: str) -> bool:
        """Forget a key, and say whether there was one."""
        return bool(self._ask(lambda: self._backend.delete(f"own:{key}")))

    def clear(self) -> bool:
        """Forget everything, answers too."""
        return bool(self._ask(self._backend.clear))

    def drop(self, models: Iterable[type]) -> None:
        """Let the answers end that depend on these models or on models related to them; for after a commit."""
        with self._lock:
            asked = object()
            self._pending.update((_mark(self._families[model]), asked) for model in models if model in self._families)
        self._settle()

    def _follow(self, changes: Iterable[Change]) -> None:
        self.drop({change.resource.model for change in changes})

    # --- for the routes -----------------------------------------------------------------------------------------------

    def cached(self, view: View, resource: Resource) -> View:
        """Wrap the view of a route.

        Args:
            view: View for all methods of the route.
            resource: What it reads or writes.
        """
        model = resource.model
        mark = _mark(self._families[model])
        timeout = self._state.settings.get(options.CACHE_TIMEOUT, model=model)
        if timeout and self._is_left_out(resource):
            timeout = 0
        visible = VisibleRows(self._family(resource), self._state)

        def cached_view(**variables: Any) -> ResponseReturnValue:
            if request.method not in ("GET", "HEAD"):
                return view(**variables)
            answer = self._read(view, variables, mark, timeout, visible) if timeout else view(**variables)
            if isinstance(answer, Response):
                answer.vary.update((*self._headers, *_CREDENTIALS))
            return answer

        return cached_view

    def _is_left_out(self, resource: Resource) -> bool:
        """Say whether code of the application must see every read of a resource, and tell the user."""
        hooks, policies = self._state.hooks, self._state.policies
        family = self._family(resource)
        # An answer may lead to any row of the family, and what filters those rows filters it.
        filtering = [model.__name__ for model in family if model in hooks and hooks[model].filters("GET")]
        judging = [model.__name__ for model in family if model in policies and policies[model].asks_hooks]
        mine = hooks[resource.model]
        if judging:
            reason = f"hooks of an access policy, of {', '.join(sorted(judging))},"
        elif filtering:
            reason = f"a filter callback of {', '.join(sorted(filtering))}"
        elif mine.wants_setup("GET") or mine.wants_output("GET"):
            reason = "a setup or return callback, or a plugin,"
        else:
            return False
        self._state.report.notice(
            f"API_CACHE_TYPE: answers with {resource.name} rows are not kept, because {reason} takes part in them. Set "
            f"{resource.name}.Meta.cache_timeout = 0 to say so yourself."
        )
        return True

    def _family(self, resource: Resource) -> list[type]:
        """List the mapped classes whose rows answers about a resource may lead to."""
        family = self._families[resource.model]
        return [model for model, name in self._families.items() if name == family]

    def _read(
        self, view: View, variables: dict[str, Any], mark: str, timeout: int, visible: VisibleRows
    ) -> ResponseReturnValue:
        rows = visible.describe()
        if rows is None:
            return view(**variables)
        key = self._key(rows)
        found = self._look_up(key, mark)
        if found is None:
            return view(**variables)
        entry, current = found
        if entry is not None:
            return self._say(entry)
        answer = view(**variables)
        kept = _entry_of(answer, current)
        if kept is not None:
            self._ask(lambda: self._backend.set(key, kept, timeout))
        return answer

    def _look_up(self, key: str, mark: str) -> tuple[list[Any] | None, str] | None:
        """Find the entry of a key, and the mark of its family as it is before anything is read.

        Returns:
            The entry, `None` when there is none that counts, and the mark; `None` when the cache is away.
        """
        if not self._settle():
            return None
        found = self._ask(lambda: self._backend.get_many(key, mark))
        if found is None:
            return None
        kept, current = found
        if current is None:
            # Another process may be first; what counts is what is there then.
            current = self._ask(lambda: self._begin(mark))
            return None if current is None else (None, current)
        entry: list[Any] | None = None if kept is None else orjson.loads(kept)
        return (entry if entry and entry[0] == current else None), current

    def _begin(self, mark: str) -> Any:
        self._backend.add(mark, _new_mark(), 0)
        return self._backend.get(mark)

    def _settle(self) -> bool:
        """Change the marks that are to be changed, and say whether none is left."""
        if not self._pending:
            return True
        with self._lock:
            pending = dict(self._pending)

        def change() -> bool:
            for mark in pending:
                # A value for each try: one that times out may be carried out much later, after entries were kept.
                self._backend.set(mark, _new_mark(), 0)
            return True

        if not self._ask(change):
            return False
        with self._lock:
            for mark, asked in pending.items():
                # Another write may have asked for another change meanwhile.
                if self._pending.get(mark) is asked:
                    del self._pending[mark]
        return True

    def _say(self, entry: list[Any]) -> Response:
        _, value, members, headers = entry
        answer = self._state.envelope.response(value, **members)
        for name, text in headers:
            if name not in answer.headers:
                answer.headers[name] = text
        if "ETag" in answer.headers:
            check_read(request.headers, answer.headers["ETag"])
            if "HTTP_IF_NONE_MATCH" in request.environ:
                answer.make_conditional(request)
        return answer

    def _key(self, rows: str) -> str:
        """Name the answer: everything of the request that decides about it, and which rows its caller may see."""
        parts = sorted(request.query_string.split(b"&"), key=lambda pair: pair.partition(b"=")[0])
        texts = [request.scheme, request.host, request.root_path, request.path]
        texts += [request.headers.get(name, "") for name in _VARYING]
        digest = blake2b(digest_size=32)
        for text in (
            *map(str.encode, texts),
            b"&".join(parts),
            identity_of(request, self._state).encode(),
            rows.encode("utf-8", "surrogatepass"),
        ):
            # With its length before it, no text can pretend to be two.
            digest.update(b"%d:" % len(text) + text)
        return f"answer:{digest.hexdigest()}"

    def _ask(self, question: Callable[[], T]) -> T | None:
        """Ask the backend, `None` while it is away."""
        if not self._circuit.allows():
            return None
        try:
            answer = question()
        except Exception as error:  # noqa: BLE001 - every backend has its own; without the cache all goes on
            self._circuit.failed(error)
            return None
        self._circuit.succeeded()
        return answer


def _entry_of(answer: ResponseReturnValue, mark: str) -> bytes | None:
    """Write down a complete answer of 200 that may be given again; `None` for any other."""
    if not isinstance(answer, Answer) or answer.said is None or answer.status_code != 200:
        return None
    if "Set-Cookie" in answer.headers or answer.cache_control.no_store:
        return None
    value, members = answer.said
    headers = [(name, text) for name, text in answer.headers if name.lower() not in _RENDERED]
    try:
        return orjson.dumps([mark, value, members, headers], default=to_jsonable, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # Integers beyond 64 bits and text that is not Unicode would not come back as they are.
        return None


def _mark(family: str) -> str:
    return f"mark:{family}"


def _new_mark() -> str:
    # Never one that was there before, which an entry might still carry.
    return uuid.uuid4().hex


def _names(settings: Settings) -> tuple[str, ...]:
    given = settings.get(options.CACHE_VARY)
    return (given,) if isinstance(given, str) else tuple(given)


# --- backends ---------------------------------------------------------------------------------------------------------


def _name(kind: str) -> str:
    """Reduce `SimpleCache`, `simple` and `flask_caching.backends.SimpleCache` to one name."""
    return kind.rpartition(".")[2].lower().removesuffix("cache")


def _backend(app: Flask, kind: str) -> Backend:
    if _name(kind) == "simple":
        cache = SimpleCache()
        cache.init_app(app)
        return cache
    if _name(kind) == "redis":
        return _redis_backend(app)
    return _flask_caching_backend(app, kind)


def _flask_caching_backend(app: Flask, kind: str) -> Backend:
    from flask_caching import Cache

    config = {key: value for key, value in app.config.items() if key.startswith("CACHE_")}
    # In an application of its own, so that it does not meet a `Cache` of yours.
    holder = Flask(app.name)
    cache = Cache(with_jinja2_ext=False)
    cache.init_app(holder, {"CACHE_KEY_PREFIX": _prefix(app), **config, "CACHE_TYPE": kind})
    return cast("Backend", holder.extensions["cache"][cache])


def _redis_backend(app: Flask) -> Backend:
    from cachelib import RedisCache
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    config = app.config
    arguments: dict[str, Any] = {
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "socket_timeout": TIMEOUT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        **config.get("CACHE_OPTIONS", {}),
    }
    if config.get("CACHE_REDIS_URL"):
        client = Redis.from_url(config["CACHE_REDIS_URL"], **arguments)
    else:
        client = Redis(
            host=config.get("CACHE_REDIS_HOST", "localhost"),
            port=config.get("CACHE_REDIS_PORT", 6379),
            password=config.get("CACHE_REDIS_PASSWORD"),
            db=config.get("CACHE_REDIS_DB", 0),
            **arguments,
        )
    timeout = config.get("CACHE_DEFAULT_TIMEOUT", 300)
    return RedisCache(client, default_timeout=timeout, key_prefix=config.get("CACHE_KEY_PREFIX") or _prefix(app))


def _prefix(app: Flask) -> str:
    return f"flarchitect:{app.name}:"
