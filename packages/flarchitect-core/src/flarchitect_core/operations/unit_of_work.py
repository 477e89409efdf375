"""The transaction of a request that writes.

The caller renders its answer within it, so that nothing can fail after the commit (decisions 21).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from flarchitect_core.operations.failures import write_failure
from flarchitect_core.releasing import roll_back

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.state import ApplicationState

__all__ = ["unit_of_work"]


@contextmanager
def unit_of_work(state: ApplicationState, resource: Resource, *, deleting: bool = False) -> Iterator[Session]:
    """Run a block as one transaction: commit at its end, or roll everything back on any failure.

    Raises:
        ApiError: What a failure of the database means for the caller.
    """
    try:
        session = state.database.session(resource.model)
    except SQLAlchemyError as error:
        raise write_failure(error, resource) from error
    try:
        yield session
        session.commit()
    except (SQLAlchemyError, OverflowError) as error:
        roll_back(session)
        raise write_failure(error, resource, deleting=deleting) from error
    except BaseException:
        roll_back(session)
        raise
