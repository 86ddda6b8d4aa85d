"""The least sum of violations, against rows whose distance is seen at once."""

import numpy as np
import pytest
import scipy.sparse as sp

from bilevel.program.rows import Rows, no_rows
from bilevel.relax.elastic import least_violation

FREE = np.full(1, -np.inf), np.full(1, np.inf)


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_two_limits_apart_are_broken_by_what_lies_between(unit: float) -> None:
    """x <= 1 and 2 x >= 5: a unit of x breaks either by 1, over the size of its terms, wherever x is between."""
    rows = Rows(
        sp.csr_array([[1.0], [2.0]]), np.array([-np.inf, 5 * unit]), np.array([1 * unit, np.inf]), ("most", "least")
    )
    found = least_violation(rows, *FREE, scale=np.array([unit]))
    assert found is not None and found.dual is not None
    assert found.broken.sum() == pytest.approx(1.5)
    assert 1 * unit * (1 - 1e-9) <= found.x[0] <= 2.5 * unit * (1 + 1e-9)


def test_rows_that_can_be_met_are_broken_by_nothing() -> None:
    rows = Rows(sp.csr_array([[1.0], [1.0]]), np.array([1.0, -np.inf]), np.array([np.inf, 2.0]))
    found = least_violation(rows, *FREE, scale=np.ones(1))
    assert found is not None and found.broken.tolist() == [0.0, 0.0]
    assert least_violation(no_rows(1), *FREE, scale=np.ones(1)) is not None


def test_bounds_are_kept() -> None:
    rows = Rows(sp.csr_array([[1.0]]), np.array([3.0]), np.array([np.inf]))
    found = least_violation(rows, np.zeros(1), np.ones(1), scale=np.ones(1))
    assert found is not None and found.broken.tolist() == [2.0] and found.x.tolist() == [1.0]
