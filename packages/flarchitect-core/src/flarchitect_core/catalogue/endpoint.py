"""An endpoint: one method of one URL rule, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from flarchitect_core.access.asked import Asked

if TYPE_CHECKING:
    from flarchitect_core.catalogue.shapes import Answer, Body, Parameter
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.views.managed import ManagedView

__all__ = ["Endpoint", "EndpointDetails", "Kind", "SharedParameters"]

Kind = Literal[
    "list",
    "get",
    "create",
    "replace",
    "update",
    "delete",
    "update_many",
    "delete_many",
    "list_related",
    "get_related",
    "view",
    "operational",
]


@dataclass(frozen=True, slots=True)
class SharedParameters:
    """Parameters that several endpoints have, such as the filters of a resource, of which there are many.

    Attributes:
        key: The same for the same parameters.
        describe: Gives them.
    """

    key: Hashable
    describe: Callable[[], Iterable[Parameter]]


@dataclass(frozen=True, slots=True)
class EndpointDetails:
    """What one endpoint takes and answers.

    Attributes:
        parameters: Query and header parameters, and those of the path that are known better than by their converter.
        shared: Parameters besides, which stand before these.
        body: What its requests carry; `None` for nothing.
        answers: What it answers when it works.
        errors: Statuses of errors that it may answer besides those of who may ask.
        rate: How often it may be called, in words; `None` without a limit.
    """

    parameters: Sequence[Parameter] = ()
    shared: SharedParameters | None = None
    body: Body | None = None
    answers: Sequence[Answer] = ()
    errors: Sequence[int] = ()
    rate: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One method of one URL rule.

    Attributes:
        rule: URL rule as Flask has it, prefix included.
        name: Name of the endpoint in Flask.
        kind: What it does.
        asked: What rules of access see of it.
        details: Gives the rest; called when somebody wants to know.
        resource: What it reads or writes, on relation routes what they lead to.
        relation: Relation that it follows.
        view: The hand-written view behind it.
        summary: What it is called, where that is not told by its kind.
        tag: Group that it belongs to, of an endpoint without resource.
    """

    rule: str
    method: str
    name: str
    kind: Kind
    asked: Asked
    details: Callable[[], EndpointDetails]
    resource: Resource | None = None
    relation: Relation | None = None
    view: ManagedView | None = None
    summary: str | None = None
    tag: str | None = None
