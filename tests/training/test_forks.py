"""Children of the pool's process compute, whatever that process has computed itself with its one thread."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from projects import small_competition

from pipeline.stages import fetch, preprocess
from pipeline.stages.project import load_project

ROOT = Path(__file__).parents[2]

COMPUTES = """
from pipeline.core.seeds import fix_threads
fix_threads(1)  # as every stage does, before what counts the cores is loaded
import numpy as np
import torch
import lightgbm
from sklearn.ensemble import HistGradientBoostingRegressor
from pipeline.training.executors import Job, Processes
from pipeline.training.pool import Pool, Task, gather

def network(rows):
    table = torch.from_numpy(np.ones((rows, 2000))).float()
    return float((table @ table.T).sum())

def trees(rows):
    features = np.random.default_rng(0).normal(size=(rows, 5))
    lightgbm.train({"verbose": -1}, lightgbm.Dataset(features, features[:, 0]), 2)
    HistGradientBoostingRegressor(max_iter=2).fit(features, features[:, 0])
    return rows

here = network(2000), trees(500)  # in the process that forks
for threads in (1, 2):
    tasks = [Task(f.__name__, gather([Job(f"{f.__name__} {n}", f, (rows,)) for n in range(2)]))
             for f, rows in ((network, 2000), (trees, 500))]
    Pool(Processes(2, threads=threads)).run(tasks)
    assert [task.result for task in tasks] == [[here[0]] * 2, [here[1]] * 2], [task.error for task in tasks]
"""

INTERLEAVED = """
import hashlib, json, sys
from pipeline.core.seeds import fix_threads
fix_threads(1)
from pipeline.stages.project import load_project
from pipeline.training.cross_validation import cross_validation
from pipeline.training.data import Rows
from pipeline.training.executors import Processes, Serial
from pipeline.training.pool import Pool, Task

config = load_project()
rows = Rows(config.competition("lines"))
workers = int(sys.argv[1])
for names in sys.argv[2:]:
    models = [config.model(name) for name in names.split("+")]
    tasks = [Task(model.name, cross_validation(rows.data(model.features), model, 1)) for model in models]
    for task in tasks:
        task.worth = lambda task=task: -task.finished  # in turns
    Pool(Processes(workers) if workers else Serial()).run(tasks)
    for task in tasks:
        if task.error:
            raise task.error
    tables = {task.name: task.result.out_of_fold() for task in tasks}
    print(json.dumps({name: hashlib.sha256(table.to_csv().encode()).hexdigest() for name, table in tables.items()}))
"""


def run(script, *arguments, folder=ROOT):
    """What a script tells that runs where no variable caps the threads, as in a shell."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment |= {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_children_compute_after_their_parent_has():
    """With two threads each would wait for ever for threads of a parent that had computed with two itself."""
    run(COMPUTES)


def test_a_network_and_trees_take_turns_in_one_pool(tmp_path, monkeypatch):
    common = {"competition": "lines", "features": "numbers"}
    network = {"model": {"name": "mlp", "hidden": [16]}, "fit": {"epochs": 3}}
    trees = {"model": {"name": "lightgbm"}, "fit": {"iterations": 20}}
    params = {
        "competitions": {"lines": small_competition(rows=600)},
        "models": {"lines-network": {**common, **network}, "lines-trees": {**common, **trees}},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    fetch.run(load_project(), "lines")
    preprocess.run(load_project(), "lines")
    both = "lines-network+lines-trees"
    one, other, turns = map(json.loads, run(INTERLEAVED, "0", *both.split("+"), both, folder=tmp_path).splitlines())
    alone = {**one, **other}
    assert len(set(alone.values())) == 2 and turns == alone
    assert json.loads(run(INTERLEAVED, "2", both, folder=tmp_path)) == alone
