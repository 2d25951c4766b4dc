from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pipeline.core.errors import UserError  # noqa: E402
from pipeline.core.types import FitJob, Schema, Spec  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.training import learners  # noqa: E402

BOOK = {"name": "lenet", "activation": "sigmoid", "pooling": "average", "batch_norm": False}


def network(settings: dict, shape: tuple[int, int, int]):
    torch.manual_seed(0)
    return models.build(settings, "m").build(Spec(shapes={"image": shape}, outputs=10), task=None, seed=0).eval()


def test_the_books_network_is_the_books():
    model = network(BOOK, (1, 28, 28))
    book = torch.nn.Sequential(  # D2L 7.6
        torch.nn.Conv2d(1, 6, 5, padding=2),
        torch.nn.Sigmoid(),
        torch.nn.AvgPool2d(2, stride=2),
        torch.nn.Conv2d(6, 16, 5),
        torch.nn.Sigmoid(),
        torch.nn.AvgPool2d(2, stride=2),
        torch.nn.Flatten(),
        torch.nn.Linear(400, 120),
        torch.nn.Sigmoid(),
        torch.nn.Linear(120, 84),
        torch.nn.Sigmoid(),
        torch.nn.Linear(84, 10),
    )
    with torch.no_grad():
        for mine, other in zip(model.parameters(), book.parameters(), strict=True):
            other.copy_(mine)
    image = torch.randn(3, 1, 28, 28)
    torch.testing.assert_close(model({"image": image})[0], book(image))


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 4, 6)])
@pytest.mark.parametrize("settings", [{"name": "lenet"}, BOOK, {"name": "lenet", "channels": [4], "hidden": []}])
def test_any_small_image_fits(shape, settings):
    assert network(settings, shape)({"image": torch.randn(2, *shape)})[0].shape == (2, 10)


def test_an_image_too_small_is_refused():
    with pytest.raises(UserError, match="3 x 8 are too small for 2 poolings"):
        network({"name": "lenet"}, (1, 3, 8))


def test_it_reads_digits():
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    encoded = {"image": images, "target": digits.target.astype(np.int64)}
    train, valid = ({name: values[part::4] for name, values in encoded.items()} for part in (0, 1))
    schema = Schema(id=None, target="label", columns=(), classes=tuple(range(10)), target_kind="class")
    task, learner = (
        tasks.build("classification", "t"),
        learners.get("neural")(epochs=10, learning_rate=3e-3, schedule="cosine", batch_size=16),
    )
    spec = replace(Spec(shapes={"image": (1, 8, 8)}), outputs=task.outputs(schema, Spec()))
    model = models.build({"name": "lenet", "channels": [16, 32]}, "m")
    fitted = learner.fit(FitJob(model=model, task=task, spec=spec, train=train, valid=None, seed=0))
    predicted = task.predictions(fitted.raw({"image": valid["image"]}), task.fit_target(None, schema), spec)
    assert (predicted.to_numpy().argmax(1) == valid["target"]).mean() > 0.94
