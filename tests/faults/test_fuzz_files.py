"""Two thousand changes of real folders and files: each is taken rightly or refused in one sentence, by every command that reads it.

The changes are those of `scripts/fuzz_files.py`, which looks for new ones; here they are the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from file_faults.mutations import draw
from file_faults.sources import Source, make
from file_faults.verdicts import BAD, judge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Item = TypeVar("Item")
Sources = Callable[[str], list[Source]]
SLOW = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.function_scoped_fixture,
    HealthCheck.large_base_example,
)


class Strategy:
    """Choices that hypothesis makes smaller where one fails."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def pick(self, items: list[Item]) -> Item:
        return items[self.data.draw(st.integers(0, len(items) - 1))]

    def whole(self, low: int, high: int) -> int:
        return int(self.data.draw(st.integers(low, high)))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    made: dict[str, list[Source]] = {}

    def of(kind: str) -> list[Source]:
        if kind not in made:
            made[kind] = make([kind], tmp_path_factory.mktemp(kind))
        return made[kind]

    return of


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changed") / "place"


def hold(data: Any, sources: list[Source], place: Path) -> None:
    choose = Strategy(data)
    source = choose.pick(sources)
    verdict = judge(source, draw(source.files, choose), place)
    assert verdict.outcome not in BAD, str(verdict)


def examples(count: int) -> Callable[[Any], Any]:
    return settings(max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW)


@examples(1250)
@given(data=st.data())
def test_cases(data: Any, sources: Sources, place: Path) -> None:
    hold(data, sources("case"), place)


@examples(430)
@given(data=st.data())
def test_results(data: Any, sources: Sources, place: Path) -> None:
    hold(data, sources("results"), place)


@examples(250)
@given(data=st.data())
def test_files_of_other_tools(data: Any, sources: Sources, place: Path) -> None:
    hold(data, sources("file"), place)


@pytest.mark.parametrize(("kind", "count"), [("store", 25), ("contest", 25), ("solved", 20)])
def test_what_solves(kind: str, count: int, sources: Sources, place: Path) -> None:
    @examples(count)
    @given(data=st.data())
    def each(data: Any) -> None:
        hold(data, sources(kind), place)

    each()
