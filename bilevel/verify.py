"""`python -m bilevel.verify proof.json.gz`: checks the proof of a bound without any solver (docs/proof-format.md)."""

import argparse
import sys

from bilevel.certify.proof.log import Proof, read
from bilevel.errors import BilevelError

EPILOG = (
    "Example: python -m bilevel.verify proof.json.gz          Exit codes: 0 proven, 1 refused, 2 no such file or model."
)


def main(arguments: list[str] | None = None) -> int:
    """Print what a file proves; 0 where it does, 1 where it is refused, 2 for a file that cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m bilevel.verify", description=__doc__, epilog=EPILOG)
    parser.add_argument("proof", help="a .json or .json.gz file of `Solution.proof.write` or `bilevel solve --proof`")
    parser.add_argument("model", nargs="*", help="an .mps and an .aux file: whether the proof is of this problem")
    parser.add_argument(
        "--exact", action="store_true", help="add every leaf up in fractions: no rounding at all, for small problems"
    )
    given = parser.parse_args(arguments)
    try:
        content = read(given.proof)
        if given.model:
            _compare(content, given.model)
    except BilevelError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        proof = Proof.of(content, given.exact)
    except BilevelError as error:
        print(error, file=sys.stderr)
        return 1
    bound = "no point" if content["bound"] is None else f"bound {proof.bound!r}"
    print(f"proven: {bound}")
    print(f"leaves: {proof.leaves}, of which {proof.empty} are empty")
    print("assumed: nothing")
    print(f"problem: {content['fingerprint']}")
    print(f"checked in {proof.seconds:.2f} s")
    return 0


def _compare(content: object, files: list[str]) -> None:
    # Only here is a model read: a proof alone needs nothing of the package but its checker
    from bilevel.certify.proof.checker import fingerprint
    from bilevel.compile.compiler import compile_model
    from bilevel.interchange.mps_reader import read_mps
    from bilevel.search.proving.log import problem_of

    if len(files) != 2:
        raise BilevelError(f"{len(files)} files for a model: give its .mps and its .aux file")
    mps, aux = sorted(files, key=lambda name: ".aux" in name.lower())
    own = fingerprint(problem_of(compile_model(read_mps(mps, aux))))
    if not isinstance(content, dict) or content.get("fingerprint") != own:
        raise BilevelError(f"the proof is of another problem than {mps!r} with {aux!r}")


if __name__ == "__main__":
    raise SystemExit(main())
