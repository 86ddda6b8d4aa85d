"""What the gallery says of proofs: from files of results, and from a proof that the checker is asked about."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyomo.environ as pyo
import pytest

import bilevel

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import gallery_blocks  # noqa: E402
import make_gallery  # noqa: E402

SAID = "proven: bound {}\nleaves: {}, of which 1 are empty\nassumed: nothing\nproblem: abc\nchecked in {} s\n"
NONE = [{"check": "gap", "detail": "x"}, {"check": "bound proof", "detail": "none: a follower has quadratic rows"}]


def told(results: Path, **said: tuple[float, int, float]) -> Path:
    (results / "verified").mkdir(parents=True)
    for name, words in said.items():
        (results / "verified" / f"{name.replace('_', '-')}.txt").write_text(SAID.format(*words))
    return results


def test_a_proof_is_told_by_leaves_bound_and_seconds(tmp_path: Path) -> None:
    results = told(tmp_path, pricing=(1088.784, 3, 0.25), market=(-2.5, 1, 1.0))
    said = gallery_blocks.proof(results, "pricing", NONE, {"prove": 1.5})
    assert "3 leaves prove 1088.784; making the proof took 1.5 s" in said and "followed it in 0.2 s" in said
    assert "1 leaf proves -2.500" in gallery_blocks.proof(results, "market", NONE, {})
    none = gallery_blocks.proof(results, "x23-weekday_proof", NONE, {})
    assert "says why: a follower has quadratic rows" in none and "proven" not in none


def test_a_front_counts_what_is_proven(tmp_path: Path) -> None:
    results = told(tmp_path, front_point_001=(2.0, 4, 0.5), front_least_limited=(1.0, 1, 0.25))
    (results / "front").mkdir()
    row: dict[str, Any] = dict.fromkeys(gallery_blocks.FRONT, 1.0)
    pd.DataFrame([row, row]).to_csv(results / "front/front.csv", index=False)
    about = {
        "versions": {"python": "3"}, "seconds": {"prove": 3.0}, "points": [{"proven": "checked"}, {"proven": "solver"}],
        "proven": {"least_limited": "checked", "most_maximized": "solver"},
    }  # fmt: skip
    (results / "front/front.json").write_text(json.dumps(about))
    said = " ".join(gallery_blocks.front(results, make_gallery.RUNS).split())
    assert "Of 4 bounds, of points and both ends, 2 are proven, by 2 proofs of 5 leaves." in said
    assert "took 3 s, and `python -m bilevel.verify` followed them in 0.8 s" in said
    (results / "verified/front-point-001.txt").unlink()
    with pytest.raises(ValueError, match="the front has 2 proofs, and 1 files of them were checked"):
        gallery_blocks.front(results, make_gallery.RUNS)


def test_every_proof_of_a_run_is_checked_and_a_wrong_one_ends_the_gallery(tmp_path: Path) -> None:
    """A seller of one hour at a price of at most 3, whose buyer has 2 elsewhere: income 2 at most."""
    model = pyo.ConcreteModel()
    model.price, model.buyer = pyo.Var(bounds=(0, 3)), bilevel.Follower()
    model.buyer.here, model.buyer.there = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(0, 1))
    model.buyer.need = pyo.Constraint(expr=model.buyer.here + model.buyer.there == 1)
    model.buyer.bill = pyo.Objective(expr=model.price * model.buyer.here + 2 * model.buyer.there)
    model.income = pyo.Objective(expr=model.price * model.buyer.here, sense=pyo.maximize)
    proof = bilevel.solve(model, progress=False, proof=True).proof
    assert proof is not None
    for folder in ("proofs/front", "x23"):
        (tmp_path / folder).mkdir(parents=True)
    proof.write(tmp_path / "proofs/pricing.json.gz")
    proof.write(tmp_path / "proofs/front/point-001.json.gz")
    proof.write(tmp_path / "x23/weekday_proof.json.gz")
    make_gallery.verify(tmp_path)
    names = {file.name for file in (tmp_path / "verified").iterdir()}
    assert names == {"pricing.txt", "front-point-001.txt", "x23-weekday_proof.txt"}
    number, leaves, seconds, (bound,) = gallery_blocks.verified(tmp_path, "pricing")
    assert number == 1 and leaves == proof.leaves and seconds >= 0
    assert float(bound) == pytest.approx(2, abs=1e-3) and float(bound) >= 2
    wrong = {**proof.content, "bound": 0.5 + proof.content["bound"]}
    (tmp_path / "proofs/wrong.json.gz").write_bytes(gzip.compress(json.dumps(wrong).encode()))
    with pytest.raises(subprocess.CalledProcessError):
        make_gallery.verify(tmp_path)


def test_every_block_of_the_pages_has_a_function() -> None:
    pages = (page.read_text(encoding="utf-8") for page in make_gallery.PAGES.glob("*.md"))
    names = {name for text in pages for _, name, _ in make_gallery.MARKED.findall(text)}
    assert names == set(gallery_blocks.BLOCKS)
