"""What is said when a module is imported whose part is not installed."""

from __future__ import annotations

__all__ = ["missing_part"]


def missing_part(module: str, distribution: str) -> ImportError:
    """Make the error of a module of a part that is not there."""
    return ImportError(
        f"{module} belongs to {distribution}, which is not installed. Run `pip install {distribution}`.", name=module
    )
