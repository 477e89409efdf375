"""Releases are made outside of the running application."""

from __future__ import annotations

__all__ = ["bump_version_if_needed"]


def bump_version_if_needed(base: str | None = None, head: str = "HEAD", dry_run: bool = False) -> str:
    """Change nothing: a running application has no version control.

    Raises:
        RuntimeError: Always, with what to do instead.
    """
    raise RuntimeError("An application does not release itself. Bump the version with the tool of your project.")
