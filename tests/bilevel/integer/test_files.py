"""MPS and AUX files of integer followers: written and read again, and interdiction problems in short."""

import gzip
import itertools
from pathlib import Path
from typing import Any

import integer_problems
import pytest

import bilevel
from bilevel.errors import ModelError

ITEMS = ((9, 5, 3), (7, 4, 2), (6, 4, 3), (5, 3, 2), (4, 2, 1))
"""Worth, weight and what taking away costs."""

SHORT = "\n".join([
    "NAME knapsack", "ROWS", " N worth", " L room", "COLUMNS", " M 'MARKER' 'INTORG'",
    *(f" item{j} worth {-worth} room {weight}" for j, (worth, weight, _) in enumerate(ITEMS)),
    " M 'MARKER' 'INTEND'", "RHS", " b room 9", "BOUNDS", *(f" UP b item{j} 1" for j in range(len(ITEMS))), "ENDATA", "",
])  # fmt: skip


def aux(budget: str = "IB 4", costs: int = len(ITEMS), first: int = len(ITEMS), row: int = 1) -> str:
    n = len(ITEMS)
    return "\n".join([
        f"N {n}", f"M {n + 1}", *(f"LC {first + j}" for j in range(n)), *(f"LR {row + k}" for k in range(n + 1)),
        *(f"LO {-worth}" for worth, _, _ in ITEMS), "OS 1", *(f"IC {cost}" for _, _, cost in ITEMS[:costs]), budget, "",
    ])  # fmt: skip


def read(folder: Path, text: str, mps: str = SHORT) -> Any:
    (folder / "p.mps").write_text(mps)
    (folder / "p.aux").write_text(text)
    return bilevel.read_mps(folder / "p.mps", folder / "p.aux")


def test_an_interdiction_problem_in_short(tmp_path: Path) -> None:
    worth = {
        taken: max(
            sum(ITEMS[j][0] for j in picked)
            for n in range(6)
            for picked in itertools.combinations(sorted(set(range(5)) - set(taken)), n)
            if sum(ITEMS[j][1] for j in picked) <= 9
        )
        for n in range(6)
        for taken in itertools.combinations(range(5), n)
        if sum(ITEMS[j][2] for j in taken) <= 4
    }
    model = read(tmp_path, aux())
    solution = bilevel.solve(model, progress=False)
    assert (solution.status, solution.objective) == ("certified", pytest.approx(min(worth.values())))
    taken = tuple(j for j in range(5) if model.column[f"interdict_item{j}"].value > 0.5)
    assert worth[taken] == min(worth.values())
    # Written out it is an ordinary problem
    bilevel.write_mps(model, tmp_path / "out.mps", tmp_path / "out.aux")
    again = bilevel.solve(bilevel.read_mps(tmp_path / "out.mps", tmp_path / "out.aux"), progress=False)
    assert again.objective == pytest.approx(solution.objective)


REFUSED = {
    "no budget": (aux(budget=""), "has IC and no IB"),
    "no costs": (aux(costs=0), "has IB and no IC"),
    "a cost too few": (aux(costs=4), "4 costs IC are given for 5 columns"),
    "a budget twice": (aux(budget="IB 4\nIB 5"), "line 26: IB 5 is a second budget"),
    "columns of the MPS file": (aux(first=0), "the LC have to be 5 to 9"),
    "rows of the MPS file": (aux(row=0), "the LR have to be 1 to 6"),
    "no number": (aux(budget="IB four"), "'four' is not a finite number"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_interdiction_problem(what: str, tmp_path: Path) -> None:
    text, words = REFUSED[what]
    with pytest.raises(ModelError, match=words):
        read(tmp_path, text)


def test_an_item_without_an_end(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'item0' goes from 0 to inf"):
        read(tmp_path, aux(), SHORT.replace(" UP b item0 1", " PL b item0"))


SIMPLE = [
    seed
    for seed in range(400, 480)
    if len((p := integer_problems.draw(seed)).followers) == 1 and not p.R.any() and not p.followers[0].C.any()
][:12]


@pytest.mark.parametrize("seed", SIMPLE)
def test_round_trip(seed: int, tmp_path: Path) -> None:
    """Senses, bounds below zero, free columns and packing: the optimum is that of enumeration every time."""
    p = integer_problems.draw(seed)
    model, known = integer_problems.to_pyomo(p), integer_problems.optimum(p)
    form = "index" if seed % 2 else "name"
    bilevel.write_mps(model, tmp_path / "p.mps", tmp_path / "p.aux", form=form)
    packed = tmp_path / "q.mps.gz"
    packed.write_bytes(gzip.compress((tmp_path / "p.mps").read_bytes()))
    solution = bilevel.solve(bilevel.read_mps(packed, tmp_path / "p.aux"), progress=False, gap=1e-5, time_limit=60)
    assert solution.status == ("certified" if known < float("inf") else "infeasible")
    if solution.status == "certified":
        assert (-1 if p.maximises else 1) * solution.objective == pytest.approx(known, rel=1e-4, abs=1e-4)


READS = {
    "UI 1e30 is no bound": (" UI b Y 1e30", (0, None)),
    "LI and UI": (" LI b Y -2\n UI b Y 3", (-2, 3)),
    "a negative lower bound": (" LO b Y -4\n UP b Y 5", (-4, 5)),
    "free": (" FR b Y", (None, None)),
    "binary": (" BV b Y", (0, 1)),
}


@pytest.mark.parametrize("what", READS)
def test_bounds_of_whole_columns(what: str, tmp_path: Path) -> None:
    text, ends = READS[what]
    mps = f"""NAME p
ROWS
 N o
 L r
COLUMNS
 X o 1 r 1
 M 'MARKER' 'INTORG'
 Y o -1 r 2
 M 'MARKER' 'INTEND'
RHS
 b r 7
RANGES
 b r 12
BOUNDS
 UP b X 3
{text}
ENDATA
"""
    model = read(tmp_path, "N 1\nM 1\nLC 1\nLR 0\nLO 1\nOS -1\n", mps)
    column = model.follower.column["Y"]
    assert column.is_integer() or column.is_binary()
    assert column.bounds == ends
    assert (model.follower.row["r"].lower, model.follower.row["r"].upper) == (-5, 7)
    assert not model.follower.objective.is_minimizing()
