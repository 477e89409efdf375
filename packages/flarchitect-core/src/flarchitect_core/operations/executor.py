"""Running the statements of one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from flarchitect_core import options
from flarchitect_core.operations.failures import read_failure

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState

__all__ = ["SessionExecutor"]


class SessionExecutor:
    """Runs selects in the sessions of the current request.

    Args:
        root: URL root of the request without trailing slash (`SCRIPT_NAME`), so that links work below any mount.
    """

    __slots__ = ("_state", "root")

    def __init__(self, state: ApplicationState, root: str = "") -> None:
        self._state = state
        self.root = root

    def inline_rows_max(self, model: type) -> int:
        """Give `API_INLINE_ROWS_MAX` of a model."""
        return self._state.settings.get(options.INLINE_ROWS_MAX, model=model)

    def execute(
        self, model: type, statement: sa.Select[Any], parameters: Mapping[str, Any], *, instances: bool = False
    ) -> Sequence[Any]:
        """Run a select and give all rows.

        Args:
            instances: Whether the select gives instances, which only a session makes.

        Raises:
            ApiError: What the failure means for the caller. The session is rolled back and can be used again.
        """
        try:
            return self._state.database.read(model, statement, parameters, instances=instances)
        except (SQLAlchemyError, OverflowError) as error:
            raise read_failure(error, model, parameters) from error
