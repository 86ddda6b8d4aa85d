"""The checker of proofs: what holds passes, and every way to cheat it is refused with a reason."""

import copy
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from proof_problems import random_model

import bilevel
from bilevel import verify
from bilevel.certify.proof.checker import ProofTree, check, fingerprint
from bilevel.certify.proof.conditions import Conditions
from bilevel.certify.proof.log import Proof
from bilevel.certify.proof.reading import RefusedError
from bilevel.errors import BilevelError


def least_above() -> pyo.ConcreteModel:
    """max y - x / 10 where the follower takes the least y >= 1 - x and y >= x - 1, with x in 0..3: y = 2 at x = 3, 1.7."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 3))
    model.f = bilevel.Follower()
    model.f.y = pyo.Var(bounds=(0, 10))
    model.f.rows = pyo.ConstraintList()
    model.f.rows.add(model.f.y >= 1 - model.x)
    model.f.rows.add(model.f.y >= model.x - 1)
    model.f.cost = pyo.Objective(expr=model.f.y)
    model.gain = pyo.Objective(expr=model.f.y - model.x / 10, sense=pyo.maximize)
    return model


def cone() -> pyo.ConcreteModel:
    """min t - y over x^2 + y^2 <= t^2 with the follower's y = x / 2 and x in 1..2: (sqrt(5) - 1) / 2 at x = 1."""
    model = pyo.ConcreteModel()
    model.x, model.t = pyo.Var(bounds=(1, 2)), pyo.Var(bounds=(0, 9))
    model.f = bilevel.Follower()
    model.f.y = pyo.Var(bounds=(0, 5))
    model.f.row = pyo.Constraint(expr=model.f.y >= model.x / 2)
    model.f.cost = pyo.Objective(expr=model.f.y)
    model.cone = pyo.Constraint(expr=model.x**2 + model.f.y**2 <= model.t**2)
    model.cost = pyo.Objective(expr=model.t - model.f.y)
    return model


def curved() -> pyo.ConcreteModel:
    """The leader earns x y + w z from a follower that gains 3 y + 3 z - y^2 - y z - z^2: 1.5 at x = w = 1.5."""
    model = pyo.ConcreteModel()
    model.x, model.w = pyo.Var(bounds=(0, 9)), pyo.Var(bounds=(0, 9))
    model.f = bilevel.Follower()
    model.f.y, model.f.z = pyo.Var(bounds=(0, 5)), pyo.Var(bounds=(0, 5))
    bill = model.x * model.f.y + model.w * model.f.z
    model.f.cost = pyo.Objective(
        expr=bill + model.f.y**2 + model.f.y * model.f.z + model.f.z**2 - 3 * model.f.y - 3 * model.f.z
    )
    model.gain = pyo.Objective(expr=bill, sense=pyo.maximize)
    return model


def generator() -> pyo.ConcreteModel:
    """Sells at the price of its bus, where others ask 10 for up to 6 of a demand of 8, then 40: 2 at 40, not 5 at 10."""
    model = pyo.ConcreteModel()
    model.offer, model.bid = pyo.Var(bounds=(0, 5)), pyo.Var(bounds=(0, 60))
    model.f = bilevel.Follower()
    model.f.own, model.f.cheap, model.f.dear = pyo.Var(bounds=(0, 5)), pyo.Var(bounds=(0, 6)), pyo.Var(bounds=(0, 9))
    model.f.limit = pyo.Constraint(expr=model.f.own <= model.offer)
    model.f.balance = pyo.Constraint(expr=model.f.own + model.f.cheap + model.f.dear == 8)
    model.f.cost = pyo.Objective(expr=model.bid * model.f.own + 10 * model.f.cheap + 40 * model.f.dear)
    model.gain = pyo.Objective(expr=model.f.dual(model.f.balance) * model.f.own, sense=pyo.maximize)
    return model


def tolls(unit: float = 1.0) -> pyo.ConcreteModel:
    """The leader earns x y from a follower that buys y in 0..1 at x + 1 or something else at 3: 2 at x = 2, in `unit`."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 9 * unit))
    model.f = bilevel.Follower()
    model.f.y, model.f.z = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(0, 1))
    model.f.all = pyo.Constraint(expr=model.f.y + model.f.z == 1)
    model.f.cost = pyo.Objective(expr=(model.x + unit) * model.f.y + 3 * unit * model.f.z)
    model.gain = pyo.Objective(expr=model.x * model.f.y, sense=pyo.maximize)
    return model


def proof_of(model: Any, **options: Any) -> dict[str, Any]:
    found = bilevel.solve(model, gap=1e-6, progress=False, proof=True, **options)
    assert found.proof is not None, found.certificate["bound proof"].detail
    return json.loads(json.dumps(found.proof.content))


@pytest.fixture(scope="module")
def proofs() -> dict[str, dict[str, Any]]:
    return {make.__name__: proof_of(make()) for make in (least_above, cone, tolls, curved, generator)}


OPTIMA = [("least_above", 1.7), ("cone", (np.sqrt(5) - 1) / 2), ("tolls", 2.0), ("curved", 1.5), ("generator", 80.0)]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("name", "optimum"), OPTIMA)
def test_bounds_are_those_of_the_closed_form(
    proofs: dict[str, dict[str, Any]], name: str, optimum: float, exact: bool
) -> None:
    told = check(proofs[name], exact)
    sign = proofs[name]["problem"]["sign"]
    assert told["bound"] == pytest.approx(optimum, rel=1e-6)
    # On the side of a bound, but for what the optimum itself is rounded by
    assert sign * told["bound"] <= sign * optimum + 1e-12


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_units_change_nothing(unit: float) -> None:
    assert check(proof_of(tolls(unit)))["bound"] == pytest.approx(2 * unit, rel=1e-6)


def leaf_of(proof: dict[str, Any]) -> dict[str, Any]:
    return next(node for node in proof["tree"] if "children" not in node and node["dual"])


def parent_of(proof: dict[str, Any]) -> dict[str, Any]:
    return next(node for node in proof["tree"] if "children" in node)


def drop_a_leaf(proof: dict[str, Any]) -> None:
    parent = parent_of(proof)
    parent["children"] = parent["children"][:1]


def one_leaf_twice(proof: dict[str, Any]) -> None:
    parent = parent_of(proof)
    # The side that closes at once stands for both
    parent["children"] = [max(parent["children"])] * 2
    proof["tree"] = [*proof["tree"]]


def flip_signs(proof: dict[str, Any]) -> None:
    for node in proof["tree"]:
        node["dual"] = [[row, -value] for row, value in node.get("dual", [])] if "dual" in node else None
        node.pop("dual") if node["dual"] is None else None


def claim_more(proof: dict[str, Any]) -> None:
    proof["bound"] += 1e-6 * abs(proof["bound"])


def call_it_empty(proof: dict[str, Any]) -> None:
    leaf_of(proof)["empty"] = True


def no_point_at_all(proof: dict[str, Any]) -> None:
    proof["bound"] = None


def a_circle(proof: dict[str, Any]) -> None:
    parent_of(proof)["children"] = [0, 0]


def another_problem(proof: dict[str, Any]) -> None:
    proof["problem"]["upper"][0] = 2.5


def another_cost(proof: dict[str, Any]) -> None:
    """With a new fingerprint: the proof's own multipliers do not go with it."""
    column = next(iter(proof["problem"]["cost"]), "0")
    proof["problem"]["cost"][column] = proof["problem"]["cost"].get(column, 0.0) + 0.01
    proof["problem"]["constant"] -= 0.5
    proof["fingerprint"] = fingerprint(proof["problem"])


def half_an_integer(proof: dict[str, Any]) -> None:
    proof["tree"] = [{"integer": [0, 0.5], "children": [1, 2]}, *({"dual": [], "empty": True} for _ in range(2))]


def a_whole_column_that_is_none(proof: dict[str, Any]) -> None:
    proof["tree"] = [{"integer": [0, 1], "children": [1, 2]}, *({"dual": [], "empty": True} for _ in range(2))]


def a_pair_that_is_none(proof: dict[str, Any]) -> None:
    parent_of(proof)["pair"] = 10_000


def no_number(proof: dict[str, Any]) -> None:
    proof["bound"] = "NaN"


def a_whole_follower(proof: dict[str, Any]) -> None:
    proof["problem"]["integer"] = [proof["problem"]["owner"].index(0)]
    proof["fingerprint"] = fingerprint(proof["problem"])


BRANCHED = (drop_a_leaf, one_leaf_twice, a_circle, a_pair_that_is_none)
EVERY = (
    flip_signs, claim_more, call_it_empty, no_point_at_all, another_problem, another_cost, half_an_integer,
    a_whole_column_that_is_none, no_number, a_whole_follower,
)  # fmt: skip


@pytest.mark.parametrize("attack", [*BRANCHED, *EVERY])
def test_attacks_are_refused_with_a_reason(
    proofs: dict[str, dict[str, Any]], attack: Callable[[dict[str, Any]], None]
) -> None:
    tried = 0
    for name, whole in proofs.items():
        proof = copy.deepcopy(whole)
        if attack in BRANCHED and len(proof["tree"]) == 1:
            continue
        attack(proof)
        with pytest.raises(RefusedError, match=r"\w+ \w+"):
            print(name, check(proof))
        tried += 1
    assert tried


def test_swapped_siblings_are_refused(proofs: dict[str, dict[str, Any]]) -> None:
    """Each side with the other one's multipliers: one at least proves less."""
    proof = copy.deepcopy(proofs["least_above"])
    for node in proof["tree"]:
        if "children" in node:
            node["children"].reverse()
    with pytest.raises(RefusedError):
        check(proof)


@pytest.mark.parametrize(
    ("part", "entry"),
    [
        ("leader_rows", [0, 9, 1.0]), ("follower_rows", [-1, 0, 1.0]), ("follower_rows", [0, -1, 1.0]),
        ("price", [0, 99, 1.0]), ("products", [-2, 0, 1, 1.0]), ("links", [0, 7, 1.0]), ("quadratic", [True, 1, 1.0]),
    ],
)  # fmt: skip
def test_problems_that_speak_of_other_columns_than_their_own_are_refused(
    proofs: dict[str, dict[str, Any]], part: str, entry: list[Any]
) -> None:
    """A column behind the last one would be a multiplier, a negative one some other column."""
    proof = copy.deepcopy(proofs["tolls"])
    told = proof["problem"][part]
    (told["entries"] if isinstance(told, dict) else told).append(entry)
    if part == "leader_rows" and not told["lower"]:
        told["lower"], told["upper"] = [None], [1.0]
    proof["fingerprint"] = fingerprint(proof["problem"])
    with pytest.raises(RefusedError, match=r"no place|entry of columns"):
        check(proof)


@pytest.mark.parametrize("sign", [2, 0, -1.5])
def test_a_sense_that_is_none_is_refused(proofs: dict[str, dict[str, Any]], sign: float) -> None:
    proof = copy.deepcopy(proofs["tolls"])
    proof["problem"]["sign"] = sign
    proof["fingerprint"] = fingerprint(proof["problem"])
    with pytest.raises(RefusedError, match="sign of the objective"):
        check(proof)


@pytest.mark.parametrize("change", ["p", "q", "r"])
def test_a_tangent_off_its_cone_is_refused(proofs: dict[str, dict[str, Any]], change: str) -> None:
    proof = copy.deepcopy(proofs["cone"])
    cone, p, q, r = proof["tangents"][0]
    told = {"p": [cone, [1.001 * v for v in p], q, r], "q": [cone, p, 0.999 * q, r], "r": [cone, p, q, 0.999 * r]}
    proof["tangents"][0] = told[change]
    with pytest.raises(RefusedError, match="tangent does not hold on cone 0"):
        check(proof)


def test_a_product_without_its_identity_is_refused(proofs: dict[str, dict[str, Any]]) -> None:
    proof = copy.deepcopy(proofs["tolls"])
    weights = proof["replacements"]["-1"]
    weights["pairs"] = {k: 0.5 * v for k, v in weights["pairs"].items()}
    with pytest.raises(RefusedError, match=r"product of columns without limits|is claimed|damaged"):
        check(proof)
    proof["replacements"] = {}
    with pytest.raises(RefusedError):
        check(proof)


SQUARES = {
    "of a column that is not there": lambda proof: proof["squares"][0].append([99, 1.0]),
    "of a place from the end": lambda proof: proof["squares"][0].append([-1, 1.0]),
    "of no number": lambda proof: proof["squares"][0].append([0, "1"]),
    "of another form": lambda proof: proof["squares"][0].__setitem__(0, [proof["squares"][0][0][0], 0.5]),
    "of far too many products": lambda proof: (
        proof["squares"].__setitem__(0, [[j % 2, 1.0] for j in range(4)])
        or proof["identities"].extend(
            [{"stationarity": {}, "equalities": {}, "pairs": {}, "squares": {"0": 1.0}}] * 3_000_000
        )
    ),
    "left out": lambda proof: proof.pop("squares"),
    "of another weight": lambda proof: proof["replacements"]["-1"].update(squares={"0": 0.5, "1": 0.5}),
    "that fall": lambda proof: proof["replacements"]["-1"].update(squares={"0": -1.0, "1": -1.0}),
    "off their cone": lambda proof: proof["tangents"].__setitem__(0, [0, [1.0], 0.2, 1.0]),
    "of a cone that is not there": lambda proof: proof["tangents"].__setitem__(0, [7, [1.0], 1.0, 1.0]),
    "of a cone from the end": lambda proof: proof["tangents"].__setitem__(0, [-1, [1.0], 1.0, 1.0]),
}


@pytest.mark.parametrize("change", list(SQUARES))
def test_squares_that_are_not_the_revenues_are_refused(proofs: dict[str, dict[str, Any]], change: str) -> None:
    proof = copy.deepcopy(proofs["curved"])
    SQUARES[change](proof)
    with pytest.raises(RefusedError):
        check(proof)


@pytest.mark.parametrize("link", [[0, 99, -1.0], [0, -1, -1.0], [3, 0, -1.0], [0, 0, float("nan")], [0, 0, -1.001]])
def test_multipliers_that_the_leader_reads_stand_for_themselves_alone(
    proofs: dict[str, dict[str, Any]], link: list[float]
) -> None:
    proof = copy.deepcopy(proofs["generator"])
    told = proof["replacements"]["-1"]["links"]
    told[0] = [link[0], told[0][1] if link[1] == 0 else link[1], link[2] * abs(told[0][2])]
    with pytest.raises(RefusedError):
        check(proof)


@pytest.mark.parametrize("name", ["curved", "generator"])
def test_shaken_proofs_prove_no_more(proofs: dict[str, dict[str, Any]], name: str) -> None:
    """Numbers at random places of all but the problem: what their leaves prove must be a bound still."""
    optimum, passed, rng = dict(OPTIMA)[name], 0, np.random.default_rng(5)
    for _ in range(200):
        proof = copy.deepcopy(proofs[name])
        names = [key for key in proof if key not in ("format", "version", "fingerprint", "problem", "bound")]
        parts = [proof[key] for key in names]
        _shake(parts, rng)
        proof |= dict(zip(names, parts, strict=True))
        try:
            told = ProofTree(Conditions(proof["problem"], proof), proof["tree"])
        except (RefusedError, LookupError, TypeError, ValueError, ArithmeticError):
            continue
        passed += 1
        assert told.bound <= -optimum * (1 - 1e-12)
    assert passed > 20


def test_every_cut_off_or_changed_file_is_refused_or_proves_no_more(
    proofs: dict[str, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps(proofs["least_above"])
    for name, content in (
        ("cut.json", text[: len(text) // 2]),
        ("empty.json", ""),
        ("list.json", "[]"),
        ("deep.json", "[" * 10_000),
    ):
        (tmp_path / name).write_text(content)
        assert verify.main([str(tmp_path / name)]) in (1, 2)
    (tmp_path / "broken.json.gz").write_bytes(gzip.compress(text.encode())[:-20])
    assert verify.main([str(tmp_path / "broken.json.gz")]) == 2
    assert verify.main([str(tmp_path / "none.json")]) == 2
    packed = bytearray(gzip.compress(text.encode()))
    for at in range(12, len(packed) - 8, 97):
        damaged = packed.copy()
        damaged[at] ^= 255
        (tmp_path / "damaged.json.gz").write_bytes(damaged)
        assert verify.main([str(tmp_path / "damaged.json.gz")]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err
    optimum, passed, rng = 1.7, 0, np.random.default_rng(3)
    # Numbers at random places: what their leaves prove must be a bound still
    for _ in range(300):
        proof = copy.deepcopy(proofs["least_above"])
        parts = [proof["tree"], proof["replacements"], proof["identities"], proof["products"], proof["tangents"]]
        _shake(parts, rng)
        proof["tree"] = parts[0]
        try:
            told = ProofTree(Conditions(proof["problem"], proof), proof["tree"])
        except (RefusedError, LookupError, TypeError, ValueError, ArithmeticError):
            continue
        passed += 1
        assert told.bound <= -optimum + 1e-12
    assert passed > 30


def _shake(value: Any, rng: np.random.Generator) -> None:
    """Change one number somewhere within nested lists and dictionaries."""
    while isinstance(value, list | dict) and value:
        key = list(range(len(value)) if isinstance(value, list) else value)[int(rng.integers(len(value)))]
        if isinstance(value[key], int | float) and not isinstance(value[key], bool):
            value[key] = type(value[key])(value[key] + rng.normal() * 10.0 ** rng.integers(-9, 3))
            return
        value = value[key]


@pytest.mark.parametrize("first", range(0, 100, 10))
def test_no_proof_passes_above_the_optimum_of_random_problems(first: int) -> None:
    """The least that leaves prove is compared with enumeration, and a claim a hair above that is refused."""
    checked = 0
    for seed in range(first, first + 10):
        model, optimum = random_model(seed)
        found = bilevel.solve(model, "highs", gap=1e-6, progress=False, proof=True)
        if found.proof is None:
            continue
        proof = dict(found.proof.content)
        proven = ProofTree(Conditions(proof["problem"], proof), proof["tree"]).bound
        checked += 1
        if np.isinf(optimum):
            assert proof["bound"] is None and found.status == "infeasible"
            continue
        assert proven <= optimum + 1e-12 * max(1.0, abs(optimum))
        assert found.bound == pytest.approx(optimum, rel=2e-6, abs=2e-6)
        # Without any rounding as well
        assert ProofTree(Conditions(proof["problem"], proof), proof["tree"], exact=True).bound <= optimum + 1e-7 * max(
            1.0, abs(optimum)
        )
        proof["bound"] = float(optimum + 1e-9 * max(1.0, abs(optimum)))
        for exact in (False, True):
            with pytest.raises(RefusedError, match="is claimed, and the leaves prove"):
                check(proof, exact)
    assert checked >= 8


def test_the_checker_needs_neither_solver_nor_search() -> None:
    """In a process in which none of them can be imported."""
    script = (
        "import sys, types\n"
        "for name in ('bilevel', 'bilevel.certify', 'bilevel.certify.proof'):\n"
        "    sys.modules[name] = types.ModuleType(name); sys.modules[name].__path__ = []\n"
        "import importlib.util\n"
        "for name in ('reading', 'conditions', 'exact', 'checker'):\n"
        "    spec = importlib.util.spec_from_file_location('bilevel.certify.proof.' + name, sys.argv[1] + '/' + name + '.py')\n"
        "    module = importlib.util.module_from_spec(spec); sys.modules[spec.name] = module; spec.loader.exec_module(module)\n"
        "bad = [m for m in ('pyomo', 'highspy', 'scipy', 'pandas', 'pyscipopt', 'gurobipy', 'clarabel') if m in sys.modules]\n"
        "print(bad)\n"
    )
    folder = Path(bilevel.__file__).parent / "certify" / "proof"
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_proof_goes_through_its_file(proofs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    proof = Proof.of(proofs["cone"])
    for name in ("proof.json", "proof.json.gz"):
        proof.write(tmp_path / name)
        done = subprocess.run(
            [sys.executable, "-m", "bilevel.verify", str(tmp_path / name)], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0 and f"proven: bound {proof.bound!r}" in done.stdout, done.stderr
        whole = subprocess.run(
            [sys.executable, "-m", "bilevel.verify", "--exact", str(tmp_path / name)],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert whole.returncode == 0 and f"proven: bound {proof.bound!r}" in whole.stdout, whole.stderr
    with pytest.raises(BilevelError, match="no proof: the fingerprint"):
        Proof.of(proofs["cone"] | {"fingerprint": "0"})


def handmade(tree: Any, lower: Any, upper: Any, owner: Any, **other: Any) -> dict[str, Any]:
    """A proof that there is no point, of a problem that has one."""
    told = {"identities": other.pop("identities", [])}
    none = {"entries": [], "lower": [], "upper": []}
    problem = {
        "owner": owner, "lower": lower, "upper": upper, "integer": [], "sign": 1, "constant": 0.0, "cost": {}, "products": [],
        "leader_rows": none, "follower_rows": none | {"owner": []}, "follower_cost": {}, "price": [], "quadratic": [],
        "links": [], "cones": {"owner": [], "squares": [], "u": [], "w": [], "u0": [], "w0": []},
    } | other  # fmt: skip
    return told | {
        "format": "bilevel-grid proof", "version": 1, "problem": problem, "fingerprint": fingerprint(problem), "bound": None,
        "products": [], "replacements": {}, "tangents": [], "tree": tree,
    }  # fmt: skip


ROW: dict[str, Any] = {"leader_rows": {"entries": [[0, 0, 0.4]], "lower": [1.0], "upper": [None]}}
CLOSED = {"dual": [], "empty": True}


def empty(*dual: Any) -> dict[str, Any]:
    return {"dual": list(dual), "empty": True}


FALSE = {
    **{f"tree {tree!r}": handmade(tree, [0.0], [10.0], [-1], **ROW) for tree in ([], {}, None, "")},
    "multiplier underflows": handmade([empty([0, 5e-324])], [0.0], [10.0], [-1], **ROW),
    "product underflows": handmade(
        [empty([0, 1.0], [1, -(2.0**600)])], [1.0, 0.0], [1.0, 1.0], [-1, 0], price=[[0, 1, -(2.0**-600)]],
        identities=[{"stationarity": {"1": 2.0**-600}, "equalities": {}, "pairs": {"0": 2.0**-600, "1": 2.0**-600}}],
    ),
    "limit of a multiplier underflows": handmade(
        [{"pair": 1, "children": [1, 2]}, empty([0, 1e-200]), empty([1, -1.0])], [0.0], [2.0], [0],
        follower_cost={"0": 1e-200},
        follower_rows={"entries": [[0, 0, 1e200]], "lower": [1e200], "upper": [None], "owner": [0]},
    ),
    "limit of a multiplier overflows": handmade(
        [{"pair": 1, "children": [1, 2]}, empty([0, 1.0]), empty([2, -(2.0**-600)])],
        [2.0**512, 2.0**512, 0.0, 0.0], [2.0**512, 2.0**512, 0.25, 2.0], [-1, -1, 0, 0],
        price=[[0, 3, 2.0**512], [1, 3, -(2.0**512)]], follower_cost={"2": 1.0, "3": 2.0**1020},
        follower_rows={"entries": [[0, 2, 1.0], [0, 3, 1.0]], "lower": [1.0], "upper": [1.0], "owner": [0]},
    ),
    "whole column -1": handmade(
        [{"integer": [-1, 0], "children": [1, 2]}, empty([0, 1.0]), empty([0, -1.0])], [0.0, 0.5], [1.0, 0.5], [0, -1],
        integer=[-1], follower_cost={"0": -0.5},
    ),
    "child twice": handmade([*({"integer": [0, 0], "children": [k, k]} for k in range(1, 41)), CLOSED], [0.0], [9.0], [-1],
                            integer=[0], **ROW),
    "endless fraction": handmade([CLOSED], [0.0], [10.0], [-1], **ROW)
    | {"tangents": [[0, [], "1e999999999", 1.0]]},
    "singular values of infinity": handmade(
        [empty([0, 1.0], [1, 2.0])], [None, None], [None, None], [-1, -1],
        leader_rows={"entries": [[0, 0, 1e200], [0, 1, 1.0], [1, 0, 1.0], [1, 1, -1e200]], "lower": [1.0] * 2, "upper": [1.0] * 2},
    ),
    "product of no row": handmade([empty([0, 1.0])], [0.0], [1.0], [-1], products=[[7, 0, 0, 5.0]], **ROW),
    "key 00": handmade([empty([0, 1.0])], [0.0], [1.0], [-1], cost={"0": 1.0, "00": 5.0}, **ROW),
    "number as a word": handmade([empty([0, 1.0])], ["nan"], [1.0], [-1], **ROW),
    "no double": handmade([empty([0, 1.0])], [2**53 + 1], [None], [-1], **ROW),
    "sign 7": handmade([empty([0, 1.0])], [0.0], [1.0], [-1], sign=7, **ROW),
    # x y of x in 2..3 and the last column, which is the product itself
    "product of column -1": handmade([empty([0, 1.0])], [2.0, 1.0], [3.0, 2.0], [-1, -1]) | {"products": [[-1, 0]]},
}  # fmt: skip


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", FALSE)
def test_there_is_a_point_whatever_a_proof_says(name: str, exact: bool) -> None:
    with pytest.raises(RefusedError, match=r"\w+ \w+"):
        check(FALSE[name], exact)
