"""Several tasks on one network: what a step does to whom, and what is kept."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine import training
from grapevine.core.sharing import apart, stacked
from grapevine.core.surgery import pcgrad
from grapevine.errors import ConfigError, DataError
from grapevine.models.together.config import Config
from grapevine.random import stream
from grapevine.tasks.together import Task, Tasks, explained
from grapevine.testing.resuming import check_resuming

from .conftest import regressions

SMALL = Config(width=6, epochs=3, batch=16)
KINDS = {
    "bottom": SMALL,
    "one task a step": replace(SMALL, steps="one-task", temper=0.5),
    "soft": replace(SMALL, share="soft", hold=0.1, tower=3),
    "mmoe, surgery": replace(SMALL, share="mmoe", surgery=True, gate_dropout=0.2, weight_decay=0.1),
    "ple, surgery": replace(SMALL, share="ple", levels=2, surgery=True),
    "depth": replace(SMALL, share="depth", steps="one-task", hold=1.0, clip=0.5),
    "related": replace(SMALL, relate=1.0, patience=1),
    "uncertainty": replace(SMALL, weigh="uncertainty", weight_decay=0.1),
}


def learner(config=SMALL, tasks=None, seed=0):
    return config.learner(regressions() if tasks is None else tasks, seed=seed)


def trained(config, tasks, seed=0):
    return training.fit(config, tasks, seed=seed)


def equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value, name)


@pytest.mark.parametrize("kind", ["bottom", "one task a step", "soft", "uncertainty"])
def test_one_task_that_counts_is_that_task_alone_to_the_bit(kind):
    tasks = regressions(missing=0.2)
    one_hot = trained(KINDS[kind], tasks.weighed({"a": 1.0, "b": 0.0}))
    alone = trained(KINDS[kind], replace(tasks, tasks={"a": tasks.tasks["a"]}))
    equal(one_hot.state(), alone.state())
    assert one_hot.names == ("a",)


def test_one_task_alone_is_adam_on_that_task():
    tasks = replace(regressions(), validation=None, test=None).only("b")
    network = SMALL.network(tasks, seed=4)
    adam = torch.optim.AdamW(
        network.parameters(), lr=SMALL.learning_rate, weight_decay=0, fused=True
    )
    for epoch in range(SMALL.epochs):
        rows = stream(4, "rows", epoch).permutation(len(tasks.inputs))
        for at in range(0, len(rows), SMALL.batch):
            chosen = rows[at : at + SMALL.batch]
            said = network.heads[0](network.trunk.layer(torch.from_numpy(tasks.inputs[chosen])))
            wanted = torch.from_numpy(tasks.tasks["b"].targets[chosen])
            adam.zero_grad()
            (said[:, 0] - wanted).square().mean().backward()
            adam.step()
    found = trained(SMALL, tasks, seed=4).weights["b"]
    equal(found, {name: one.detach().numpy() for name, one in network.state_dict().items()})


def test_layers_of_their_own_that_nothing_holds_are_trained_as_if_alone():
    config, tasks = replace(SMALL, share="soft"), regressions()
    together = trained(config, tasks).says(tasks.inputs)
    for name in "ab":
        alone = trained(config, tasks.only(name)).says(tasks.inputs)
        np.testing.assert_array_equal(together[name], alone[name])


def test_layers_that_are_held_fast_become_one():
    def distance(hold):
        config = replace(SMALL, share="soft", hold=hold, learning_rate=0.02, epochs=20)
        found = learner(config)
        training.loop.run(found, training.Session())
        stacks = [one.detach() for one in stacked(list(found.network.trunk.layers)).values()]
        return float(apart(stacks) / sum(one.square().sum() for one in stacks))

    free, held, fast = map(distance, (0.0, 0.1, 100.0))
    assert free > 0.3
    assert held < free / 2
    assert fast < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_stopped_after_every_step_ends_the_same_to_the_bit(kind, tmp_path):
    tasks = regressions(56, missing=0.2)
    steps = check_resuming(replace(KINDS[kind], epochs=2), tasks, tmp_path / "run")
    assert steps > 2


def test_surgery_changes_what_is_shared_and_nothing_else():
    config = replace(SMALL, share="mmoe", surgery=True)
    # The same question with opposite answers, twice as loud, so that the two do conflict.
    tasks = regressions()
    opposite = Task(targets=-tasks.tasks["a"].targets, weight=2.0)
    found = learner(config, replace(tasks, tasks={"a": tasks.tasks["a"], "b": opposite}), seed=5)
    for both in (found.network.heads, found.network.trunk.gates):
        both[1].load_state_dict(both[0].state_dict())
    batch = found.batches(0)[0]
    found.steps_done = 7
    losses = found.loss(batch)
    of_tasks = [
        torch.autograd.grad(one, list(found.network.parameters()), allow_unused=True,
                            retain_graph=True)
        for one in losses.values()
    ]  # fmt: skip
    found.backward(losses, sum(losses.values()))
    shared = {id(one) for one in found.network.trunk.experts.parameters()}
    every = list(found.network.parameters())
    at = [place for place, one in enumerate(every) if id(one) in shared]
    wanted = pcgrad([[of[n] for n in at] for of in of_tasks], stream(5, "surgery", 7))
    plain = [[one for one in of if one is not None] for of in zip(*of_tasks)]
    changed = 0
    for place, (one, grads) in enumerate(zip(every, plain)):
        if place in at:
            torch.testing.assert_close(one.grad, wanted[at.index(place)])
            changed += not torch.allclose(one.grad, sum(grads))
        else:
            torch.testing.assert_close(one.grad, sum(grads))
    assert changed


def test_a_variance_ends_where_it_costs_least_at_its_own_rate_and_without_decay():
    def four(said, labels):
        return 0 * (said - labels) + 4

    tasks = regressions(40)
    tasks = replace(tasks, tasks={"a": replace(tasks.tasks["a"], loss=four)})
    config = replace(
        SMALL, weigh="uncertainty", weighing_rate=0.2, epochs=150, weight_decay=0.3, batch=20
    )
    found = learner(config, tasks)
    model = training.loop.run(found, training.Session())
    (s,) = found.weighing.log_variance
    assert s.item() == pytest.approx(math.log(4), abs=0.02)
    assert model.weighed["a"] == pytest.approx(1 / 8, rel=0.02)
    optimiser = found._optimisers[0]
    rates = {group["weight_decay"]: group["lr"] for group in optimiser.param_groups}
    assert rates == {0.3: pytest.approx(0.003), 0.0: pytest.approx(0.2)}


def scripted(values):
    """A metric that says these, one after the other, whatever it is asked."""
    left = iter(values)
    return lambda *_: next(left)


def test_each_task_keeps_the_weights_of_its_own_best_epoch():
    tasks = regressions()
    worths = {"a": [0.1, 0.9, 0.5, 0.9, 0.2], "b": [0.1, 0.2, 0.3, 0.4, 0.5]}
    tasks = replace(
        tasks,
        tasks={n: replace(t, metric=scripted(worths[n])) for n, t in tasks.tasks.items()},
    )
    model = trained(replace(SMALL, epochs=5), tasks)
    assert model.epochs == {"a": 1, "b": 4}
    assert model.worths == {"a": 0.9, "b": 0.5}
    for name, epochs in (("a", 2), ("b", 5)):
        cut = regressions()
        cut = replace(
            cut,
            tasks={n: replace(t, metric=scripted(range(epochs))) for n, t in cut.tasks.items()},
        )
        equal(model.weights[name], trained(replace(SMALL, epochs=epochs), cut).weights[name])


def test_the_end_comes_when_no_task_has_been_better_for_long():
    def steps(of_a, of_b, patience):
        tasks = regressions()
        metrics = {"a": scripted(of_a), "b": scripted(of_b)}
        tasks = replace(
            tasks, tasks={n: replace(t, metric=metrics[n]) for n, t in tasks.tasks.items()}
        )
        config = replace(SMALL, epochs=6, patience=patience)
        return training.train_with(config, tasks).record["epochs"]

    falls, rises = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.1, 0.2, 0.3, 0.3, 0.3, 0.3]
    assert steps(falls, falls, 0) == 6
    assert steps(falls, falls, 1) == 3
    assert steps(falls, rises, 1) == 5
    nothing = [math.nan] * 6
    # What cannot be told is no reason to stop.
    assert steps(nothing, nothing, 1) == 6


def test_a_loss_is_the_mean_over_those_that_have_the_label():
    tasks = regressions(64, missing=0.5)
    found = learner(replace(SMALL, batch=64), tasks)
    batch = found.batches(0)[0]
    said = found.network(batch.x, [0, 1])
    for (name, lost), told in zip(found.loss(batch).items(), said):
        there = batch.valid[name]
        assert 0 < int(there.sum()) < len(there)
        wanted = (told[there] - batch.labels[name][there]).square().mean()
        torch.testing.assert_close(lost, wanted)


def test_what_stands_where_there_is_no_label_changes_nothing():
    tasks = regressions(missing=0.4)
    noise = np.random.default_rng(0).normal(size=120).astype(np.float32)
    other = replace(
        tasks,
        tasks={
            name: replace(task, targets=np.where(task.known, task.targets, noise))
            for name, task in tasks.tasks.items()
        },
    )
    equal(trained(SMALL, tasks).state(), trained(SMALL, other).state())


def test_a_batch_without_a_label_of_a_task_leaves_its_own_parameters_alone():
    tasks = regressions(60)
    none = replace(tasks.tasks["b"], valid=np.arange(60) == 0)
    found = learner(
        replace(SMALL, share="mmoe", weigh="uncertainty"),
        replace(tasks, tasks={"a": tasks.tasks["a"], "b": none}),
    )
    batch = next(b for b in found.batches(0) if not b.valid["b"].any())
    before = found.state()
    assert found.step(batch, 0.1).keys() == {"a"}
    after = found.state()
    own = {name for name in before if ".1." in name or name.endswith("log_variance.1")}
    own = {name for name in own if name.startswith(("network.heads", "network.trunk.gates"))}
    own |= {"network.weighing.log_variance.1"}
    assert len(own) == 5
    same = {name for name in before if np.array_equal(before[name], after.get(name))}
    assert own <= same
    assert not same & {name.replace(".1", ".0") for name in own if name.endswith("weight")}


def test_what_is_below_a_task_is_held_where_the_task_before_left_it():
    def gone(hold):
        found = learner(replace(KINDS["depth"], hold=hold, clip=0.0))
        batches = found.batches(0)
        moved = {}
        for step in range(len(batches)):
            batch = batches[step]
            found.step(batch, 0.01)
            if step == len(batches) - 1:
                below = {id(one) for one in found.network.below(1)}
                pairs = zip(found.network.parameters(), found.before)
                now = [(one, old) for one, old in pairs if id(one) in below]
                moved = math.fsum(float((a - b).detach().square().sum()) for a, b in now)
        return moved

    assert gone(100.0) < gone(0.0) / 4


def linear(width, out):
    """A layer that gives what it is given: heads are then regressions on the inputs."""
    assert width == out
    return torch.nn.Identity()


def test_copies_are_found_alike_and_independent_tasks_are_not():
    draw = np.random.default_rng(1)
    x = draw.normal(size=(400, 60)).astype(np.float32)
    one, other = draw.normal(size=(2, 60))
    labels = np.stack([x @ one, x @ one, x @ other], 1)
    labels = (labels + 0.5 * draw.normal(size=labels.shape)).astype(np.float32)
    truth = np.corrcoef(one, other)[0, 1]
    assert abs(truth) < 0.1
    tasks = Tasks(
        inputs=x,
        tasks={n: Task(targets=column) for n, column in zip("abc", labels.T)},
        make=linear,
    )
    config = Config(width=60, relate=1.0, batch=100, epochs=60, learning_rate=0.05)
    model = trained(config, tasks)
    alike = model.correlation()
    assert alike[0, 1] > 0.9
    assert abs(alike[0, 2]) < 0.2
    assert abs(alike[1, 2]) < 0.2
    np.testing.assert_allclose(np.diag(alike), 1, rtol=1e-5)
    assert list(model.covariances) == ["weight"]


def test_a_prior_costs_by_the_number_of_labels_and_is_renewed_each_epoch():
    found = learner(KINDS["related"])
    first, second = found.batches(0), found.batches(1)
    stack = torch.stack([head.weight for head in found.network.heads], -1)
    # 60 rows to learn from, of two tasks; all covariances start from one.
    wanted = 0.5 * stack.square().sum() / 120
    torch.testing.assert_close(found.loss(first[0])["relations"], wanted)
    found.step(first[0], 0.1)
    assert torch.equal(found.relations["weight"].tasks, torch.eye(2))
    renewed = found.related()["weight"].tasks
    found.step(second[0], 0.1)
    torch.testing.assert_close(found.relations["weight"].tasks, renewed)
    assert not torch.equal(renewed, torch.eye(2))


def test_the_prior_does_not_pull_all_weights_to_nothing():
    # A trunk that grows can make up for heads that shrink.
    config = Config(width=8, tower=4, relate=1.0, batch=30, epochs=40, learning_rate=0.02)
    found = learner(config)
    training.loop.run(found, training.Session())
    assert min(float(head[2].weight.detach().norm()) for head in found.network.heads) > 0.1
    assert set(found.relations) == {"0.weight", "2.weight"}


@pytest.mark.slow
def test_experts_beat_a_bottom_as_narrow_where_tasks_are_apart():
    def error(share, seed):
        config = Config(share=share, width=2, tower=8, batch=64, epochs=25, learning_rate=0.02)
        tasks = regressions(1000, correlation=0.0, width=6, seed=seed)
        return 2 - sum(trained(config, tasks, seed=seed).worth("test").values())

    ratios = [error("mmoe", seed) / error("bottom", seed) for seed in range(3)]
    assert np.exp(np.log(ratios).mean()) < 0.8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hold": 1.0}, "`bottom` has nothing to hold"),
        ({"share": "depth"}, "one task after the other"),
        ({"surgery": True, "steps": "one-task"}, "gradients of all tasks in a step"),
        ({"surgery": True, "share": "soft"}, "gradients of all tasks in a step"),
        ({"temper": 2.0}, "temper"),
        ({"experts": 0}, "experts"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        Config(**options)


def test_tasks_that_cannot_be_trained_are_refused():
    tasks = regressions()
    none = replace(tasks.tasks["b"], valid=np.zeros(120, bool))
    with pytest.raises(DataError, match="`b` has no label to learn from"):
        learner(tasks=replace(tasks, tasks={**tasks.tasks, "b": none}))
    twice = replace(tasks.tasks["b"], weight=2.0)
    heavy = replace(tasks, tasks={**tasks.tasks, "b": twice})
    with pytest.raises(ConfigError, match="`b` has a weight of 2"):
        training.fit(replace(SMALL, weigh="uncertainty"), heavy, seed=0)
    with pytest.raises(ConfigError, match="no task can be called `sharing`"):
        learner(tasks=replace(tasks, tasks={"sharing": tasks.tasks["a"]}))


def test_a_checkpoint_of_other_tasks_is_refused(tmp_path):
    tasks = regressions()
    session = training.Session(folder=tmp_path / "run")
    training.train_with(SMALL, tasks, session=session)
    with pytest.raises(ConfigError, match="is of another training"):
        training.train_with(SMALL, tasks.weighed({"a": 0.5}), session=replace(session, resume=True))


def test_the_validation_is_of_the_model_as_it_was():
    tasks = regressions()
    model = trained(SMALL, tasks)
    assert model.worth("validation") == model.worths
    said = model.says(tasks.inputs[tasks.test])
    labels = tasks.tasks["a"].targets[tasks.test]
    assert model.worth("test")["a"] == explained(said["a"], labels)
