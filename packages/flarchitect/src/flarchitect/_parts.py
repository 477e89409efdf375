"""Names of parts that are imported when somebody asks for them, and what is said where the part is not installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

__all__ = ["lazily", "missing_part"]


def missing_part(module: str, distribution: str) -> ImportError:
    """Make the error of a module of a part that is not there."""
    return ImportError(
        f"{module} belongs to {distribution}, which is not installed. Run `pip install {distribution}`.", name=module
    )


def lazily(module: str, sources: Mapping[str, str], distribution: str) -> Callable[[str], object]:
    """Make the `__getattr__` of a module whose names cost an import that most programs do not need.

    Args:
        module: Name of the module.
        sources: Each of its names, to the module of the part that has it.
        distribution: What to install.
    """

    def find(name: str) -> object:
        if name not in sources:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        try:
            found = import_module(sources[name])
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != distribution.replace("-", "_"):
                raise
            raise missing_part(f"{module}.{name}", distribution) from error
        return getattr(found, name)

    return find
