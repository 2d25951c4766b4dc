"""A champion behind ``mlflow models serve``, asked over HTTP with rows as the raw files have them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np
import pandas as pd
import pytest
import yaml
from projects import free_port
from test_server import answers, wait_until

from pipeline.stages import blend, fetch, preprocess, retrain, submit, train, tune
from pipeline.stages.project import load_project
from pipeline.tracking.sender import deliver_waiting

WORDS = ("red", "blue", "slow", "quick", "fox", "dog")


def table(count: int, seed: int) -> pd.DataFrame:
    """A number, a text and the pixels of an image a row; each tells something of the target."""
    generator = np.random.default_rng(seed)
    area, pixels = generator.integers(10, 90, count), generator.integers(0, 256, (count, 9))
    texts = [" ".join(generator.choice(WORDS, 3)) for _ in range(count)]
    price = area + 5.0 * np.array([text.count("fox") for text in texts]) + pixels[:, 4] / 10
    columns = {"id": range(seed, seed + count), "area": area, "text": texts}
    return pd.DataFrame({**columns, **{f"p{i}": pixels[:, i] for i in range(9)}, "price": price})


PARAMS = {
    "competitions": {
        "mixed": {
            "source": {"name": "files", "path": "files"},
            "columns": {
                "id": "id",
                "target": "price",
                "types": {"text": "text"},
                "images": {"picture": {"pixels": "p", "size": [3, 3]}},
            },
            "task": "regression",
            "metric": "rmse",
            "split": {"name": "shuffled", "folds": 2, "seed": 0},
            "features": {
                "numbers": {"name": "tabular"},
                "words": {"name": "tfidf", "columns": ["text"]},
                "picture": {"name": "pixels"},
            },
            "blend": "equal",
            "submission": "values",
        }
    },
    "models": {
        "mixed-numbers": {"competition": "mixed", "features": "numbers", "model": {"name": "ridge"}},
        "mixed-words": {"competition": "mixed", "features": "words", "model": {"name": "ridge"}},
        "mixed-picture": {"competition": "mixed", "features": "picture", "model": {"name": "ridge"}},
    },
    "execution": {"executor": "serial"},
}


@pytest.fixture
def registered(tracked, fresh_store, monkeypatch):
    """A project whose submission is written, and its champion in the store."""
    monkeypatch.chdir(tracked.root)
    monkeypatch.setenv("PODIUM_PROGRESS", "off")
    shutil.copyfile(fresh_store, tracked.root / "mlflow.db")
    (tracked.root / "files").mkdir()
    table(60, 0).to_csv("files/train.csv", index=False)
    table(12, 100).drop(columns="price").to_csv("files/test.csv", index=False)
    (tracked.root / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    config = load_project()
    for stage in (fetch, preprocess, train, tune, blend, retrain, submit):
        stage.run(config, "mixed")
    assert deliver_waiting().refused == []
    return tracked


def test_the_champion_answers_numbers_texts_and_images_over_http(registered):
    port = free_port()
    service = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/mixed@champion"),
            *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        ],
        cwd=registered.root,
        env={**os.environ, "MLFLOW_TRACKING_URI": registered.uri, "PYTHONSAFEPATH": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}"))
        rows = pd.read_csv("files/test.csv", dtype=str, keep_default_na=False)
        rows.loc[1, "area"] = ""  # a missing number
        told = ask(port, {"dataframe_records": rows.to_dict("records")})
        found = pd.DataFrame(told["predictions"])
        expected = pd.read_csv("data/mixed/submission.csv")
        assert list(found.columns) == list(expected.columns) and found["id"].astype(int).equals(expected["id"])
        known = [row for row in expected.index if row != 1]
        np.testing.assert_allclose(found["price"][known], expected["price"][known], rtol=1e-6)
        # Each of the three is heard: another word, another pixel, another number is another price.
        for column, value in {"text": "fox fox fox", "p4": "255", "area": "1000"}.items():
            row = rows.loc[[0]].assign(**{column: value})
            other = ask(port, {"dataframe_split": {"columns": [*row], "data": row.to_numpy().tolist()}})
            assert other["predictions"][0]["price"] != pytest.approx(found["price"][0], rel=1e-4), column
    finally:
        os.killpg(service.pid, signal.SIGKILL)
        service.wait()


def ask(port: int, body: dict) -> dict:
    request = Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
        return json.load(answer)
