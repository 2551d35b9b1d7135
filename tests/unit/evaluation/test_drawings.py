from xml.etree import ElementTree

import numpy as np

from grapevine.evaluation.drawings import Edge, begun, lines, network, points


def elements(markup, tag, style=""):
    root = ElementTree.fromstring(str(markup))
    return [one for one in root.iter(tag) if style in one.get("class", "").split() or not style]


def test_a_wider_line_carries_more_of_the_walks():
    edges = [Edge(0, 1, 0.6), Edge(0, 2, 0.3), Edge(1, 3, 0.9), Edge(2, 1, 0.1)]
    drawn = network("n", ["a", "b & c", "d", "e"], edges)
    widths = {
        one.find("title").text: float(one.get("stroke-width")) for one in elements(drawn, "line")
    }
    assert widths["b & c hears e: 90.0%"] > widths["a hears b & c: 60.0%"]
    assert widths["a hears b & c: 60.0%"] > widths["a hears d: 30.0%"]
    assert widths["a hears d: 30.0%"] > widths["d hears b & c: 10.0%"] > 0
    # Four nodes, each somewhere else, and all of them inside.
    places = {(one.get("cx"), one.get("cy")) for one in elements(drawn, "circle")}
    assert len(places) == 4
    _, _, width, height = map(float, ElementTree.fromstring(str(drawn)).get("viewBox").split())
    assert all(0 < float(x) < width and 0 < float(y) < height for x, y in places)


def test_a_node_that_hears_nobody_stands_alone():
    drawn = network("n", ["a"], [])
    assert len(elements(drawn, "circle")) == 1
    assert not elements(drawn, "line")


def test_a_map_has_a_point_for_each_item_in_the_colour_of_its_group():
    drawn = points("m", np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]]), [0, 11, -1], list("abc"))
    styles = [one.get("class") for one in elements(drawn, "circle")]
    assert styles == ["dot s0", "dot s1", "dot other"]


def test_curves_leave_out_what_is_no_number_and_show_a_single_point():
    series = [("loss", 0, [1, 2, 3], [3.0, float("nan"), 1.0]), ("other", 1, [2], [2.0])]
    drawn = lines("c", series, "epoch", "loss")
    assert [one.get("d").count("L") for one in elements(drawn, "path", "curve")] == [1, 0]
    assert len(elements(drawn, "circle", "point")) == 1
    assert not elements(lines("c", [("loss", 0, [1], [float("nan")])], "x", "y"), "path")


def test_long_names_keep_their_beginning():
    assert begun("Striped cotton hat, grey", 20) == "Striped cotton hat…"
    assert begun("hat", 20) == "hat"
