"""Words of answers: every one has its sentence, equals its text wherever it goes, and is read from what older versions wrote."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pandas as pd
import pytest

import bilevel
from bilevel.front.store import Store
from bilevel.front.tasks import Task, TaskResult
from bilevel.solvers import SOLVERS, Feature
from bilevel.status import SolverStatus, Status, Word

DOCS = Path(__file__).parents[2] / "docs"

WORDS = [Status, SolverStatus, Feature]
MEMBERS = [member for kind in WORDS for member in kind]
OLD = [
    (Status, "unattained", "not_attained"),
    (SolverStatus, "limit", "time_limit"),
    (SolverStatus, "unclear", "infeasible_or_unbounded"),
    (SolverStatus, "failed", "numerical_error"),
]


@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_every_word_has_a_sentence_of_its_own(member: Word) -> None:
    others = [other.sentence for other in type(member) if other is not member]
    assert len(member.sentence.split()) > 5 and member.sentence not in others
    assert member.sentence[0].islower() and not member.sentence.endswith("."), "sentences join others"


@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_a_word_is_its_text_wherever_it_goes(member: Word) -> None:
    text = member.value
    assert member == text and {text: 1}[member] == 1 and member in (text,)
    assert str(member) == f"{member}" == text and repr(member) == repr(text) and f"{member:>30}" == f"{text:>30}"
    assert json.loads(json.dumps({"status": member})) == {"status": text}
    assert pickle.loads(pickle.dumps(member)) is member and copy.deepcopy(member) is member
    frame = pd.DataFrame({"status": [member, "other"]})
    assert (frame["status"] == text).tolist() == [True, False]
    assert frame.to_csv(index=False).splitlines() == ["status", text, "other"]


@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_a_word_is_read_from_its_text(member: Word) -> None:
    assert type(member).read(member.value) is member


@pytest.mark.parametrize(("kind", "old", "word"), OLD)
def test_words_of_older_versions_are_read(kind: type[Word], old: str, word: str) -> None:
    assert kind.read(old) == word and old not in list(kind)


@pytest.mark.parametrize("kind", WORDS)
def test_any_other_word_is_refused_with_those_known(kind: type[Word]) -> None:
    with pytest.raises(ValueError, match=f"'Certified' is no {kind.__name__}: one of {next(iter(kind))}, "):
        kind.read("Certified")


def test_a_journal_gives_its_verdicts_back(tmp_path: Path) -> None:
    written: dict[Task, Status | str] = {Task(0.0, 1.0): Status.INFEASIBLE, Task(1.0, 0.0): ""}
    store = Store(tmp_path, {})
    for task, verdict in written.items():
        store.add(task, TaskResult(1.0, None, None, verdict, 0.0, False))
    again = Store(tmp_path, {})
    assert all(again[task].verdict == verdict for task, verdict in written.items())
    assert isinstance(again[Task(0.0, 1.0)].verdict, Status)


@pytest.mark.parametrize("page", ["reading-a-certificate.md", "proven.md", "model.md"])
def test_pages_name_every_status_that_has_a_point(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert all(f"`{status}`" in text for status in bilevel.solution.VALID)
    assert "`unattained`" not in text


def test_the_page_on_certificates_names_every_status() -> None:
    text = (DOCS / "reading-a-certificate.md").read_text(encoding="utf-8")
    assert all(f"`{status}`" in text for status in Status)
    assert bilevel.Status is Status


def test_solvers_say_what_they_have_in_features() -> None:
    assert all(isinstance(feature, Feature) for solver in SOLVERS.values() for feature in solver.features)
    assert set().union(*(solver.features for solver in SOLVERS.values())) == set(Feature)
