"""Ready competitions and portfolios of models, as data in ``pipeline/gallery/``.

A gallery file holds one ``competition`` and its ``models`` (names without the competition's),
and may name a ``portfolio``: feature sets and models for a kind of task, in the order in which a
budget keeps them. In a portfolio a model's body may also hold

    seconds: what all five folds of 1000 rows (of texts alone: of 20 words each; of images: of 28 x 28 pixels) take one
        after another, without tuning: on one core, or on as many as ``fit.threads`` says
    epochs: the fewest and the most that it is trained for within a budget, as many as this has room for
    needs: an optional library it is left out without, as it is without the package that its encoder is of
    rows_at_most: training rows above which it is left out
    batch_sizes: largest number of rows to ``fit.batch_size``, ascending; the last one for more rows
    rows_up_to: largest number of rows to settings that stand in place of its own, ascending; ``seconds`` follow
        their epochs
    needs_text: whether it is left out of tables without free text
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.budgets import answer_as_validated, hold_out_once, sharing_cores, within
from pipeline.commands.encoders import lacking, pieces_of, with_encoder
from pipeline.core.errors import UserError, did_you_mean
from pipeline.metrics import metrics
from pipeline.tasks import tasks

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.commands.guess import Guess

FOLDER = Path(__file__).parents[1] / "gallery"
PORTFOLIO_KEYS = ("seconds", "epochs", "needs", "rows_at_most", "needs_text", "batch_sizes", "rows_up_to")
PORTFOLIO_WORDS = 20.0
"""Words of a text that the ``seconds`` of portfolios of texts are for; times grow as texts do."""
PORTFOLIO_PIXELS = 28 * 28
"""Pixels of an image that the ``seconds`` of portfolios of images are for; times grow as images do."""
PLAIN = "plain"
"""The feature set ``trees`` without its text columns: names and codes help some tables and hinder others."""
SENTENCE = 5.0
"""Words on average from which a text column is sentences; shorter ones are names, codes, places."""
FEW_CATEGORIES = 2
"""Category columns beside which a text column, where there are no numbers, says more than they do."""

BESIDE = {"many": {"above": 256, "how": "native"}}
"""How networks on a text read the categories beside it: as indicators, which tell more than vectors do (log loss of
``bag_of_embeddings`` on 2500 tweets, three folds: 0.518 without their keywords, 0.512 as vectors, 0.505 as indicators),
but for those of so many levels that the indicators would fill the memory."""


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def entry(name: str) -> dict[str, Any]:
    """A gallery entry as data of one's own; raises UserError for a name that is none."""
    if name not in names():
        raise UserError(
            f"add: no gallery entry '{name}'{did_you_mean(name, names())}; "
            "for your own files give --from DIR or --from kaggle:SLUG"
        )
    return _read(FOLDER / f"{name}.yaml")


def _read(path: Path) -> dict[str, Any]:
    from pipeline.core.params import parse_params

    return copy.deepcopy(parse_params(path.read_text(encoding="utf-8"), path.name))


def compose(
    name: str, described: Mapping[str, Any], minutes: float | None, encoder: str | None = None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The competition and its models as params.yaml wants them, the portfolio laid in; and the
    models left out, each with the reason.

    described: ``competition``, and ``models`` or the name of a ``portfolio``; ``rows`` of training;
    ``text``: whether there are columns of free text; ``names``: whether these are only names or codes;
    ``augmentation``: what changes training images; ``test_time``: the views of an image that are answered, if several;
    ``words``: words of a text on average, where texts are all there is; ``pixels``: of an image;
    ``columns``: settings that name columns, by the feature sets' own name;
    ``split``: what a holdout has besides.
    minutes: budget for everything from fetch to submission. encoder: in place of the portfolio's own.
    Raises UserError.
    """
    competition = copy.deepcopy(dict(described["competition"]))
    models: dict[str, Any] = dict(described.get("models") or {})
    if portfolio := described.get("portfolio"):
        parts = _read(FOLDER / "portfolios" / f"{portfolio}.yaml")
        competition["features"] = {**parts["features"], **competition["features"]}
        models = {**parts["models"], **models}
    for key, body in competition["features"].items():
        competition["features"][key] = {**body, **described.get("columns", {}).get(body["name"], {})}
    rows = described.get("rows", 1000)
    if encoder is not None:
        models = with_encoder(name, competition["features"], models, encoder)
    kept, left_out = _usable(models, competition["features"], rows)
    if "augmentation" in described:
        changing = {key: described[key] for key in ("augmentation", "test_time") if key in described}
        kept = {key: _changing_images(body, changing) for key, body in kept.items()}
    if "losses" in described:
        kept = {key: _of_several(body, described["losses"]) for key, body in kept.items()}
    if "metric" in competition and metrics.build(competition["metric"], "metric").decision is not None:
        kept = {key: _stopped_by_loss(body) for key, body in kept.items()}
    if not described.get("text"):
        kept = {key: body for key, body in kept.items() if not body.get("needs_text")}
    if described.get("names"):
        _search_without_text(kept, competition["features"])
    fit = kept
    length = max(described.get("words", PORTFOLIO_WORDS) / PORTFOLIO_WORDS, 0.5)
    length *= described.get("pixels", PORTFOLIO_PIXELS) / PORTFOLIO_PIXELS
    if minutes is not None:
        if "augmentation" in described:
            hold_out_once(competition, kept, minutes, rows, rows / 1000 * length)
        kept = within(kept, minutes, rows / 1000 * length, competition["split"])
        left_out |= {key: f"not within {minutes:g} min" for key in fit if key not in kept}
        answer_as_validated(competition, kept, minutes)
    if competition["split"]["name"] == "holdout":  # the fold's fit has not seen all rows; the last one is to
        kept = {key: _refitted(body) for key, body in kept.items()}
        kept = sharing_cores(kept, rows / 1000 * length)
    if not kept:
        raise UserError(f"add: {name}: no model is left: {'; '.join(f'{k}: {why}' for k, why in left_out.items())}")
    used = {body["features"] for body in kept.values()}
    for body in kept.values():
        used |= set((body.get("tune") or {}).get("space", {}).get("features", {}).get("choice", ()))
    competition["features"] = {key: body for key, body in competition["features"].items() if key in used}
    named = {}
    for key, body in kept.items():
        body = {k: v for k, v in body.items() if k not in PORTFOLIO_KEYS}
        named[f"{name}-{key}"] = {"competition": name, **body}
    return competition, named, left_out


def _usable(models: Mapping[str, Any], features: Mapping[str, Any], rows: int) -> tuple[dict[str, Any], dict[str, str]]:
    kept, left_out = {}, {}
    for key, body in models.items():
        if (library := lacking(body, features)) is not None:
            left_out[key] = f"needs the library {library.replace('_', '-')}; pip install it"
        elif rows > body.get("rows_at_most", rows):
            left_out[key] = f"slow on more than {body['rows_at_most']} rows"
        else:
            kept[key] = _sized(body, rows)
    return kept, left_out


def _of_several(body: dict[str, Any], losses: Sequence[str]) -> dict[str, Any]:
    """The model as it learns several targets: by the task's own loss, where its own is none of these."""
    fit = dict(body.get("fit") or {})
    loss = fit.get("loss")
    if loss is None or (loss["name"] if isinstance(loss, Mapping) else loss) in losses:
        return body
    del fit["loss"]
    return {**body, "fit": fit}


def _stopped_by_loss(body: dict[str, Any]) -> dict[str, Any]:
    """The network, stopped by its loss and not by a metric that looks at classes alone.

    Such a metric jumps from epoch to epoch, and the best of 64 is chance for the most part. On 900 rows of Adult,
    twice, and 600 of Titanic, RealMLP and TabM were better by 0.013 on validation than on test rows where accuracy
    stopped them, by 0.001 where the loss did, and as good on the test rows.
    """
    stopping = (fit := body.get("fit") or {}).get("early_stopping")
    if not isinstance(stopping, Mapping) or "monitor" in stopping:
        return body
    return {**body, "fit": {**fit, "early_stopping": {**stopping, "monitor": "loss"}}}


def _refitted(body: dict[str, Any]) -> dict[str, Any]:
    """The model, fitted on all rows at last."""
    return {key: value for key, value in body.items() if key != "retrain" or value.get("mode") != "folds"}


def _search_without_text(models: dict[str, Any], features: dict[str, Any]) -> None:
    """Let the searches of the models on ``trees`` try them without the text columns too, in a trial more."""
    if "trees" not in features:
        return
    features[PLAIN] = {key: value for key, value in features["trees"].items() if key != "texts"}
    for key, body in models.items():
        if body["features"] == "trees" and (tune := body.get("tune")):
            first = [{"features": PLAIN}, *tune.get("first", ())]
            space = {"features": {"choice": ["trees", PLAIN]}, **tune["space"]}
            rest = {name: value for name, value in tune.items() if name not in ("first", "space")}
            rest["trials"] += 1
            models[key] = {**body, "tune": {**rest, "first": first, "space": space}}


def _sized(body: dict[str, Any], rows: int) -> dict[str, Any]:
    """The model with the batch size and the settings for so many rows."""
    own: dict[str, Any] = next((own for most, own in (body.get("rows_up_to") or {}).items() if rows <= int(most)), {})
    if epochs := own.get("fit", {}).get("epochs"):
        body = {**body, "seconds": body["seconds"] * epochs / body["fit"]["epochs"]}
    body = {**body, **{part: {**body[part], **changed} for part, changed in own.items()}}
    if sizes := body.get("batch_sizes"):
        fitting = next((size for most, size in sizes.items() if rows <= int(most)), list(sizes.values())[-1])
        body = {**body, "fit": {**body["fit"], "batch_size": fitting}}
    return body


def _changing_images(body: dict[str, Any], changing: Mapping[str, Any]) -> dict[str, Any]:
    """The model with what changes its images, where it takes that."""
    if "augmentation" not in body.get("fit", {}):
        return body
    return {**body, "fit": {**body["fit"], **copy.deepcopy(dict(changing))}}


def describe(train: pd.DataFrame, test: pd.DataFrame | None, found: Guess, **facts: Any) -> dict[str, Any]:
    """Which portfolio suits one's own files, and the settings in it that name columns.

    Adds to the guess what it found of the columns' types, and why.
    facts: what ``features.schema.settle`` takes besides (``where``, ``missing``).
    """
    from pipeline.commands.guess import named_kinds
    from pipeline.commands.parallel import keep_alike, sides, words_of

    learned = tasks.get(found.task["name"])
    task = learned.one or learned.name
    described: dict[str, Any] = {"portfolio": task, "rows": len(train)}
    if learned.one is not None:
        described["losses"] = learned.losses
    from pipeline.features.settling import settle
    from pipeline.sources.contents import names_images

    columns = found.columns
    schema = settle(train, test, id=columns["id"], target=columns["target"], drop=columns.get("drop", ()), **facts)
    texts, numbers = schema.names("text"), schema.names("number")
    words = {name: float(train[name].dropna().astype(str).str.count(r"\S+").mean()) for name in texts}
    richest = max(texts, key=lambda name: words[name]) if texts else None
    if task == "translation":
        if richest is None:
            raise UserError(f"add: the target '{columns['target']}' is text, and no other column is; give --target")
        columns["types"] = {richest: "text"}
        found.why["features"] = f"translates '{richest}'"
        described["words"] = words_of(train[columns["target"]])
        found.split, found.why["split"] = keep_alike(found.split, found.why["split"], train[richest])
        pairs = sides(richest, columns["target"], len(train))
        return {**described, "portfolio": "translation", "columns": {"pairs": pairs}, "split": {"refit": False}}
    if richest is not None and not numbers and len(schema.names("category")) <= FEW_CATEGORIES:
        columns["types"] = {richest: "text"}
        read = [name for name in texts if words[name] >= SENTENCE or name == richest]
        kinds = [column.name for column in schema.columns if column.kind == "category"]
        unused = f"; not used: {', '.join(rest)}" if (rest := [name for name in texts if name not in read]) else ""
        beside = f", and {', '.join(kinds)}" if kinds else ""
        found.why["features"] = f"the text '{richest}', {words[richest]:.0f} words on average{beside}{unused}"
        side = {"numbers": copy.deepcopy(BESIDE)} if kinds else {}
        linear = {"numbers": {"many": {**BESIDE["many"], "how": "count"}}} if kinds else {}
        pieces = pieces_of(words[richest])
        settings = {
            "tokens": {"column": richest, **side},
            "pretrained": {"columns": [richest], "maximum_length": pieces, **linear},
            "pretrained_tokens": {"column": richest, "maximum_length": pieces, **side},
            "tfidf": {"columns": read, "characters": [3, 5]},
            "categorical": {"texts": {"columns": read, "components": 32, "characters": [3, 5]}},
        }
        return {**described, "portfolio": f"text_{task}", "words": words[richest], "columns": settings}
    as_is = [column.name for column in schema.columns if column.kind == "number" and column.source == "as_is"]
    if named := named_kinds(found, {name: train[name] for name in as_is}):
        columns["types"] = named
    if image_files := [name for name in train if train[name].iloc[:20].map(names_images).all()]:
        raise UserError(
            f"add: column '{image_files[0]}' names image files, and there are none of these names beside the table; "
            "put their folder there"
        )
    if not numbers and not schema.names("category") and not texts:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(schema.dropped.items())[:5])
        raise UserError(f"add: no column is left to predict from ({reasons or 'there is none'})")
    if texts:
        told = f"numbers and categories, and terms of the text in {', '.join(texts)}"
        found.why["features"] = told
        described["text"] = True
        described["names"] = max(words.values()) < SENTENCE
        characters = [2, 4] if described["names"] else [3, 5]
        described["columns"] = {
            "tfidf": {"columns": texts, "characters": characters},
            "categorical": {"texts": {"columns": texts, "components": 16, "characters": characters}},
        }
    return described
