from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pipeline.core.code import code_digest, code_files, read_again  # noqa: E402
from pipeline.core.errors import UserError  # noqa: E402
from pipeline.core.registry import build_settings  # noqa: E402
from pipeline.core.types import FitJob, Spec  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.models.layers.word_vectors import read_vectors  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.training import learners  # noqa: E402

TOKENS = ["<pad>", "<unk>", "the", "film", "￭,", "naïve", "rare"]
GLOVE = "the 1 2.5 -3e-1\n, 4 5 6\nfilm 7 8 9\nelsewhere 0 0 0\nnaïve 1 1 1\n. . . 2 2 2\n"
NAMES = [name for name in models if models.get(name).needs == {"tokens"}]


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glove.txt").write_text(GLOVE, encoding="utf-8")
    return tmp_path / "glove.txt"


def found(path, tokens=TOKENS, width: int = 3) -> dict[int, list[float]]:
    indices, vectors = read_vectors(path, tokens, width)
    return dict(zip(indices.tolist(), vectors.numpy().round(4).tolist()))


EXPECTED = {2: [1, 2.5, -0.3], 3: [7, 8, 9], 4: [4, 5, 6], 5: [1, 1, 1]}


@pytest.mark.parametrize("before", ["", "6 3\n"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
def test_words_of_the_vocabulary_get_their_vectors(file, before, end):
    file.write_bytes((before + GLOVE).replace("\n", end).encode())
    assert {index: pytest.approx(vector, abs=1e-4) for index, vector in found(file).items()} == EXPECTED


def test_the_first_of_a_words_lines_counts_and_bytes_that_are_no_text_pass_by(file):
    file.write_bytes(GLOVE.encode() + b"\xff\xfe 3 3 3\nfilm 0 0 0\n")
    assert found(file)[3] == [7, 8, 9]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("the 1 2 3\nfilm 1 2\n", "glove.txt: line 2: needs a word and 3 numbers, got 2 numbers"),
        ("the 1 2 3\nfilm 1 x 2\n", "line 2: needs 3 finite numbers after the word"),
        ("the 1 nan 3\n", "line 1: needs 3 finite numbers"),
        ("the 1 2 3 4\n", "line 1: its vectors have 4 numbers, and embedding is 3; set embedding: 4"),
        ("400000 50\nthe 1 2 3\n", "line 1: its vectors have 50 numbers, and embedding is 3; set embedding: 50"),
        ("PK\x03\x04\n", "line 1: needs a word and its numbers, as word2vec and GloVe write them as text"),
        ("other 1 2 3\n", "glove.txt: has a vector for none of the 5 words of the vocabulary"),
        ("", "has a vector for none"),
    ],
)
def test_a_file_that_does_not_serve_is_told_with_its_line(file, text, told):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=told.replace(".", r"\.")):
        read_vectors(file, TOKENS, 3)


def test_a_file_that_is_not_there_is_told(file):
    with pytest.raises(UserError, match=r"other\.txt: the word vectors cannot be read: No such file"):
        read_vectors(file.with_name("other.txt"), TOKENS, 3)
    model = models.build({"name": "text_cnn", "vectors": "other.txt"}, "model")
    with pytest.raises(UserError, match=r"^other\.txt: no such file of word vectors"):
        code_files((), [model])


def fit(name: str, **settings):
    settings = {"embedding": 3, "vectors": "glove.txt", **({"heads": 1} if "transformer" in name else {}), **settings}
    model = models.build({"name": name, **settings}, "model")
    learner = build_settings(learners.get("neural"), {"epochs": 4, "batch_size": 4}, "fit")
    task = tasks.build("classification", "task")
    spec = Spec({"tokens": (3,)}, sizes={"tokens": 7}, vocabularies={"tokens": TOKENS}, outputs=2, classes=("a", "b"))
    tokens = np.array([[2, 3, 6], [5, 1, 0], [4, 0, 0], [0, 0, 0]])
    train = {"tokens": tokens, "target": np.array([0, 1, 0, 1])}
    fitted = learner.fit(FitJob(model=model, task=task, spec=spec, train=train, valid=None, seed=0))
    return fitted, lambda folder: learner.load(folder, model, task, spec), train


@pytest.mark.parametrize("name", NAMES)
def test_a_network_begins_with_them_and_answers_without_the_file(file, name, tmp_path):
    fitted, load, inputs = fit(name, vectors_trained=False)
    weight = fitted.network.embedding.weight
    for index, vector in EXPECTED.items():
        torch.testing.assert_close(weight[index], torch.tensor(vector, dtype=torch.float32))
    assert (weight[0] == 0).all() and (weight[6] != 0).all()  # a rare word begins as ever
    trained, _, _ = fit(name)
    assert not torch.equal(trained.network.embedding.weight[2], weight[2])
    assert (trained.network.embedding.weight[0] == 0).all()
    fitted.save(tmp_path / "saved")
    file.unlink()
    np.testing.assert_array_equal(load(tmp_path / "saved").raw(inputs), fitted.raw(inputs))


def test_what_is_fitted_hangs_on_what_stands_in_the_file(file):
    def digest(**settings) -> str:
        read_again()
        return code_digest(code_files((), [models.build({"name": "text_cnn", **settings}, "model")]))

    without, before = digest(), digest(vectors="glove.txt")
    assert before != without and digest(vectors="glove.txt") == before
    file.write_text(GLOVE.replace("2.5", "2.6"), encoding="utf-8")
    assert digest(vectors="glove.txt") != before
    assert digest() == without
