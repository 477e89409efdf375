"""The three pages that can show a document, and what each of them needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["LOGIN", "STYLES", "Style"]


@dataclass(frozen=True, slots=True)
class Style:
    """One of them.

    Attributes:
        template: The page.
        scripts: Files that it runs, in their order.
        stylesheets: Files that it looks by, besides those of every page.
        sources: What its policy allows besides what every page may, by directive.
        cdn_sources: The same, where its files come from a public network.
    """

    template: str
    scripts: tuple[str, ...]
    stylesheets: tuple[str, ...] = ()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cdn_sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


STYLES: Mapping[str, Style] = {
    "redoc": Style(
        "redoc.html",
        ("redoc.standalone.js",),
        # The signs of its code samples are a font within the script.
        sources={"font-src": ("data:",)},
        # The published script names its makers by a picture; in ours the picture is within the script.
        cdn_sources={"img-src": ("https://cdn.redoc.ly",)},
    ),
    "swagger": Style("swagger.html", ("swagger-ui-bundle.js", "docs.js"), ("swagger-ui.css",)),
    "scalar": Style(
        "scalar.html",
        ("docs.js", "scalar.standalone.js"),
        # It measures and places things by style attributes. Style elements need the nonce, as everywhere: docs.js gives
        # it to those that Scalar makes.
        sources={"style-src-attr": ("'unsafe-inline'",)},
    ),
}

LOGIN = Style("login.html", ())
"""The page in front of it."""
