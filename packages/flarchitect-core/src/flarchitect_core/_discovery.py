"""Finding the installed parts."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, entry_points, version

from flarchitect_core.part import Part
from flarchitect_core.startup import StartupReport

ENTRY_POINT_GROUP = "flarchitect.parts"


def installed_parts(report: StartupReport) -> list[Part]:
    """Load every part that is announced by an installed distribution, in the order in which they act.

    A part that cannot be imported, that is no `Part`, or that has another version than core is a problem, never
    left out in silence.
    """
    found: list[Part] = []
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            loaded = entry_point.load()
        except Exception as error:  # noqa: BLE001 - whatever an import raises must be told, not lost
            report.problem(f"The part {entry_point.name!r} ({entry_point.value}) cannot be loaded: {error}")
            continue
        if not (isinstance(loaded, type) and issubclass(loaded, Part)):
            report.problem(f"The part {entry_point.name!r} ({entry_point.value}) is not a subclass of Part.")
            continue
        part = loaded()
        _check_version(report, part)
        found.append(part)
    return ordered(found)


def ordered(parts: list[Part]) -> list[Part]:
    """Sort parts by `order`, then `name`."""
    return sorted(parts, key=lambda part: (part.order, part.name))


def _check_version(report: StartupReport, part: Part) -> None:
    ours, theirs = _version_of("flarchitect-core"), _version_of(part.distribution)
    if None not in (ours, theirs) and ours != theirs:
        report.problem(
            f"{part.distribution} is version {theirs} and flarchitect-core is version {ours}; all parts must have one "
            f"version. Run `pip install {part.distribution}=={ours}`."
        )


def _version_of(distribution: str) -> str | None:
    # None when run from a source tree without installed metadata: there is then nothing to compare.
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
