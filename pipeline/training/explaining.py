"""What a fold's model looks at, measured on the rows that it did not train on.

Each question is asked of raw columns, through encoder and model alike, so that it means the same for whatever kind of
model; how many rows are asked about is a count and no time, so that the same fit gives the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.core.seeds import derive_seed
from pipeline.tasks.diagnostics import mistakes
from pipeline.training.explaining_images import maps_of, pixels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.core.types import Metric
    from pipeline.training.predictor import Predictor

ROWS, TEXT_ROWS = 10_000, 1_000
"""Rows that all permutations of a fold are answered for together; where texts are read, which takes longer."""
MOST_COLUMNS = 150
"""Columns that are permuted; more of them are pixels or words."""
DRAWN, PLACES, LEVELS, PARTIAL_ROWS = 6, 9, 8, 60
"""Of partial dependence: columns, places of a number, levels of a category, rows that each is averaged over."""
SHOWN_CLASSES = 6
TREE_ROWS, TREE_INPUTS = 100, 10
"""Rows whose answers are taken apart into what each input adds, and inputs that are drawn."""
WORST_TEXTS, WORDS = 3, 40


@dataclass(frozen=True)
class Asked:
    """A fold's model and the rows that validate it.

    rows: typed [rows], with target [rows] and predictions [rows]. every: all training rows, for what columns hold.
    """

    predictor: Predictor
    rows: pd.DataFrame
    target: Any
    predictions: pd.DataFrame
    every: pd.DataFrame
    metric: Metric
    seed: int

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """By raw column, the typed columns made of it that the model reads."""
        reads = set(self.predictor.encoder.reads)
        found: dict[str, list[str]] = {}
        for column in self.predictor.schema.columns:
            if column.name in reads:
                found.setdefault(column.origin or column.name, []).append(column.name)
        return found

    @cached_property
    def kinds(self) -> dict[str, str]:
        return {column.name: column.kind for column in self.predictor.schema.columns}

    def kind(self, raw: str) -> str:
        return self.kinds[self.columns[raw][0]]

    def answers(self, rows: pd.DataFrame) -> pd.DataFrame:
        return self.predictor.predict(rows)


def explain(asked: Asked) -> dict[str, Any]:
    """Plain data, of what can be asked of this model:

    ``permutation``: raw column to by how much the score falls where its values are shuffled. ``partial``: see
    ``partial_dependence``. ``contributions``: see ``contributions``. ``words``, ``saliency``, ``maps``: see
    ``words_left_out``, ``pixels`` and ``maps_of``. ``sample``: what a language model writes.
    """
    task, encoder = asked.predictor.task, asked.predictor.encoder
    if task.of_tokens:
        return {"sample": task.sample(asked.predictor.fitted, encoder, asked.predictor.learner.joined)}
    kinds = {asked.kind(raw) for raw in asked.columns}
    if task.search is not None or not task.numeric:
        return {}
    found: dict[str, Any] = {}
    if "image" in kinds:
        told = {"saliency": pixels(asked), "maps": maps_of(asked)}
        return {key: value for key, value in told.items() if value}
    # Pretrained encoders take too long for thousands of rows, and not for a few texts without a word each.
    slow = encoder.spec.pretrained or ("text" in kinds and asked.predictor.features.files)
    if not slow and 2 <= len(asked.columns) <= MOST_COLUMNS and (falls := permutation(asked)):
        found["permutation"] = falls
        found["partial"] = partial_dependence(asked, sorted(falls, key=lambda raw: (-falls[raw], raw))[:DRAWN])
    if not slow and (parts := contributions(asked)) is not None:
        found["contributions"] = parts
    if "text" in kinds and (texts := words_left_out(asked)):
        found["words"] = texts
    return found


def permutation(asked: Asked) -> dict[str, float]:
    """By raw column, how much worse the metric is where its values are shuffled among the rows (Breiman 2001;
    Fisher, Rudin and Dominici 2019); all typed columns that were made of one go together."""
    import numpy as np
    import pandas as pd

    most = TEXT_ROWS if any(asked.kind(raw) == "text" for raw in asked.columns) else ROWS
    some = _evenly(len(asked.rows), max(30, most // len(asked.columns)))
    rows, target = asked.rows.iloc[some].reset_index(drop=True), asked.target.iloc[some].reset_index(drop=True)
    shuffled = []
    for raw, names in asked.columns.items():
        order = np.random.default_rng(derive_seed(asked.seed, "permuted", raw)).permutation(len(rows))
        shuffled.append(rows.assign(**{name: rows[name].iloc[order].array for name in names}))
    told = asked.answers(pd.concat([rows, *shuffled], ignore_index=True))
    sign, size = 1 if asked.metric.higher_is_better else -1, len(rows)
    try:
        scores = [
            asked.metric.score(target, told.iloc[start : start + size].reset_index(drop=True))
            for start in range(0, len(told), size)
        ]
    except (UserError, ValueError):  # a metric that so few rows do not suit
        return {}
    return {raw: sign * (scores[0] - score) for raw, score in zip(asked.columns, scores[1:], strict=True)}


def partial_dependence(asked: Asked, raws: Sequence[str]) -> dict[str, Any]:
    """By raw column of numbers or categories ``kind``, ``at`` (its places, the same for every fold), and ``answers``:
    by column of predictions the mean answer [places] where all rows have that value (Friedman 2001)."""
    import pandas as pd

    drawn = [raw for raw in raws if len(asked.columns[raw]) == 1 and asked.kind(raw) != "text"]
    rows = asked.rows.iloc[_evenly(len(asked.rows), PARTIAL_ROWS)].reset_index(drop=True)
    places = {raw: _places(asked.every[asked.columns[raw][0]], asked.kind(raw)) for raw in drawn}
    copies = [rows.assign(**{asked.columns[raw][0]: at}) for raw in drawn for at in places[raw]]
    if not copies:
        return {}
    kinds = {name: rows[name].dtype for name in rows}
    told = asked.answers(pd.concat(copies, ignore_index=True).astype(kinds))
    names = _shown(told, asked.target)
    means = told[names].groupby(told.index // len(rows)).mean()  # [copies, predictions]
    found, start = {}, 0
    for raw in drawn:
        part, start = means.iloc[start : start + len(places[raw])], start + len(places[raw])
        answers = {name: part[name].tolist() for name in names}
        found[raw] = {"kind": asked.kind(raw), "at": places[raw], "answers": answers}
    return found


def _places(values: pd.Series, kind: str) -> list[Any]:
    """Quantiles of a number, or its values where they are few; the most frequent levels."""
    import numpy as np

    known = values.dropna()
    if kind == "category":
        counts = known.astype(str).value_counts()
        return sorted(counts.index, key=lambda level: (-counts[level], level))[:LEVELS]
    few = np.unique(known.to_numpy(dtype=float))
    return (few if len(few) <= PLACES else np.unique(np.quantile(known, np.linspace(0.02, 0.98, PLACES)))).tolist()


def _shown(told: pd.DataFrame, target: Any) -> list[str]:
    """Of classes the frequent ones; of two the second alone."""
    names = [str(name) for name in told]
    if len(names) == 2 and getattr(target, "ndim", 1) == 1:
        return names[1:]
    if len(names) <= SHOWN_CLASSES or getattr(target, "ndim", 1) > 1:
        return names[:SHOWN_CLASSES]
    counts = target.astype(str).value_counts()
    return sorted(names, key=lambda name: (-int(counts.get(name, 0)), name))[:SHOWN_CLASSES]


def contributions(asked: Asked) -> dict[str, Any] | None:
    """``mean``: by encoded input its mean absolute contribution; ``points``: of the largest ones, ``value`` and
    ``effect`` of each row (of classes, on the one that it is taken for); None of models that cannot say."""
    import numpy as np

    rows = asked.rows.iloc[_evenly(len(asked.rows), TREE_ROWS)]
    encoded = asked.predictor.encoder.encode(rows)
    parts = asked.predictor.fitted.contributions(encoded)
    if parts is None:
        return None
    mean = {name: float(np.abs(part).mean()) for name, part in parts.items()}  # of [rows, outputs]
    largest = sorted(mean, key=lambda name: (-mean[name], name))[:TREE_INPUTS]
    chosen = asked.predictor.fitted.raw(encoded).argmax(axis=1)
    values = _named_values(encoded, asked.predictor.encoder.spec.names)

    def points(name: str) -> dict[str, Any]:
        part = parts[name]
        effect = part[:, 0] if part.shape[1] == 1 else part[np.arange(len(part)), chosen]
        return {"value": [None if v != v else float(v) for v in values[name]], "effect": effect.tolist()}

    return {"mean": mean, "points": {name: points(name) for name in largest}}


def _named_values(encoded: Mapping[str, Any], names: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    return {
        name: encoded[key][:, place]
        for key in ("numbers", "categories")
        if key in encoded
        for place, name in enumerate(names.get(key, ()))
    }


def words_left_out(asked: Asked) -> list[dict[str, Any]]:
    """Of the texts that it is most wrong about: ``row`` (among the validation rows), ``told`` and of each of the first
    ``words`` its ``effects``: by how much what was said falls where the word is left out (Li, Monroe and Jurafsky
    2016)."""
    import pandas as pd

    if getattr(asked.target, "ndim", 1) > 1:
        return []
    column = next(raw for raw in asked.columns if asked.kind(raw) == "text")
    name = asked.columns[column][0]
    copies: list[pd.DataFrame] = []
    texts: list[dict[str, Any]] = []
    for row, told in mistakes(asked.target, asked.predictions, 20 * WORST_TEXTS):
        one = asked.rows.iloc[[row]]
        words = str(one[name].iloc[0]).split()
        if len(words) < 2 or len(texts) == WORST_TEXTS:
            continue
        shown = words[:WORDS]
        without = [" ".join(words[:place] + words[place + 1 :]) for place in range(len(shown))]
        copies += [one, *(one.assign(**{name: text}) for text in without)]
        texts.append({"row": row, "told": told, "words": shown})
    if not copies:
        return []
    answers = asked.answers(pd.concat(copies, ignore_index=True).astype({name: asked.rows[name].dtype}))
    values, start = answers.to_numpy(dtype=float), 0
    for text in texts:
        part, start = values[start : start + 1 + len(text["words"])], start + 1 + len(text["words"])
        said = int(part[0].argmax())
        text["effects"] = (part[0, said] - part[1:, said]).tolist()
    return texts


def _evenly(rows: int, most: int) -> np.ndarray:
    """Positions [at most ``most``], evenly among all."""
    import numpy as np

    return np.arange(min(rows, most)) * rows // min(rows, most)


def gathered(folds: Sequence[tuple[Mapping[str, Any], Sequence[int]]]) -> dict[str, Any]:
    """What the folds say, as one. folds: of each its explanation, and the place in the training table of each of its
    validation rows.

    permutation: by raw column a fall a fold. partial: each answer [folds][places], of columns that most folds drew.
    contributions: means over folds, and points of all. words, saliency, maps: with the row's place in the table.
    """
    found: dict[str, Any] = {}
    falls = [one["permutation"] for one, _ in folds if "permutation" in one]
    if falls:
        found["permutation"] = {raw: [one[raw] for one in falls] for raw in falls[0]}
    if partial := [one["partial"] for one, _ in folds if "partial" in one]:
        found["partial"] = _partial(partial)
    if parts := [one["contributions"] for one, _ in folds if "contributions" in one]:
        found["contributions"] = _contributions(parts)
    if samples := [one["sample"] for one, _ in folds if "sample" in one]:
        found["sample"] = samples[0]
    for key in ("words", "saliency", "maps"):
        if some := [{**one, "row": int(index[one["row"]])} for body, index in folds for one in body.get(key, ())]:
            found[key] = some
    return found


def _partial(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    raws = sorted({raw for one in folds for raw in one})
    found = {}
    for raw in raws:
        those = [one[raw] for one in folds if raw in one]
        if 2 * len(those) > len(folds):
            names = [name for name in those[0]["answers"] if all(name in one["answers"] for one in those)]
            answers = {name: [one["answers"][name] for one in those] for name in names}
            found[raw] = {"kind": those[0]["kind"], "at": those[0]["at"], "answers": answers}
    return found


def _contributions(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = sorted({name for one in folds for name in one["mean"]})
    mean = {name: fmean(one["mean"].get(name, 0.0) for one in folds) for name in names}
    largest = sorted(names, key=lambda name: (-mean[name], name))
    points = {}
    for name in [name for name in largest if any(name in one["points"] for one in folds)][:TREE_INPUTS]:
        those = [one["points"][name] for one in folds if name in one["points"]]
        points[name] = {key: [value for one in those for value in one[key]] for key in ("value", "effect")}
    return {"mean": {name: mean[name] for name in largest}, "points": points}
