"""Tags and their groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flarchitect_core import options as core
from flarchitect_docs.document.texts import docstring_of

if TYPE_CHECKING:
    from flarchitect_core.catalogue.endpoint import Endpoint
    from flarchitect_core.state import ApplicationState
    from flarchitect_docs.spec import CustomSpec

__all__ = ["Tags"]

_OTHER = "Other"


class Tags:
    """The tags that operations were given, for the root of the document."""

    def __init__(self, state: ApplicationState) -> None:
        self._state = state
        self._descriptions: dict[str, str] = {}
        self._groups: dict[str, str | None] = {}

    def of(self, endpoint: Endpoint) -> str:
        """Give the tag of an operation."""
        get = self._state.settings.get
        info = None if endpoint.view is None else endpoint.view.info
        model = endpoint.asked.model if endpoint.relation is None else endpoint.relation.source.model
        tag = endpoint.tag or get(core.TAG, model=model)
        group = info.group_tag if info is not None and info.group_tag else get(core.TAG_GROUP, model=model)
        if endpoint.tag is None and model is not None:
            self._describe(tag, model)
        self._descriptions.setdefault(tag, "")
        self._groups[tag] = self._groups.get(tag) or group
        return tag

    def _describe(self, tag: str, model: type) -> None:
        said = self._state.settings.get(core.DESCRIPTION, model=model)
        is_own = isinstance(said, str) and said != self._state.settings.get(core.DESCRIPTION)
        text = said if is_own else docstring_of(model)
        if text and not self._descriptions.get(tag):
            self._descriptions[tag] = str(text)

    def write(self, spec: CustomSpec) -> None:
        """Put the tags into a document, sorted by group and name, and those without a group into the last one."""
        has_groups = any(self._groups.values())
        groups = {tag: group or (_OTHER if has_groups else None) for tag, group in self._groups.items()}
        for tag in sorted(groups, key=lambda tag: (groups[tag] == _OTHER, groups[tag] or "", tag)):
            text = self._descriptions[tag]
            spec.tag({"name": tag, **({"description": text} if text else {})})
            group = groups[tag]
            if group is not None:
                spec.set_xtags_group(tag, group)
