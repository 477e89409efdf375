"""Build every distribution as a release would, look inside, and install each into an empty environment.

    python tools/dist_check.py

Needs the `dist` group of the root `pyproject.toml`; `nox -s dist_check` installs it. Contract TOOL-B21.
"""

from __future__ import annotations

import email
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from email.message import Message
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
PACKAGES = sorted(project.parent.name for project in ROOT.glob("packages/*/pyproject.toml"))
# Any fixed moment (2026-01-01): two builds of one source must not differ by the clock.
SOURCE_DATE_EPOCH = "1767225600"
# Programs that use a distribution which is a whole product by itself.
DRIVEN = {"flarchitect-auth": "plain_auth.py"}
IMPORT_CHECK = """
import importlib, importlib.metadata, sys
name, module, version = sys.argv[1:]
found = importlib.metadata.version(name)
assert found == version, f"{name} is installed as {found}, VERSION is {version}"
attribute = getattr(importlib.import_module(module), "__version__", None)
assert attribute in ({version} if name == "flarchitect" else {version, None}), f"{module}.__version__ is {attribute}"
"""


class Wheel:
    """What one built wheel contains.

    Attributes:
        name: Distribution.
        module: Import package it must hold, and nothing beside it.
        path: The file.
        files: Paths in the archive.
        metadata: Parsed `METADATA`.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.module = name.replace("-", "_")
        self.path = path
        with zipfile.ZipFile(path) as archive:
            self.files = archive.namelist()
            self.metadata: Message = email.message_from_bytes(archive.read(f"{self.info}/METADATA"))

    @property
    def info(self) -> str:
        """Folder of the metadata in the archive."""
        return f"{self.module}-{VERSION}.dist-info"

    def problems(self) -> Iterator[str]:
        """Say what is wrong inside, one sentence each."""
        if self.metadata["Version"] != VERSION:
            yield f"version is {self.metadata['Version']}, VERSION is {VERSION}"
        if not str(self.metadata.get_payload()).strip():
            yield "the README is missing from the metadata"
        for needed in (f"{self.module}/py.typed", f"{self.info}/licenses/LICENSE"):
            if needed not in self.files:
                yield f"{needed} is missing"
        for file in sorted(set(source_files(self.name)) - set(self.files)):
            yield f"{file} is in the sources and not in the wheel"
        for file in self.files:
            parts = file.split("/")
            if parts[0] not in (self.module, self.info) or "tests" in parts:
                yield f"{file} does not belong in a wheel"
        for requirement in map(Requirement, self.metadata.get_all("Requires-Dist", [])):
            if requirement.name in PACKAGES and str(requirement.specifier) != f"=={VERSION}":
                yield f"{requirement} must be pinned as =={VERSION}"

    def siblings(self) -> set[str]:
        """Return the distributions of the workspace that this one names, itself included."""
        required = {Requirement(line).name for line in self.metadata.get_all("Requires-Dist", [])}
        return {self.name} | required & set(PACKAGES)


def source_files(name: str) -> Iterator[str]:
    """List what a distribution is made of: modules, templates, scripts, licences of others."""
    folder = ROOT / "packages" / name / "src"
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            yield path.relative_to(folder).as_posix()


def run(*command: str | Path, folder: Path = ROOT) -> None:
    """Run a program and show what it printed only when it fails.

    Raises:
        SystemExit: The program failed.
    """
    environment = {**os.environ, "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH}
    # A folder of sources on the path would make an import succeed that the wheel cannot serve.
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\ndist_check: failed: {' '.join(map(str, command))}")


def build(source: Path, target: Path, kind: str) -> Path:
    """Build one file.

    Args:
        source: Folder with the `pyproject.toml`.
        target: Folder for the file; must not hold another one of this kind.
        kind: `sdist` or `wheel`.
    """
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", target, source)
    (built,) = target.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return built


def build_twice(name: str, folder: Path) -> tuple[Path, Path, list[str]]:
    """Build a distribution from the tree, and the wheel once more from the unpacked source distribution alone.

    Returns:
        The source distribution, the wheel made from it, and what differs between the two builds.
    """
    package = ROOT / "packages" / name
    from_tree, again, unpacked = folder / "tree", folder / "again", folder / "unpacked"
    sdist, wheel = build(package, from_tree, "sdist"), build(package, from_tree, "wheel")
    second_sdist = build(package, again, "sdist")
    with tarfile.open(sdist) as archive:
        # Made two lines above, from this checkout; the `filter` argument is not in every Python 3.10.
        archive.extractall(unpacked)  # noqa: S202
    second_wheel = build(unpacked / sdist.name.removesuffix(".tar.gz"), again, "wheel")
    pairs = ((sdist, second_sdist), (wheel, second_wheel))
    return sdist, second_wheel, [f"two builds of {a.name} differ" for a, b in pairs if a.read_bytes() != b.read_bytes()]


def shared_files(wheels: Sequence[Wheel]) -> Iterator[str]:
    """Name every path that two wheels would both install."""
    for file, times in Counter(file for wheel in wheels for file in wheel.files).items():
        if times > 1:
            yield f"{file} is in {times} wheels"


def install_alone(wheel: Wheel, wheels: Sequence[Wheel], folder: Path) -> None:
    """Install a wheel and the siblings it names into an empty environment, import it there, and drive it."""
    run(sys.executable, "-m", "virtualenv", "--quiet", folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    needed = [other.path for other in wheels if other.name in wheel.siblings()]
    run(programs / "python", "-m", "pip", "install", "--quiet", *needed)
    run(programs / "python", "-c", IMPORT_CHECK, wheel.name, wheel.module, VERSION, folder=folder)
    if wheel.name in DRIVEN:
        run(programs / "python", ROOT / "tools" / DRIVEN[wheel.name], folder, folder=folder)


def main() -> int:
    """Check everything and return the exit status."""
    problems: list[str] = []
    wheels: list[Wheel] = []
    files: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="flarchitect-dist-") as temporary:
        folder = Path(temporary)
        for name in PACKAGES:
            sdist, path, differences = build_twice(name, folder / name)
            wheels.append(Wheel(name, path))
            files += [sdist, path]
            problems += [f"{name}: {problem}" for problem in (*differences, *wheels[-1].problems())]
            print(f"built {sdist.name} and {path.name}")
        problems += shared_files(wheels)
        run(sys.executable, "-m", "twine", "check", "--strict", *files)
        for wheel in wheels:
            install_alone(wheel, wheels, folder / f"empty-{wheel.name}")
            print(f"installed and imported {wheel.name}")
    print("\n".join(problems) or f"dist_check: {len(wheels)} distributions are ready as {VERSION}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
