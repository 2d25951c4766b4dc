"""A backbone of images that is trained on, held against timm itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from backbones import NAME, THERE, tiny_backbone  # noqa: E402
from neural import learner  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from pipeline.core.errors import Faults, UserError  # noqa: E402
from pipeline.core.types import FitJob, Spec  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.training.network import FittedNetwork  # noqa: E402
from pipeline.training.optimizers import parameter_groups, trainable  # noqa: E402

pytestmark = pytest.mark.skipif(not THERE, reason="timm is not installed")
TASK = tasks.build("classification", "task")


def model(**settings):
    return models.build(
        {"name": "pretrained_image", "backbone": NAME, "weights": str(tiny_backbone()), **settings}, "m"
    )


def build(shape, **settings):
    torch.manual_seed(0)
    return model(**settings).build(Spec(shapes={"image": shape}, outputs=2), TASK, 0)


def features_of(network, image):
    network.layers[-1] = torch.nn.Identity()
    with torch.no_grad():
        return network.eval()({"image": image})[0]


@pytest.mark.parametrize("name", [NAME, "test_vit"])
@pytest.mark.parametrize("channels", [3, 1, 2])
def test_it_begins_as_timm_has_it(name, channels, tmp_path):
    """Scaled as it was trained; a Vision Transformer's positions brought to the size of the images."""
    import timm

    file = tiny_backbone(name, tmp_path / f"{name}.safetensors")
    network = build((channels, 32, 32), backbone=name, weights=str(file))
    image = torch.randint(0, 256, (4, 32, 32, channels), dtype=torch.uint8)
    before = features_of(build((channels, 32, 32), backbone=name, weights=str(file)), image)
    network.prepare({})
    size = {"img_size": (32, 32)} if name == "test_vit" else {}
    overlay = {"file": str(file), "custom_load": False}
    own = 3 if channels == 1 else channels
    theirs = timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, in_chans=own, **size
    )
    mean, spread = (torch.tensor(theirs.pretrained_cfg[key]).repeat(2)[:own] for key in ("mean", "std"))
    scaled = (image.float().div(255).expand(-1, -1, -1, own) - mean) / spread
    with torch.no_grad():
        expected = theirs.eval()(scaled.permute(0, 3, 1, 2))
    found = features_of(network, image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(before, expected, rtol=1e-2, atol=1e-2)


def test_each_layer_learns_more_slowly_than_the_one_above_it():
    network = build((3, 32, 32), layer_decay=0.5, head_rate=4.0)
    rates = {
        id(parameter): group["lr"]
        for group in parameter_groups(trainable(network), network, 0.1, 0.0)
        for parameter in group["params"]
    }
    named = dict(network.named_parameters())
    blocks = sorted({name.split(".conv")[0] for name in named if ".layer" in name and ".conv" in name})

    def rate(beginning: str) -> float:
        return rates[id(named[next(name for name in named if name.startswith(beginning))])]

    told = [rate(f"{block}.conv") for block in blocks]
    assert told == pytest.approx([0.1 * 0.5 ** (len(blocks) - 1 - depth) for depth in range(len(blocks))])
    assert rate("layers.0.conv1") == pytest.approx(told[0] / 2)
    assert rates[id(network.layers[-1].weight)] == pytest.approx(0.4)


def fitted(frozen: bool, epochs: int = 12):
    random = np.random.default_rng(0)
    target = np.arange(48) % 2
    images = random.integers(0, 100, (48, 32, 32, 1)).astype(np.uint8)
    images[target == 1, :16] += 120
    spec = Spec(shapes={"image": (1, 32, 32)}, outputs=2)
    job = FitJob(model(frozen=frozen), TASK, spec, {"image": images, "target": target}, None, 0)
    settings = learner(epochs=epochs, batch_size=16, learning_rate=3e-3)
    return settings, job, settings.fit(job)


@pytest.mark.parametrize("frozen", [True, False])
def test_it_learns_and_what_is_frozen_stays_as_it_is(frozen, tmp_path):
    settings, job, done = fitted(frozen)
    before, after = load_file(tiny_backbone()), done.network.layers[0].state_dict()
    same = {name: torch.equal(value, before[name]) for name, value in after.items()}
    assert all(same.values()) if frozen else not same["bn1.running_mean"] and not all(same.values())
    answers = done.raw({"image": job.train["image"]})
    assert (answers.argmax(1) == job.train["target"]).mean() > 0.9
    done.save(tmp_path)
    elsewhere = model(frozen=frozen, weights="gone.safetensors")  # its file is needed no more
    again = FittedNetwork.load(tmp_path, settings, elsewhere, TASK, job.spec)
    np.testing.assert_array_equal(again.raw({"image": job.train["image"]}), answers)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file: file.unlink(), "no such file of weights"),
        (lambda file: file.write_bytes(b"\x80\x04pickle"), "no weights as safetensors .* no pickle"),
        (lambda file: save_file({"conv1.weight": torch.zeros(1)}, file), "of another network than model.backbone says"),
        (
            lambda file: save_file({**load_file(tiny_backbone()), "bn1.weight": torch.zeros(3)}, file),
            "of another network than model.backbone says .*bn1.weight",
        ),
    ],
    ids=["gone", "pickle", "other names", "other shapes"],
)
def test_what_is_no_such_file_is_told_in_a_line(spoil, told, tmp_path):
    file = tmp_path / "some.safetensors"
    file.write_bytes(b"")
    spoil(file)
    with pytest.raises(UserError, match=told) as error:
        build((3, 32, 32), weights=str(file)).prepare({})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"backbone": "resnet_18"}, "timm has no 'resnet_18'; did you mean 'resnet18'"),
        ({"backbone": "hf-hub:some/where"}, "timm has no 'hf-hub:some/where'"),
        ({"backbone": "resnet18.nope"}, "timm has no 'resnet18.nope'; "),
        ({"backbone": "q"}, "timm has no 'q'; known: .* … [0-9]+ more$"),
        ({"backbone": "test_vit"}, "test_vit does not take images of 8 x 8"),
    ],
)
def test_a_backbone_that_cannot_be_is_told(settings, told):
    with pytest.raises(UserError, match=told):
        build((3, 8, 8), **settings)


@pytest.mark.parametrize("backbone", ["resnet81", "resnet18.nope", "q"])
def test_so_it_is_where_the_hub_is_to_give_its_weights(backbone):
    with pytest.raises(UserError, match=f"timm has no '{backbone}'") as error:
        assert model(backbone=backbone, weights=None).code_files  # what `check` asks first
    assert len(str(error.value)) < 4000


def test_a_frozen_backbone_has_no_rates():
    with pytest.raises(Faults, match="a frozen backbone has none"):
        model(frozen=True, layer_decay=0.5)


def test_its_file_counts_among_what_a_fit_hangs_on():
    assert model().code_files == (tiny_backbone(),)


def test_a_ray_worker_imports_it_before_anything_else_has():
    """Its torchvision's compiled part may be for another torch, see ``core/operators.py``."""
    told = "from importlib.metadata import version as v; from pipeline.training.ray_worker import _load; "
    done = subprocess.run([sys.executable, "-c", told + "_load({'timm': v('timm')})"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
