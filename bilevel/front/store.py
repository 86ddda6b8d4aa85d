"""The answers of a front in a journal of their model and settings: whatever kills a run, the points found stay."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bilevel import files
from bilevel.front.points import Expected, contradicted, from_line, to_line
from bilevel.front.tasks import Task, TaskResult
from bilevel.reformulate.single_level import Reformulation

FILE = "points.jsonl"
PROOFS = "proof-*.json.gz"
"""Names of the files of proofs, one a task, beside it."""

_FORMAT = 1


class Store:
    """Answers by task, in memory and in the file; without a folder in memory only.

    `expected` says what answers of the model look like: those in the file that are none, or that others refute, are not taken.
    One run has a folder at a time (`bilevel.journals.lock`).
    """

    def __init__(self, folder: Path | None, about: Mapping[str, Any], expected: Expected | None = None) -> None:
        self.path = None if folder is None else folder / FILE
        self.answers: dict[str, TaskResult] = {}
        if self.path is None:
            return
        # What a killed write left behind
        for left in self.path.parent.glob(f".{PROOFS}.*"):
            left.unlink(missing_ok=True)
        for proof in self.path.parent.glob(PROOFS):
            files.require_regular(proof)
        doubts = None if expected is None else contradicted(expected)
        header = {"format": _FORMAT, **about}
        self.answers = dict(files.opened(self.path, header, "front points", from_line(expected), doubts=doubts))

    def __getitem__(self, task: Task) -> TaskResult:
        return self.answers[task.key]

    def __contains__(self, task: Task) -> bool:
        return task.key in self.answers

    def get(self, task: Task) -> TaskResult | None:
        """The answer of a task, None if it has none yet."""
        return self.answers.get(task.key)

    def add(self, task: Task, answer: TaskResult) -> None:
        """Keep an answer; one that was stopped is kept for this run only, so that the next one tries again."""
        self.answers[task.key] = answer
        if self.path is not None and not answer.stopped:
            files.append(self.path, to_line(task, answer))

    def proof_path(self, task: Task) -> Path | None:
        """The file of a task's proof, whether it is there or not; None without a folder."""
        # A key has signs that no file name has
        name = hashlib.sha256(task.key.encode()).hexdigest()[:24]
        return None if self.path is None else self.path.parent / PROOFS.replace("*", name)


def fingerprint(form: Reformulation, limited: int, maximized: int) -> dict[str, str]:
    """Hashes of a model's parts, so that a difference can be named."""
    program, stack = form.program, form.program.followers
    rows, own, cones = program.rows, stack.rows, program.cones
    names = [program.name(column) for column in range(program.columns)]
    # Hashed where there are any only, so that stores of models without them keep their hashes
    ends = (stack.cones.u0, stack.cones.w0) if stack.cones.count else ()
    read = (program.links.column, program.links.row) if len(program.links.row) else ()
    parts: dict[str, tuple[Any, ...]] = {
        "variables": (names, limited, maximized),
        "variable bounds": (program.lower, program.upper, program.integer),
        "leader rows": (rows.matrix, rows.lower, rows.upper),
        "leader cones": (cones.squares, cones.u, cones.u0, cones.w, cones.w0),
        "products": (program.bilinear.row, program.bilinear.leader, program.bilinear.follower, program.bilinear.coefficient),
        "follower rows": (own.matrix, own.lower, own.upper, stack.cones.squares, stack.cones.u, stack.cones.w, *ends),
        "follower costs": (stack.cost, stack.price, stack.quadratic, stack.sense, *read),
        "limits of duals": (stack.row_dual_limit, stack.column_dual_limit),
    }  # fmt: skip
    return {f"hash of {name}": _hash(part) for name, part in parts.items()}


def _hash(part: tuple[Any, ...]) -> str:
    digest = hashlib.sha256()
    for item in part:
        if hasattr(item, "indptr"):
            # Indices are 32 or 64 bits wide, and the same numbers must have the same hash
            for array in (item.indptr.astype(np.int64), item.indices.astype(np.int64), item.data):
                digest.update(np.ascontiguousarray(array).tobytes())
        else:
            digest.update(item.tobytes() if isinstance(item, np.ndarray) else repr(item).encode())
    return digest.hexdigest()
