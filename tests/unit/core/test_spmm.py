from itertools import pairwise

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from grapevine.core.kernels.spmm import Sparse, blocks_of, multiply, rounded, spmm
from grapevine.structs.jagged import Jagged


def matrix_of(seed, rows=37, columns=23, density=0.3, weighted=True, dtype: type = np.float32):
    draw = np.random.default_rng(seed)
    dense = draw.random((rows, columns)) < density
    dense[rows // 2] = False  # a row to which nobody speaks
    dense[rows - 1] = True
    sparse = csr_matrix(dense)
    lists = Jagged(sparse.indptr.astype(np.int64), sparse.indices.astype(np.int32))
    weights = draw.normal(size=sparse.nnz).astype(dtype) if weighted else None
    return Sparse(lists, columns, weights)


def dense_of(matrix):
    out = np.zeros(matrix.shape)
    for row, columns in enumerate(matrix.rows):
        low = matrix.rows.offsets[row]
        for place, column in enumerate(columns):
            out[row, column] += 1 if matrix.weights is None else matrix.weights[low + place]
    return out


@given(seed=st.integers(0, 2**16), width=st.integers(1, 40), weighted=st.booleans())
def test_it_is_the_dense_product(seed, width, weighted):
    matrix = matrix_of(seed, weighted=weighted, dtype=np.float64)
    x = np.random.default_rng(seed + 1).normal(size=(23, width))
    np.testing.assert_allclose(multiply(matrix, x), dense_of(matrix) @ x, atol=1e-12)


def test_a_column_named_twice_counts_twice():
    matrix = Sparse(Jagged.from_lists([[1, 1, 0]]), 2)
    assert multiply(matrix, np.array([[1.0], [10.0]])).tolist() == [[21.0]]
    assert multiply(matrix.transposed(), np.array([[1.0]])).tolist() == [[1.0], [2.0]]


@pytest.mark.usefixtures("all_threads")
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("half", [True, False])
def test_no_bit_depends_on_the_number_of_threads(weighted, half):
    matrix = matrix_of(3, rows=500, columns=300, weighted=weighted)
    x = np.random.default_rng(4).normal(size=(300, 16)).astype(np.float32)
    x = rounded(x) if half else x
    both = multiply(matrix, x)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = multiply(matrix, x)
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(alone, both)


@pytest.mark.parametrize("weighted", [True, False])
def test_rounded_rows_are_summed_in_full(weighted):
    matrix = matrix_of(5, weighted=weighted)
    x = np.random.default_rng(6).normal(size=(23, 8)).astype(np.float32)
    kept = torch.from_numpy(x).to(torch.bfloat16)
    np.testing.assert_array_equal(rounded(x), kept.view(torch.uint16).numpy())
    found = multiply(matrix, rounded(x))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, dense_of(matrix) @ kept.double().numpy(), atol=1e-5)


@pytest.mark.parametrize("given_transpose", [True, False])
def test_the_gradient_is_that_of_the_dense_product(given_transpose):
    matrix = matrix_of(7, dtype=np.float64)
    transpose = matrix.transposed() if given_transpose else None
    x = torch.randn(23, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: spmm(matrix, x, transpose), x)
    np.testing.assert_allclose(dense_of(matrix.transposed()), dense_of(matrix).T)


def test_bfloat16_goes_both_ways():
    matrix = matrix_of(8)
    x = torch.randn(23, 5).to(torch.bfloat16).requires_grad_()
    out = spmm(matrix, x)
    assert out.dtype == torch.float32
    out.sum().backward()
    assert x.grad is not None
    wanted = torch.from_numpy(dense_of(matrix).sum(0)).to(torch.bfloat16)
    torch.testing.assert_close(x.grad[:, 0], wanted)


def test_blocks_have_like_numbers_of_edges():
    rows = Jagged.from_lists([[0] * 900] + [[0]] * 900 + [[]] * 900)
    starts = blocks_of(rows.lengths, 3)
    assert starts[0] == 0
    assert starts[-1] == len(rows)
    cost = [rows.lengths[a:b].sum() + b - a for a, b in pairwise(starts)]
    assert max(cost) <= sum(cost) / 3 + 901


def test_what_does_not_fit_is_refused():
    rows = Jagged.from_lists([[0, 2]])
    with pytest.raises(ValueError, match=r"columns must lie in \[0, 2\): got 0 .. 2"):
        Sparse(rows, 2)
    with pytest.raises(ValueError, match="got 1 weights for 2 entries"):
        Sparse(rows, 3, np.ones(1, np.float32))
    with pytest.raises(ValueError, match="a matrix of 3 columns cannot take 2 rows"):
        multiply(Sparse(rows, 3), np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"the product is \(1, 4\)"):
        multiply(Sparse(rows, 3), np.ones((3, 4)), np.ones((2, 4)))
