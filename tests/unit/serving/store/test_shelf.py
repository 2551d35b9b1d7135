"""Items that were put and deleted: kept, followed by number, refused whole where one is wrong."""

import pytest

from grapevine.serving.store import Item, Refused, Shelved, open_store


def test_the_last_word_counts_and_the_same_again_changes_nothing(store):
    shelf = store.shelf
    shirt = Item("a", {"title": "Shirt", "price": 3.5, "tags": ["x", "y"]})
    assert shelf.put([shirt, Item("b", {})]) == Shelved(2, 0, 0)
    assert shelf.put([shirt]) == Shelved(0, 0, 1)
    seen = shelf.since(0)
    assert [(one.item_id, one.fields) for one in seen] == [("a", shirt.fields), ("b", {})]
    assert shelf.put([Item("a", None), Item("a", {"title": "Coat"}), Item("b", None)]) == Shelved(
        1, 1, 0
    )
    later = shelf.since(seen[-1].number)
    assert [(one.item_id, one.fields) for one in later] == [("a", {"title": "Coat"}), ("b", None)]
    assert shelf.since(later[-1].number) == []
    assert shelf.get("b").fields is None
    assert shelf.get("nobody") is None
    assert shelf.get("\x00") is None


def test_what_was_put_is_there_when_the_store_is_opened_again(url):
    with open_store(url) as store:
        store.shelf.put([Item("片", {"title": "Zoë's"}), Item("gone", None)])
        number = store.shelf.since()[-1].number
    with open_store(url) as store:
        assert [(one.item_id, one.fields) for one in store.shelf.since()] == [
            ("片", {"title": "Zoë's"}), ("gone", None),
        ]  # fmt: skip
        store.shelf.put([Item("next", {})])
        assert store.shelf.since(number)[0].item_id == "next"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Item("", {}), "item 1: `item_id` is empty"),
        (Item("i" * 129, {}), "longer than 128 bytes"),
        (Item("a\x07", {}), "control character"),
        (Item("a", {"x": "\x00"}), "`x` holds a control character"),
        (Item("a", {"x": "x" * 10_001}), "longer than 10,000"),
        (Item("a", {"x": float("nan")}), "`x` is not finite"),
        (Item("a", {"x": 1e39}), "`x` is not in"),
        (Item("a", {"x": ["a", 1]}), "different things"),
        (Item("a", {"x": [["a"]]}), "different things"),
        (Item("a", {"x": ["a"] * 1001}), "1,001 members"),
        (Item("a", {"x": {"y": 1}}), "neither a text"),
        (Item("a", {"x": "\ud800"}), "not valid Unicode"),
        (Item("a", {"\x01": 1}), "no name of a column"),
        (Item("a", {f"c{n}": 1 for n in range(101)}), "101 columns"),
    ],
)
def test_what_breaks_the_limits_is_refused_and_nothing_of_the_call_is_kept(store, item, said):
    with pytest.raises(Refused) as caught:
        store.shelf.put([Item("good", {}), item])
    assert said in str(caught.value)
    assert store.shelf.since() == []


def test_so_many_in_a_call_and_no_more(store):
    with pytest.raises(Refused, match="at most 1,000"):
        store.shelf.put([Item(f"i{n}", {}) for n in range(1001)])
    assert store.shelf.put([Item(f"i{n}", {}) for n in range(1000)]) == Shelved(1000, 0, 0)
    numbers = [one.number for one in store.shelf.since()]
    assert numbers == sorted(set(numbers))


def test_what_is_popular_lately_is_counted_in_users(store, events):
    store.append([*events(2, user="u1"), *events(1, user="u1"), *events(1, user="u2")]).result()
    assert store.popular_lately() == {"view": {"i0": 2, "i1": 1}}
    assert store.takers("i0") == ["u2", "u1"]
    assert store.takers("\x00") == []
    assert store.met_among(["i1", "i0", "i7", "\x00"]) == {"i0", "i1"}
    last = store.last_event()
    assert store.met_since(0) == (last, {"i0", "i1"})
    assert store.met_since(last) == (last, set())


def test_marks_are_told_apart_by_a_version(store, clock):
    before = store.marks_version()
    proof = store.forget("u1")
    assert store.marks_version() != before
    assert store.marks() == {store.mark_of("u1"): proof.at}
    assert store.mark_of("u2") not in store.marks()
