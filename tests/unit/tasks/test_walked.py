from functools import cache

import numpy as np
import pytest
import torch

from grapevine.errors import DataError
from grapevine.graph.links import Links
from grapevine.tasks import walked
from grapevine.tasks.links import auc, truth_of

USERS, ITEMS, GROUPS = 120, 60, 4
OFFSETS = (0, USERS, USERS + ITEMS)
SMALL = walked.Config(
    width=16, said=8, walks=5, length=6, window=2, batch=1024, epochs=60, learning_rate=0.05
)


def links(pairs, types):
    ends = pairs.T if types == (0, 1) else pairs.T[::-1]
    return Links.from_pairs(*ends, OFFSETS[-1], types=types)


@cache
def shop():
    """Two behaviours, each with communities of its own; a fifth of the edges is held out twice."""
    draw = np.random.default_rng(0)
    paths, asked = [], []
    for behaviour in range(2):
        users = np.arange(USERS) // (1, USERS // GROUPS)[behaviour] % GROUPS
        items = np.arange(ITEMS) % GROUPS
        likely = np.where(users[:, None] == items, 0.5, 0.01)
        edge = draw.random((USERS, ITEMS)) < likely
        pairs, others = np.argwhere(edge), np.argwhere(~edge)
        pairs, others = draw.permutation(pairs), draw.permutation(others)
        fifth = len(pairs) // 5
        pairs[:, 1], others[:, 1] = pairs[:, 1] + USERS, others[:, 1] + USERS
        held = [np.concatenate([pairs[part], others[part]])
                for part in (slice(fifth), slice(fifth, 2 * fifth))]  # fmt: skip
        known = pairs[2 * fifth :]
        paths.append([links(known, (0, 1)), links(known, (1, 0))])
        asked.append(held)
    return paths, [validation for validation, _ in asked], [test for _, test in asked]


@cache
def learnt():
    paths, validation, _ = shop()
    return walked.fit(SMALL, paths, OFFSETS, validation)


def told(found, relation, asked):
    return auc(found.score(asked, relation), truth_of(asked))


@pytest.mark.slow
def test_planted_communities_are_found_for_each_behaviour_apart():
    found, (_, _, test) = learnt(), shop()
    for behaviour in range(2):
        assert told(found, behaviour, test[behaviour]) > 0.8
        # The vectors of the other behaviour know other communities.
        assert told(found, 1 - behaviour, test[behaviour]) < 0.65


@pytest.mark.slow
def test_a_training_repeats_to_the_bit():
    paths, validation, _ = shop()
    few = walked.Config(width=8, walks=2, length=4, window=2, batch=256, epochs=3)
    one, two = (walked.fit(few, paths, OFFSETS, validation) for _ in range(2))
    np.testing.assert_array_equal(one.vectors, two.vectors)
    other = walked.fit(few, paths, OFFSETS, validation, seed=1)
    assert (other.vectors != one.vectors).any()


@pytest.mark.slow
def test_features_that_tell_the_community_are_enough():
    paths, validation, test = shop()
    eye = torch.eye(GROUPS)
    users = torch.cat(
        [eye[torch.arange(USERS) // step % GROUPS] for step in (1, USERS // GROUPS)], 1
    )
    features = [users, eye[torch.arange(ITEMS) % GROUPS]]
    found = walked.fit(SMALL, paths, OFFSETS, validation, features=features)
    assert min(told(found, behaviour, test[behaviour]) for behaviour in range(2)) > 0.8


def test_neighbours_of_each_type_stand_in_one_table():
    paths, _, _ = shop()
    drawn = walked.neighbours(paths, np.arange(OFFSETS[-1]), 3, (0, 1))
    for node in (0, 7, USERS, USERS + 9):
        for relation, path in enumerate(paths):
            there = path[0] if node < USERS else path[1]
            assert {*drawn[node, relation].tolist()} <= {*there.ends[node].tolist()}


def test_walks_that_meet_nobody_are_told():
    nobody = Links.from_pairs(np.empty(0, np.int64), np.empty(0, np.int64), 4)
    with pytest.raises(DataError, match="relation 0 meet no two nodes"):
        walked.fit(SMALL, [[nobody]], (0, 4), [np.empty((0, 2), np.int64)])
