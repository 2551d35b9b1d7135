import numpy as np
import pytest
import torch

from grapevine.core.kernels.memory import LINE, empty, tensor_of, zeros


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, np.int64])
@pytest.mark.parametrize("shape", [1, 3, (5, 7), (2, 3, 11)])
def test_arrays_start_at_a_line(shape, dtype):
    for make in (empty, zeros):
        found = make(shape, dtype)
        wanted = np.empty(shape, dtype)
        assert found.shape == wanted.shape
        assert found.dtype == dtype
        assert found.ctypes.data % LINE == 0
        assert torch.as_tensor(found).data_ptr() == found.ctypes.data
    assert not zeros(shape, dtype).any()


def test_a_tensor_starts_at_a_line_wherever_the_array_does():
    memory = zeros(64, np.float32)
    for start in range(32):
        array = memory[start : start + 8]
        array[:] = start
        tensor = tensor_of(array)
        assert tensor.data_ptr() % LINE == 0
        assert tensor.tolist() == [start] * 8
        assert (tensor.data_ptr() == array.ctypes.data) == (start % 16 == 0)
