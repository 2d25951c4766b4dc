"""Every network on the shelf that reads images: what is published of them, and what is true of them all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from neural import learner  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from pipeline.core.errors import Faults, UserError  # noqa: E402
from pipeline.core.types import FitJob, Spec  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.models.image_model import ImageModel  # noqa: E402
from pipeline.models.layers.convolution import output_size  # noqa: E402
from pipeline.models.layers.image_network import channels_last  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402

NAMES = [name for name in models if issubclass(models.get(name), ImageModel)]
SMALL = {
    "alexnet": {"channels": [16, 24, 24, 16, 16], "hidden": [64]},
    "vgg": {"blocks": [[1, 16], [1, 32], [2, 64]], "hidden": [256]},
    "googlenet": {"stages": [[[16, 24, 32, 4, 8, 8]], [[48, 24, 52, 4, 12, 16]]]},
    "resnet": {"blocks": [[1, 16], [1, 32], [1, 64]]},
}
IMAGENET = (3, 224, 224)


@pytest.fixture(autouse=True)
def _one_thread():
    """Such small maps are no work for two, which would wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(settings, shape, outputs=10, **spec):
    torch.manual_seed(0)
    model = models.build(settings, "model")
    return model.build(Spec(shapes={"image": shape, **spec.pop("shapes", {})}, outputs=outputs, **spec), None, 0).eval()


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_shelf_holds_all_of_them():
    assert NAMES == ["alexnet", "googlenet", "lenet", "nin", "resnet", "vgg"]


def test_sizes_are_as_given_and_published_ones_fit_small_images():
    given = network({"name": "vgg", "blocks": [[2, 32], [1, 64]]}, (1, 28, 28))
    maps = [layer.out_channels for layer in given.modules() if isinstance(layer, nn.Conv2d)]
    units = [layer.out_features for layer in given.modules() if isinstance(layer, nn.Linear)]
    assert (maps, units) == ([32, 32, 64], [1024, 1024, 10])
    half = network({"name": "vgg", "blocks": [[2, 32], [1, 64]], "width": 0.5}, (1, 28, 28))
    assert [layer.out_channels for layer in half.modules() if isinstance(layer, nn.Conv2d)] == [16, 16, 32]


@pytest.mark.parametrize(
    ("settings", "shape", "outputs", "published"),
    [
        # torchvision's num_params: AlexNet, VGG, GoogLeNet (without auxiliary outputs), ResNet.
        ({"name": "alexnet"}, IMAGENET, 1000, 61_100_840),
        ({"name": "vgg", "depth": 11}, IMAGENET, 1000, 132_863_336),
        ({"name": "vgg", "depth": 13}, IMAGENET, 1000, 133_047_848),
        ({"name": "vgg", "depth": 16}, IMAGENET, 1000, 138_357_544),
        ({"name": "vgg", "depth": 19}, IMAGENET, 1000, 143_667_240),
        ({"name": "googlenet", "kernel": 3}, IMAGENET, 1000, 6_624_904),
        ({"name": "resnet", "depth": 18}, IMAGENET, 1000, 11_689_512),
        ({"name": "resnet", "depth": 34}, IMAGENET, 1000, 21_797_672),
        # The first paper's AlexNet without its two groups, and Caffe's GoogLeNet.
        ({"name": "alexnet", "channels": [96, 256, 384, 384, 256]}, IMAGENET, 1000, 62_378_344),
        ({"name": "googlenet", "normalization": "none"}, IMAGENET, 1000, 6_998_552),
        # NiN: its authors' network in Caffe's model zoo (29 MB), and the book's (D2L 8.3).
        ({"name": "nin"}, IMAGENET, 1000, 7_595_176),
        ({"name": "nin", "channels": [96, 256, 384]}, (1, 224, 224), 10, 1_992_166),
        # LeNet of the book (D2L 7.6), and 4.2 of He et al. 2016 (0.27 M) with projections.
        ({"name": "lenet"}, (1, 28, 28), 10, 61_706),
        ({"name": "resnet", "depth": 20}, (3, 32, 32), 10, 272_474),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
def test_it_has_as_many_parameters_as_published(settings, shape, outputs, published):
    with torch.device("meta"):
        assert parameters(network(settings, shape, outputs)) == published


@pytest.mark.parametrize(
    ("name", "published"),
    [  # channels and side of the maps, each where it changes
        ("alexnet", "64x55 64x27 192x27 192x13 384x13 256x13 256x6"),  # torchvision
        ("vgg", "64x224 64x112 128x112 128x56 256x56 256x28 512x28 512x14 512x7"),  # D2L 8.2
        ("nin", "96x54 96x26 256x26 256x12 384x12 384x5 1024x5 1000x5 1000x1"),  # D2L 8.3, the last block Caffe's
        # Table 1 of the paper
        (
            "googlenet",
            "64x112 64x56 192x56 192x28 256x28 480x28 480x14 512x14 528x14 832x14 832x7 1024x7 1024x1",
        ),
        ("resnet", "64x112 64x56 128x28 256x14 512x7 512x1"),  # table 1 of the paper
    ],
)
def test_its_maps_are_as_large_as_published(name, published):
    with torch.device("meta"):
        model = network({"name": name}, IMAGENET, 1000)
        shapes = []
        for layer in model.layers:
            layer.register_forward_hook(lambda layer, inputs, output: shapes.append(output.shape[1:]))
        assert model({"image": torch.empty(2, *IMAGENET)})[0].shape == (2, 1000)
    maps = [f"{shape[0]}x{shape[1]}" for shape in shapes if len(shape) == 3 and shape[1] == shape[2]]
    assert " ".join(maps for maps, _ in itertools.groupby(maps)) == published


def stages(*layers):
    """Convolutions each with ReLU, as (channels, maps, kernel, stride, padding), among other layers."""
    for layer in layers:
        yield from (nn.Conv2d(*layer), nn.ReLU()) if isinstance(layer, tuple) else (layer,)


def head(inputs, hidden, outputs):
    return [nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, outputs)]


PLAIN = {
    "alexnet": (
        {"channels": [4, 6, 8, 6, 5], "hidden": [12]},
        (3, 224, 224),
        [
            *stages((3, 4, 11, 4, 2), nn.MaxPool2d(3, 2), (4, 6, 5, 1, 2), nn.MaxPool2d(3, 2), (6, 8, 3, 1, 1)),
            *stages((8, 6, 3, 1, 1), (6, 5, 3, 1, 1), nn.MaxPool2d(3, 2), *head(5 * 36, 12, 10)),
        ],
    ),
    "vgg": (
        {"blocks": [[1, 8], [2, 16], [1, 16], [2, 24]], "hidden": [40], "width": 0.5},
        (2, 32, 24),
        [
            *stages((2, 4, 3, 1, 1), nn.MaxPool2d(2), (4, 8, 3, 1, 1), (8, 8, 3, 1, 1), nn.MaxPool2d(2)),
            *stages((8, 8, 3, 1, 1), nn.MaxPool2d(2), (8, 12, 3, 1, 1), (12, 12, 3, 1, 1), *head(12 * 12, 20, 10)),
        ],
    ),
    "nin": (
        {"channels": [4, 6, 8, 12], "stem": "large"},
        (3, 96, 96),
        [
            *stages((3, 4, 11, 4), (4, 4, 1), (4, 4, 1), nn.MaxPool2d(3, 2)),
            *stages((4, 6, 5, 1, 2), (6, 6, 1), (6, 6, 1), nn.MaxPool2d(3, 2)),
            *stages((6, 8, 3, 1, 1), (8, 8, 1), (8, 8, 1), nn.MaxPool2d(3, 2), nn.Dropout()),
            *stages((8, 12, 3, 1, 1), (12, 12, 1), nn.Conv2d(12, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        ],
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_it_is_the_paper_written_out(name):
    settings, shape, layers = PLAIN[name]
    model, plain = network({"name": name, **settings}, shape), nn.Sequential(*layers).eval()
    plain.load_state_dict(dict(zip(plain.state_dict(), model.state_dict().values(), strict=True)))
    image = torch.randn(3, *shape)
    torch.testing.assert_close(model({"image": image})[0], plain(image))


def test_an_inception_block_is_four_paths_side_by_side():
    model = network({"name": "googlenet", "normalization": "none", "stages": [[[8, 4, 12, 4, 8, 4]]]}, (1, 9, 9))
    block = next(layer for layer in model.layers if hasattr(layer, "paths"))
    first, second, second_wide, third, third_wide, fourth = (
        one for one in block.modules() if isinstance(one, nn.Conv2d)
    )
    assert second_wide.kernel_size == (3, 3) and third_wide.kernel_size == (5, 5)
    maps = torch.randn(2, 48, 5, 5)
    paths = [
        first(maps).relu(),
        second_wide(second(maps).relu()).relu(),
        third_wide(third(maps).relu()).relu(),
        fourth(functional.max_pool2d(maps, 3, 1, 1)).relu(),
    ]
    torch.testing.assert_close(block(maps), torch.cat(paths, 1))
    assert block(maps).shape == (2, 8 + 12 + 8 + 4, 5, 5)


def test_a_residual_block_adds_to_what_it_is_given():
    model = network({"name": "resnet", "blocks": [[1, 4], [1, 8]]}, (1, 8, 8)).train()
    same, halved = (layer for layer in model.layers if hasattr(layer, "shortcut"))

    def normal(maps):
        return functional.batch_norm(maps, None, None, training=True)

    maps = torch.randn(5, 4, 8, 8)
    convolutions = [[one for one in block.modules() if isinstance(one, nn.Conv2d)] for block in (same, halved)]
    (first, second), (third, fourth, across) = convolutions
    torch.testing.assert_close(same(maps), (normal(second(normal(first(maps)).relu())) + maps).relu())
    expected = normal(fourth(normal(third(maps)).relu())) + normal(across(maps))
    torch.testing.assert_close(halved(maps), expected.relu())
    assert across.kernel_size == (1, 1) and expected.shape == (5, 8, 4, 4)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (5, 28, 28), (3, 40, 30), (3, 96, 128)])
@pytest.mark.parametrize("name", NAMES)
def test_any_image_fits(name, shape, normalization):
    with torch.device("meta"):
        model = network({"name": name, "normalization": normalization}, shape, 3)
        assert model({"image": torch.empty(2, *shape)})[0].shape == (2, 3)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()) == (normalization == "batch")
    assert any(isinstance(layer, nn.GroupNorm) for layer in model.modules()) == (normalization == "layer")


def test_layer_normalisation_is_of_all_maps_of_an_example():
    model = network({"name": "lenet", "normalization": "layer", "activation": "relu", "pooling": "max"}, (1, 12, 12))
    convolution, normal, relu = model.layers[:3]
    maps = convolution(torch.randn(3, 1, 12, 12))
    flat = maps.flatten(1)
    expected = (maps - flat.mean(1).view(-1, 1, 1, 1)) / flat.var(1, unbiased=False).add(1e-5).sqrt().view(-1, 1, 1, 1)
    torch.testing.assert_close(relu(normal(maps)), expected.relu())


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ({"name": "lenet"}, (1, 3, 8), "lenet, pooling 2: a window of 2 x 2 finds no place in maps of 1 x 4; "),
        ({"name": "lenet"}, (1, 3, 8), "take images of more than 3 x 8 pixels, or shorten channels"),
        (
            {"name": "vgg"},
            (1, 8, 4),
            "vgg, pooling 3: a window of 2 x 2 finds no place in maps of 2 x 1; .* 8 x 4 pixels$",
        ),
        ({"name": "alexnet", "stem": "large"}, (1, 28, 28), "alexnet, pooling 2: .* 28 x 28 pixels, or stem: small"),
        ({"name": "nin", "stem": "large"}, (1, 9, 64), "nin, convolution 1: a window of 11 x 11 .* maps of 9 x 64;"),
    ],
)
def test_an_image_too_small_is_refused_with_the_layer(settings, shape, message):
    with torch.device("meta"), pytest.raises(UserError, match=message):
        network(settings, shape)


def test_the_output_size_is_what_torch_gives_or_refuses():
    for size, kernel, stride, padding in itertools.product(range(1, 9), range(1, 6), range(1, 4), range(3)):
        layer = nn.Conv2d(1, 1, kernel, stride, padding, device="meta")
        try:
            expected = layer(torch.empty(1, 1, size, 7, device="meta")).shape[2:]
        except RuntimeError:
            with pytest.raises(UserError, match=f"^here: .* maps of {size} x 7"):
                output_size("here", (size, 7), kernel, stride, padding, "")
        else:
            assert output_size("here", (size, 7), kernel, stride, padding, "") == expected


@pytest.mark.parametrize("settings", [{"stem": "tiny"}, {"width": 0}, {"channels": [8, 8]}])
def test_settings_at_fault_are_told(settings):
    with pytest.raises(Faults, match=f"model.{next(iter(settings))}"):
        models.build({"name": "alexnet", **settings}, "model")


@pytest.mark.parametrize("channels", [1, 3])
def test_maps_lie_channels_last(channels):
    image = torch.randn(4, channels, 8, 8)
    assert torch.equal(channels_last(image), image)
    maps = nn.Conv2d(channels, 6, 3)(channels_last(image))
    assert maps.is_contiguous(memory_format=torch.channels_last)


def test_columns_beside_the_image_add_their_own():
    side = {"shapes": {"numbers": (2,), "categories": (2,)}, "sizes": {"categories": [3, 4]}}
    model = network({"name": "nin", "channels": [4, 4, 4]}, (1, 8, 8), 3, **side)
    image, numbers = torch.randn(5, 1, 8, 8), torch.randn(5, 2)
    categories = torch.tensor([[0, 1], [2, 3], [1, 0], [1, 1], [2, 2]])
    output, _ = model({"image": image, "numbers": numbers, "categories": categories})
    columns = torch.cat([numbers, model.side.categories(categories)], 1)
    torch.testing.assert_close(output, model.layers(image) + columns @ model.beside.weight.T)


@pytest.mark.parametrize(("initialization", "ratio"), [("he", 1.0), ("xavier", 200 / (200 + 400))])
def test_convolutions_begin_as_wide_as_their_window(initialization, ratio):
    """Variance 2 / inputs, or 2 / (inputs + outputs), counted over a window of 5 x 5."""
    model = network({"name": "lenet", "channels": [8, 16], "initialization": initialization}, (1, 28, 28))
    second = [layer for layer in model.layers if isinstance(layer, nn.Conv2d)][1]
    assert second.weight.var().item() == pytest.approx(2 / 200 * ratio, rel=0.05)
    assert not second.bias.any()


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_numbers_from_images(name):
    """Two targets, also below 0: how bright an image is, and how much brighter on its left."""
    torch.manual_seed(0)
    images = torch.rand(32, 1, 8, 8) - 0.5
    images[:16, :, :, :4] += 0.5
    images += torch.linspace(-1, 1, 32)[torch.randperm(32)].view(-1, 1, 1, 1)
    target = torch.stack([images.mean((1, 2, 3)), (images[..., :4] - images[..., 4:]).mean((1, 2, 3))], 1)
    target = (target - target.mean(0)) / target.std(0)
    settings = {"lenet": {"activation": "relu", "initialization": "he"}, "nin": {"channels": [64] * 4}, **SMALL}[name]
    model = network({"name": name, "dropout": 0.0, **settings}, (1, 8, 8), 2).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(40):
        loss = functional.mse_loss(model({"image": images})[0], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


RECIPES = {
    # Sigmoids stay at 2.3 for two epochs before they begin to learn.
    "lenet": ({"channels": [16, 32]}, {"epochs": 12, "learning_rate": 2e-2, "batch_size": 16}),
    "alexnet": ({"hidden": [1024]}, {"epochs": 5, "learning_rate": 3e-3}),
    "vgg": (SMALL["vgg"], {"epochs": 5, "learning_rate": 3e-3}),
    "nin": ({"dropout": 0.2}, {"epochs": 6, "learning_rate": 2e-3}),
    "googlenet": (SMALL["googlenet"], {"epochs": 3, "learning_rate": 5e-3}),
    "resnet": (SMALL["resnet"], {"epochs": 3, "learning_rate": 5e-3}),
}


@pytest.mark.parametrize("name", NAMES)
def test_it_reads_digits(name):
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = ((digits.images - digits.images.mean()) / digits.images.std()).astype(np.float32)[:, None]
    held_out = np.arange(len(images)) % 4 == 0
    settings, fit = RECIPES[name]
    job = FitJob(
        model=models.build({"name": name, **settings}, "model"),
        task=tasks.build("classification", "task"),
        spec=Spec(shapes={"image": (1, 8, 8)}, outputs=10),
        train={"image": images[~held_out], "target": digits.target[~held_out].astype(np.int64)},
        valid=None,
        seed=0,
    )
    fitted = learner(**{"schedule": "one_cycle", "batch_size": 32, **fit}).fit(job)
    answers = fitted.raw({"image": images[held_out]}).argmax(1)
    assert (answers == digits.target[held_out]).mean() >= 0.95
