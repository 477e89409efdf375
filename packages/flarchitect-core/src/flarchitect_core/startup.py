"""What was found while the application started: problems that stop it, and notices that only inform."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from flarchitect_core.errors import ConfigurationError

__all__ = ["StartupReport"]

logger = logging.getLogger("flarchitect.startup")


@dataclass(slots=True)
class StartupReport:
    """Collects every mistake, so that a user mends all of them after one start (decisions 13)."""

    problems: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def problem(self, sentence: str) -> None:
        """Add a mistake that stops the application: what, where, why, and the fix."""
        if sentence not in self.problems:
            self.problems.append(sentence)

    def problems_from(self, sentences: Iterable[str]) -> None:
        """Add several mistakes."""
        for sentence in sentences:
            self.problem(sentence)

    def notice(self, sentence: str) -> None:
        """Add something the user should know that stops nothing."""
        if sentence not in self.notices:
            self.notices.append(sentence)

    def raise_if_any(self) -> None:
        """Stop the application when there is a problem.

        Raises:
            ConfigurationError: With every problem collected so far.
        """
        if self.problems:
            raise ConfigurationError(self.problems)

    def log_notices(self) -> None:
        """Write every notice once, as a warning."""
        for sentence in self.notices:
            logger.warning(sentence)
