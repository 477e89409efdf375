"""Options: each declared once as data, and resolved from model `Meta`, keyword arguments, configuration or default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from flarchitect_core.startup import StartupReport
from flarchitect_core.suggestions import nearest

__all__ = ["HTTP_METHODS", "Expectation", "Option", "Origin", "Settings", "boolean", "choice", "function", "integer"]
__all__ += ["anything", "class_or_classes", "mapping", "names", "owner_of", "share", "text", "url_path"]

# A key that is no option stops the start only when it is all but the name of one: it may be the application's own.
_TYPO_SIMILARITY = 0.8

T = TypeVar("T")
Origin = Literal["model", "keyword", "config", "default"]
HTTP_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a value of an option must be: the words for people, and the test."""

    words: str
    holds: Callable[[Any], bool]


boolean = Expectation("True or False", lambda value: isinstance(value, bool))
text = Expectation("a string", lambda value: isinstance(value, str))
function = Expectation("a callable", callable)
mapping = Expectation("a dictionary", lambda value: isinstance(value, Mapping))
anything = Expectation("any value", lambda value: True)
names = Expectation(
    "a string or a list of strings",
    lambda value: (
        isinstance(value, str)
        or (isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(item, str) for item in value))
    ),
)
class_or_classes = Expectation(
    "a class or a list of classes",
    lambda value: (
        isinstance(value, type) or (isinstance(value, (list, tuple)) and all(isinstance(item, type) for item in value))
    ),
)


share = Expectation(
    "a number from 0 to 1",
    lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1,
)
url_path = Expectation(
    "a URL path such as '/healthz', without variables",
    lambda value: isinstance(value, str) and len(value) > 1 and value[0] == "/" and not set("<>?# ") & set(value),
)


def integer(minimum: int, maximum: int | None = None) -> Expectation:
    """Expect a whole number, bounds included."""
    words = f"a whole number of at least {minimum}" + (f" and at most {maximum}" if maximum is not None else "")
    return Expectation(
        words,
        lambda value: (
            isinstance(value, int)
            and not isinstance(value, bool)
            and value >= minimum
            and (maximum is None or value <= maximum)
        ),
    )


def choice(*values: Any) -> Expectation:
    """Expect one of a few values."""
    return Expectation("one of " + ", ".join(repr(value) for value in values), lambda value: value in values)


@dataclass(frozen=True, slots=True)
class Option(Generic[T]):
    """One option, declared once; the reference table, the validation and the resolution read this.

    Attributes:
        name: Upper case, without `API_`.
        default: Value when nothing is set.
        expects: What a value must be.
        sentence: What it does, one sentence for the reference.
        meta: Whether the model's `Meta` may set it (lower case, without `api_`).
        method: Whether the method forms (`API_GET_X`, `Meta.get_x`) exist.
        config: Whether the application's configuration may set it.
        aliases: Further configuration keys, such as the bare `FULL_AUTO`.
        meta_aliases: Further spellings in `Meta`.
        owner: Distribution that reads it.
        topic: Heading of the reference under which it stands.
        secret: Whether the value is never shown, as by `flask flarchitect config`.
        protects: Whether it keeps data from callers, so that a subclass has that of its parent class where its own
            `Meta` is silent.
    """

    name: str
    default: T
    expects: Expectation
    sentence: str
    meta: bool = False
    method: bool = False
    config: bool = True
    aliases: tuple[str, ...] = ()
    meta_aliases: tuple[str, ...] = ()
    owner: str = "flarchitect-core"
    topic: str = ""
    secret: bool = False
    protects: bool = False

    @property
    def key(self) -> str:
        """The configuration key, `API_<NAME>`."""
        return f"API_{self.name}"

    def config_keys(self, method: str | None = None) -> tuple[str, ...]:
        """List the configuration keys that can hold the value, strongest first (core 1)."""
        if not self.config:
            return ()
        specific = (f"{method}_{self.name}", f"API_{method}_{self.name}") if self.method and method else ()
        return (*specific, self.key, *self.aliases)

    def meta_names(self, method: str | None = None) -> tuple[str, ...]:
        """List the attributes of `Meta` that can hold the value, strongest first (core 1)."""
        if not self.meta:
            return ()
        lower = self.name.lower()
        specific = (f"{method.lower()}_{lower}",) if self.method and method else ()
        return (*specific, f"api_{lower}", lower, *self.meta_aliases)


def is_set(value: object) -> bool:
    """Say whether a value counts as set: `None` and an empty list or dictionary fall through (core 1)."""
    return value is not None and value != [] and value != {}


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the value of one option comes from: it is fixed, or in the first of `keys` that the configuration sets."""

    keys: tuple[str, ...]
    is_fixed: bool = False
    value: Any = None
    origin: Origin = "config"


class Settings:
    """The options of one application and their values.

    Precedence: the model's `Meta` for the method, `Meta`, keyword argument of `init_app`, configuration for the
    method, configuration, default. Values are read when asked, so a change of `app.config` is seen at once by
    everything that is not fixed at start-up.
    """

    def __init__(
        self, config: Mapping[str, Any], options: Iterable[Option[Any]], overrides: Mapping[str, Any] | None = None
    ) -> None:
        self._config = config
        self._options: dict[str, Option[Any]] = {}
        self._plans: dict[tuple[str, type | None, str | None], _Plan] = {}
        self._overrides: dict[str, Any] = dict(overrides or {})
        self._refused: set[object] = set()
        for option in options:
            if option.name in self._options:
                raise RuntimeError(f"Option {option.key} is declared twice.")
            self._options[option.name] = option

    def __iter__(self) -> Iterator[Option[Any]]:
        return iter(self._options.values())

    def named(self, name: str) -> Option[Any] | None:
        """Find a declared option by its name without `API_`, in any letter case."""
        return self._options.get(name.upper())

    def override(self, values: Mapping[str, Any]) -> None:
        """Set options by name, as keyword arguments of the application's code do."""
        self._overrides.update(values)
        self._plans.clear()

    def forget(self) -> None:
        """Read every `Meta` anew; for code that changes one after the start."""
        self._plans.clear()

    def get(self, option: Option[T], *, model: type | None = None, method: str | None = None) -> T:
        """Resolve one option.

        Args:
            option: The declaration.
            model: Mapped class whose `Meta` is asked first; without it only the application is asked.
            method: HTTP method in capitals, for the method forms.
        """
        plan = self._plans.get((option.name, model, method)) or self._plan(option, model, method)
        if plan.is_fixed:
            fixed: T = plan.value
            return fixed
        for key in plan.keys:
            value: T | None = self._config.get(key)
            # Most are not set, and this is asked many times in each request.
            if value is not None and (value or is_set(value)):
                return value
        return option.default

    def resolve(self, option: Option[T], *, model: type | None = None, method: str | None = None) -> tuple[T, Origin]:
        """Resolve one option together with where its value comes from."""
        plan = self._plan(option, model, method)
        value = self.get(option, model=model, method=method)
        if plan.is_fixed:
            return value, plan.origin
        return value, "config" if any(is_set(self._config.get(key)) for key in plan.keys) else "default"

    def _plan(self, option: Option[Any], model: type | None, method: str | None) -> _Plan:
        """Decide once where a value comes from: `Meta` and keyword arguments never change, configuration may."""
        plan = (
            self._plan_of_model(option, model, method)
            or self._plans.get((option.name, None, method))
            or self._plan_of_application(option, method)
        )
        self._plans[option.name, model, method] = plan
        return plan

    def _plan_of_application(self, option: Option[Any], method: str | None) -> _Plan:
        if option.name in self._overrides:
            return _Plan((), is_fixed=True, value=self._overrides[option.name], origin="keyword")
        return _Plan(tuple(key for key in option.config_keys(method) if key not in self._refused))

    def _plan_of_model(self, option: Option[Any], model: type | None, method: str | None) -> _Plan | None:
        metas = _metas_of(model, inherited=option.protects) if option.meta else ()
        names = [name for name in option.meta_names(method) if (model, name) not in self._refused]
        values = (_plain(meta, name) for meta in metas for name in names)
        given = next(((value,) for value in values if is_set(value)), None)
        return None if given is None else _Plan((), is_fixed=True, value=given[0], origin="model")

    def check(self, report: StartupReport, models: Iterable[type] = ()) -> None:
        """Report every key that is unknown and every value that is not what its option expects.

        A refused value counts as not set from now on, so that the rest of the start can go on and find further
        mistakes.
        """
        self._check_config(report)
        known = {
            name: option for option in self for method in (None, *HTTP_METHODS) for name in option.meta_names(method)
        }
        for model in models:
            self._check_meta(report, model, known)
        self._plans.clear()

    def _check_config(self, report: StartupReport) -> None:
        known = {
            key: option for option in self for method in (None, *HTTP_METHODS) for key in option.config_keys(method)
        }
        for key, value in self._config.items():
            option = known.get(key)
            if option is not None:
                if not _fits(report, f"The configuration key {key}", option, value):
                    self._refused.add(key)
            elif key.startswith("API_"):
                self._unknown(report, key, known)
        for name, value in list(self._overrides.items()):
            if not _fits(report, f"The keyword argument {name.lower()}", self._options[name], value):
                del self._overrides[name]

    def _unknown(self, report: StartupReport, key: str, known: Iterable[str]) -> None:
        distribution = owner_of(key)
        if distribution is not None and distribution not in {option.owner for option in self}:
            report.problem(
                f"The configuration key {key} belongs to {distribution}, which is not installed. "
                f"Install it with `pip install {distribution}`, or remove the key."
            )
            return
        # Without the prefix, which would make all keys look alike.
        forms = {name.removeprefix("API_"): name for name in known}
        near = nearest(key.removeprefix("API_"), forms, limit=1, similarity=_TYPO_SIMILARITY)
        strict = self._config.get("API_CONFIG_STRICT", False)
        hint = f" Did you mean {forms[near[0]]}?" if near else ""
        (report.problem if near or strict else report.notice)(f"{key} is not an option.{hint}")

    def _check_meta(self, report: StartupReport, model: type, known: Mapping[str, Option[Any]]) -> None:
        for name in meta_attributes(model):
            where = f"{model.__name__}.Meta.{name}"
            option = known.get(name)
            if option is not None:
                if not _fits(report, where, option, _plain(model.Meta, name)):  # type: ignore[attr-defined]
                    self._refused.add((model, name))
                continue
            near = nearest(name, known, limit=1, similarity=_TYPO_SIMILARITY)
            strict = self._config.get("API_CONFIG_STRICT", False)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            (report.problem if near or strict else report.notice)(f"{where} is not an option.{hint}")


def meta_attributes(model: type) -> list[str]:
    """List the attributes that a model's `Meta` defines, inherited ones included, without dunder names."""
    meta = getattr(model, "Meta", None)
    return [] if meta is None else [name for name in dir(meta) if not name.startswith("__")]


def _metas_of(model: type | None, *, inherited: bool) -> Iterable[Any]:
    """Give what is asked for the options of a model: its `Meta`, and those of its parent classes after it."""
    if model is None or not inherited:
        return () if (meta := getattr(model, "Meta", None)) is None else (meta,)
    return [vars(each)["Meta"] for each in model.__mro__ if "Meta" in vars(each)]


def _plain(meta: Any, name: str) -> Any:
    # A function stored on Meta is called without `self` (rest 7.2); attribute access on the class gives it unbound.
    return getattr(meta, name, None)


def _fits(report: StartupReport, where: str, option: Option[Any], value: object) -> bool:
    fits = not is_set(value) or option.expects.holds(value)
    if not fits:
        report.problem(f"{where} must be {option.expects.words}; it is {value!r}.")
    return fits


# Keys of parts that may be absent. Setting one of them must never be without effect (conventions 1.5).
_FOREIGN_KEYS: Mapping[str, tuple[str, ...]] = {
    "flarchitect-auth": (
        "API_AUTHENTICATE",
        "API_AUTH_",
        "API_AUTO_AUTH_ROUTES",
        "API_JWT_",
        "API_REFRESH_",
        "API_ROLE",
        "API_USER_",
        "API_CREDENTIAL_",
        "API_KEY_",
        "API_CUSTOM_AUTH",
        "API_EXPOSE_ME",
        "API_EXPOSE_REGISTER",
        "API_PASSWORD_",
        "API_REQUIRE_TLS",
        "API_REGISTER_",
        "API_TOKEN_STORE_",
        "API_TOKENS_",
        "API_ACCESS_SECRET_KEY",
        "API_ACCESS_PRIVATE_KEY",
        "API_ACCESS_PUBLIC_KEY",
    ),
    "flarchitect-docs": (
        "API_CREATE_DOCS",
        "API_DOCS_",
        "API_DOC_HTML_HEADERS",
        "API_DOCUMENTATION_",
        "API_SPEC_",
        "API_OPENAPI_",
        "API_CONTACT_",
        "API_LICENCE_",
        "API_LICENSE_",
        "API_LOGO_",
        "API_SERVER_URLS",
        "API_AUTO_NAME_ENDPOINTS",
        "API_FIELD_EXAMPLE_DEFAULTS",
        "API_SCHEMA_DISCOVERY_",
    ),
    "flarchitect-graphql": ("API_GRAPHQL_",),
    "flarchitect-ws": ("API_ENABLE_WEBSOCKETS", "API_WEBSOCKET_"),
    "flarchitect-mcp": ("API_MCP_",),
}


def owner_of(key: str) -> str | None:
    """Name the distribution whose options begin like `key`, `None` when no part claims it."""
    for distribution, prefixes in _FOREIGN_KEYS.items():
        if key.startswith(prefixes):
            return distribution
    return None
