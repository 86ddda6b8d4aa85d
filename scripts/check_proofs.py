"""Check the checker of proofs on random problems: no proof passes above the optimum that enumeration finds.

    python scripts/check_proofs.py --problems 2000

Each problem has an integer leader and a linear follower.  Its bound is proven, the leaves are added up in doubles and in fractions,
and then a bound a hair above the optimum is claimed.  Prints how many proofs were made, how many proved too much (WRONG) and how
many passed with the raised claim (PASSED); the exit code is 1 where any did either.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

import bilevel
from bilevel.certify.proof.checker import ProofTree, check
from bilevel.certify.proof.conditions import Conditions
from bilevel.certify.proof.reading import RefusedError

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from proof_problems import random_model

ROUNDING, HAIR = 1e-12, 1e-9


def tried(seed: int) -> str:
    """What became of one problem."""
    model, optimum = random_model(seed)
    found = bilevel.solve(model, "highs", gap=1e-6, progress=False, proof=True)
    if found.proof is None:
        return "no proof"
    proof = dict(found.proof.content)
    if np.isinf(optimum):
        return "proven to have no point" if proof["bound"] is None else "WRONG"
    size = max(1.0, abs(optimum))
    for exact in (False, True):
        if ProofTree(Conditions(proof["problem"], proof), proof["tree"], exact).bound > optimum + ROUNDING * size:
            return "WRONG"
        try:
            check(proof | {"bound": float(optimum + HAIR * size)}, exact)
        except RefusedError:
            continue
        return "PASSED"
    return "proven, and refused above the optimum"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=2000, help="how many, default: 2000")
    parser.add_argument("--first", type=int, default=0, help="the first one's number, default: 0")
    given = parser.parse_args()
    found: Counter[str] = Counter()
    for at in range(given.problems):
        verdict = tried(given.first + at)
        found[verdict] += 1
        if verdict.isupper():
            print(f"{verdict}: problem {given.first + at}", flush=True)
        if at % 100 == 99:
            print(f"{at + 1} of {given.problems}: {dict(found)}", flush=True)
    print("\n".join(f"{verdict}: {count}" for verdict, count in found.most_common()))
    return int(found["WRONG"] + found["PASSED"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
