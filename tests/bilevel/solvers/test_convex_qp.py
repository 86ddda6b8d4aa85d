"""Convex quadratic programs of followers, beside bounds that nothing comes near."""

import numpy as np
import pytest
import scipy.sparse as sp

from bilevel.program.cones import Cones
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers import convex_qp


@pytest.mark.parametrize("first", [1e3, 1e10, 7e17, 1e20])
@pytest.mark.parametrize("second", [1e3, 7e9, 1e30])
def test_bounds_far_out_change_nothing(first: float, second: float) -> None:
    """y^2 + z^2 / 2 + 4 y with y >= 2 and y + 3 z >= 9: z = 7 / 3, 12 + 49 / 18; HiGHS takes z = 0 (loose:7015085)."""
    rows = Rows(sp.csr_array([[1.0, 3.0]]), np.array([9.0]), np.array([np.inf]))
    mip = SolverProgram(
        np.array([4.0, 0.0]), 0.0, np.array([2.0, -1e6]), np.array([first, second]), np.zeros(2, dtype=bool), rows,
        Cones.none(2), (), np.ones(2),
    )  # fmt: skip
    found = convex_qp.solve(mip, sp.csr_array(np.diag([2.0, 1.0])))
    assert found.x is not None
    assert found.x == pytest.approx([2.0, 7 / 3], abs=1e-6)
