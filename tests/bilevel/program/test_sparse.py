"""The engine's own operations on compressed rows, against scipy's."""

import numpy as np
import pytest
import scipy.sparse as sp

from bilevel.program import sparse


@pytest.fixture(params=[(0, 4), (1, 1), (3, 5), (6, 2)], ids=str)
def matrix(request: pytest.FixtureRequest) -> sp.csr_array:
    rng = np.random.default_rng(3)
    dense = rng.integers(-3, 4, request.param).astype(float)
    return sp.csr_array(dense)


def test_scaling_is_that_by_diagonal_matrices(matrix: sp.csr_array) -> None:
    rows, columns = np.arange(1.0, matrix.shape[0] + 1), np.arange(2.0, matrix.shape[1] + 2)
    both = sp.diags_array(rows) @ matrix @ sp.diags_array(columns) if min(matrix.shape) else matrix
    assert (sparse.scaled(matrix, rows, columns) - both).nnz == 0
    assert np.array_equal(sparse.scaled(matrix, rows).toarray(), rows[:, None] * matrix.toarray())
    assert np.array_equal(sparse.scaled(matrix, columns=columns).toarray(), matrix.toarray() * columns)


def test_a_part_has_the_chosen_entries_and_the_same_shape(matrix: sp.csr_array) -> None:
    kept = matrix.data > 0
    assert np.array_equal(sparse.part(matrix, kept).toarray(), np.maximum(matrix.toarray(), 0.0))
    assert sparse.part(matrix, kept).nnz == kept.sum()


def test_sizes_of_rows_and_columns(matrix: sp.csr_array) -> None:
    size, down = np.arange(1.0, matrix.shape[1] + 1), np.arange(1.0, matrix.shape[0] + 1)
    dense = np.abs(matrix.toarray())
    assert sparse.magnitude(matrix, size) == pytest.approx(dense @ size)
    assert sparse.column_magnitude(matrix, down) == pytest.approx(dense.T @ down)
    assert np.array_equal(sparse.largest(matrix), dense.max(axis=1, initial=0.0))
    assert np.array_equal(sparse.row_of(matrix), np.nonzero(matrix.toarray())[0])


def test_stacking_is_scipys(matrix: sp.csr_array) -> None:
    empty = sp.csr_array((0, matrix.shape[1]))
    for parts in ([matrix], [empty, empty], [matrix, empty, matrix], [matrix, matrix, matrix]):
        found = sparse.stacked(parts)
        assert np.array_equal(found.toarray(), np.vstack([part.toarray() for part in parts]))
        assert found.shape[1] == matrix.shape[1]
