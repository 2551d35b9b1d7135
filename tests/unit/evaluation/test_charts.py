"""What drawings show of names."""

from xml.etree import ElementTree

import pytest

from grapevine.evaluation.charts import WIDTH, Mark, scatter

WIDEST = 8.4
"""Pixels of a letter of the style sheet's 14.5px, in a wide font (DejaVu Sans), on average."""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ease", "ease"),
        ("recent-popularity", "recent-popularity"),
        ("runs/2026-11-21/my-ease", "…26-11-21/my-ease"),
    ],
)
def test_a_name_beside_its_point_is_whole_or_cropped_at_one_end(name, shown):
    root = ElementTree.fromstring(str(scatter("t", [(Mark(name, 0, 0.5), 1.0)], "x", "y")))
    (text,) = [one for one in root.iter("text") if one.get("class") == "name"]
    assert text.text == shown
    assert float(text.get("x", "nan")) + WIDEST * len(shown) <= WIDTH
