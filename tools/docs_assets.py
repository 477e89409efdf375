"""Fetch the scripts and styles of the documentation pages from npm, as they are published, and write their manifest.

    python tools/docs_assets.py            download the pinned versions with `npm pack` and write them
    python tools/docs_assets.py --check    compare what is committed with its manifest and the pins below; no network

The files are stored compressed: that is how nearly every browser wants them, and a third of the size. `manifest.json`
has the hash of each uncompressed file, which pages give to browsers (Subresource Integrity): `integrity` of what is
stored, `published` of what npm has, which is another one where a file would ask a foreign host by itself.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path("packages", "flarchitect-docs", "src", "flarchitect_docs", "static", "vendor")
MANIFEST = "manifest.json"

# The package on npm says "MIT" and brings no text; this is the one of its repository.
_SCALAR_LICENCE = """\
MIT License

Copyright (c) 2023-present Scalar

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One package on npm, and what of it is kept.

    Attributes:
        integrity: Hash of its archive, as the registry tells it.
        files: Path in the package to the name here.
        licences: The same of its licence texts.
        licence_text: Licence of a package that brings none.
        replacements: Text that is replaced in its files, and by what; all of it must be there.
    """

    name: str
    version: str
    integrity: str
    licence: str
    files: Mapping[str, str]
    licences: Mapping[str, str]
    licence_text: str = ""
    replacements: Mapping[str, str] = field(default_factory=dict)


# Redoc names its makers by a picture of their host; ours is the same word in the page itself, for both colour schemes.
_REDOCLY = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='44' height='12'%3E%3Ctext y='10' "
    "font-family='sans-serif' font-size='10' font-weight='600' fill='%235b7cff'%3ERedocly%3C/text%3E%3C/svg%3E"
)

PACKAGES = (
    Package(
        "redoc",
        "3.0.1",
        "sha512-KDfoKaYW19LCl4YStgBnwlaNjYEFfs5zCNt1s1WZ2YM5u8d26Yuzd2l43fZO851ZsgIMe/D640fDJkD8eaRQKQ==",
        "MIT",
        {"bundles/redoc.standalone.js": "redoc.standalone.js"},
        {"LICENSE": "redoc.LICENSE.txt"},
        replacements={
            "https://cdn.redoc.ly/redoc/logo-mini-full.svg": _REDOCLY,
            "https://cdn.redoc.ly/redoc/logo-mini.svg": _REDOCLY,
        },
    ),
    Package(
        "swagger-ui-dist",
        "5.35.0",
        "sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
        "Apache-2.0",
        {"swagger-ui-bundle.js": "swagger-ui-bundle.js", "swagger-ui.css": "swagger-ui.css"},
        {
            "LICENSE": "swagger-ui.LICENSE.txt",
            "NOTICE": "swagger-ui.NOTICE.txt",
            "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
        },
    ),
    Package(
        "@scalar/api-reference",
        "1.76.0",
        "sha512-pjqwnzmA9YK3ZX+IZSICMsywm4qI6HLSngR2py9H6TvFApHHuJjkTAd+gFJfnqJDzJuro8k7ji6JCtJ2U+Byng==",
        "MIT",
        {"dist/browser/standalone.js": "scalar.standalone.js"},
        {},
        licence_text=_SCALAR_LICENCE,
    ),
)


class AssetError(Exception):
    """What npm gave is not what is pinned; the message says what."""


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Write or check the files and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare and change nothing")
    folder = root / FOLDER
    if parser.parse_args(arguments).check:
        found = list(problems(folder))
        print("\n".join(found) or f"docs_assets: {len(_read_manifest(folder))} files are as pinned")
        return 1 if found else 0
    try:
        write(folder)
    except AssetError as error:
        print(f"docs_assets: {error}", file=sys.stderr)
        return 1
    return 0


def write(folder: Path) -> None:
    """Download everything and write it.

    Raises:
        AssetError: An archive is another one than the pinned one, or lacks a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest: dict[str, Any] = {}
    kept: dict[str, bytes] = {}
    for package in PACKAGES:
        archive = _archive(package)
        for path, name in package.files.items():
            published = _member(archive, path, package)
            content = _replaced(published, package)
            # No time in it, so that the same content gives the same file.
            kept[f"{name}.gz"] = gzip.compress(content, 9, mtime=0)
            manifest[name] = {
                "package": package.name,
                "version": package.version,
                "path": path,
                "licence": package.licence,
                "bytes": len(content),
                "integrity": _integrity(content, "sha384"),
                "published": _integrity(published, "sha384"),
            }
        for path, name in package.licences.items():
            kept[name] = _member(archive, path, package)
        if package.licence_text:
            kept[f"{package.name.strip('@').partition('/')[0]}.LICENSE.txt"] = package.licence_text.encode()
    for old in folder.iterdir():
        old.unlink()
    for name, content in kept.items():
        (folder / name).write_bytes(content)
        print(f"{name}: {len(content)} bytes")
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def problems(folder: Path) -> Iterator[str]:
    """Say what is missing, what is too much, and what is another content than the manifest says."""
    manifest = _read_manifest(folder)
    pinned = {name: package for package in PACKAGES for name in package.files.values()}
    for name in sorted(manifest.keys() ^ pinned.keys()):
        yield f"{name} is {'not pinned' if name in manifest else 'not in the manifest'}"
    for name, package in pinned.items():
        entry = manifest.get(name, {})
        if entry.get("version") != package.version:
            yield f"{name} is of {entry.get('version')}, {package.version} is pinned; run tools/docs_assets.py"
        try:
            content = gzip.decompress((folder / f"{name}.gz").read_bytes())
        except OSError as error:
            yield f"{name}.gz cannot be read: {error.__class__.__name__}"
            continue
        if _integrity(content, "sha384") != entry.get("integrity"):
            yield f"{name}.gz has another content than the manifest says"
    expected = {MANIFEST, *(f"{name}.gz" for name in pinned), *_licence_names()}
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in sorted(expected ^ present):
        yield f"{name} is {'missing' if name in expected else 'not needed'}"


def _licence_names() -> Iterator[str]:
    for package in PACKAGES:
        yield from package.licences.values()
        if package.licence_text:
            yield f"{package.name.strip('@').partition('/')[0]}.LICENSE.txt"


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _archive(package: Package) -> dict[str, bytes]:
    """Download a package and give its files by path."""
    with tempfile.TemporaryDirectory(prefix="flarchitect-assets-") as folder:
        subject = f"{package.name}@{package.version}"
        subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder, subject], check=True)
        (path,) = Path(folder).glob("*.tgz")
        content = path.read_bytes()
    if _integrity(content, "sha512") != package.integrity:
        raise AssetError(f"the archive of {subject} is not the pinned one")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = ((member, archive.extractfile(member)) for member in archive if member.isfile())
        return {member.name.removeprefix("package/"): file.read() for member, file in members if file is not None}


def _member(archive: Mapping[str, bytes], path: str, package: Package) -> bytes:
    if path not in archive:
        raise AssetError(f"{package.name} {package.version} has no {path}")
    return archive[path]


def _replaced(content: bytes, package: Package) -> bytes:
    for old, new in package.replacements.items():
        if old.encode() not in content:
            raise AssetError(f"{package.name} {package.version} does not contain {old}")
        content = content.replace(old.encode(), new.encode())
    return content


def _integrity(content: bytes, algorithm: str) -> str:
    digest = hashlib.new(algorithm, content).digest()
    return f"{algorithm}-{base64.b64encode(digest).decode()}"


if __name__ == "__main__":
    sys.exit(main())
