import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine.encoders.fusion import ItemEncoder, Shapes, gather
from grapevine.errors import ConfigError
from grapevine.structs import Features, Jagged

BUCKETS = 50
KINDS = ("title", "tags", "numbers", "degree", "image", "vector.look")


def features(items: int = 9, seed: int = 0) -> Features:
    draw = np.random.default_rng(seed)

    def lists(most: int) -> Jagged:
        return Jagged.from_lists(
            [draw.integers(0, BUCKETS, draw.integers(0, most)) for _ in range(items)]
        )

    return Features(
        tokens={"title": lists(6), "tags": lists(3)},
        numbers=draw.standard_normal((items, 4)).astype(np.float32),
        vectors={"look": draw.standard_normal((items, 5)).astype(np.float32)},
        images=draw.integers(0, 256, (items, 3, 16, 16)).astype(np.uint8),
    )


SHAPES = Shapes.of(features(), buckets=BUCKETS, degree=True)


def encoder(**options) -> ItemEncoder:
    torch.manual_seed(3)
    return ItemEncoder.Config(width=8, hidden=16, **options).build(SHAPES)


def encode(built: ItemEncoder, some: Features, rows) -> torch.Tensor:
    with torch.no_grad():
        return built(built.gather(some, np.asarray(rows)))


def test_the_kinds_are_told_from_the_features():
    assert SHAPES.kinds == KINDS
    assert (SHAPES.numbers, SHAPES.degree, SHAPES.vectors) == (3, True, {"look": 5})


@pytest.mark.parametrize("merge", ["concat", "sum"])
@pytest.mark.parametrize("pool", ["mean", "root"])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_item_does_not_depend_on_its_batch(merge, pool, weighted):
    built = encoder(merge=merge, pool=pool, weighted=weighted).eval()
    if weighted:
        torch.nn.init.normal_(built.tokens.importance)
    some = features()
    whole = encode(built, some, range(9))
    order = np.random.default_rng(1).permutation(9)
    torch.testing.assert_close(encode(built, some, order), whole[order])
    for row in (0, 4, 8):
        torch.testing.assert_close(encode(built, some, [row, row])[1], whole[row])


@pytest.mark.parametrize("kinds", [(), *((kind,) for kind in KINDS)])
def test_only_the_kinds_that_are_listened_to_matter(kinds):
    built = encoder(kinds=kinds).eval()
    some, other = features(), features(seed=1)
    assert encode(built, some, range(9)).isfinite().all()
    for kind in KINDS:
        mixed = Features(
            tokens={n: (other if n == kind else some).tokens[n] for n in some.tokens},
            numbers=np.hstack(
                [
                    (other if kind == "numbers" else some).numbers[:, :3],
                    (other if kind == "degree" else some).numbers[:, 3:],
                ]
            ),
            vectors=(other if kind == "vector.look" else some).vectors,
            images=(other if kind == "image" else some).images,
        )
        same = torch.equal(encode(built, mixed, range(9)), encode(built, some, range(9)))
        assert same == (bool(kinds) and kind not in kinds)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_reach_every_parameter(weighted):
    built = encoder(weighted=weighted, kind_dropout=0.2)
    rows = np.arange(400) % 9
    some = features()
    built(built.gather(some, rows)).square().sum().backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    met = np.unique(np.concatenate([lists.values for lists in some.tokens.values()]))
    assert (built.tokens.vectors.grad[met].abs().sum(1) > 0).all()


def test_an_item_of_which_nothing_is_known_is_finite():
    nothing = Features(
        tokens={"title": Jagged.empty(2), "tags": Jagged.empty(2)},
        numbers=np.zeros((2, 4), np.float32),
        vectors={"look": np.zeros((2, 5), np.float32)},
        images=np.zeros((2, 3, 16, 16), np.uint8),
    )
    for weighted in (False, True):
        built = encoder(weighted=weighted)
        out = built(built.gather(nothing, np.array([0, 1])))
        assert out.isfinite().all()
        out.sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in built.parameters())


def test_kinds_are_dropped_in_training_alone_and_the_mean_is_kept():
    built = encoder(kind_dropout=0.5, kinds=("title", "numbers"))
    built.merge = torch.nn.Identity()
    some, rows = features(), np.full(4000, 3)
    whole = encode(built.eval(), some, rows)
    dropped = encode(built.train(), some, rows)
    gone = (dropped.view(4000, 2, 8) == 0).all(2)
    assert abs(gone.float().mean(0) - 0.5).max() < 0.05
    torch.testing.assert_close(dropped.mean(0), whole[0], atol=0.15, rtol=0)


@given(st.lists(st.integers(0, 8), max_size=12))
def test_what_is_gathered_is_what_the_items_have(rows):
    some, wanted = features(), np.array(rows, np.int64)
    found = gather(some, wanted)
    assert found["numbers"].tolist() == some.numbers[wanted].tolist()
    assert found["image"].shape == (len(rows), 3, 16, 16)
    ends = [*found["offsets.title"].tolist(), len(found["tokens.title"])]
    for place, row in enumerate(rows):
        tokens = found["tokens.title"][ends[place] : ends[place + 1]]
        assert tokens.tolist() == some.tokens["title"][row].tolist()


def test_a_kind_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="titel"):
        encoder(kinds=("titel",))
    with pytest.raises(ConfigError, match="no feature"):
        ItemEncoder.Config().build(Shapes())
