"""The linear program of an MPS file."""

from dataclasses import dataclass

import scipy.sparse as sp

from bilevel.program.rows import Mask, Vector


@dataclass(frozen=True)
class Problem:
    """Columns, rows and objective by name; `maximise` tells its sense."""

    columns: list[str]
    rows: list[str]
    cost: Vector
    offset: float
    maximise: bool
    matrix: sp.csr_array
    row_lower: Vector
    row_upper: Vector
    lower: Vector
    upper: Vector
    integer: Mask
