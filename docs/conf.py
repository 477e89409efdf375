"""Settings of the documentation; `nox -s docs` builds it."""

from __future__ import annotations

from pathlib import Path

project = "flarchitect"
author = "flarchitect contributors"
project_copyright = "2026, flarchitect contributors"
release = (Path(__file__).parents[1] / "VERSION").read_text(encoding="utf-8").strip()
version = release

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"flarchitect {release}"
# Readers without a network see the same pages: only the system's fonts, nothing from another host.
html_theme_options = {
    "light_css_variables": {
        "font-stack": "system-ui, sans-serif",
        "font-stack--monospace": "ui-monospace, monospace",
    },
}
html_copy_source = False
html_show_sourcelink = False
