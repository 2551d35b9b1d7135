"""What `grapevine tune` searches of a model where nobody says: ranges that the field has tried.

A range is written as `--search` takes it: `32,64,128` or `1e-4..1e-2`.
"""

_ATTENTION = {
    "width": "64,128,256",
    "blocks": "1..4",
    "heads": "1,2,4",
    "dropout": "0.1..0.6",
    "learning_rate": "3e-4..3e-3",
}

_CASCADE = {
    "learning_rate": "1e-3..2e-2",
    "auxiliary": "0.1..3",
    "dropout": "0..0.5",
    "regularization": "1e-6..1e-2",
    "batch": "256,1024,4096",
}
_ALL_PAIRS = {
    "learning_rate": "1e-3..5e-2",
    "auxiliary": "0.1..3",
    "dropout": "0..0.5",
    "negative_weight": "0.003..0.3",
}
_TYPED = {
    "layers": "1..3",
    "learning_rate": "1e-3..2e-2",
    "auxiliary": "0.1..3",
    "dropout": "0..0.5",
    "temperature": "0.03..0.2",
    "hidden": "0.2..0.8",
}

SPACES: dict[str, dict[str, str]] = {
    "item-knn": {"neighbours": "10..1000", "shrink": "0..200", "weighting": "none,tfidf"},
    "ease": {"regularization": "10..10000"},
    "als": {
        "factors": "32,64,128,256",
        "iterations": "5..30",
        "regularization": "1e-3..100",
        "alpha": "1..100",
    },
    "pinsage": {
        "width": "64,128",
        "neighbours": "10..50",
        "temperature": "0.02..0.2",
        "half_life": "1..50",
        "id_dropout": "0.1..0.8",
        "learning_rate": "1e-3..2e-2",
    },
    "lightgcn": {
        "width": "64,128,256",
        "layers": "1..4",
        "temperature": "0.05..0.5",
        "popularity": "0..1.5",
        "regularization": "1e-5..1e-1",
        "learning_rate": "2e-3..5e-2",
    },
    "sasrec": _ATTENTION,
    "gsasrec": {**_ATTENTION, "negatives": "32,64,128,256", "calibration": "0..1"},
    "bert4rec": {**_ATTENTION, "masked": "0.1..0.6"},
    "gru4rec": {
        "width": "64,128,256",
        "hidden": "64,128,256,512",
        "dropout": "0..0.5",
        "learning_rate": "3e-4..3e-3",
    },
    "nmtr": _CASCADE,
    "esmm": _CASCADE,
    "ehcf": _ALL_PAIRS,
    "ghcf": {**_ALL_PAIRS, "layers": "1..4"},
    "mb-cgcn": {
        **{option: one for option, one in _CASCADE.items() if option != "auxiliary"},
        "batch": "1024,2048,4096",  # each step hears all graphs, and counts the target alone
        "layers": "1..3",
        "unit": "false,true",
        "spread": "0.01,0.1",
    },
    "crgcn": {**_CASCADE, "layers": "1..3"},
    "rgcn": {**_TYPED, "bases": "0,4"},
    "hgt": _TYPED,
    "vine": {
        "width": "64,128",
        "blocks": "1..3",
        "dropout": "0.1..0.5",
        "auxiliary": "0.1..1",
        "honest": "0.1..0.5",
        "learning_rate": "1e-3..6e-3",
    },
    "hstu": {**_ATTENTION, "temperature": "0.02..0.2"},
}
"""Option to range, by the name of the model."""
