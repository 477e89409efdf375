"""Did you mean: the nearest valid names."""

from __future__ import annotations

import time

from flarchitect_core.suggestions import nearest


def test_the_nearest_name_comes_first():
    assert nearest("titel", ["year", "tile", "title"])[0] == "title"


def test_case_does_not_matter_and_the_candidate_keeps_its_spelling():
    assert nearest("api_titel", ["API_TITLE"]) == ["API_TITLE"]


def test_candidates_that_differ_in_case_only_are_both_listed():
    assert nearest("name", ["Name", "name"]) == ["Name", "name"]


def test_a_candidate_given_twice_is_listed_once():
    assert nearest("nam", iter(["name", "name"])) == ["name"]


def test_nothing_is_listed_when_nothing_is_near():
    assert nearest("zzz", ["title", "year"]) == []


def test_an_empty_name_has_no_neighbours():
    assert nearest("", ["", "a"]) == []


def test_the_limit_is_kept_when_many_are_near():
    candidates = [f"name{number}" for number in range(9)]
    assert len(nearest("name", candidates)) == 3
    assert len(nearest("name", candidates, limit=1)) == 1
    assert nearest("name", candidates, limit=0) == []


def test_a_name_too_long_to_be_a_typo_costs_nothing():
    started = time.perf_counter()
    assert nearest("x" * 100_000, ["x" * 99_999] * 10) == []
    assert time.perf_counter() - started < 0.5


def test_the_order_does_not_depend_on_the_order_of_the_candidates():
    assert nearest("nam", ["name", "Name"]) == nearest("nam", ["Name", "name"])
    assert nearest("nam", ["game", "name", "fame"]) == nearest("nam", ["fame", "name", "game"])
