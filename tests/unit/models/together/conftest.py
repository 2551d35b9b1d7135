import numpy as np

from grapevine.tasks.together import Task, Tasks
from grapevine.testing.correlated import correlated_tasks


def regressions(rows=120, correlation=0.5, *, width=4, seed=0, missing=0.0, weights=(1.0, 1.0)):
    """Two tasks of `testing.correlated`; a quarter validates, a quarter tests."""
    x, labels = correlated_tasks(rows, width, correlation, seed=seed)
    number = np.arange(rows)
    draw = np.random.default_rng(seed)
    labels = np.where(draw.random(labels.shape) < missing, np.nan, labels).astype(np.float32)
    tasks = {
        name: Task(targets=column, weight=weight)
        for name, column, weight in zip("ab", labels.T, weights)
    }
    return Tasks(inputs=x, tasks=tasks, validation=number % 4 == 1, test=number % 4 == 3)
