"""Classes whose attributes come from keyword arguments and the configuration (rest 8.2)."""

from __future__ import annotations

from typing import Any

from flask import Flask

__all__ = ["AttributeInitialiserMixin", "AttributeInitializerMixin"]


class AttributeInitializerMixin:
    """Sets the attributes that the class itself declares: from the keyword argument, else from the configuration.

    The configuration key of `_page_size` is `PAGE_SIZE`. Methods and properties are left alone, and so is a keyword
    argument that names no attribute.

    Args:
        app: Application whose configuration is read.
        attributes: Values by the names of the attributes.
    """

    def __init__(self, app: Flask, **attributes: Any) -> None:
        for name in _declared(type(self)):
            key = name.lstrip("_").upper()
            if name in attributes:
                setattr(self, name, attributes[name])
            elif key in app.config:
                setattr(self, name, app.config[key])


class AttributeInitialiserMixin(AttributeInitializerMixin):
    """The same."""


def _declared(kind: type) -> list[str]:
    members = vars(kind)
    names = [*members.get("__annotations__", ()), *members]
    return [name for name in dict.fromkeys(names) if not name.startswith("__") and not _is_behaviour(members.get(name))]


def _is_behaviour(member: object) -> bool:
    return callable(member) or hasattr(member, "__get__")
