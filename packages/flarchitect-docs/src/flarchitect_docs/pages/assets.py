"""Scripts and styles of the pages: the bundled ones, which need no other host, and where else they may come from."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from flask import Response, abort, url_for

from flarchitect_docs.pages.representation import Representation

__all__ = ["Asset", "Assets", "bundled_assets"]

_CDN = "https://cdn.jsdelivr.net/npm"
_FOR_EVER = f"public, max-age={365 * 24 * 3600}, immutable"
_OWN = ("docs.js", "docs.css")
_MIMETYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Attributes:
        name: As it is called in a folder of these files.
        served_as: Name in URLs of ours; another one for each content, so that browsers may keep it for ever.
        integrity: Hash by which a browser knows it (Subresource Integrity), of ours and of the published file.
        representation: The content.
        cdn_url: Where a public network has the same file; `None` of files of our own.
    """

    name: str
    served_as: str
    integrity: str
    representation: Representation
    cdn_url: str | None


@cache
def bundled_assets() -> Mapping[str, Asset]:
    """Read the files of this distribution, by their names; they never change while a process runs."""
    folder = files("flarchitect_docs") / "static"
    manifest: Mapping[str, Mapping[str, Any]] = json.loads((folder / "vendor" / "manifest.json").read_bytes())
    found = {}
    for name, entry in manifest.items():
        compressed = (folder / "vendor" / f"{name}.gz").read_bytes()
        url = f"{_CDN}/{entry['package']}@{entry['version']}/{entry['path']}"
        found[name] = _asset(name, tuple(dict.fromkeys((entry["integrity"], entry["published"]))), compressed, url)
    for name in _OWN:
        content = (folder / name).read_bytes()
        integrity = f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"
        found[name] = _asset(name, (integrity,), gzip.compress(content, 9, mtime=0), None)
    return found


def _asset(name: str, hashes: Sequence[str], compressed: bytes, cdn_url: str | None) -> Asset:
    stem, _, suffix = name.rpartition(".")
    # 48 bits of the hash are enough to tell one release from another.
    digest = base64.b64decode(hashes[0].partition("-")[2])[:6].hex()
    representation = Representation(digest, _MIMETYPES[suffix], compressed=compressed)
    return Asset(name, f"{stem}-{digest}.{suffix}", " ".join(hashes), representation, cdn_url)


class Assets:
    """The files as `API_DOCS_ASSETS` says: ours, those of a public network, or those of a folder somewhere.

    Args:
        source: `bundled`, `cdn`, or the URL of a folder.
        endpoint: Endpoint of `serve`.
    """

    def __init__(self, source: str, endpoint: str) -> None:
        self._source = source
        self._endpoint = endpoint
        self._by_name = bundled_assets()
        self._by_url = {asset.served_as: asset for asset in self._by_name.values()}

    @property
    def come_from_cdn(self) -> bool:
        """Whether a public network gives them."""
        return self._source == "cdn"

    def serve(self, name: str) -> Response:
        """Answer a request for one of our files; they tell nothing of the application, and are open to all."""
        asset = self._by_url.get(name)
        if asset is None:
            abort(404)
        return asset.representation.answer(cache_control=_FOR_EVER)

    def integrity(self, name: str) -> str:
        """Give the hash of a file."""
        return self._by_name[name].integrity

    def url(self, name: str) -> str:
        """Give the URL of a file, on our host or elsewhere."""
        elsewhere = self._elsewhere(name)
        return url_for(self._endpoint, name=self._by_name[name].served_as) if elsewhere is None else elsewhere

    def sources(self, names: Iterable[str]) -> tuple[str, ...]:
        """List where files come from besides our own host, for a policy: folders, not whole hosts."""
        elsewhere = (self._elsewhere(name) for name in names)
        folders = (f"{url.rpartition('/')[0]}/" for url in elsewhere if url is not None and urlsplit(url).netloc)
        return tuple(dict.fromkeys(folders))

    def _elsewhere(self, name: str) -> str | None:
        asset = self._by_name[name]
        if self._source == "bundled" or asset.cdn_url is None:
            return None
        return asset.cdn_url if self._source == "cdn" else f"{self._source.rstrip('/')}/{name}"
