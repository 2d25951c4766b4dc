"""One's own files -> the description of a competition, with all that was guessed; and the checks of later stages."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.commands import gallery
from pipeline.core.errors import UserError
from pipeline.core.schema import LEVELS

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.config import CompetitionConfig
    from pipeline.core.types import Schema, Source


@dataclass(frozen=True)
class CompetitionFiles:
    """A competition's files, brought aside as ``fetch`` brings them."""

    paths: Mapping[str, Path]
    missing: tuple[str, ...]
    raw: Path
    """The folder that they lie in."""
    arrays: Path
    """Folder for arrays of their images."""
    unused: tuple[str, ...] = ()
    """Tables that lie beside them."""
    test_name: str | None = None
    """The test file's own name in its folder, where no file of solutions lies beside it."""
    memo: dict[str, Any] = field(default_factory=dict)
    """What was found of the columns, see ``settle``."""
    _read: dict[str, pd.DataFrame] = field(default_factory=dict)
    _exact: dict[tuple[str, str], pd.Series] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def of(cls, origin: Mapping[str, Any], name: str) -> Iterator[CompetitionFiles]:
        from pipeline.sources import sources
        from pipeline.sources.raw import find_raw

        with TemporaryDirectory() as aside, TemporaryDirectory() as arrays:
            part: Source = sources.build(origin, "--from")
            part.fetch(Path(aside), name, look=False)  # they are read here
            stems = ("train", "valid", "test", "sample_submission", *(f"extra-{i}" for i in range(len(part.extra))))
            files = cls(
                {stem: path for stem in stems if (path := find_raw(Path(aside), stem))},
                part.missing,
                Path(aside),
                Path(arrays),
                tuple(part.unused()),
                None if find_raw(Path(aside), "solution") else _test_name(origin, part),
            )
            try:
                yield files
            except UserError as error:  # nobody knows the folder, and it is gone then
                raise UserError(str(error).replace(f"{aside}/", "")) from None

    def table(self, stem: str) -> pd.DataFrame | None:
        """A table, read once: whoever changes it has a copy of its own."""
        from pipeline.sources.raw import read_raw

        if stem not in self._read and (path := self.paths.get(stem)) is not None:
            self._read[stem] = read_raw(path, stem, {}, self.arrays, missing=self.missing, name=path.name)
        found = self._read.get(stem)
        return None if found is None else found.copy(deep=False)

    def describe(
        self, origin: Mapping[str, Any], *, target: str | None, id: str | None, metric: str | None
    ) -> dict[str, Any]:
        """What ``gallery.compose`` takes, guessed where it is not said."""
        from pipeline.answering.answer_files import read_answers
        from pipeline.commands.guess import guess
        from pipeline.commands.images import find_images
        from pipeline.commands.kinds import known_classes
        from pipeline.sources.arrays import not_images
        from pipeline.sources.tables import find_table
        from pipeline.tasks import tasks

        train, test = self.table("train"), self.table("test")
        if train is None:
            raise UserError("add: the source brought no training file")
        sample_path = self.paths.get("sample_submission")
        # As ``submit`` reads it: nothing in it is missing.
        sample = None if sample_path is None else read_answers(sample_path, id)
        if origin["name"] == "texts":
            from pipeline.commands import texts

            train["text"] = self.column("train", "text")  # lines of digits are texts too
            return texts.describe(origin, train, "valid" in self.paths, test is not None, sample, metric)
        if origin["name"] == "parallel":
            from pipeline.commands import parallel

            return parallel.describe(origin, train, "valid" in self.paths, metric)
        asked = "train" if test is None else "test"
        images = find_images(origin, train, test, sample, self.raw)
        if not images.columns and find_table(self.raw, "train") is None:
            for told in not_images(self.raw, "train"):
                _warn(told)
        train, test = images.beside(train), None if test is None else images.beside(test)
        found = guess(
            train,
            test,
            sample,
            target=target,
            id=id,
            metric=metric,
            exactly=lambda name: self.column(asked, name),
            classes=known_classes(train, self.raw, lambda name: self.column("train", name)),
        )
        if test is not None and (name := found.columns["id"]) is not None:
            test[name] = self.column("test", name)
        target_kind = tasks.get(found.task["name"]).target_kind
        several = not isinstance(found.columns["target"], str)
        if target_kind in LEVELS:  # labels to the character: NA may be one of them
            for name in found.columns["target"] if several else [found.columns["target"]]:
                train[name] = self.column("train", name)
        facts: dict[str, Any] = {
            "keep": [found.columns[key] for key in ("group", "weight") if key in found.columns],
            "target_kind": target_kind,
            "missing": self.missing,
            "where": self.paths["train"].name,
        }
        if images.columns:
            described = images.describe(train, test, found, **facts)
        else:
            described = gallery.describe(train, test, found, **facts, memo=self.memo)
        if valid := self.paths.get("valid"):
            found.split = {"name": "holdout", "rows": "valid", **described.get("split", {})}
            found.why["split"] = (
                f"{valid.name} lies beside the training file; shuffled or stratified folds leave it out"
            )
        source = dict(origin)
        if (name := self._answered_test(test, found.columns["target"])) is not None:
            source["solution"] = name
            found.why["source.solution"] = (
                "the test file has the target too: scores are told by it, nothing learns of it"
            )
        competition = {
            "source": source,
            "columns": {
                **found.columns,
                "target": list(found.columns["target"]) if several else found.columns["target"],
            },
            "task": found.task,
            "metric": found.metric,
            "split": found.split,
            "features": {},
            "blend": found.blend,
            "submission": found.submission,
            "guessed": found.why,
        }
        return {"competition": competition, **described}

    def _answered_test(self, test: pd.DataFrame | None, target: str | tuple[str, ...]) -> str | None:
        """The test file's name, where it lies in a folder with every row's answer and no other file has these."""
        targets = [target] if isinstance(target, str) else list(target)
        if test is None or self.test_name is None or not set(targets) <= set(map(str, test.columns)):
            return None
        answers = test[targets]
        return self.test_name if answers.notna().all(axis=None) and len(answers.drop_duplicates()) > 1 else None

    def column(self, stem: str, name: str) -> pd.Series:
        """One column to the character; of arrays as it is."""
        from pipeline.sources.tables import find_table, read_table

        if find_table(self.raw, stem) is None and (whole := self.table(stem)) is not None:
            return whole[name]
        if (stem, name) not in self._exact:
            table = read_table(
                self.paths[stem], missing=self.missing, text=[name], only=[name], name=self.paths[stem].name
            )
            self._exact[stem, name] = table[name]
        return self._exact[stem, name]

    def typed(self, competition: CompetitionConfig) -> tuple[Schema, pd.DataFrame, pd.DataFrame | None]:
        """Schema, training rows with their folds, and test rows, as ``preprocess`` makes them."""
        from pipeline.features.typed_rows import ImagesOf, read_as_text, texts_of, typed_rows
        from pipeline.sources.raw import image_places

        raw = {
            stem: table
            for stem in self.paths
            if stem != "sample_submission" and (table := self.table(stem)) is not None
        }
        files = {how.files for how in competition.columns.images.values()}
        for stem, table in raw.items():
            left = set() if stem == "test" else {competition.columns.id} - files
            for name in read_as_text(competition):
                if name is not None and name in table and name not in left:
                    table[name] = self.column(stem, name)
            for name in texts_of(raw["train"]) if stem != "train" else ():
                if name in table and table[name].dtype.kind in "iuf":
                    table[name] = self.column(stem, name)
        self._read.clear()  # a large table need not be there twice
        names = {stem: path.name for stem, path in self.paths.items()}
        names |= {f"extra-{number}": Path(own).name for number, own in enumerate(competition.source.extra)}
        images = ImagesOf(image_places(self.raw, competition.source.images), self.arrays)
        return typed_rows(competition, raw, names, _warn, self.memo, images=images)[:3]

    def check(self, competition: CompetitionConfig, metric: str | None) -> tuple[Schema, list[str]]:
        """All that ``preprocess`` would refuse, in the same words; the schema, and what to tell of the submission.

        metric: as given, None where it was guessed.
        """
        from pipeline.answering.answer_files import read_answers
        from pipeline.answering.submitting import check_sample

        schema, _, rows = self.typed(competition)
        beside = [_beside(self.unused)] if self.unused else []
        if rows is None:
            return schema, ["no test file: everything is made but the submission", *beside]
        path = self.paths.get("sample_submission")
        sample = None if path is None else read_answers(path, competition.columns.id)
        probable = metric is not None and competition.submission.format == "probabilities"
        try:
            told = check_sample(competition, schema, rows, sample)
            if probable and sample is not None:
                _refuse_words(sample.iloc[:, -1])
            return schema, [*told, *beside]
        except UserError as error:
            if not probable:
                raise
            raise UserError(
                f"--metric: '{metric}' is of probabilities, and the sample submission takes none: {error}; "
                "choose a metric of classes, such as accuracy"
            ) from None


def _test_name(origin: Mapping[str, Any], part: Source) -> str | None:
    from pipeline.core.paths import main_root
    from pipeline.sources.files import USUAL_NAMES

    if origin["name"] != "files" or not (main_root() / origin["path"]).is_dir():
        return None
    tables = [name for name in part.origin() if not name.endswith(".npz")]
    return next((one for one in tables if Path(one).name.partition(".")[0].casefold() in USUAL_NAMES["test"]), None)


def _refuse_words(answers: pd.Series) -> None:
    from pandas.api import types

    if not types.is_numeric_dtype(answers):
        raise UserError(f"sample submission: its column '{answers.name}' holds words, such as {answers.iloc[0]!r}")


def _beside(tables: tuple[str, ...]) -> str:
    """What to do with tables that nobody asked for."""
    told = f"not used: {', '.join(tables[:6])}"
    return f"{told}; source.test, source.sample_submission or source.extra name one"


def _warn(told: str) -> None:
    print(f"warning: {told}", file=sys.stderr)  # noqa: T201
