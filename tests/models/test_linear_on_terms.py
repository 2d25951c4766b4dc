"""Linear models on a sparse bag of terms, against scikit-learn on its own sparse matrix."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix, hstack, random_array
from sklearn.linear_model import LogisticRegression, Ridge

from pipeline.core.pairing import reads
from pipeline.core.ragged import Ragged
from pipeline.core.types import Spec
from pipeline.features import features
from pipeline.metrics import metrics
from pipeline.models import models
from pipeline.models.estimators.base import Plan
from pipeline.tasks import tasks

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "disaster_tweets"
ROWS, TERMS = 80, 30
GENERATOR = np.random.default_rng(0)
MATRIX = csr_matrix(random_array((ROWS, TERMS), density=0.2, rng=GENERATOR))
NUMBERS = GENERATOR.normal(size=(ROWS, 3))
VOCABULARY = ["<pad>", *(f"term{i}" for i in range(TERMS))]


def bag(matrix: csr_matrix) -> dict[str, Ragged]:
    """A sparse matrix as ``tokens`` and ``weights``, ragged."""
    lengths = np.diff(matrix.indptr).astype(np.int64)
    tokens = Ragged.from_lengths((matrix.indices + 1).astype(np.uint16), lengths)
    return {"tokens": tokens, "weights": Ragged.from_lengths(matrix.data.astype(float), lengths)}


def spec(outputs: int, numbers: bool) -> Spec:
    names = {"numbers": ["a", "b", "c"]} if numbers else {}
    return Spec(
        shapes={"tokens": (20,), "weights": (20,)},
        names=names,
        sizes={"tokens": TERMS + 1},
        vocabularies={"tokens": VOCABULARY},
        outputs=outputs,
    )


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        ("ridge", "regression", Ridge(alpha=1.0)),
        ("logistic_regression", "classification", LogisticRegression(max_iter=1000)),
    ],
)
def test_they_agree_with_scikit_learn_and_survive_saving(name, task, expected, numbers, tmp_path):
    score = np.asarray(MATRIX.sum(axis=1)).ravel() + NUMBERS[:, 0]
    target = score if task == "regression" else (score > np.median(score)).astype(np.int64)
    inputs = bag(MATRIX) | ({"numbers": NUMBERS} if numbers else {})
    matrix = hstack([csr_matrix(NUMBERS), MATRIX], format="csr") if numbers else MATRIX
    expected.fit(matrix, target)
    described = spec(1 if task == "regression" else 2, numbers)
    made = models.build(name, "m").build(described, tasks.build(task, "t"), 0)
    made.fit({**inputs, "target": target}, None, Plan())
    raw = made.raw(inputs)
    if task == "regression":
        np.testing.assert_allclose(raw[:, 0], expected.predict(matrix), atol=1e-6)
    else:
        np.testing.assert_allclose(np.exp(raw), expected.predict_proba(matrix), atol=1e-5)
    importance = made.importance()
    assert list(importance) == [*described.names.get("numbers", []), *VOCABULARY[1:]]
    moves = np.ravel(expected.coef_) * matrix.toarray().std(axis=0)
    np.testing.assert_allclose(list(importance.values()), moves, atol=1e-4)
    made.save(tmp_path)
    again = models.build(name, "m").build(described, tasks.build(task, "t"), 0)
    again.load(tmp_path)
    np.testing.assert_array_equal(again.raw(inputs), raw)


def test_importance_tells_the_terms_that_matter_most():
    many = csr_matrix(random_array((ROWS, 500), density=0.05, rng=GENERATOR))
    described = replace(
        spec(1, False), sizes={"tokens": 501}, vocabularies={"tokens": ["<pad>", *map(str, range(500))]}
    )
    made = models.build("ridge", "m").build(described, tasks.build("regression", "t"), 0)
    made.fit({**bag(many), "target": GENERATOR.normal(size=ROWS)}, None, Plan())
    told = made.importance()
    moves = np.abs(made.coefficients[:, 0] * made.deviations)
    assert len(told) == 200 and set(map(int, told)) == set(np.argsort(-moves)[:200].tolist())


def test_which_feature_sets_linear_models_read():
    sets = {
        "tfidf": features.build("tfidf", "x"),
        "both": features.build({"name": "tfidf", "numbers": {}}, "x"),
        "tabular": features.build("tabular", "x"),
        "tokens": features.build({"name": "tokens", "column": "t"}, "x"),
        "categorical": features.build("categorical", "x"),
    }
    for name in ("ridge", "logistic_regression"):
        model = models.build(name, "m")
        assert {key for key, one in sets.items() if reads(model, one)} == {"tfidf", "both", "tabular"}
    assert not reads(models.build("mlp", "m"), sets["tfidf"])


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_tfidf_and_logistic_regression_on_tweets():
    """Trained on the first half of the tweets, against scikit-learn's own pipeline."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    from pipeline.features.schema import apply
    from pipeline.features.settling import settle

    raw = pd.read_csv(DATA / "train.csv", keep_default_na=False, dtype=str)
    schema = settle(raw, None, id="id", target="target", target_kind="class")
    rows = apply(schema, raw, training=True, where="train")
    train, valid = rows.iloc[::2].reset_index(drop=True), rows.iloc[1::2].reset_index(drop=True)
    settings = {"name": "tfidf", "columns": ["text"], "words": [1, 1], "categories": False}
    encoder = features.build(settings, "x").fit(train, schema, seed=0)
    task = tasks.build("classification", "t")
    target = task.fit_target(train["target"], schema)
    described = replace(encoder.spec, outputs=2)
    made = models.build("logistic_regression", "m").build(described, task, 0)
    made.fit({**encoder.encode(train), "target": target.encode(train["target"])}, None, Plan())
    predictions = task.predictions(made.raw(encoder.encode(valid)), target, described)
    expected = make_pipeline(TfidfVectorizer(min_df=2, sublinear_tf=True), LogisticRegression(max_iter=1000))
    wanted = expected.fit(train["text"], train["target"]).predict_proba(valid["text"])
    np.testing.assert_allclose(predictions, wanted, atol=1e-4)
    assert metrics.build("f1", "x").score(valid["target"], predictions) > 0.72


@pytest.mark.parametrize("classes", [2, 3])
def test_naive_bayes_linear_is_the_papers(classes):
    """Wang and Manning 2012: each term times its log-count ratio, then a linear model; by hand on dense arrays."""
    from sklearn.linear_model import LogisticRegression

    many = csr_matrix(random_array((ROWS, 30), density=0.3, rng=np.random.default_rng(5)))
    target = np.random.default_rng(6).integers(0, classes, ROWS)
    names = tuple(map(str, range(classes)))
    described = replace(
        spec(classes, False),
        sizes={"tokens": 31},
        vocabularies={"tokens": ["<pad>", *map(str, range(30))]},
        classes=names,
    )
    made = models.build("naive_bayes_linear", "m").build(described, tasks.build("classification", "t"), 0)
    made.fit({**bag(many), "target": target}, None, Plan())
    dense, scores = many.toarray(), []
    for one in range(1 if classes == 2 else 0, classes):
        counts = [(dense[target == one] > 0).sum(axis=0) + 1, (dense[target != one] > 0).sum(axis=0) + 1]
        ratio = np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum())
        theirs = LogisticRegression(max_iter=1000).fit(dense * ratio, target == one)
        scores.append(theirs.decision_function(dense * ratio))
    expected = np.stack([np.zeros(ROWS), *scores] if classes == 2 else scores, axis=1)
    expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(made.raw(bag(many)), expected, atol=2e-3)


def test_naive_bayes_before_support_vectors_ranks_as_scikit_learns_machine():
    """The same distances as LinearSVC on the scaled terms, through Platt's scaling, which keeps their order."""
    from sklearn.svm import LinearSVC

    many = csr_matrix(random_array((ROWS, 30), density=0.3, rng=np.random.default_rng(5)))
    target = (many.toarray()[:, :3].sum(axis=1) > 0.5).astype(np.int64)
    described = replace(
        spec(2, False),
        sizes={"tokens": 31},
        vocabularies={"tokens": ["<pad>", *map(str, range(30))]},
        classes=("no", "yes"),
    )
    made = models.build({"name": "naive_bayes_linear", "loss": "squared_hinge"}, "m")
    made = made.build(described, tasks.build("classification", "t"), 0)
    made.fit({**bag(many), "target": target}, None, Plan())
    dense = many.toarray()
    counts = [(dense[target == one] > 0).sum(axis=0) + 1 for one in (1, 0)]
    ratio = np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum())
    distance = LinearSVC(random_state=0).fit(dense * ratio, target).decision_function(dense * ratio)
    logs = made.raw(bag(many))
    slope, shift = np.polyfit(distance, logs[:, 1] - logs[:, 0], 1)
    np.testing.assert_allclose(logs[:, 1] - logs[:, 0], slope * distance + shift, atol=2e-3)
    assert slope > 0
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1)
    assert abs(np.exp(logs[:, 1]).mean() - target.mean()) < 0.05  # calibrated on rows held out


@pytest.mark.parametrize("interpolation", [0.0, 0.25])
def test_naive_bayes_and_a_linear_model_are_mixed_as_in_the_paper(interpolation):
    """Wang and Manning 2012, eq. 5, by hand on dense arrays; at 0 what scikit-learn's MultinomialNB says of the terms'
    presence, but for the prior, which Platt's scaling sees to."""
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.svm import LinearSVC

    dense = (random_array((ROWS, 30), density=0.3, rng=np.random.default_rng(5)).toarray() > 0).astype(float)
    target = (dense[:, :3].sum(axis=1) > 0.5).astype(np.int64)
    described = replace(
        spec(2, False),
        sizes={"tokens": 31},
        vocabularies={"tokens": ["<pad>", *map(str, range(30))]},
        classes=("no", "yes"),
    )
    named = {"name": "naive_bayes_linear", "loss": "squared_hinge", "interpolation": interpolation}
    made = models.build(named, "m").build(described, tasks.build("classification", "t"), 0)
    made.fit({**bag(csr_matrix(dense)), "target": target}, None, Plan())
    shares = MultinomialNB().fit(dense, target).feature_log_prob_  # [classes, p]
    ratio = shares[1] - shares[0]
    weights = np.ones(30)
    if interpolation:
        own = LinearSVC(random_state=0).fit(dense * ratio, target).coef_[0]
        weights = (1 - interpolation) * np.abs(own).mean() + interpolation * own
    logs = made.raw(bag(csr_matrix(dense)))
    odds, expected = logs[:, 1] - logs[:, 0], dense @ (weights * ratio)
    slope, shift = np.polyfit(expected, odds, 1)
    assert slope > 0
    np.testing.assert_allclose(odds, slope * expected + shift, atol=2e-3)


def test_naive_bayes_is_calibrated_by_texts_that_its_ratios_have_not_seen():
    """Of terms that are chance, each in one text or two, nothing can be known: held-out texts are not told apart."""
    random = np.random.default_rng(0)
    rare = csr_matrix((np.ones(400), (np.repeat(np.arange(100), 4), random.permutation(np.arange(400) // 2))))
    target = random.integers(0, 2, 100)
    described = replace(
        spec(2, False),
        sizes={"tokens": 201},
        vocabularies={"tokens": ["<pad>", *map(str, range(200))]},
        classes=("no", "yes"),
    )
    made = models.build({"name": "naive_bayes_linear", "interpolation": 0.0}, "m")
    made = made.build(described, tasks.build("classification", "t"), 0)
    made.fit({**bag(rare), "target": target}, None, Plan())
    assert np.exp(made.raw(bag(rare))).max(axis=1).mean() < 0.7  # by ratios of the same texts 0.95


@pytest.mark.parametrize("settings", [{"loss": "squared_hinge"}, {"interpolation": 0.25}])
def test_naive_bayes_is_as_sure_of_one_of_several_classes_as_it_is_right(settings):
    random, rows = np.random.default_rng(0), 600
    target = random.integers(0, 3, 2 * rows)
    # Ten terms lean to each class, and tell it in two texts of three.
    leaning = np.where(np.arange(30)[None] % 3 == target[:, None], 0.35, 0.2)
    dense = csr_matrix((random.random((2 * rows, 30)) < leaning).astype(float))
    described = replace(
        spec(3, False),
        sizes={"tokens": 31},
        vocabularies={"tokens": ["<pad>", *map(str, range(30))]},
        classes=("a", "b", "c"),
    )
    made = models.build({"name": "naive_bayes_linear", **settings}, "m")
    made = made.build(described, tasks.build("classification", "t"), 0)
    made.fit({**bag(dense[:rows]), "target": target[:rows]}, None, Plan())
    told = np.exp(made.raw(bag(dense[rows:])))
    np.testing.assert_allclose(told.sum(axis=1), 1)
    right = (told.argmax(axis=1) == target[rows:]).mean()
    assert told.max(axis=1).mean() == pytest.approx(right, abs=0.05)
