"""The sections of ``params.yaml`` that are parts of no shelf."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt, field_validator

from pipeline.core.formats import Format
from pipeline.core.own_code import check_own_file, place_of
from pipeline.core.registry import settings


@settings
class ImageColumn:
    """Where the images of a column come from, and how they are read. Without ``files`` and ``pixels`` it is an array
    of that name.

    files: the raw column that names their files, with or without ending. pixels: what stands before the number in the
        names of columns of pixels; numbers run over the width first, then the height, then the channels.
    size: height and width that each is brought to; theirs, which must be one, where it is not said.
    colour: grey, or colour (red, green, blue).
    resize: area is the mean of the pixels that become one.
    fit: stretch, crop (from the middle) or pad (with black) where their shape is another.
    broken: whether files that are no image, or are not there, are refused, or skipped: training rows left out, others
        answered as if they were black.
    """

    files: str | None = None
    pixels: str | None = None
    size: tuple[PositiveInt, PositiveInt] | None = None
    colour: Literal["grey", "colour"] = "grey"
    resize: Literal["area", "bicubic"] = "area"
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    broken: Literal["refuse", "skip"] = "refuse"

    def __post_init__(self) -> None:
        if self.files is not None and self.pixels is not None:
            raise ValueError("images are in files or in columns of pixels; take one of the two out")
        if self.pixels is not None and self.size is None:
            raise ValueError("pixels need a size, such as [28, 28]")


@settings
class Columns:
    """Which column is what. Names as in the raw files.

    target: one, or a list of several. weight: how much a training row counts in every fit, 0 or more; its column is
    no feature, and scores count all rows alike. formats: how a column writes its numbers or dates, where its values
    leave that open. images: columns that are made of files, of columns of pixels, or of an array.
    """

    id: str | None = None
    target: str | tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    fold: str | None = None
    weight: str | None = None
    types: Mapping[str, Literal["number", "category", "text", "date", "boolean"]] = Field(default_factory=dict)
    formats: Mapping[str, Format] = Field(default_factory=dict)
    images: Mapping[str, ImageColumn] = Field(default_factory=dict)

    @field_validator("target")
    @classmethod
    def _each_once(cls, target: Any) -> Any:
        if isinstance(target, tuple) and (len(target) < 2 or len(set(target)) < len(target)):
            raise ValueError("needs a column, or a list of two or more, each once")
        return target

    @property
    def targets(self) -> tuple[str, ...]:
        """The target columns, one or several."""
        return (self.target,) if isinstance(self.target, str) else self.target or ()


@settings
class OwnColumns:
    """Columns that a competitor invents, from a Python file in ``pipeline/features/own/``; see its README."""

    FOLDER: ClassVar[str] = "pipeline/features/own"

    path: str

    @property
    def code_files(self) -> tuple[Path, ...]:
        """The file itself: an edit of it makes the rows anew."""
        place = place_of(self.path, self.FOLDER)
        return () if place is None else (place,)

    @field_validator("path")
    @classmethod
    def _inside_project(cls, path: str) -> str:
        return check_own_file(path, cls.FOLDER)


@settings
class Submission:
    """What the submission wants. ``values``: numbers or texts as predicted; ``classes``: the most
    probable class; ``probabilities``: of one class of two, or of every class, a column each; ``continuations``: what
    each row's text goes on with, of language models.

    of: the class that a lone column of probabilities is of. Not given, it is the class that the column is named
    after, and else the second in order (1, True, yes).
    length, search, seed: of continuations: tokens at most, how they are chosen (a part of ``decoding/``; sampling as
    ``generate`` has it, where it is left out), and what settles their chance.
    """

    format: Literal["values", "classes", "probabilities", "continuations"] = "values"
    of: str | int | float | bool | None = None
    length: int = Field(default=100, ge=1)
    search: Any = None
    seed: int = 0


@settings
class Tune:
    """A study. ``trials`` is a total, the declared settings being trial 0.

    first: settings of trials 1, 2 and on: each changes some keys of the space, the rest stays as declared.
    metric: what trials are compared by, where not by the competition's, such as log_loss for accuracy; early
        stopping goes by the competition's all the same.
    sampler: ``tpe`` learns from the trials before the batch; ``random`` draws each trial by its number alone, so that
        any number of workers tries the same ones.
    pruner: ``median`` and ``wilcoxon`` stop a trial after some folds; ``halving`` drops the worse half
        of a batch after a quarter and after half of the epochs.
    batch: trials asked at once, from what those before the batch found: trained as one program of models that
        stack (16 unless given), side by side of others (2).
    """

    trials: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    space: Mapping[str, Mapping[str, Any]]
    first: tuple[Mapping[str, Any], ...] = ()
    metric: str | None = None
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["none", "median", "wilcoxon", "halving"] = "none"
    batch: int | None = Field(default=None, ge=1)
    seed: int = 0


@settings
class Retrain:
    """``all_rows``: fit again on every training row; ``folds``: average the folds' models.

    seeds: fits that are averaged. always: also where the blend gives the model no weight.
    """

    mode: Literal["all_rows", "folds"] = "all_rows"
    seeds: int = Field(default=1, ge=1)
    always: bool = False

    def __post_init__(self) -> None:
        if self.mode == "folds" and self.seeds > 1:
            raise ValueError("seeds only matter with the mode all_rows; the folds' models are trained once each")


@settings
class Pseudo:
    """Test rows as further training rows, with other models' answers for their target (Lee 2013, Pseudo-Label).

    Inside each fold the answers come of that fold's models, so that no row is learned from before it is predicted.

    models: whose answers: ``blend`` of all models without pseudo-labels, or some of these by name, blended.
    above: how probable an answer must be to stand for a class or label; 0.95 where it is left out. Numbers are all
        taken.
    weight: how much such a row counts, beside 1 of a training row.
    """

    models: Literal["blend"] | tuple[str, ...] = "blend"
    above: float | None = Field(default=None, gt=0.5, lt=1)
    weight: float = Field(default=1.0, gt=0)

    @field_validator("models", mode="before")
    @classmethod
    def _blend_or_some(cls, models: Any) -> Any:
        if models != "blend" and (isinstance(models, str) or not models):
            raise ValueError("needs blend, or a list of some models' names")
        return models


@settings
class Budget:
    """Time for a competition's work, the same in all its models: a model is left out where there is
    not enough left for it, those at the end of the list first; the first one always runs.

    minutes: for everything from fetch to submission.
    seconds: that this model's cross-validation is expected to take.
    """

    minutes: float = Field(gt=0)
    seconds: float | None = Field(default=None, gt=0)


@settings
class Execution:
    """How jobs run. ``workers`` 0 means one a core. ``threads`` is for each job, and never
    follows the number of cores: results would follow it too.

    cpus, gpus, memory: what a job reserves of a node on Ray: cores (as many as it has threads, where that is not
    said), GPUs or a part of one, GiB. Other executors pay them no heed.
    """

    executor: Literal["serial", "processes", "ray"] = "processes"
    workers: int = Field(default=0, ge=0, le=1024)
    threads: int = Field(default=1, ge=1, le=1024)
    cpus: float | None = Field(default=None, gt=0)
    gpus: float = Field(default=0, ge=0)
    memory: float = Field(default=0, ge=0)

    @field_validator("gpus")
    @classmethod
    def _part_or_whole(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("needs a part of one, or whole ones")
        return gpus
