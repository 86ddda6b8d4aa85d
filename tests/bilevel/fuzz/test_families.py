"""Every family of the fuzzer in every solver, and changes of any problem that must not change its value.

`scripts/fuzz.py` runs more of the same; a failure prints the family and the seed that its `--only` repeats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from fuzz_changes import Units, relabelled
from fuzz_families import FAMILIES, Case, build
from fuzz_loose import Changes, loosening, slackening
from fuzz_verdicts import BAD, SOLVERS, Trial, contradicted, judge_case
from fuzz_writing import PLAIN, WRITINGS, Style
from fuzzing import Problem
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

PROBLEMS = 10


@pytest.mark.parametrize("family", FAMILIES)
def test_no_answer_of_a_family_is_wrong(family: str) -> None:
    verdicts = [verdict for seed in range(PROBLEMS) for verdict in judge_case(build(family, seed))]
    bad = [f'--only "{family}:{verdict.seed}": {verdict}' for verdict in verdicts if verdict.verdict in BAD]
    assert not bad, "\n".join(bad)
    counts = Counter(verdict.verdict for verdict in verdicts)
    # More refusals, or more answers that are not certified, would mean that the test has grown hollow
    assert counts["right"] + counts["unrefuted"] >= 0.4 * len(verdicts), (family, counts)


def _loose(p: Problem, rng: np.random.Generator) -> tuple[Problem, Changes, Style]:
    return p, loosening(p, rng), PLAIN


def _one_unit(p: Problem, rng: np.random.Generator) -> tuple[Problem, Changes, Style]:
    """A column, or a row of the leader or of a follower, times 1e-4 to 1e4."""
    scale = float(10.0 ** rng.choice([-4, -3, -2, -1, 1, 2, 3, 4]))
    groups = [np.ones(len(p.c)), np.ones(len(p.d)), np.ones(len(p.low)), *(np.ones(len(f.low)) for f in p.followers)]
    places = [(group, k) for group in groups for k in range(len(group))]
    group, k = places[rng.integers(len(places))]
    group[k] = scale
    units = Units(groups[0], groups[1], groups[2], tuple(groups[3:]), (1.0,) * len(p.followers), 1.0)
    return p, Changes(units=units), PLAIN


def _slack(p: Problem, rng: np.random.Generator) -> tuple[Problem, Changes, Style]:
    return p, slackening(p, rng), PLAIN


def _other_writing(p: Problem, rng: np.random.Generator) -> tuple[Problem, Changes, Style]:
    return p, Changes(), Style(rows=tuple(rng.choice(WRITINGS[1:], 3).tolist()))


def _permuted(p: Problem, rng: np.random.Generator) -> tuple[Problem, Changes, Style]:
    return relabelled(p, rng), Changes(), PLAIN


CHANGES: dict[str, Callable[[Problem, np.random.Generator], tuple[Problem, Changes, Style]]] = {
    "limits loosened": _loose, "one unit changed": _one_unit, "a slack added": _slack, "rows written otherwise": _other_writing,
    "permuted": _permuted,
}  # fmt: skip
OF = ("drawn", "integer revenue", "semidefinite", "shared rows", "duals", "domains")


@pytest.mark.parametrize("change", CHANGES)
@settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 10**6), family=st.sampled_from(OF), solver=st.sampled_from(SOLVERS))
def test_a_change_that_keeps_the_optimum_keeps_the_answer(change: str, seed: int, family: str, solver: str) -> None:
    """The same value before and after, or an answer that is not certified; never another certified value."""
    plain = build(family, seed)
    base, changes, style = CHANGES[change](plain.base, np.random.default_rng([seed, 6]))
    case = Case(family, seed, base, changes, style)
    trials = [
        Trial(plain.base, plain.base, 1.0, PLAIN, seed, family, "before"),
        Trial(base, case.written, changes.factor, style, seed, family, f"{change}: {case.note}"),
    ]
    told = [trial.run(solver, "auto") for trial in trials]
    alone = contradicted([replace(verdict, verdict="unrefuted") for verdict in told])
    assert not [verdict for verdict in told if verdict.verdict in BAD], "\n".join(map(str, told))
    assert not [verdict for verdict in alone if verdict.verdict in BAD], "\n".join(map(str, alone))
