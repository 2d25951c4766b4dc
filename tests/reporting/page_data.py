"""What a report's page is built from, as ``pipeline.stages.report.payload`` gives it."""

from __future__ import annotations

EVIL = "<script>alert('x')</script>\"><b>"


def row(model, valid, spread=0.0071, **more):
    folds = [valid - spread, valid + spread]
    facts = {"features": "book", "train": valid / 2, "trials": 5, "weight": 0.5, "test": None}
    return {"model": model, "valid": valid, "spread": spread, "folds": folds, **facts, **more}


UNEXPLAINED = {"explained": [], "words": [], "sample": None, "unexplained": None, "settings": {"model": "ridge"}}
UNKNOWN = dict.fromkeys(("search", "final", "tokens", "parameters"))
DATA = {
    "competition": "house_prices",
    "task": "regression",
    "metric": "log_rmse",
    "higher_is_better": False,
    "rows": {"train": 1460, "test": 1459, "folds": 5},
    "leaderboard": [
        row("blend", 0.11512, train=None, features="", trials=None, weight=None),
        row("trees", 0.12),
        row("ridge", 0.135),
        row("words", 0.2),
    ],
    "models": [
        {"model": "words", "curves": None, "diagnostic": None, "importance": None, "search": None, **UNEXPLAINED},
        {
            **UNEXPLAINED,
            "model": "ridge",
            "curves": {"folds": [{"train_loss": [2.0, 1.0], "valid_score": [0.3, 0.2]}]},
            "diagnostic": {
                "name": "residuals",
                "data": {"target": [1.0, 2.0], "prediction": [1.5, 2.0], "unit": "SalePrice"},
            },
            "importance": {"area": 1.0},
            "search": None,
        },
        {
            **UNEXPLAINED,
            "explained": [
                ("permutation", {"columns": {"area": {"mean": 0.02, "interval": [0.01, 0.03]}}, "metric": "log_rmse"})
            ],
            "words": [{"told": "a, not b (90%)", "words": ["good", "or", "bad"], "effects": [0.4, 0.0, -0.2]}],
            "settings": {"model": {"depth": 3, "name": "lightgbm"}, "fit": {"rate": 0.123456789}},
            "model": "trees",
            "curves": None,
            "diagnostic": {"name": "confusion", "data": {"classes": ["a", "b"], "counts": [[1, 0], [0, 1]]}},
            "importance": None,
            "search": None,
        },
    ],
    "blend": {"weights": {"trees": 0.5, "ridge": 0.5, "words": 0.0}, "valid": 0.11512, "spread": 0.0071},
    "submission": "data/house_prices/submission.csv",
    "findings": [
        {
            "code": "POD102",
            "severity": "warning",
            "title": "overfits",
            "measured": "trees: 0.06 on training rows, 0.12 on new ones.",
            "why": "It learned its training rows by heart.",
            "next": "More rows in a leaf.",
        },
    ],
    "muted": ["POD401"],
    "failed": {},
    "asked": 20,
    "baseline": {"what": "the median", "valid": 0.4, "folds": [0.4, 0.4]},
    "interval": [0.105, 0.125],
    "fit": {
        "trees": {
            "verdict": "overfits",
            "train": 0.06,
            "gap": 0.06,
            "interval": [0.05, 0.07],
            "lost": 0.18,
            "parameters": 1234,
            "rows": 1168,
        },
        "ridge": {
            "verdict": "fits",
            "train": 0.0675,
            "gap": 0.0675,
            "interval": None,
            "lost": None,
            "parameters": None,
            "rows": 1168,
        },
    },
    "comparison": {"blend": {"gain": 0.0049, "p": 0.2}},
    "answers": None,
    "shapes": [],
    "slices": {
        "asked": 40,
        "found": [
            {
                "column": "Street",
                "slice": "Gravel",
                "rows": 60,
                "inside": 0.3,
                "outside": 0.1,
                "harder": True,
                "p": 1e-9,
            }
        ],
    },
    "worst": {
        "columns": ["area"],
        "rows": [{"row": "31", "truth": "12,789", "said": "59,226", "values": ["missing"]}],
    },
    "best": "trees",
    "costs": {
        "trees": {"seconds": 12.0, "memory": 2e8, "trained": 5300.0, "answered": 41000.0, "bytes": 870e3, **UNKNOWN},
        "ridge": {"seconds": 0.25, "memory": 1e8, "trained": 99e3, "answered": 2e6, "bytes": 42e3, **UNKNOWN},
    },
    "calibrated": [],
    "dropped": {"Id": "identifier", "Street": "constant"},
    "notes": ["Feature set 'book' takes its statistics from training and test rows together."],
}
