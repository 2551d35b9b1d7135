"""The libraries that sequence models are held to, each a process that waits for its turn.

    python benchmarks/sequence_peers.py LIBRARY MODEL HISTORIES BATCH

`LIBRARY` is `rectools` or `recbole`, and is installed where this runs. A line with a number of
steps, or "rank", comes in; their seconds go out. See `sequence_speed.py`.
"""

import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, LENGTH, BLOCKS, HEADS, DROPOUT = 64, 200, 2, 2, 0.2


def rectools(name: str, path: str, batch: int) -> None:
    """SASRec or BERT4Rec of RecTools, through its own trainer and `recommend`."""
    import pandas as pd
    import torch
    from pytorch_lightning import Callback, Trainer
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import BERT4RecModel, SASRecModel

    held = np.load(path)
    frame = pd.DataFrame(
        {
            Columns.User: held["users"],
            Columns.Item: held["items"],
            Columns.Weight: 1.0,
            Columns.Datetime: pd.to_datetime(held["places"], unit="s"),
        }
    )
    torch.set_num_threads(int(held["threads"]))

    class InTurns(Callback):
        def __init__(self) -> None:
            self.left, self.began = 0, 0.0

        def wait(self) -> bool:
            asked = sys.stdin.readline().strip()
            if asked == "rank":
                return True
            self.left = int(asked or 0)
            if not self.left:
                sys.exit()
            self.began = time.perf_counter()
            return False

        def on_train_start(self, *_: Any) -> None:
            print("ready", flush=True)
            self.wait()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.left -= 1
            if self.left:
                return
            print(time.perf_counter() - self.began, flush=True)
            if self.wait():  # the training is over
                trainer.should_stop, trainer.limit_train_batches = True, 0

    def trainer(**_: Any) -> Any:
        return Trainer(
            max_epochs=10**6, accelerator="cpu", devices=1, logger=False, callbacks=[InTurns()],
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip

    made = {"sasrec": SASRecModel, "bert4rec": BERT4RecModel}[name](
        n_blocks=BLOCKS, n_heads=HEADS, n_factors=WIDTH, session_max_len=LENGTH,
        dropout_rate=DROPOUT, batch_size=batch, loss="softmax", lr=1e-3,
        get_trainer_func=trainer, recommend_torch_device="cpu",
    )  # fmt: skip
    data = Dataset.construct(frame)
    made.fit(data)
    users = np.unique(held["users"])
    while True:
        began = time.perf_counter()
        made.recommend(users=users, dataset=data, k=10, filter_viewed=True)
        print(time.perf_counter() - began, flush=True)
        if not sys.stdin.readline():
            sys.exit()


def recbole(name: str, path: str, batch: int) -> None:
    """The same of RecBole: every beginning of a history is a sample."""
    import torch

    _as_before_numpy_2()
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, get_trainer, init_seed
    from recbole.utils.case_study import full_sort_topk

    held = np.load(path)
    torch.set_num_threads(int(held["threads"]))
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # its trainer writes logs here
        (Path(folder) / "ml").mkdir()
        columns = np.column_stack([held["users"], held["items"], held["places"]])
        np.savetxt(
            Path(folder) / "ml" / "ml.inter", columns, fmt="%d", delimiter="\t", comments="",
            header="user_id:token\titem_id:token\ttimestamp:float",
        )  # fmt: skip
        said = {
            "data_path": folder, "checkpoint_dir": folder, "use_gpu": False,
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "MAX_ITEM_LIST_LENGTH": LENGTH, "hidden_size": WIDTH, "inner_size": 4 * WIDTH,
            "n_layers": BLOCKS, "n_heads": HEADS, "hidden_dropout_prob": DROPOUT,
            "attn_dropout_prob": DROPOUT, "loss_type": "CE", "train_neg_sample_args": None,
            "train_batch_size": batch, "eval_batch_size": 256, "show_progress": False,
            "eval_args": {
                "split": {"LS": "test_only"}, "order": "TO", "mode": "full", "group_by": "user",
            },
        }  # fmt: skip
        model_name = {"sasrec": "SASRec", "bert4rec": "BERT4Rec"}[name]
        config = Config(model=model_name, dataset="ml", config_dict=said)
        init_seed(0, True)
        data = create_dataset(config)
        train, _, test = data_preparation(config, data)
        model = get_model(model_name)(config, train.dataset)
        optimizer = get_trainer(config["MODEL_TYPE"], model_name)(config, model).optimizer
        users = np.arange(1, data.user_num)

        def step(samples: Any) -> None:
            optimizer.zero_grad()
            model.calculate_loss(samples).backward()
            optimizer.step()

        def rank() -> None:
            model.eval()
            for start in range(0, len(users), 256):
                full_sort_topk(users[start : start + 256], model, test, k=10, device="cpu")

        _in_turns(train, step, rank)


def _in_turns(train: Any, step: Any, rank: Any) -> None:
    """Do as each line says; the first that comes out says that all is ready."""
    print(f"ready {len(train.dataset)}", flush=True)
    batches = iter(())
    while asked := sys.stdin.readline().strip():
        began = time.perf_counter()
        if asked == "rank":
            rank()
        for _ in range(0 if asked == "rank" else int(asked)):
            samples = next(batches, None)
            if samples is None:
                batches = iter(train)
                samples = next(batches)
            step(samples)
        print(time.perf_counter() - began, flush=True)


def _as_before_numpy_2() -> None:
    """RecBole 1.2.1 has names that numpy 2 took out, and loads what torch no longer trusts."""
    import torch

    gone = {"float": float, "int": int, "bool": bool, "object": object, "long": int, "str": str}
    more = {"unicode": str, "unicode_": str, "float_": np.float64, "complex_": np.complex128}
    for name, kind in (gone | more | {"complex": complex}).items():
        if name not in vars(np):
            setattr(np, name, kind)
    load = torch.load
    torch.load = lambda *given, **options: load(*given, **{**options, "weights_only": False})


if __name__ == "__main__":
    {"rectools": rectools, "recbole": recbole}[sys.argv[1]](*sys.argv[2:4], int(sys.argv[4]))
