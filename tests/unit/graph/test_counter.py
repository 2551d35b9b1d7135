import numpy as np

from grapevine.graph.counter import below, list_keys, mix, uniform_block


def test_mix_is_splitmix64():
    # The first outputs of the published generator from seed 0.
    wanted = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    key = np.uint64(0)
    assert [int(mix(key, np.uint64(place))) for place in range(3)] == wanted


def test_below_fills_its_range_evenly():
    drawn = np.array([below(np.uint64(9), np.uint64(place), 7) for place in range(14_000)])
    counts = np.bincount(drawn, minlength=7)
    assert len(counts) == 7
    # Chi-square with 6 degrees of freedom: 22.5 is the 0.1 % point.
    assert ((counts - 2000) ** 2 / 2000).sum() < 22.5


def test_a_row_does_not_depend_on_the_others():
    keys = np.arange(5, dtype=np.uint64)
    np.testing.assert_array_equal(uniform_block(keys, 9)[3], uniform_block(keys[3:4], 9)[0])


def test_lists_have_equal_keys_only_if_equal():
    offsets, values = np.array([0, 2, 4, 6, 6, 7]), np.array([1, 2, 2, 1, 1, 2, 1])
    keys = list_keys(np.uint64(3), offsets, values)
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 4
