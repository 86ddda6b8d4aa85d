"""Interdiction problems in short: the MPS file has the follower's problem alone, IC and IB in the AUX file what taking away costs.

What is meant by them, with a binary x_j of the leader for every column y_j of the follower (0 <= y_j <= u_j):

    max over x of  min over y of  c'y    s.t.  sum of IC_j x_j <= IB,    rows of the MPS file,   y_j + u_j x_j <= u_j

The leader's columns stand before the follower's, its budget before the rows, and the last rows after them; LC and LR count so.
"""

import numpy as np
import scipy.sparse as sp

from bilevel.interchange.aux_file import Auxiliary
from bilevel.interchange.problem import Problem


def expanded(problem: Problem, found: Auxiliary) -> Problem:
    """The problem with the leader's columns and the rows that IC and IB stand for.

    Raises `ModelError`, with file and line, where the AUX file counts otherwise, and for a column without finite bounds from 0.
    """
    n, m = len(problem.columns), len(problem.rows)
    _check(problem, found, n, m)
    taken, over = np.eye(n), problem.upper[:, None] * np.eye(n)
    matrix = sp.vstack(
        [
            sp.hstack([sp.csr_array(np.array(found.interdiction)[None, :]), sp.csr_array((1, n))]),
            sp.hstack([sp.csr_array((m, n)), problem.matrix]),
            sp.hstack([sp.csr_array(over), sp.csr_array(taken)]),
        ]
    )
    names = [f"interdict_{name}" for name in problem.columns]
    return Problem(
        columns=[*names, *problem.columns], rows=["interdiction_budget", *problem.rows, *(f"rule_{name}" for name in names)],
        # The leader is against the follower
        cost=np.concatenate([np.zeros(n), -problem.cost]), offset=-problem.offset, maximise=problem.maximise,
        matrix=sp.csr_array(matrix),
        row_lower=np.concatenate([[-np.inf], problem.row_lower, np.full(n, -np.inf)]),
        row_upper=np.concatenate([[found.budget], problem.row_upper, problem.upper]),
        lower=np.concatenate([np.zeros(n), problem.lower]), upper=np.concatenate([np.ones(n), problem.upper]),
        integer=np.concatenate([np.ones(n, dtype=bool), problem.integer]),
    )  # fmt: skip


def _check(problem: Problem, found: Auxiliary, n: int, m: int) -> None:
    if len(found.interdiction) != n:
        raise found.error(_line(found), f"{len(found.interdiction)} costs IC are given for {n} columns of the MPS file")
    for listed, first, count, what in ((found.columns, n, n, "LC"), (found.rows, 1, m + n, "LR")):
        wanted = [str(first + at) for at in range(count)]
        if [token for token, _ in listed] != wanted:
            raise found.error(
                listed[0][1] if listed else 1,
                f"beside IC the {what} have to be {wanted[0]} to {wanted[-1]}: the leader's columns and its budget come first",
            )
    wrong = np.flatnonzero((problem.lower != 0) | ~np.isfinite(problem.upper))
    if len(wrong):
        at = int(wrong[0])
        raise found.error(
            _line(found),
            f"column {problem.columns[at]!r} goes from {problem.lower[at]:g} to {problem.upper[at]:g}: one that can be taken away "
            "goes from 0 to a finite bound",
        )


def _line(found: Auxiliary) -> int:
    """Where the file's counts stand, or its first line."""
    return found.counts.get("N", (0, 1))[1]
