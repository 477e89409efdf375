"""What must never come back, and what was promised, has a test that says so: `@pytest.mark.contract(...)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]

# The defects of contract REST, section 12.
DEFECTS = {f"D{number:02}" for number in range(1, 66)}
# The groups of the acceptance list in its section 13.
GROUPS = {str(number) for number in range(1, 17)}
# Its sections that say what the product does.
SECTIONS = {
    *(f"1.{number}" for number in range(1, 5)),
    *(f"2.{number}" for number in range(1, 8)),
    *(f"3.{number}" for number in range(1, 9)),
    *(f"4.{number}" for number in range(1, 6)),
    *(f"5.{number}" for number in range(1, 9)),
    *("6.1", "6.2", "7.1", "7.2", "7.4", "8.1", "8.2", "8.3", "8.4", "11"),
    *(f"9.{number}" for number in range(1, 6)),
}
# The defects of contract core, section 12, and its sections.
CORE_DEFECTS = {str(number) for number in range(1, 31)}
CORE_SECTIONS = {"1", "2", "3", "4", "5.1", "5.2", "5.3", "6", "7", "8", "9", "10"}

# The sections of contract auth that say what the product does, its acceptance examples, defects and security bar.
AUTH_SECTIONS = {
    *("1", "2", "3", "5", "6", "7", "8", "10", "11", "12", "13", "14"),
    *(f"4.{number}" for number in range(1, 5)),
    *(f"5.{number}" for number in range(1, 7)),
    *(f"9.{number}" for number in range(1, 5)),
    *(f"16.{number}" for number in range(1, 15)),
    *(f"17.{number}" for number in range(1, 35)),
}
AUTH_BAR = {f"S-{number}" for number in range(1, 33)}

# Contract docs: its sections, the acceptance examples, the bar and the defects. D-16 (views for audiences),
# D-24 (AsyncAPI) and D-26 (schemas of other libraries) are not built; `nox -s clients` tests D-21.
DOCS_SECTIONS = {"1", "2", "2.1", "3", *(f"3.{number}" for number in range(2, 10)), "4", "5.1", "5.2", "6"}
DOCS_EXAMPLES = {str(number) for number in range(1, 11)}
DOCS_BAR = {f"D-{number}" for number in range(1, 27)} - {"D-16", "D-21", "D-24", "D-26"}
DOCS_DEFECTS = {str(number) for number in range(1, 30)}


def marks() -> list[str]:
    """List the ids of every `contract` marker in the tests of every distribution."""
    return [mark for path in sorted(CHECKOUT.glob("packages/*/tests/test_*.py")) for mark in marks_of(path)]


def marks_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.contract":
            yield ast.literal_eval(node.args[0])


def found(pattern: str) -> set[str]:
    return {match for mark in marks() for match in re.findall(pattern, mark)}


def missing(wanted: set[str], pattern: str) -> list[str]:
    return sorted(wanted - found(pattern))


def test_every_defect_of_the_rest_contract_has_a_test_by_its_id() -> None:
    assert missing(DEFECTS, r"\bD\d\d\b") == []


def test_every_group_of_the_acceptance_list_has_tests() -> None:
    assert missing(GROUPS, r"\b13 group (\d+)\b") == []


def test_every_section_of_the_rest_contract_has_tests() -> None:
    assert missing(SECTIONS, r"(?:^|\brest[ -]|, )(\d+(?:\.\d)?)\b") == []


def test_every_defect_of_the_core_contract_has_a_test_by_its_number() -> None:
    assert missing(CORE_DEFECTS, r"\bcore 12 (\d+)\b") == []


def test_every_section_of_the_core_contract_has_tests() -> None:
    assert missing(CORE_SECTIONS, r"\bcore[ -](\d+(?:\.\d)?)\b") == []


def test_every_section_defect_and_example_of_the_auth_contract_has_tests() -> None:
    assert missing(AUTH_SECTIONS, r"\bauth[ -](\d+(?:\.\d+)?)\b") == []


def test_every_rule_of_the_security_bar_has_tests() -> None:
    assert missing(AUTH_BAR, r"\bS-\d+\b") == []


def test_every_section_example_and_defect_of_the_docs_contract_has_tests() -> None:
    assert missing(DOCS_SECTIONS, r"\bdocs (\d(?:\.\d)?)$") == []
    assert missing(DOCS_EXAMPLES, r"\bdocs 8\.(\d+)\b") == []
    assert missing(DOCS_BAR, r"\bdocs (D-\d+)\b") == []
    assert missing(DOCS_DEFECTS, r"\bdocs 9 (\d+)\b") == []
