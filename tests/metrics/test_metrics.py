"""Metrics against scikit-learn and sacreBLEU."""

import math
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import sacrebleu
from sklearn import metrics as sk

from pipeline.core.errors import Diverged, UserError
from pipeline.metrics import metrics

TOLERANCE = {"rel": 1e-9, "abs": 1e-12}


def build(name, **body):
    return metrics.build({"name": name, **body}, "competitions.x.metric")


def numeric(predictions):
    return pd.DataFrame({"prediction": predictions})


@pytest.fixture
def prices():
    random = np.random.default_rng(0)
    truth = pd.Series(random.lognormal(12, 0.4, 500), index=random.permutation(500))
    return truth, truth.to_numpy() * random.lognormal(0, 0.2, 500)


REGRESSION = {
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "mape": sk.mean_absolute_percentage_error,
    "r2": sk.r2_score,
    "rmsle": sk.root_mean_squared_log_error,
    "log_rmse": lambda y, p: sk.root_mean_squared_error(np.log(y), np.log(np.clip(p, 1, None))),
}


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_agrees_with_scikit_learn(prices, name):
    truth, predicted = prices
    assert build(name).score(truth, numeric(predicted)) == pytest.approx(
        REGRESSION[name](truth, predicted), **TOLERANCE
    )
    whole = pd.Series([0, 3, 2, 7]) + (1 if name == "log_rmse" else 0)
    guess = np.array([1, 2, 4, 7], dtype=np.float32)
    assert build(name).score(whole, numeric(guess)) == pytest.approx(REGRESSION[name](whole, guess), rel=1e-6)


def test_log_rmse_sets_predictions_below_one_to_one():
    assert build("log_rmse").score(pd.Series([math.e, math.e]), numeric([-5.0, 0.3])) == pytest.approx(1.0)


def test_rmsle_clips_negative_predictions_when_asked():
    target = pd.Series([0.0, math.e - 1])
    assert build("rmsle", clip=True).score(target, numeric([-3.0, -1.0])) == pytest.approx(math.sqrt(0.5))


def test_r2_of_a_constant_target_is_scikit_learns():
    target = pd.Series([2.0, 2.0, 2.0])
    for guess in ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]):
        assert build("r2").score(target, numeric(guess)) == sk.r2_score(target, guess)


def classes_case(classes, seed=0, rows=400):
    random = np.random.default_rng(seed)
    codes = random.integers(0, len(classes), rows)
    logits = random.normal(size=(rows, len(classes))) + 1.5 * np.eye(len(classes))[codes]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = probabilities.round(2) + 0.01  # ties, as trees give them
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    target = pd.Series([classes[i] for i in codes])
    return target, pd.DataFrame(probabilities, columns=[str(c) for c in classes]), probabilities


CLASS_SETS = [[0, 1], [False, True], ["no", "yes"], [1, 2, 3, 4, 5], ["low", "mid", "high"]]


def predicted_classes(classes, probabilities):
    return [classes[i] for i in probabilities.argmax(axis=1)]


@pytest.mark.parametrize("classes", CLASS_SETS, ids=str)
def test_classification_agrees_with_scikit_learn(classes):
    target, frame, probabilities = classes_case(classes)
    guess = predicted_classes(classes, probabilities)
    # scikit-learn sorts labels; give it the places in our order instead of the labels.
    codes = [classes.index(value) for value in target]
    guessed = probabilities.argmax(axis=1)
    expected = {
        "accuracy": sk.accuracy_score(target, guess),
        "balanced_accuracy": sk.balanced_accuracy_score(target, guess),
        "matthews": sk.matthews_corrcoef(target, guess),
        "kappa": sk.cohen_kappa_score(target, guess),
        "quadratic_weighted_kappa": sk.cohen_kappa_score(codes, guessed, weights="quadratic"),
        "log_loss": sk.log_loss(codes, probabilities, labels=range(len(classes))),
        "roc_auc": sk.roc_auc_score(codes, probabilities[:, 1])
        if len(classes) == 2
        else sk.roc_auc_score(codes, probabilities, multi_class="ovr", average="macro"),
    }
    for name, value in expected.items():
        assert build(name).score(target, frame) == pytest.approx(value, **TOLERANCE), name
    for average in ("macro", "weighted", "micro"):
        value = sk.f1_score(target, guess, average=average)
        assert build("f1", average=average).score(target, frame) == pytest.approx(value, **TOLERANCE)


def test_binary_f1_of_either_class():
    target, frame, probabilities = classes_case(["no", "yes"])
    guess = predicted_classes(["no", "yes"], probabilities)
    assert build("f1").score(target, frame) == pytest.approx(sk.f1_score(target, guess, pos_label="yes"))
    assert build("f1", positive="no").score(target, frame) == pytest.approx(sk.f1_score(target, guess, pos_label="no"))
    target, frame, probabilities = classes_case([1, 2, 3])
    expected = sk.f1_score(target, predicted_classes([1, 2, 3], probabilities), labels=[3], average="macro")
    assert build("f1", positive=3).score(target, frame) == pytest.approx(expected)


def test_classes_that_some_rows_lack():
    target, frame, probabilities = classes_case([0, 1, 2, 3])
    keep = (target != 3).to_numpy()
    target, frame, probabilities = target[keep], frame[keep], probabilities[keep]
    guess = probabilities.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "balanced_accuracy": sk.balanced_accuracy_score(target, guess),
            "matthews": sk.matthews_corrcoef(target, guess),
            "kappa": sk.cohen_kappa_score(target, guess),
            "quadratic_weighted_kappa": sk.cohen_kappa_score(target, guess, labels=range(4), weights="quadratic"),
            "log_loss": sk.log_loss(target, probabilities, labels=range(4)),
        }
        macro = sk.f1_score(target, guess, average="macro")
    for name, value in expected.items():
        assert build(name).score(target, frame) == pytest.approx(value, **TOLERANCE), name
    assert build("f1", average="macro").score(target, frame) == pytest.approx(macro, **TOLERANCE)
    areas = [sk.roc_auc_score(target == k, probabilities[:, k]) for k in range(3)]
    assert build("roc_auc").score(target, frame) == pytest.approx(np.mean(areas), **TOLERANCE)


def test_undefined_values_are_scikit_learns():
    frame = pd.DataFrame({"a": [0.9, 0.8], "b": [0.1, 0.2]})
    assert build("matthews").score(pd.Series(["a", "b"]), frame) == 0.0
    assert build("kappa").score(pd.Series(["a", "b"]), frame) == 0.0
    assert build("f1").score(pd.Series(["a", "a"]), frame) == 0.0


def test_log_loss_scales_rows_and_survives_certainty():
    target = pd.Series(["a", "b"])
    certain = pd.DataFrame({"a": [1.0, 1.0], "b": [0.0, 0.0]})
    assert build("log_loss").score(target, certain) == pytest.approx(sk.log_loss([0, 1], certain), **TOLERANCE)
    assert build("log_loss").score(target, 7 * certain) == build("log_loss").score(target, certain)


def test_kappa_of_a_regression_rounds_and_stays_in_range():
    target = pd.Series([1, 2, 3, 4, 4, 2])
    guess = np.array([0.2, 2.4, 3.6, 9.0, 4.4, 1.6])
    expected = sk.cohen_kappa_score(target, [1, 2, 4, 4, 4, 2], weights="quadratic")
    assert build("quadratic_weighted_kappa").score(target, numeric(guess)) == pytest.approx(expected, **TOLERANCE)


def test_perplexity_is_the_geometric_mean_of_one_over_probability():
    surprise = -np.log([0.5 * 0.25, 0.125])
    assert build("perplexity").score(pd.Series([2, 1]), numeric(surprise)) == pytest.approx((2 * 4 * 8) ** (1 / 3))
    assert build("perplexity").score(pd.Series([1]), numeric([1e6])) == math.inf


def test_the_perplexity_of_references_is_of_the_tokens_that_a_model_writes():
    logs = [np.log([0.5, 0.25]).astype("float32"), np.log([0.125]).astype("float32")]
    frame = pd.DataFrame({"prediction": ["un", "deux"], "log_probabilities": logs})
    metric, target = build("perplexity"), pd.Series(["un", "deux trois"])
    assert metric.score(target, frame) == pytest.approx((2 * 4 * 8) ** (1 / 3), rel=1e-6)
    low, high = metric.interval(pd.Series(["a"] * 2), frame)
    assert (low, high) == pytest.approx((math.sqrt(8), 8), rel=1e-6)  # of the one row alone, and of the other
    assert metric.interval(pd.Series([2, 1]), numeric([1.0, 2.0])) is None
    with pytest.raises(UserError, match="metric perplexity: needs the probability that a model gives each token"):
        metric.score(target, frame[["prediction"]])


def test_bits_per_character_are_those_of_whole_texts_whatever_the_tokens():
    score = build("bits_per_character").score
    characters = pd.Series([4.0, 1.0])  # "abc" and an empty row, an end each
    assert score(characters, numeric([4 * math.log(67), math.log(67)])) == pytest.approx(math.log2(67))
    assert score(characters, numeric([0.0, 0.0])) == 0
    # One token of probability 1/8 and an end of 1/2 say as much as a half for each of four characters.
    assert score(characters[:1], numeric([math.log(8) + math.log(2)])) == pytest.approx(1)
    assert score(characters[:1], numeric([4 * math.log(2)])) == pytest.approx(1)


REFERENCES = ["Le chat est assis sur le tapis.", "Il pleut, dit-on.", "Bonjour le monde !", "Merci."]
GUESSES = ["Le chat est sur le tapis.", "Il pleut beaucoup, dit-on.", "", "merci. "]


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("bleu", {}, sacrebleu.corpus_bleu),
        ("bleu", {"lowercase": True}, lambda *a: sacrebleu.corpus_bleu(*a, lowercase=True)),
        ("bleu", {"tokenize": "char"}, lambda *a: sacrebleu.corpus_bleu(*a, tokenize="char")),
        ("chrf", {}, sacrebleu.corpus_chrf),
        ("chrf", {"word_order": 2}, lambda *a: sacrebleu.corpus_chrf(*a, word_order=2)),
        ("chrf_plus_plus", {}, lambda *a: sacrebleu.corpus_chrf(*a, word_order=2)),
        ("ter", {}, sacrebleu.corpus_ter),
        ("ter", {"lowercase": False}, lambda *a: sacrebleu.corpus_ter(*a, case_sensitive=True)),
        ("ter", {"punctuation": False}, lambda *a: sacrebleu.corpus_ter(*a, no_punct=True)),
    ],
)
def test_translation_agrees_with_sacrebleu(name, settings, expected):
    metric, target = build(name, **settings), pd.Series(REFERENCES)
    found = metric.score(target, pd.DataFrame({"prediction": GUESSES}))
    assert found == pytest.approx(expected(GUESSES, [REFERENCES]).score, **TOLERANCE)
    whole = metric.score(target, pd.DataFrame({"prediction": REFERENCES}))
    assert whole == pytest.approx(100 if metric.higher_is_better else 0)
    assert f"version:{sacrebleu.__version__}" in metric.signature()
    low, high = metric.interval(target, pd.DataFrame({"prediction": GUESSES}))
    assert low < found < high


def test_bleu_and_chrf_have_a_geometric_mean():
    target, frame = pd.Series(REFERENCES), pd.DataFrame({"prediction": GUESSES})
    for settings, chrf in (({}, "chrf"), ({"word_order": 2}, "chrf_plus_plus")):
        both = build("bleu").score(target, frame), build(chrf).score(target, frame)
        mean = build("bleu_chrf", **settings)
        assert mean.score(target, frame) == pytest.approx(math.sqrt(both[0] * both[1]))
    assert mean.signature().count("version:") == 2


def test_the_interval_is_that_of_sacrebleus_own_bootstrap():
    random = np.random.default_rng(0)
    words = [f"w{i}" for i in range(40)]
    references = [" ".join(random.choice(words, 9)) for _ in range(150)]
    guesses = [" ".join(w if random.random() < 0.7 else "x" for w in text.split()) for text in references]
    low, high = build("chrf").interval(pd.Series(references), pd.DataFrame({"prediction": guesses}))
    own = sacrebleu.metrics.CHRF().corpus_score(guesses, [references], n_bootstrap=400)
    assert low == pytest.approx(own._mean - own._ci, abs=0.15 * (high - low))
    assert high == pytest.approx(own._mean + own._ci, abs=0.15 * (high - low))


def test_texts_match_exactly_or_not():
    target, frame = pd.Series(REFERENCES), pd.DataFrame({"prediction": [REFERENCES[0], *GUESSES[1:]]})
    assert build("exact_match").score(target, frame) == 0.25
    assert build("exact_match", lowercase=True).score(target, frame) == 0.5  # "Merci." and "merci. "


def test_every_metric_says_what_it_suits():
    for name in metrics:
        part = metrics.get(name)
        assert part.name == name
        if name != "file":
            assert name == "mean_over_targets" or isinstance(part.higher_is_better, bool)  # that follows another
            known = {"regression", "classification", "language_model", "translation"}
            assert set(part.tasks) <= known | {"multioutput_regression", "multilabel", "multioutput_classification"}


@pytest.mark.parametrize(
    ("name", "target", "predictions", "message"),
    [
        ("rmse", [1.0, 2.0], [1.0, np.nan], "every prediction must be a finite number, got nan in row 1"),
        ("mae", [1.0, np.inf], [1.0, 1.0], "every target must be a finite number, got inf in row 1"),
        ("rmse", ["a", "b"], [1.0, 1.0], "target must be numbers, got 'a'"),
        ("rmse", [], [], "at least one row"),
        ("rmsle", [1.0, 2.0], [1.0, -0.5], "needs a prediction of at least 0, got -0.5 in row 1; give the task"),
        ("rmsle", [-1.0, 2.0], [1.0, 0.5], "needs a target of at least 0, got -1 in row 0"),
        ("log_rmse", [5.0, 0.0], [1.0, 1.0], "needs a target above 0, got 0 in row 1"),
        ("r2", [5.0], [1.0], "needs at least 2 rows, got 1"),
        ("quadratic_weighted_kappa", [1.5, 2.0], [1.0, 1.0], "needs whole numbers as target, got 1.5 in row 0"),
        (
            "quadratic_weighted_kappa",
            [2.0, 2.0],
            [1.0, 1.0],
            "at least 2 classes in the target, got only '2.0' in 2 rows",
        ),
        ("perplexity", [0, 0], [1.0, 1.0], "needs token counts above 0"),
        ("bits_per_character", [0, 0], [1.0, 1.0], "needs token counts above 0"),
        ("bleu", ["a", None], ["a", "b"], "every target must be a text, got .* in row 1"),
        ("chrf", ["a"], [1.0], "every prediction must be a text, got 1.0 in row 0"),
    ],
)
def test_faults_of_values(name, target, predictions, message):
    with pytest.raises(UserError, match=message) as caught:
        build(name).score(pd.Series(target), numeric(predictions))
    assert str(caught.value).startswith(f"metric {name}: ")


@pytest.mark.parametrize(
    ("name", "target", "frame", "message"),
    [
        ("roc_auc", ["a", "a"], {"a": [0.9, 0.8], "b": [0.1, 0.2]}, "2 classes among the rows it scores, got only 'a'"),
        ("log_loss", ["a", "a"], {"a": [1.0, 1.0]}, r"needs at least 2 classes, the predictions have \['a'\]"),
        ("log_loss", ["a", "b"], {"a": [0.0, 1.0], "b": [0.0, 0.0]}, "not be negative nor all 0"),
        ("accuracy", ["a", "c"], {"a": [0.9, 0.8], "b": [0.1, 0.2]}, "row 1 is 'c', the predictions' classes are a, b"),
        ("accuracy", ["a", None], {"a": [0.9, 0.8], "b": [0.1, 0.2]}, "target of row 1 is"),
        (
            "accuracy",
            ["a", "b"],
            {"a": [0.9, np.nan], "b": [0.1, 0.2]},
            "be a finite number, got .*nan.* in row 1",
        ),
        ("f1", ["a", "b"], {"a": [0.9, 0], "b": [0.1, 0], "c": [0, 1]}, "binary needs 2 classes, got 3"),
        ("quadratic_weighted_kappa", ["a", "a"], {"a": [0.9, 0.8], "b": [0.1, 0.2]}, "needs at least 2 classes"),
    ],
)
def test_faults_of_classes(name, target, frame, message):
    with pytest.raises(UserError, match=message):
        build(name).score(pd.Series(target), pd.DataFrame(frame))


def test_predictions_that_are_not_finite_have_diverged():
    with pytest.raises(Diverged):
        build("rmse").score(pd.Series([1.0]), numeric([np.inf]))
    with pytest.raises(Diverged):
        build("accuracy").score(pd.Series(["a"]), pd.DataFrame({"a": [np.nan], "b": [0.5]}))


def test_f1_names_the_classes_when_positive_is_none_of_them():
    target, frame, _ = classes_case(["no", "yes"])
    with pytest.raises(UserError, match="must be one of the classes no, yes, got 'oui'"):
        build("f1", positive="oui").score(target, frame)


def test_scoring_an_epoch_costs_under_a_millisecond(prices):
    truth, predicted = (np.resize(part, 1500) for part in prices)
    target, frame = pd.Series(truth), numeric(predicted)
    labels, probabilities, _ = classes_case(["no", "yes"], rows=1500)
    cases = [(name, target, frame) for name in ("rmse", "log_rmse", "mae")]
    for name, y, p in [*cases, *[(name, labels, probabilities) for name in ("accuracy", "log_loss", "roc_auc", "f1")]]:
        metric = build(name)
        seconds = []
        for _ in range(30):
            began = time.process_time()
            metric.score(y, p)
            seconds.append(time.process_time() - began)
        assert min(seconds) < 1e-3, name


def test_scoring_needs_no_scikit_learn():
    code = (
        "import sys, pandas as pd\n"
        "from pipeline.metrics import metrics\n"
        "metrics.build('roc_auc', 'm').score(pd.Series([0, 1]), pd.DataFrame({'0': [.8, .1], '1': [.2, .9]}))\n"
        "metrics.build('log_rmse', 'm').score(pd.Series([2., 1.]), pd.DataFrame({'prediction': [.8, .1]}))\n"
        "raise SystemExit(bool({'sklearn', 'scipy', 'torch', 'sacrebleu'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
