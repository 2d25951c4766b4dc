"""Secrets wherever a person would have them around a run, to be looked for in what it leaves."""

from __future__ import annotations

import json
from pathlib import Path

KAGGLE_KEY = "canary-kaggle-key-3f9a"
KAGGLE_FILE = "canary-kaggle-file-77c1"
DATABASE = "canary-database-b20e"
SERVER = "canary-server-5d48"
CANARIES = (KAGGLE_KEY, KAGGLE_FILE, DATABASE, SERVER)


def planted(folder: Path, server: str) -> dict[str, str]:
    """Variables of a run's surroundings, with a file of Kaggle's in ``folder``. server: of MLflow, ``host:port``."""
    (folder / "kaggle.json").write_text(json.dumps({"username": "somebody", "key": KAGGLE_FILE}))
    return {
        "KAGGLE_CONFIG_DIR": str(folder),
        "KAGGLE_USERNAME": "somebody",
        "KAGGLE_KEY": KAGGLE_KEY,
        "MLFLOW_TRACKING_URI": f"http://somebody:{SERVER}@{server}",
    }


def locked_studies(folder: Path) -> dict[str, str]:
    """The variable of a database of studies behind a password, which really works: SQLite takes any query."""
    place = f"sqlite:///file:{folder}/studies.db?mode=rwc&uri=true&password={DATABASE}"
    return {"PODIUM_OPTUNA_STORAGE": place}


def nothing_secret(output: str, *folders: Path) -> int:
    """Look through an output and every file of the folders; gives the number of files read."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    for canary in CANARIES:
        assert canary not in output
        for path in files:
            assert canary not in path.name and canary.encode() not in path.read_bytes(), path
    return len(files)
