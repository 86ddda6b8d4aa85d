"""A proof in hand: what its checker said of it, and its file."""

import gzip
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bilevel.atomic import write_bytes
from bilevel.certify.proof.checker import check
from bilevel.certify.proof.reading import RefusedError
from bilevel.errors import BilevelError
from bilevel.reading.regular import unpacked

MOST_MEGABYTES = 4096
"""Of a file once unpacked, so that a small one cannot fill the memory."""


@dataclass(frozen=True)
class Proof:
    """A proof of a bound that passed its checker; `write` makes a file of it (docs/proof-format.md).

    - `bound`: proven, in the leader's sense and unit; NaN where it proves that there is no point;
    - `leaves`, `empty`: parts into which it divides the problem, and those of them that have no point;
    - `margin`: by how much the leaves prove more than is claimed, 0 where there is no point;
    - `seconds`: what checking it took.
    """

    bound: float
    leaves: int
    empty: int
    seconds: float
    margin: float
    content: Mapping[str, Any] = field(repr=False, compare=False)

    @staticmethod
    def of(content: Mapping[str, Any], exact: bool = False) -> "Proof":
        """The proof, checked, in fractions alone where `exact`; raises `BilevelError` where the checker refuses it."""
        began = time.perf_counter()
        try:
            told = check(content, exact)
        except RefusedError as refusal:
            raise BilevelError(f"no proof: {refusal}") from refusal
        bound = float("nan") if content["bound"] is None else told["bound"]
        margin = told["margin"] if math.isfinite(told["margin"]) else 0.0
        return Proof(bound, told["leaves"], told["empty"], time.perf_counter() - began, margin, content)

    def write(self, path: str | Path) -> None:
        """Write the file, packed where its name ends in .gz; raises `OSError` where that cannot be."""
        text = json.dumps(self.content, allow_nan=False, separators=(",", ":")).encode()
        # Without the time of packing, so that the same proof is the same file
        write_bytes(Path(path), gzip.compress(text, mtime=0) if str(path).endswith(".gz") else text)


def read(path: str | Path) -> Any:
    """What a file holds, not checked; raises `BilevelError` for one that is no JSON, or no regular file of a size that is read."""
    try:
        return json.loads(unpacked(path, MOST_MEGABYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise BilevelError(
            f"{str(path)!r} is no proof that can be read ({getattr(error, 'strerror', None) or error}): give a .json or "
            ".json.gz file"
        ) from error
    except MemoryError as error:
        raise BilevelError(f"{str(path)!r} takes more memory than there is: check it on a larger machine") from error
