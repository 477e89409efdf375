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

# Pages leave out tags without a group, so they get one: this beside groups of the application, and that where there are
# only the groups of routes that come with the extension.
_OTHER, _RESOURCES = "Other", "Resources"


class Tags:
    """The tags that operations were given, for the root of the document."""

    def __init__(self, state: ApplicationState) -> None:
        self._state = state
        self._descriptions: dict[str, str] = {}
        self._groups: dict[str, str | None] = {}
        self._of_models: set[str] = set()

    def of(self, endpoint: Endpoint) -> str:
        """Give the tag of an operation."""
        get = self._state.settings.get
        info = None if endpoint.view is None else endpoint.view.info
        model = endpoint.asked.model if endpoint.relation is None else endpoint.relation.source.model
        tag = endpoint.tag or get(core.TAG, model=model)
        group = info.group_tag if info is not None and info.group_tag else get(core.TAG_GROUP, model=model)
        # What models share that name no tag is described by none of them.
        if endpoint.tag is None and model is not None and tag != get(core.TAG):
            self._describe(tag, model)
        self._descriptions.setdefault(tag, "")
        self._groups[tag] = self._groups.get(tag) or group
        if model is not None:
            self._of_models.add(tag)
        return tag

    def _describe(self, tag: str, model: type) -> None:
        said = self._state.settings.get(core.DESCRIPTION, model=model)
        is_own = isinstance(said, str) and said != self._state.settings.get(core.DESCRIPTION)
        text = said if is_own else docstring_of(model)
        if text and not self._descriptions.get(tag):
            self._descriptions[tag] = str(text)

    def write(self, spec: CustomSpec) -> None:
        """Put the tags into a document, sorted by group and name: the groups with models first, `Other` last."""
        groups = self._named_groups()
        first = {groups[tag] for tag in self._of_models}
        for tag in sorted(groups, key=lambda tag: (groups[tag] == _OTHER, groups[tag] not in first, groups[tag], tag)):
            text = self._descriptions[tag]
            spec.tag({"name": tag, **({"description": text} if text else {})})
            if groups[tag]:
                spec.set_xtags_group(tag, groups[tag])

    def _named_groups(self) -> dict[str, str]:
        """Give the group of each tag, an empty one where there are none."""
        if not any(self._groups.values()):
            return dict.fromkeys(self._groups, "")
        is_grouped = not self._of_models or any(self._groups[tag] for tag in self._of_models)
        without = _OTHER if is_grouped else _RESOURCES
        return {tag: group or without for tag, group in self._groups.items()}
