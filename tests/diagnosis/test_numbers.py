"""Each finding's numbers are what scipy, scikit-learn or plain arithmetic makes of the stored files."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, kruskal, ks_2samp, spearmanr, t
from sklearn.linear_model import LogisticRegression
from stored import FOLDS, Model
from test_planted_faults import PLANTED

from pipeline.diagnosis.optimism import optimism

PLANTS = {(name, code): plant for name, code, plant, _ in PLANTED}


class Files:
    """What lies in ``data/toy``, read anew without the pipeline."""

    def __init__(self, root) -> None:
        self.data = root / "data" / "toy"
        self.train, self.test = (pd.read_parquet(self.data / "rows" / f"{one}.parquet") for one in ("train", "test"))
        self.schema, self.blend = (self.json(one) for one in ("schema.json", "blend.json"))
        self.target, self.fold = self.train[self.schema["target"]], self.train["__fold__"].to_numpy()

    def json(self, name):
        return json.loads((self.data / name).read_text())

    def scores(self, model, which):
        return np.array([one[which] for one in self.json(f"tuned/{model}/scores.json")["folds"]])

    def out(self, model="plain"):
        return pd.read_parquet(self.data / "tuned" / model / "predictions.parquet").iloc[:, 2:]

    def answers(self, model="plain"):
        return pd.read_parquet(self.data / "final" / model / "predictions.parquet")


def of_101(files, numbers):
    assert numbers["stump"] == pytest.approx(files.scores("stump", "train").mean())
    assert numbers["best"] == pytest.approx(files.scores("plain", "valid").mean())


def of_102(files, numbers):
    train, valid = files.scores("mlp", "train"), files.scores("mlp", "valid")
    own = numbers["mlp"]
    assert own["gap"] == pytest.approx((valid - train).mean()) and own["new"] == pytest.approx(
        (1 - train / valid).min()
    )
    constant = [
        np.log(files.target[files.fold == k]).sub(np.log(files.target[files.fold != k]).mean()).pow(2).mean() ** 0.5
        for k in range(FOLDS)
    ]
    assert own["lost"] == pytest.approx(own["gap"] / (np.mean(constant) - train.mean()))
    assert own["rows"] == round(len(files.train) * (1 - 1 / FOLDS)) and own["parameters"] is None


def of_103(files, numbers):
    right = files.out("lost").idxmax(axis=1) == files.target
    usual = [files.target[files.fold != k].mode()[0] for k in range(FOLDS)]
    gains = [right[files.fold == k].mean() - (files.target[files.fold == k] == usual[k]).mean() for k in range(FOLDS)]
    assert numbers["lost"] == pytest.approx(np.mean(gains))


def of_201(files, numbers):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_score

    columns = ["age", "fare", "pclass", "sibsp", "parch"]
    rows = pd.concat([files.train[columns], files.test[columns]])
    truth = np.r_[np.zeros(len(files.train)), np.ones(len(files.test))]
    other = HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=8)
    area = cross_val_score(other, rows, truth, scoring="roc_auc", cv=3).mean()
    assert numbers["auc"] == pytest.approx(area, abs=0.08) and numbers["chance"][0] < 0.5 < numbers["chance"][1]


def of_202(files, numbers):
    before, after = (rows["fare"].dropna() for rows in (files.train, files.test))
    assert numbers["fare"]["p"] == pytest.approx(ks_2samp(before, after, method="asymp").pvalue)
    cuts = np.r_[-np.inf, np.unique(np.quantile(pd.concat([before, after]), np.linspace(0.1, 0.9, 9))), np.inf]
    counts = [pd.cut(part, cuts).value_counts(sort=False).clip(lower=0.5).to_numpy() for part in (before, after)]
    one, other = (part / part.sum() for part in counts)
    assert numbers["fare"]["psi"] == pytest.approx(((other - one) * np.log(other / one)).sum())


def of_203(files, numbers):
    share = (files.test["embarked"] == "Cherbourg").sum() / files.test["embarked"].notna().sum()
    assert numbers["embarked"]["unseen"] == pytest.approx(share)


def of_204(files, numbers):
    assert numbers["fare"]["test"] == files.test["fare"].isna().mean()
    assert numbers["fare"]["train"] == files.train["fare"].isna().mean()


def of_205(files, numbers):
    truth, told = files.target.astype(int), files.out().to_numpy().argmax(axis=1)
    rates = np.array([[(told[truth == true] == answer).mean() for true in (0, 1)] for answer in (0, 1)])
    counts = [np.bincount(one, minlength=2) for one in (told, files.answers().to_numpy().argmax(axis=1))]
    shares = np.linalg.solve(rates, counts[1] / counts[1].sum())
    assert numbers["1"]["test"] == pytest.approx(shares[1]) and numbers["1"]["train"] == pytest.approx(truth.mean())
    assert numbers["p"] == pytest.approx(chi2_contingency(counts, correction=False).pvalue)


def of_206(files, numbers):
    signed = np.log(files.out()["prediction"]) - np.log(files.target)
    assert numbers["signed"] == pytest.approx(spearmanr(signed, np.arange(len(signed))).statistic)
    assert numbers["loss"] == pytest.approx(spearmanr(signed.abs(), np.arange(len(signed))).statistic)


def of_207(files, numbers):
    solution = pd.read_csv(files.data / "raw" / "solution.csv")
    assert numbers == {"other": pytest.approx((solution["language"] == "other").mean())}


def of_208(files, numbers):
    signed = np.log(files.out()["prediction"]) - np.log(files.target)
    parts = [one.to_numpy() for _, one in signed.groupby(files.train["Kitchen Qual"]) if len(one) >= 20]
    test, rows = kruskal(*parts), sum(map(len, parts))
    assert numbers["Kitchen Qual"]["p"] == pytest.approx(test.pvalue)
    explained = (test.statistic - len(parts) + 1) / (rows - len(parts))
    assert numbers["Kitchen Qual"]["explained"] == pytest.approx(explained)


def of_301(files, numbers):
    rho = spearmanr(files.train["Tax"], files.target).statistic
    assert numbers["Tax"] == pytest.approx(1 - rho**2, abs=1e-6)


def of_302(files, numbers):
    rho = spearmanr(files.target, np.arange(len(files.target))).statistic
    assert numbers["the row's place"] == pytest.approx(rho)


def of_303(files, numbers):
    columns = [one["name"] for one in files.schema["columns"]]
    folds = files.train.assign(fold=files.fold).groupby(columns, dropna=False)["fold"].transform("nunique")
    assert numbers["exact"] == pytest.approx((folds > 1).mean(), abs=0.005)


def of_304(files, numbers):
    columns = [one["name"] for one in files.schema["columns"]]
    known = set(map(tuple, files.train[columns].astype(str).to_numpy()))
    again = np.array([tuple(row) in known for row in files.test[columns].astype(str).to_numpy()])
    long = (files.test["name"].str.len() >= 25).to_numpy()  # other rows are told where all their values are rare
    assert (again & long).mean() <= numbers["exact"] <= again.mean() and numbers["near"] >= numbers["exact"]


def of_305(files, numbers):
    folds = files.train.assign(fold=files.fold).groupby("berth")["fold"].transform("nunique")
    assert numbers["berth"]["folds"] == pytest.approx((folds > 1).mean()) and numbers["berth"]["test"] == 0


def of_306(files, numbers):
    assert numbers == files.json("rows/facts.json")["statistics"] == {"all": "train_and_test"}


def of_307(files, numbers):
    wrong = (files.out("oracle").idxmax(axis=1) != files.target).mean()
    assert numbers == {"oracle": wrong}


def of_308(files, numbers):
    days, later = files.train["sailed.days"].to_numpy(), []
    for k in range(FOLDS):
        later += [(days[files.fold != k] > one).mean() for one in days[files.fold == k]]
    assert numbers["sailed"] == {"folds": pytest.approx(np.mean(later)), "test": 0.0}


FROM = {
    **dict.fromkeys(("POD101", "POD102", "POD206", "POD208", "POD301", "POD302", "POD303"), "ames"),
    "POD207": "emoji",
}
"""Which planted copy a code's numbers are computed from; titanic's unless named."""
CODES = sorted({code for _, code in PLANTS})


@pytest.mark.parametrize("code", CODES)
def test_a_findings_numbers_are_those_of_the_stored_files(clean, tmp_path, monkeypatch, code):
    monkeypatch.chdir(tmp_path)
    name = FROM.get(code, "titanic")
    found = clean(name).planted(tmp_path, PLANTS[name, code]).find(code)[code]
    globals()[f"of_{code.removeprefix('POD')}"](Files(tmp_path), found["numbers"])


def test_no_winner_is_declared_within_noise(clean, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = clean("titanic").planted(tmp_path)
    made.model("other", LogisticRegression(C=0.3, max_iter=300), [one for one in made.features if one != "name"])
    found = made.find("POD401")["POD401"]
    first, second = (Files(tmp_path).scores(name, "valid") for name in found["about"])
    gains = first - second
    half = t.ppf(0.975, FOLDS - 1) * (gains.var(ddof=1) * (1 / FOLDS + 1 / (FOLDS - 1))) ** 0.5
    assert found["numbers"][found["about"][1]] == pytest.approx(gains.mean())
    assert found["interval"] == pytest.approx([gains.mean() - half, gains.mean() + half])


def test_a_lead_that_chance_gives_among_so_many_is_told_by_the_chance_among_so_many(clean, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = clean("titanic").planted(tmp_path)
    plain = made.models["plain"]
    for number, name in enumerate(("a", "b", "c", "d")):
        behind = 0.03 + 0.01 * number + np.resize([0.025, -0.025], FOLDS)
        folds = [
            {"fold": k, "train": 0.9, "valid": valid - by}
            for k, (valid, by) in enumerate(zip([one["valid"] for one in plain.folds], behind, strict=True))
        ]
        made.models[name] = Model(plain.out, plain.answers, folds)
    found = made.find("POD401")["POD401"]
    gains = np.array(
        [Files(tmp_path).scores("plain", "valid") - Files(tmp_path).scores(one, "valid") for one in "abcd"]
    )
    error = (gains.var(axis=1, ddof=1) * (1 / FOLDS + 1 / (FOLDS - 1))) ** 0.5
    p = 2 * t.sf(gains.mean(axis=1) / error, FOLDS - 1)
    assert p.min() < 0.05 < 4 * p.min() < 1  # told apart where it stands alone
    assert f"d by {gains[3].mean():.5f} (p {4 * p.min():.2f})" in found["measured"]


def test_how_many_times_its_training_error_a_model_makes_on_new_rows(clean, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = clean("ames").planted(tmp_path, PLANTS["ames", "POD102"]).find("POD102")["POD102"]
    files = Files(tmp_path)
    least = (files.scores("mlp", "valid") / files.scores("mlp", "train")).min()
    assert 4.3 <= least < 4.4 and "in every fold at least 4.3 times the error on training rows" in found["measured"]


def test_a_search_among_equals_is_told_to_flatter(clean, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores = 0.68 + 0.03 * np.random.default_rng(0).normal(size=(60, FOLDS))
    trials = [
        {"number": i, "value": one.mean(), "scores": one.tolist(), "overrides": {}} for i, one in enumerate(scores)
    ]
    made = clean("titanic").planted(tmp_path)
    raw = {"tune": {"trials": 60, "space": {"model.learning_rate": {"float": [0.01, 0.1]}}}}
    made.models["plain"].more = {"trials": trials, "raw": raw}
    found = made.find("POD402")["POD402"]
    lucky = scores.mean(axis=1).max() - 0.68  # all of what the best one is better by is luck
    assert found["numbers"]["plain.search"] == pytest.approx(lucky, rel=0.6) and "flatters plain" in found["measured"]


@pytest.mark.parametrize("monitor", ["score", "loss"])
def test_early_stopping_flatters_by_what_it_stops_by(clean, tmp_path, monkeypatch, monitor):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    score, loss = generator.uniform(0.6, 0.9, (2, FOLDS, 12))  # [folds, epochs]
    made = clean("titanic").planted(tmp_path)
    curves = [{"valid_score": a.tolist(), "valid_loss": b.tolist()} for a, b in zip(score, loss, strict=True)]
    raw = {"features": "numbers", "model": {"name": "mlp"}, "fit": {"early_stopping": {"monitor": monitor}}}
    made.models["plain"].more = {"curves": curves, "raw": raw}
    gains = []
    for k in range(FOLDS):
        others = [i for i in range(FOLDS) if i != k]
        if monitor == "loss":
            gains.append(score[k, loss[k].argmin()] - score[k, loss[others].mean(axis=0).argmin()])
        else:
            gains.append(score[k].max() - score[k, score[others].mean(axis=0).argmax()])
    assert optimism(made.write())["early_stopping"]["plain"]["optimism"] == pytest.approx(np.mean(gains))


def test_a_blend_that_is_surely_worse_than_its_best_model_is_told(clean, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = clean("titanic").planted(tmp_path)
    made.model("other", LogisticRegression(max_iter=300), ["sex", "age"])
    best = max(np.mean([one["valid"] for one in model.folds]) for model in made.models.values())
    made.blended = [one["valid"] - 0.05 - 0.001 * one["fold"] for one in made.models["plain"].folds]
    found = made.find("POD403")["POD403"]
    assert found["numbers"]["gain"] == pytest.approx(np.mean(made.blended) - best, abs=0.02)
    assert found["about"] == ["plain"] and found["numbers"]["p"] < 0.05
