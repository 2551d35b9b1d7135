import pytest

from grapevine.data.behaviours import doubtful, is_slip


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("veiw", "view", True),
        ("Buy", "buy", True),
        ("clicks", "click", True),
        ("puchase", "purchase", True),
        ("review", "view", False),
        ("dislike", "like", False),
        ("view_item", "view_list", False),
        ("addtocart", "purchase", False),
    ],
)
def test_a_slip_is_one_letter_away(name: str, other: str, expected: bool):
    assert is_slip(name, other) is expected
    assert is_slip(other, name) is expected


def test_only_a_rare_name_is_doubtful():
    counts = {"view": 11_900, "addtocart": 900, "transaction": 450, "veiw": 1, "share": 11}
    assert doubtful(counts) == {
        "veiw": "`veiw` (1 of 13,262 events) is nearly `view`",
        "share": "`share` has 11 of 13,262 events",
    }
    # As frequent as these are, the names are meant; and 14 is over a thousandth of 13,264.
    assert doubtful({"rate1": 500, "rate2": 400, "rate3": 300}) == {}
    assert doubtful({"view": 13_250, "share": 14}) == {}
