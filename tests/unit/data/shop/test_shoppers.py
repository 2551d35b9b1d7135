import numpy as np

from grapevine.data.shop.shoppers import BLOCK, GENDERS, Shoppers


def test_tastes_and_wants_are_chances():
    shoppers = Shoppers.draw(0, 0)
    for chances in (shoppers.before, shoppers.after, shoppers.wants):
        np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-5)
        assert chances.min() >= 0


def test_a_block_does_not_depend_on_other_blocks():
    alone = Shoppers.draw(5, 3)
    Shoppers.draw(5, 2)
    np.testing.assert_array_equal(Shoppers.draw(5, 3).before, alone.before)
    assert (Shoppers.draw(5, 2).before != alone.before).any()


def test_who_people_are_says_something_about_what_they_like():
    shoppers = Shoppers.joined([Shoppers.draw(0, block) for block in range(4)])
    taste = np.log(shoppers.before)
    groups = [taste[shoppers.gender == gender].mean(0) for gender in range(len(GENDERS) - 1)]
    spread = taste.std(0) / np.sqrt(len(shoppers) / 2)
    assert (np.abs(groups[0] - groups[1]) / spread).max() > 10
    old = shoppers.age > 40
    assert (np.abs(taste[old].mean(0) - taste[~old].mean(0)) / spread).max() > 10
    assert np.corrcoef(shoppers.age, shoppers.budget)[0, 1] > 0.15


def test_tastes_drift_but_stay_a_person_s_own():
    shoppers = Shoppers.draw(0, 0)
    same = (shoppers.before * shoppers.after).sum(1)
    other = (shoppers.before * np.roll(shoppers.after, 1, axis=0)).sum(1)
    assert 2 * other.mean() < same.mean() < 0.95


def test_taking_and_joining_are_inverse():
    shoppers = Shoppers.draw(0, 0)
    halves = [shoppers.take(slice(0, 700)), shoppers.take(slice(700, BLOCK))]
    np.testing.assert_array_equal(Shoppers.joined(halves).budget, shoppers.budget)


def test_shoppers_come_back_from_their_file(tmp_path):
    shoppers = Shoppers.draw(0, 0)
    shoppers.save(tmp_path / "users.safetensors")
    back = Shoppers.load(tmp_path / "users.safetensors")
    np.testing.assert_array_equal(back.wants, shoppers.wants)
