"""A ResNet that begins with the weights of a file, as timm and torchvision name and lay its parts."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

from pipeline.core.errors import Faults, UserError  # noqa: E402
from pipeline.core.types import Spec  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.training.optimizers import parameter_groups, trainable  # noqa: E402

TASK = tasks.build("classification", "task")
DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class Block(nn.Module):
    """The paper's, with the names that both libraries have."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.downsample = None
        if before != width:
            self.downsample = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, maps):
        body = self.bn2(self.conv2(self.bn1(self.conv1(maps)).relu()))
        return (body + (maps if self.downsample is None else self.downsample(maps))).relu()


class Reference(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for stage, (count, width) in enumerate(zip(DEPTHS[depth], (64, 128, 256, 512)), 1):
            blocks = [Block(before if i == 0 else width, width, 2 if i == 0 < stage - 1 else 1) for i in range(count)]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            before = width
        self.fc = nn.Linear(512, 2)

    def forward(self, image):
        maps = nn.functional.max_pool2d(self.bn1(self.conv1(image)).relu(), 3, 2, 1)
        for stage in range(1, 5):
            maps = getattr(self, f"layer{stage}")(maps)
        return self.fc(maps.mean(dim=(2, 3)))


def published(depth: int) -> Reference:
    torch.manual_seed(0)
    made = Reference(depth).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.0)
    return made


def build(weights, channels: int = 3, **settings):
    spec = Spec(shapes={"image": (channels, 64, 64)}, outputs=2)
    body = {"name": "resnet", "stem": "large", "weights": str(weights), **settings}
    return models.build(body, "m").build(spec, TASK, 0)


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_begins_as_the_published_one_is(depth, tmp_path):
    theirs = published(depth)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    made = build(tmp_path / "model.safetensors", depth=depth).eval()
    before = made.layers[-1].weight.clone()
    assert made.prepares
    made.prepare({})
    assert torch.equal(made.layers[-1].weight, before)  # of other classes
    made.layers[-1].load_state_dict(theirs.fc.state_dict())
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(made({"image": image})[0], theirs(image), rtol=1e-4, atol=1e-4)
        grey = build(tmp_path / "model.safetensors", 1, depth=depth).eval()
        grey.prepare({})
        grey.layers[-1].load_state_dict(theirs.fc.state_dict())
        alike = image[:, :1]
        torch.testing.assert_close(grey({"image": alike})[0], theirs(alike.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4)


def test_what_came_from_the_file_learns_more_slowly(tmp_path):
    made = build(tmp_path / "any", weights_rate=0.1)
    rates = {
        id(parameter): group["lr"]
        for group in parameter_groups(trainable(made), made, 0.5, 0.0)
        for parameter in group["params"]
    }
    assert rates[id(made.layers[0].weight)] == pytest.approx(0.05)
    assert rates[id(made.layers[-1].weight)] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file: file.unlink(), "no such file of weights"),
        (lambda file: file.write_bytes(b"\x80\x04pickle"), "no weights as safetensors"),
        (lambda file: save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, file), "has no bn1.weight"),
        (lambda file: save_file({"conv1.weight": torch.zeros(32, 3, 7, 7)}, file), r"conv1.weight is \[32, 3, 7, 7\]"),
    ],
)
def test_what_is_no_such_file_is_told_in_a_line(spoil, told, tmp_path):
    file = tmp_path / "model.safetensors"
    file.touch()
    spoil(file)
    with pytest.raises(UserError, match=told) as error:
        build(file).prepare({})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("settings", [{"depth": 20}, {"stem": "small"}, {"width": 0.5}, {"blocks": [[2, 64]]}])
def test_other_shapes_have_no_published_weights(settings, tmp_path):
    with pytest.raises(Faults, match="weights are of what is published"):
        build(tmp_path / "any", **settings)
