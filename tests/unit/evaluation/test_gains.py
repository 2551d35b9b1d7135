"""What is gained over being alone, from whom, and how sure that is."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import ttest_1samp

from grapevine.evaluation.drawings import standalone
from grapevine.evaluation.gains import Gains, alike, over_seeds

ALONE = np.array([[0.5, 0.7], [0.6, 0.7], [0.4, 0.7]])
TOGETHER = ALONE + np.array([[0.10, -0.2], [0.11, 0.2], [0.12, 0.0]])
GAINS = Gains(
    tasks=("click", "buy"),
    seeds=(0, 1, 2),
    part="test",
    alone=ALONE,
    together=TOGETHER,
    # At [s, a, b]: b with a.
    pairs=np.stack(
        [
            np.stack([ALONE[:, 0], TOGETHER[:, 1]], 1),
            np.stack([TOGETHER[:, 0], ALONE[:, 1]], 1),
        ],
        1,
    ),
    seconds_alone=np.array([[1.0, 2.0]] * 3),
    seconds_together=np.array([2.0] * 3),
)


def printed(table):
    console = Console(width=100)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_the_interval_over_seeds_is_student_s():
    values = np.array([0.1, 0.3, 0.2, 0.6])
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    found = over_seeds(values)
    assert (found.mean, found.low, found.high) == pytest.approx((0.3, low, high))


def test_one_seed_has_no_interval():
    found = over_seeds(np.array([0.25]))
    assert (found.mean, found.low, found.high) == (0.25, None, None)


def test_differences_are_paired_by_seed():
    gained = GAINS.gained()
    assert gained["click"].mean == pytest.approx(0.11)
    # The runs differ by 0.2 from seed to seed, the differences by 0.02.
    assert gained["click"].low == pytest.approx(0.11 - 4.3027 * 0.01 / 3**0.5, abs=1e-5)
    assert gained["buy"].low < 0 < gained["buy"].high


def test_the_transfer_is_told_by_who_helps_then_who_is_helped():
    found = GAINS.transfer()
    assert found["buy"]["click"].mean == pytest.approx(0.11)
    assert found["click"]["buy"].mean == pytest.approx(0)
    assert "click" not in found["click"]


def test_the_tables_say_it_in_words_and_the_json_in_values():
    said = printed(GAINS.table())
    assert "+0.1100 ±0.0248" in said
    assert "2.0 s together, 3.0 s apart" in said
    assert "over 3 seeds" in said
    transfer = printed(GAINS.transfer_table()).splitlines()
    line = next(one for one in transfer if one.strip().startswith("buy"))
    assert "+0.1100" in line
    found = json.loads(json.dumps(GAINS.to_json()))
    assert found["gains"]["click"]["difference"]["mean"] == pytest.approx(0.11)
    assert found["transfer"]["buy"]["click"]["low"] > 0
    assert found["seconds"] == {"alone": 3.0, "together": 2.0}


def test_names_are_text_and_no_markup():
    odd = Gains(
        tasks=("[red]a", "<b>"), seeds=(0,), part="test", alone=ALONE[:1], together=TOGETHER[:1]
    )
    assert "[red]a" in printed(odd.table())
    assert odd.transfer() == {}
    assert odd.to_json()["transfer"] == {}
    drawn = ElementTree.fromstring(standalone(alike(odd.tasks, np.eye(2))))
    assert "<b>" in [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]


def squares(picture):
    tree = ElementTree.fromstring(standalone(picture))
    return list(tree.iter("{http://www.w3.org/2000/svg}rect"))


def test_the_picture_has_a_square_for_each_figure_and_its_sign_as_colour():
    found = squares(alike(("a", "b"), np.array([[1.0, -0.5], [-0.5, 1.0]])))
    assert [one.get("fill-opacity") for one in found] == ["1", "0.5", "0.5", "1"]
    assert found[0].get("fill") == found[3].get("fill") != found[1].get("fill")
    # A task is not held against itself.
    assert len(squares(GAINS.picture())) == 2
