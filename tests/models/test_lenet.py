from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.core.types import Spec  # noqa: E402
from pipeline.models import models  # noqa: E402

MODERN = {"activation": "relu", "pooling": "max", "normalization": "batch"}


def network(settings: dict, shape: tuple[int, int, int]):
    torch.manual_seed(0)
    settings = {"name": "lenet", **settings}
    return models.build(settings, "m").build(Spec(shapes={"image": shape}, outputs=10), task=None, seed=0).eval()


def test_the_books_network_is_the_books():
    model = network({}, (1, 28, 28))
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
@pytest.mark.parametrize("settings", [{}, MODERN, {"channels": [4], "hidden": []}])
def test_any_small_image_fits(shape, settings):
    assert network(settings, shape)({"image": torch.randn(2, *shape)})[0].shape == (2, 10)
