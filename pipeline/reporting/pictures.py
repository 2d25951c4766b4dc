"""Pictures of images: those that a model is most wrong about, and what its first layer looks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.config import CompetitionConfig, ModelConfig
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths
from pipeline.core.stored import Stored
from pipeline.core.types import Schema
from pipeline.reporting.style import WIDTH, caption, main_title, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 6
"""Images side by side."""
FINEST = 64
"""Pixels of a side that are shown; of larger images every second, third, …."""
MOST_FILTERS, SALIENT = 64, 6
TALL, LINE = 1.05, 0.12
"""Inches: the height of a row of images, and of one more line above it."""


def image_read(competition: CompetitionConfig, schema: Schema, model: ModelConfig) -> str | None:
    """The column of images that a model reads, if it reads one as an image."""
    if "image" not in competition.features[model.features].gives:
        return None
    path = CompetitionPaths(competition.name).encoder(model.features, None)
    encoder = competition.features[model.features].restore(read_json(path), schema)
    return next(name for name in encoder.reads if name in schema.names("image"))


def mistakes_data(images: Stored, wrong: Sequence[tuple[int, str]]) -> dict[str, Any]:
    """images: of all rows. wrong: position and what to say, see ``tasks.diagnostics.mistakes``."""
    import numpy as np

    step = max(1, ceil(max(images.shape[1:3]) / FINEST))
    shown = images.read(np.array([row for row, _ in wrong], dtype=np.int64))[:, ::step, ::step]
    return {"images": shown.tolist(), "told": [told for _, told in wrong]}


def salient_data(images: Stored, maps: Sequence[Mapping[str, Any]], told: Mapping[int, str]) -> dict[str, Any]:
    """Of the images whose pixels were asked about, those that all folds together are most wrong about. images: of all
    rows. maps: see ``training.explaining.pixels``. told: by row, the most wrong first, what to say."""
    by_row = {one["row"]: one["map"] for one in maps}
    shown = [row for row in told if row in by_row][:SALIENT] or list(by_row)[:SALIENT]
    data = mistakes_data(images, [(row, told.get(row, "")) for row in shown])
    return {**data, "maps": [by_row[row] for row in shown]}


def maps_data(images: Stored, maps: Mapping[str, Any]) -> dict[str, Any]:
    """images: of all rows. maps: of one, see ``training.explaining.maps_of``."""
    data = mistakes_data(images, [(maps["row"], maps["told"])])
    return {"image": data["images"][0], "told": data["told"][0], "layers": maps["layers"]}


def looked_at(images: Stored, explanation: Mapping[str, Any], told: Mapping[int, str]) -> list[tuple[str, Any]]:
    """The figures of what a model sees in images; see ``salient_data``."""
    found = []
    if maps := explanation.get("saliency"):
        found.append(("saliency", salient_data(images, maps, told)))
    if maps := explanation.get("maps"):
        row = next((row for row in told if row in {one["row"] for one in maps}), maps[0]["row"])
        found.append(("maps", maps_data(images, next(one for one in maps if one["row"] == row))))
    return found


def filters_data(weights: Path) -> dict[str, Any] | None:
    """The first convolution's filters in a file of weights, [maps, channels, height, width]; None where it has none
    that says something to the eye."""
    from safetensors import safe_open

    with safe_open(weights, framework="numpy") as opened:
        names = [name for name in opened.keys() if len(opened.get_slice(name).get_shape()) == 4]  # noqa: SIM118
        first = min(names, key=_place, default=None)
        if first is None:
            return None
        values = opened.get_tensor(first)
    return {"filters": values[:MOST_FILTERS].tolist()} if min(values.shape[2:]) >= 3 else None


def final_filters(folder: Path) -> dict[str, Any] | None:
    """Those of the first network in the folder of a final model; None where it has none, or is no network."""
    weights = folder / "members" / "0" / "weights" / "weights.safetensors"
    return filters_data(weights) if weights.exists() else None


def _place(name: str) -> list[int]:
    """Where in its network a layer stands: the numbers in its name."""
    return [int(part) for part in name.split(".") if part.isdecimal()]


def draw_mistakes(figure: Figure, data: Mapping[str, Any]) -> None:
    _grid(figure, [shown_image(image) for image in data["images"]], data["told"], brightest(data["images"]))
    main_title(figure, data.get("title", "The images it is most wrong about: the truth, not what was said (how sure)"))


def draw_filters(figure: Figure, data: Mapping[str, Any]) -> None:
    """Each stretched to its own darkest and brightest; of other than one or three channels their mean."""
    import numpy as np

    shown = []
    for one in np.asarray(data["filters"], dtype=float):  # [channels, height, width]
        flat = one.transpose(1, 2, 0) if len(one) == 3 else one.mean(axis=0)
        shown.append((flat - flat.min()) / max(flat.max() - flat.min(), 1e-12))
    _grid(figure, shown, [""] * len(shown), 1.0)
    main_title(figure, "What the first layer looks for: its filters, each from its darkest to its brightest")


def draw_maps(figure: Figure, data: Mapping[str, Any]) -> None:
    """A row a convolution, behind the image; each map from its darkest to its brightest."""
    layers = data["layers"]
    across = 1 + max(len(layer["maps"]) for layer in layers)
    cells = figure.subplots(len(layers), across, squeeze=False)
    for cell in cells.flat:
        cell.set_axis_off()
    white = brightest([data["image"]])
    cells[0][0].imshow(shown_image(data["image"]), cmap="gray", vmin=0, vmax=white, interpolation="nearest")
    for row, layer in zip(cells, layers, strict=True):
        row[1].set_title(layer["name"], fontsize=7.5, fontweight="normal", loc="left")
        for cell, one in zip(row[1:], layer["maps"]):
            cell.imshow(one, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    told = f": {shortened(data['told'], 30)}" if data["told"] else ""
    main_title(figure, f"Some of the maps that convolutions make of an image{told}")


def brightest(images: Sequence[Any]) -> float:
    """What is drawn white: 255, or the largest value of images that go no way up to it."""
    import numpy as np

    largest = max((float(np.max(image)) for image in images), default=255.0)
    return largest if 0 < largest < 64 else 255.0


def shown_image(image: Any) -> Any:
    import numpy as np

    pixels = np.asarray(image)  # [height, width, channels]
    return pixels if pixels.shape[2] == 3 else pixels[:, :, 0]


def _grid(figure: Figure, images: Sequence[Any], told: Sequence[str], white: float) -> None:
    across = min(ACROSS, max(1, len(images)))
    cells = figure.subplots(max(1, ceil(len(images) / across)), across, squeeze=False)
    for cell in cells.flat:
        cell.set_axis_off()
    for cell, image, words in zip(cells.flat, images, told):
        cell.imshow(image, cmap="gray", vmin=0, vmax=white, interpolation="nearest")
        cell.set_title(caption(words), fontsize=7.5, fontweight="normal", loc="center")


def size_of_mistakes(data: Mapping[str, Any]) -> tuple[float, float]:
    tall = TALL + LINE * any("\n" in caption(words) for words in data["told"])
    return WIDTH, 0.5 + tall * max(1, ceil(len(data["images"]) / ACROSS))


def size_of_maps(data: Mapping[str, Any]) -> tuple[float, float]:
    return WIDTH, 0.5 + (TALL - 0.2) * len(data["layers"])


def size_of_filters(data: Mapping[str, Any]) -> tuple[float, float]:
    return WIDTH, 0.5 + (TALL - 0.2) * max(1, ceil(len(data["filters"]) / ACROSS))
