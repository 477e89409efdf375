"""Everything a contributor runs: `nox` for what must pass, `nox -s demo` to look at the product, `nox -l` for the rest.

Packages are found in the `packages` folder and tools in the dependency groups of `pyproject.toml`: a new package needs
no change here.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
CURRENT = "{}.{}".format(*sys.version_info[:2])

# Both come before anything that would fail in a way only nox developers understand.
if CURRENT not in PYTHONS:
    sys.exit(f"flarchitect: this is Python {CURRENT}; install and run nox with one of Python {', '.join(PYTHONS)}.")
if not os.access(ROOT, os.W_OK) and "NOX_ENVDIR" not in os.environ and "--envdir" not in " ".join(sys.argv):
    sys.exit(
        f"flarchitect: no permission to write to {ROOT}, where nox keeps its environments; "
        "copy the checkout to a folder of yours or give another one with --envdir."
    )

import nox  # noqa: E402
from nox.project import dependency_groups, load_toml  # noqa: E402
from packaging.requirements import Requirement  # noqa: E402

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.sessions = ["lint", "types", "docs", f"tests-{CURRENT}", "left_out"]

# An interpreter that runs nox from an environment which is not activated must find itself by its name.
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), sysconfig.get_path("scripts")])

PACKAGES = sorted(project.parent.name for project in ROOT.glob("packages/*/pyproject.toml"))
SOURCES = [f"packages/{name}/src" for name in PACKAGES]
EACH_PACKAGE = nox.parametrize("package", [nox.param(name, id=name) for name in PACKAGES])

# Where the tests find each server. `nox -s services` needs all of them.
DATABASES = {
    "PostgreSQL": ("FLARCHITECT_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "MariaDB": ("FLARCHITECT_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
}
SERVERS = {**DATABASES, "Redis": ("FLARCHITECT_REDIS_URL", "redis://127.0.0.1:6379/0")}
# The same requests in every run, so that it fails for changes and not for luck.
BRIEF_CONTRACT = ("--examples", "3", "--phases", "examples,fuzzing,stateful", "--generation-deterministic")
# The generators of clients whose output must fit, and what judges it.
PYTHON_CLIENT = ("openapi-python-client==0.29.1", "mypy~=2.4.1")
TYPESCRIPT = ("openapi-typescript@7.13.0", "typescript@5.9.3")
# What judges the style of documents.
SPECTRAL = "@stoplight/spectral-cli@6.16.3"
BROWSER = Path(os.environ.get("FLARCHITECT_CHROMIUM", "/usr/bin/chromium"))
# The series of SQLAlchemy that are supported, the one that a fresh installation gets first.
SQLALCHEMY = ["2.1", "2.0"]
STRESS_ROUNDS = 5

# One process for each core; `-- -n 0` gives one, for a debugger.
PYTEST = ("pytest", "-n", "auto", "--dist", "worksteal")
# Those that ask servers wait for them about half of the time.
PYTEST_OF_SERVERS = ("pytest", "-n", str(2 * (os.cpu_count() or 1)), "--dist", "worksteal")


@nox.session
def demo(session: nox.Session) -> None:
    """Serve a shop with generated data and print the URLs to try; Ctrl-C ends it."""
    try:
        session.install(*wheels(session, PACKAGES))
        # The server gets the time to end by itself, so that Ctrl-C is an end and not a failure.
        session.run("python", "demo/shop/app.py", *session.posargs, interrupt_timeout=5.0)
    except KeyboardInterrupt:
        session.log("The demo has ended.")


@nox.session(python=PYTHONS)
@EACH_PACKAGE
def tests(session: nox.Session, package: str) -> None:
    """Test the built wheel of one package in a fresh environment, with nothing but its declared dependencies."""
    session.install(*wheels(session, [package, *siblings(package)]), *test_group(package))
    session.run(*PYTEST, f"packages/{package}/tests", *session.posargs)


@nox.session(python=PYTHONS[0])
@EACH_PACKAGE
def minimum(session: nox.Session, package: str) -> None:
    """Test the built wheel of one package on the oldest Python with the lowest versions it declares."""
    names = [package, *siblings(package)]
    session.install(*wheels(session, names), *lowest(names), *test_group(package))
    session.run(*PYTEST, f"packages/{package}/tests", *session.posargs)


@nox.session(reuse_venv=True)
def suite(session: nox.Session) -> None:
    """Test all packages in one editable environment: the fast loop. Arguments after `--` go to pytest."""
    install_workspace(session)
    session.run(*PYTEST, *session.posargs)


@nox.session
@nox.parametrize("sqlalchemy", [nox.param(version, id=version) for version in SQLALCHEMY])
def services(session: nox.Session, sqlalchemy: str) -> None:
    """Run the same tests against PostgreSQL and MariaDB, and those of Redis; a missing server is a failure."""
    require_servers(session)
    install_workspace(session)
    session.install(f"SQLAlchemy=={sqlalchemy}.*")
    session.run(*PYTEST_OF_SERVERS, *session.posargs, env=on_databases(*DATABASES))


@nox.session
def browser(session: nox.Session) -> None:
    """Run what needs a browser: the documentation pages in Chromium. Pictures of them are left in `screenshots`."""
    if not BROWSER.is_file():
        session.error(
            f"No browser at {BROWSER}. Install one (apt-get install chromium) or name it: FLARCHITECT_CHROMIUM"
        )
    install_workspace(session, *group("browser"))
    pictures = {"FLARCHITECT_SCREENSHOTS": str(ROOT / "screenshots")}
    # One after the other: a browser takes all cores by itself.
    session.run("pytest", "-m", "browser", *session.posargs, env=pictures)


@nox.session
def stress(session: nox.Session) -> None:
    """Run what takes minutes, on all servers, and repeat the suite in random orders to find tests that need luck."""
    require_servers(session)
    install_workspace(session)
    # One after the other, as they measure memory; -rP shows what they measured.
    session.run("pytest", "-m", "stress", "-rP", *session.posargs, env=on_databases("SQLite", *DATABASES))
    for number in range(STRESS_ROUNDS):
        # In turns with Flask-SQLAlchemy, where a test does not say where its session comes from.
        sessions = "flask_sqlalchemy" if number % 2 else "uri"
        session.run(*PYTEST, *session.posargs, env={"FLARCHITECT_TEST_SESSIONS": sessions})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, import contracts, versions, the option reference, bundled files and workflows; change nothing."""
    session.install(*editable_packages(), *group("lint"))
    session.run("ruff", "check", "--no-fix", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", env={"PYTHONPATH": os.pathsep.join(SOURCES)})
    session.run("python", "tools/release.py", "--check")
    session.run("python", "tools/config_table.py", "--check")
    session.run("python", "tools/docs_assets.py", "--check")
    workflows = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(".github/workflows/*.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", "--no-progress", *workflows)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of all packages with mypy and pyright."""
    install_workspace(session, *group("types"))
    session.run("mypy", *SOURCES)
    session.run("pyright", "--warnings")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; every warning is an error."""
    install_workspace(session, *group("docs"))
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the source distribution and the wheel of every package into `dist`."""
    session.install(*group("dist"))
    for name in PACKAGES:
        session.run("python", "-m", "build", "--no-isolation", "--outdir", "dist", f"packages/{name}")


@nox.session
def dist_check(session: nox.Session) -> None:
    """Build every distribution, look inside, and install each into an empty environment."""
    session.install(*group("dist"))
    session.run("python", "tools/dist_check.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure requests against hand-written peers; arguments after `--` go to the benchmark."""
    install_workspace(session)
    session.run("python", "tools/bench", *session.posargs)


@nox.session
def contract(session: nox.Session) -> None:
    """Let schemathesis compare the shop with its document; arguments after `--` take the place of a brief run."""
    install_workspace(session, *group("contract"))
    session.run("python", "tools/contract", *(session.posargs or BRIEF_CONTRACT))


@nox.session
def clients(session: nox.Session) -> None:
    """Judge the document of the demo by Spectral, and use clients in TypeScript and Python made from it; needs npm."""
    if shutil.which("npm") is None:
        session.error("npm was not found. Install Node.js 20 or later.")
    session.install(*wheels(session, PACKAGES))
    folder = Path(session.create_tmp())
    export = ("flask", "--app", "demo/shop/shop:make_app('sqlite://')", "openapi", "export")
    session.run(*export, "-o", f"{folder}/shop.json")
    session.run(*export, "--version", "3.0", "-o", f"{folder}/shop-3.0.json")
    npm = ("npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
    session.run(*npm, "--prefix", str(folder), *TYPESCRIPT, SPECTRAL, external=True)
    for name in ("shop.ts", "spectral.yaml"):
        shutil.copy(f"tools/clients/{name}", folder)
    lint = ("node_modules/.bin/spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "warn")
    with session.chdir(folder):
        session.run(*lint, "shop.json", "shop-3.0.json", external=True)
        session.run("node_modules/.bin/openapi-typescript", "shop.json", "-o", "schema.d.ts", external=True)
        session.run("node_modules/.bin/tsc", "--noEmit", "--strict", "shop.ts", external=True)
    session.install(*PYTHON_CLIENT)
    shutil.copy("tools/clients/shop.py", folder / "use_shop.py")
    generate = ("openapi-python-client", "generate", "--path", "shop.json", "--output-path", "client", "--overwrite")
    with session.chdir(folder):
        session.run(*generate, "--meta", "none")
        session.run("mypy", "--strict", "--follow-imports", "silent", "use_shop.py")
        session.run("python", "use_shop.py", env={"PYTHONPATH": str(ROOT / "demo" / "shop")})


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure the coverage of the suite: `htmlcov/index.html` and `coverage.xml`."""
    install_workspace(session, *group("coverage"))
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "html", "--fail-under=0")
    session.run("coverage", "xml", "--fail-under=0")
    session.run("coverage", "report")


@nox.session(venv_backend="none")
def left_out(session: nox.Session) -> None:
    """Say what `nox` alone does not test."""
    others = ", ".join(version for version in PYTHONS if version != CURRENT)
    is_there = "" if BROWSER.is_file() else f", and there is none at {BROWSER}"
    session.log(f"Not tested: Python {others}; `nox -s tests` tests each one that this machine has.")
    session.log(f"Not tested: the documentation pages in a browser{is_there}; `nox -s browser` tests them.")
    session.log("Not tested: what takes minutes, such as a minute of load; `nox -s stress` tests it.")
    for name, place, answers in servers():
        state = "answers" if answers else "was not found"
        session.log(f"Not tested: {name}, which {state} at {place}; `nox -s services` tests on all servers.")


def wheels(session: nox.Session, names: list[str]) -> list[str]:
    """Return the paths of the built wheels of these packages."""
    return [build_wheel(session, name) for name in names]


BUILT: dict[str, str] = {}


def build_wheel(session: nox.Session, name: str) -> str:
    """Build the wheel of a package once for all sessions of this run, and return its path."""
    if name not in BUILT:
        folder = Path(wheel_folder().name, name)
        if session.venv_backend == "uv":
            session.run(
                "uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), f"packages/{name}", external=True
            )
        else:
            command = ["python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
            session.run(*command, f"./packages/{name}")
        (wheel,) = folder.glob("*.whl")
        BUILT[name] = str(wheel)
    return BUILT[name]


@functools.cache
def wheel_folder() -> tempfile.TemporaryDirectory[str]:
    """Return the folder of this run's wheels, which is removed when nox ends."""
    return tempfile.TemporaryDirectory(prefix="flarchitect-wheels-")


def install_workspace(session: nox.Session, *more: str) -> None:
    """Install all packages editable with what their tests need, and more requirements."""
    needed = sorted({requirement for name in PACKAGES for requirement in test_group(name)})
    session.install(*editable_packages(), *needed, *more)


def editable_packages() -> list[str]:
    """Return the arguments of an installation of all packages, editable."""
    return [argument for name in PACKAGES for argument in ("-e", f"./packages/{name}")]


def group(name: str) -> tuple[str, ...]:
    """Return a dependency group of the workspace."""
    return dependency_groups(load_toml(ROOT / "pyproject.toml"), name)


def test_group(package: str) -> tuple[str, ...]:
    """Return what the tests of a package need beside the package."""
    return dependency_groups(load_toml(ROOT / "packages" / package / "pyproject.toml"), "test")


def requirements(package: str) -> Iterator[Requirement]:
    """Read all requirements of a package, those of its extras too."""
    project = load_toml(ROOT / "packages" / package / "pyproject.toml")["project"]
    for lines in (project.get("dependencies", []), *project.get("optional-dependencies", {}).values()):
        yield from map(Requirement, lines)


def siblings(package: str) -> list[str]:
    """Return the packages of the workspace that a package needs, also by way of another one."""
    direct = {requirement.name for requirement in requirements(package)} & set(PACKAGES)
    return sorted(direct.union(*(siblings(name) for name in direct)))


def lowest(names: list[str]) -> list[str]:
    """Return the requirements of these packages on others, each pinned to the lowest version it allows."""
    pins = set()
    for requirement in (requirement for name in names for requirement in requirements(name)):
        bounds = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        if requirement.name not in PACKAGES:
            pins.add(f"{requirement.name}=={bounds[0]}")
    return sorted(pins)


def require_servers(session: nox.Session) -> None:
    """End the session unless every server answers."""
    missing = [f"{name} at {place}" for name, place, answers in servers() if not answers]
    if missing:
        names = ", ".join(variable for variable, _ in SERVERS.values())
        session.error(f"No answer from {' and '.join(missing)}. Start the server or set its URL: {names}")


def on_databases(*names: str) -> dict[str, str]:
    """Return the variables that tell the tests which databases to use, and that there is Redis."""
    return {"FLARCHITECT_TEST_DATABASES": ",".join(names).lower(), "FLARCHITECT_TEST_REDIS": "1"}


def servers() -> Iterator[tuple[str, str, bool]]:
    """Try every server.

    Yields:
        Name, `host:port` and whether something answers there.
    """
    for name, (variable, default) in SERVERS.items():
        url = urlsplit(os.environ.get(variable, default))
        host, port = url.hostname or "127.0.0.1", url.port or urlsplit(default).port or 0
        try:
            socket.create_connection((host, port), timeout=2).close()
        except OSError:
            yield name, f"{host}:{port}", False
        else:
            yield name, f"{host}:{port}", True
