"""The answers of a front in a journal of their model and settings: whatever kills a run, the points found stay."""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bilevel import files
from bilevel.front.tasks import Task, TaskResult
from bilevel.program.rows import Vector
from bilevel.reformulate.single_level import Reformulation
from bilevel.status import Status, Verdict

FILE = "points.jsonl"
PROOFS = "proof-*.json.gz"
"""Names of the files of proofs, one a task, beside it."""

_FORMAT = 1


class Store:
    """Answers by task, in memory and in the file; without a folder in memory only."""

    def __init__(self, folder: Path | None, about: Mapping[str, Any]) -> None:
        self.path = None if folder is None else folder / FILE
        self.answers: dict[str, TaskResult] = {}
        if self.path is None:
            return
        # What a killed write left behind
        for left in self.path.parent.glob(f".{PROOFS}.*"):
            left.unlink(missing_ok=True)
        self.answers = dict(files.opened(self.path, {"format": _FORMAT, **about}, "front points", _from_line))

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
            files.append(self.path, {"task": task.key, **_to_line(answer)})

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


def _to_line(answer: TaskResult) -> dict[str, Any]:
    # In hexadecimal a number is read again bit by bit, and infinity can be written, which JSON lacks
    return {
        "bound": float(answer.bound).hex(), "seconds": answer.seconds, "verdict": answer.verdict,
        "x": None if answer.x is None else _packed(answer.x),
        "slack_zero": None if answer.slack_zero is None else _packed(answer.slack_zero.astype(float)),
    }  # fmt: skip


def _from_line(line: Mapping[str, Any]) -> tuple[str, TaskResult]:
    slack = None if line["slack_zero"] is None else _unpacked(line["slack_zero"]) > 0
    x = None if line["x"] is None else _unpacked(line["x"])
    verdict: Verdict = Status.read(line["verdict"]) if line["verdict"] else ""
    answer = TaskResult(float.fromhex(line["bound"]), x, slack, verdict, float(line["seconds"]), False)
    return line["task"], answer


def _packed(values: Vector) -> str:
    # Of one byte order, so that any machine can go on
    return base64.b64encode(zlib.compress(values.astype("<f8").tobytes())).decode()


def _unpacked(text: str) -> Vector:
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<f8").astype(float)
    except zlib.error as error:
        # What `bilevel.files` refuses a damaged file by
        raise ValueError(str(error)) from error
