"""A prefix and the final language models -> text, on stdout as it comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError, did_you_mean, quoted
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.stages.project import load_project

if TYPE_CHECKING:
    from pipeline.answering.ensembles import Ensemble
    from pipeline.answering.final_models import FinalModel
    from pipeline.answering.generation import Generator
    from pipeline.core.config import Config

BETWEEN = "---"
"""The line between two samples."""


def run(
    name: str,
    prefix: str = "",
    model: str | None = None,
    length: int = 200,
    temperature: float = 0.8,
    top_k: int = 40,
    top_p: float = 0.95,
    seed: int = 0,
    samples: int = 1,
) -> None:
    from pipeline.core.seeds import fix_threads

    config = load_project()
    fix_threads(config.execution.threads)
    for option, value in (("length", length), ("samples", samples)):
        if value < 1:
            raise UserError(f"--{option}: needs a number from 1 on, got {value}")
    check_text(prefix, "--prefix")
    search = _search(temperature, top_k, top_p)
    generator = _generator(config, name, model)
    try:
        _write(generator.texts(prefix, search, length, samples, seed, _tell), samples)
    except BrokenPipeError:  # whoever read has enough; what Python still holds must not fail at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def check_text(text: str, where: str) -> None:
    """Raises UserError for what a terminal gave that is no text."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(f"{where}: needs text in the terminal's encoding, got bytes that are none: {quoted(text)}")


def _search(temperature: float, top_k: int, top_p: float) -> Any:
    from pipeline.decoding import searches

    if temperature == 0:
        return searches.build("greedy", "generate")
    body = {"name": "sampling", "temperature": temperature, "top_k": top_k, "top_p": top_p}
    return searches.build(body, "generate")


def _generator(config: Config, name: str, model: str | None) -> Generator:
    from pipeline.answering.generation import generator

    models, ensemble = chosen_models(config, name, model, "generate", "language_model")
    return generator(models, ensemble.weights, _tell)


def chosen_models(
    config: Config, name: str, model: str | None, command: str, task: str
) -> tuple[dict[str, FinalModel], Ensemble]:
    """The final models that have weight and how they answer, or the one asked for by name, alone. Raises UserError
    where the competition's task is another, or the one asked for is not there."""
    competition = config.competition(name)
    if competition.task.name != task:
        raise UserError(
            f"{command}: is for a competition whose task is {task}; the task of '{name}' is {competition.task.name}"
        )
    if model is not None and model not in (known := [one.name for one in config.models_of(name)]):
        raise UserError(f"--model: '{name}' has no model '{model}'{did_you_mean(model, known)}")
    blend = read_json(CompetitionPaths(name).blend)

    from pipeline.answering.ensembles import Ensemble
    from pipeline.answering.final_models import FinalModel

    ensemble = Ensemble.from_json(blend)
    if model is not None and not (ModelPaths(name, model).final / "final.json").exists():
        weighed = ", ".join(one for one, weight in ensemble.weights.items() if weight > 0)
        raise UserError(f"--model: '{model}' is not fitted on all rows, as it has no weight; those that are: {weighed}")
    if model is not None:
        ensemble = Ensemble({model: 1.0})
    chosen = [one for one, weight in ensemble.weights.items() if weight > 0]
    return {one: FinalModel.load(ModelPaths(name, one).final) for one in chosen}, ensemble


def _tell(line: str) -> None:
    sys.stderr.write(f"warning: {line}\n")


def _write(texts: Iterator[tuple[int, str]], samples: int) -> None:
    """The first sample as it comes, then the others, a line between."""
    later: list[list[str]] = [[] for _ in range(samples)]
    for number, piece in texts:
        if number:
            later[number].append(piece)
        else:
            sys.stdout.write(piece)
            sys.stdout.flush()
    for pieces in later[1:]:
        sys.stdout.write(f"\n{BETWEEN}\n{''.join(pieces)}")
    sys.stdout.write("\n")
    sys.stdout.flush()
