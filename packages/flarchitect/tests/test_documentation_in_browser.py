"""The documentation pages in a real browser: they show the document, ask nobody else, and keep to their policy.

`nox -s browser` runs this, with Chromium. Where `FLARCHITECT_SCREENSHOTS` names a folder, pictures are left there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from werkzeug.serving import make_server

from flarchitect_auth.part import AuthPart
from flarchitect_core.architect import Architect
from flarchitect_core.state import state_of
from flarchitect_docs.part import DocsPart
from flarchitect_rest.part import RestPart

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.contract("docs D-8"), pytest.mark.contract("docs D-9")]

CHROMIUM = os.environ.get("FLARCHITECT_CHROMIUM", "/usr/bin/chromium")
SCREENSHOTS = os.environ.get("FLARCHITECT_SCREENSHOTS")
STYLES = ("redoc", "swagger", "scalar")
PASSWORD = "correct horse battery"
WIDE, NARROW = 1280, 390
# What axe calls serious, and stands in the page of somebody else that we cannot change.
NOT_OURS = {"swagger": {"nested-interactive"}}


class Base(DeclarativeBase):
    type_annotation_map = {str: sa.String(80)}


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    password_hash: Mapped[str]

    def checks(self, password: str) -> bool:
        return self.password_hash == password[::-1]


class Author(Base):
    """People who write."""

    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list["Book"]] = relationship(back_populates="author")  # noqa: UP037

    class Meta:
        tag, tag_group = "Authors", "Library"


class Book(Base):
    """What they have written."""

    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")

    class Meta:
        tag, tag_group = "Books", "Library"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serve an application with an author and a user, and give its URL."""
    servers: list[tuple[Any, Thread, sa.Engine]] = []

    def start(**config: Any) -> str:
        app = Flask("library")
        app.config.update(
            SECRET_KEY="u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2",
            ACCESS_SECRET_KEY="kX8-access-2fQz7Lr0vB5nT1yW9mC4hJ6d",
            REFRESH_SECRET_KEY="pR3-refresh-8sGu2Ea6oK0iD5xN7bV1wQ4",
            API_TITLE="Library",
            API_VERSION="2.1",
            API_DESCRIPTION="Books, and **who wrote them**.",
            API_BASE_MODEL=Base,
            API_DATABASE_URI=f"sqlite:///{tmp_path / 'test.db'}",
            API_LOG_REQUESTS=False,
            # So that the first operations are those of the models.
            API_SCHEMA_DISCOVERY_ROUTE=False,
            API_DOCS_BUNDLE_ROUTE=False,
        )
        app.config.update(config)
        Architect(app, parts=[RestPart(), AuthPart(), DocsPart()])
        engine = state_of(app).database.engine
        assert engine is not None
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(sa.insert(Author), [{"name": "Ursula"}])
            connection.execute(sa.insert(User), [{"name": "mira", "password_hash": PASSWORD[::-1]}])
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread, engine))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread, engine in servers:
        server.shutdown()
        thread.join()
        server.server_close()
        engine.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Only the session that runs these tests has it.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Whoever runs tests as root, as containers do, has no use of a sandbox around our own pages.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page in the browser, and all that went wrong with it."""

    page: Page
    problems: list[str] = field(default_factory=list)

    def shows(self, text: str) -> None:
        """Wait until a text can be seen."""
        self.page.get_by_text(text).filter(visible=True).first.wait_for()

    def picture(self, name: str) -> None:
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(SCREENSHOTS, f"{name}.png"))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open a page with all other hosts cut off; afterwards nothing may have gone wrong."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_page(url: str, *, scheme: Any = "light", width: int = WIDE) -> Visit:
        host = re.match(r"https?://[^/]+", url)
        assert host
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(15_000)
        contexts.append(context)
        visit = Visit(context.new_page())
        visits.append(visit)

        def cut_off(route: Route) -> None:
            if route.request.url.startswith((f"{host[0]}/", "data:", "blob:")):
                route.continue_()
            else:
                visit.problems.append(f"asked {route.request.url}")
                route.abort()

        context.route("**/*", cut_off)
        # Violations of the policy are told there too.
        visit.page.on("console", lambda said: said.type == "error" and visit.problems.append(said.text))
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        visit.page.goto(url)
        return visit

    yield open_page
    for context in contexts:
        context.close()
    assert [visit.problems for visit in visits if visit.problems] == []


def serious(page: Page) -> set[str]:
    """Name the rules that axe finds broken in a way it calls serious, or worse."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return {each["id"] for each in found if each["impact"] in ("serious", "critical")}


@contextmanager
def expecting(visit: Visit, *words: str) -> Iterator[None]:
    """Take problems that the block is meant to cause, each once."""
    before = len(visit.problems)
    yield
    caused = visit.problems[before:]
    assert len(caused) == len(words), caused
    assert all(word in problem for word, problem in zip(words, caused, strict=True)), caused
    del visit.problems[before:]


@pytest.mark.contract("docs D-11")
@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("style", STYLES)
def test_each_page_shows_the_operations_in_the_colours_of_the_system(
    serve: Callable[..., str], visit: Callable[..., Visit], style: str, scheme: str, width: int
) -> None:
    seen = visit(f"{serve(API_DOCS_STYLE=style)}/docs", scheme=scheme, width=width)
    for text in ("Library", "who wrote them", "People who write.", "/api/authors", "/api/books/{id}"):
        seen.shows(text)
    seen.page.wait_for_load_state("networkidle")
    seen.picture(f"{style}-{scheme}-{width}")
    ground = seen.page.evaluate(
        "() => getComputedStyle(document.elementsFromPoint(innerWidth / 2, 5)"
        ".find((each) => getComputedStyle(each).backgroundColor !== 'rgba(0, 0, 0, 0)')).backgroundColor"
    )
    red, green, blue = (int(part) for part in re.findall(r"\d+", ground)[:3])
    assert (red + green + blue > 600) is (scheme == "light"), ground
    # Nothing makes a narrow window wider.
    assert seen.page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert serious(seen.page) <= NOT_OURS.get(style, set())


def test_redoc_opens_an_operation(serve: Callable[..., str], visit: Callable[..., Visit]) -> None:
    seen = visit(f"{serve()}/docs")
    seen.page.get_by_text("+ Show").first.click()
    seen.page.get_by_role("heading", name="List `author` records").wait_for()
    # It offers to send the document to services of others; not from here.
    assert seen.page.get_by_test_id("page-actions").get_by_test_id("dropdown").first.is_hidden()
    seen.picture("redoc-operation")


@pytest.mark.contract("docs D-12")
def test_swagger_sends_what_is_tried_out_and_forgets_the_token(
    serve: Callable[..., str], visit: Callable[..., Visit]
) -> None:
    base = serve(
        API_DOCS_STYLE="swagger",
        API_AUTHENTICATE_METHOD="jwt",
        API_USER_MODEL=User,
        API_USER_LOOKUP_FIELD="name",
        API_CREDENTIAL_CHECK_METHOD="checks",
    )
    seen = visit(f"{base}/docs")
    page = seen.page
    token = page.request.post(f"{base}/auth/login", data={"username": "mira", "password": PASSWORD}).json()
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container input").first.fill(token["value"]["access_token"])
    page.locator(".auth-container").get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").click()
    try_out(page, "List `author` records")
    answer = page.locator(".live-responses-table .response").first
    answer.get_by_text("Ursula").wait_for()
    seen.picture("swagger-try-it-out")
    page.goto("about:blank")
    page.goto(f"{base}/docs")
    with expecting(seen, "401"):
        try_out(page, "List `author` records")
        answer.get_by_text("credentials_missing").wait_for()


def try_out(page: Page, summary: str) -> None:
    page.get_by_text(summary).first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()


def test_scalar_sends_what_is_tried_out(serve: Callable[..., str], visit: Callable[..., Visit]) -> None:
    seen = visit(f"{serve(API_DOCS_STYLE='scalar')}/docs")
    seen.page.get_by_role("button", name="Show More").first.click()
    seen.page.get_by_text("Test Request").first.click()
    seen.page.get_by_role("button", name="Send", exact=False).first.click()
    seen.shows("Ursula")
    seen.picture("scalar-try-it-out")


@pytest.mark.contract("docs 2.1")
@pytest.mark.contract("docs D-11")
@pytest.mark.parametrize("scheme, width", [("light", WIDE), ("dark", NARROW)])
def test_the_login_can_be_used_by_the_keyboard_alone(
    serve: Callable[..., str], visit: Callable[..., Visit], scheme: str, width: int
) -> None:
    base = serve(
        API_DOCUMENTATION_PASSWORD="open sesame",
        API_AUTHENTICATE_METHOD="basic",
        API_USER_MODEL=User,
        API_USER_LOOKUP_FIELD="name",
        API_CREDENTIAL_CHECK_METHOD="checks",
    )
    seen = visit(f"{base}/docs", scheme=scheme, width=width)
    keyboard = seen.page.keyboard
    seen.picture(f"login-{scheme}-{width}")
    assert serious(seen.page) == set()
    with expecting(seen, "401"):
        for key in (*"mira", "Tab", *"wrong", "Tab", "Enter"):
            keyboard.press(key)
        seen.page.get_by_role("alert").get_by_text("Invalid credentials").wait_for()
    seen.picture(f"login-refused-{scheme}-{width}")
    assert serious(seen.page) == set()
    assert seen.page.evaluate("() => document.activeElement.id") == "username"
    keyboard.type("mira")
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    seen.shows("/api/authors")
    seen.picture(f"logged-in-{scheme}-{width}")
    cookies = {each["name"]: each for each in seen.page.context.cookies()}
    assert cookies["__Host-docs_session"]["httpOnly"]
    assert "docs_session" not in seen.page.evaluate("() => document.cookie")
    seen.page.get_by_role("button", name="Log out").click()
    seen.page.get_by_label("Password").wait_for()
    assert "__Host-docs_session" not in {each["name"] for each in seen.page.context.cookies()}


def test_a_script_in_the_title_is_a_title(serve: Callable[..., str], visit: Callable[..., Visit]) -> None:
    title = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    for style in STYLES:
        seen = visit(f"{serve(API_TITLE=title, API_DOCS_STYLE=style)}/docs")
        seen.shows("/api/authors")
        assert seen.page.title() == title
