"""Where rates are counted, as the options say: in this process, or in a service that several processes share."""

from __future__ import annotations

from flarchitect_core import options
from flarchitect_core.rate_counters import Counter, GuardedCounter, MemoryCounter, OnFailure, SharedCounter
from flarchitect_core.rates import check_storage
from flarchitect_core.settings import Settings
from flarchitect_core.startup import StartupReport

__all__ = ["check_storage_options", "counter_of"]


def check_storage_options(settings: Settings, report: StartupReport) -> None:
    """Report a storage that cannot count; that it does not answer just now is no mistake."""
    uri = settings.get(options.RATE_LIMIT_STORAGE_URI)
    if not uri:
        return
    try:
        if check_storage(uri) != "memory":
            SharedCounter(uri, settings.get(options.RATE_LIMIT_STORAGE_OPTIONS))
    except ValueError as error:
        report.problem(f"API_RATE_LIMIT_STORAGE_URI is no storage of rate limits: {error}.")
    except ImportError as error:
        report.problem(f"API_RATE_LIMIT_STORAGE_URI names a service whose library is missing. {error}")
    except Exception as error:  # noqa: BLE001 - each client library has its own, and its text may repeat a password
        report.problem(
            f"The client of API_RATE_LIMIT_STORAGE_URI refuses it, or API_RATE_LIMIT_STORAGE_OPTIONS "
            f"({type(error).__name__}). Compare both with the documentation of its library."
        )


def counter_of(settings: Settings, on_failure: OnFailure) -> Counter:
    """Make what counts.

    Args:
        on_failure: What happens while the service is away.
    """
    uri = settings.get(options.RATE_LIMIT_STORAGE_URI)
    if not uri or check_storage(uri) == "memory":
        return MemoryCounter()
    shared = SharedCounter(uri, settings.get(options.RATE_LIMIT_STORAGE_OPTIONS))
    return GuardedCounter(shared, on_failure)
