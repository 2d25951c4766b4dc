"""What stages see of tracking: runs, child runs, and what is recorded under them.

Recording appends a line to a file and costs microseconds. It never raises: where a record
cannot be written (disk full, folder gone), the run warns once and is not tracked any further.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core.paths import project_root
from pipeline.tracking.background import claim_outbox, ensure_sender
from pipeline.tracking.commit import head_commit
from pipeline.tracking.journal import Writer, attachments, outbox_folder
from pipeline.tracking.redact import redact, scrub

VARIABLE, MODES = "PODIUM_TRACKING", ("on", "off", "later")
LEVEL = "podium.level"
"""Tag of what a run is: a summary, a stage's, a fold, a trial or a seed."""
CURVE_POINTS = 250
"""Points of a curve that reach MLflow; its pages draw no more than about 300, and 2,000 boosting
rounds in 5 folds of 10 models would cost a minute. The figure keeps all of them."""


@dataclass(frozen=True)
class View:
    """A saved view of an experiment's page of runs, as MLflow's pages keep it and list it among others.

    key: in addresses, ``?viewStateShareKey=``. state: filter, order and columns, as the page's address names them.
    """

    key: str
    name: str
    state: Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    """The one run of a model, or of a blend, that people compare; what stages did for it stands below.

    key: what it came of; stages that name the same one find the same run. params: settings that people compare.
    about: what the experiment's page says of the competition, in Markdown; ``{experiment}`` is its number.
    view: in which the experiment's summaries compare.
    """

    key: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    view: View | None = None

    def record(self, competition: str) -> dict[str, Any]:
        return {
            "run": self.key,
            "name": self.name,
            "competition": competition,
            "params": flatten(self.params),
            "tags": {LEVEL: "summary", **self.tags},
            "about": self.about,
            "view": self.view and asdict(self.view),
            "again": True,
        }


@contextmanager
def run(
    *,
    competition: str,
    stage: str,
    model: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    summary: Summary | None = None,
) -> Iterator[Run]:
    """Track a stage's work on a model (or on the competition, without one) as a parent run, below a summary run
    where one is named.

    competition: names the MLflow experiment.
    params: settings; nested mappings become dotted keys.
    tags: ``data.digest`` is logged as the run's dataset too.

    An exception ends the run as FAILED, an interrupt as KILLED, and goes on. A process that
    dies leaves it to the sender to end the run as KILLED.
    """
    mode = os.environ.get(VARIABLE) or MODES[0]
    if mode == "off":
        yield Run(None, "")
        return
    if mode == "on":
        claim_outbox()
    automatic = {
        LEVEL: "stage",
        "podium.stage": stage,
        "podium.model": model,
        "dvc.stage": os.environ.get("DVC_STAGE"),
        "git.commit": head_commit(project_root()),
    }
    record = {
        "name": f"{model or competition} {stage}",
        "competition": competition,
        "params": flatten(params or {}),
        "tags": {key: value for key, value in {**automatic, **(tags or {})}.items() if value is not None},
    }
    above = None
    if summary is None:
        tracked = Run.begin(outbox_folder(), record)
    else:
        above = Run.begin(outbox_folder(), summary.record(competition))
        tracked = above.below(record)
    if mode == "on":
        ensure_sender()
    try:
        with above.ending() if above is not None else nullcontext(), tracked.ending():
            yield tracked
    finally:
        for one in (tracked, above):
            if one is not None:
                one.close()
        if mode == "on":
            ensure_sender()


class Run:
    """A run being recorded. It may be sent to worker processes, which then write to the same one."""

    def __init__(self, writer: Writer | None, run: str, summary: Run | None = None) -> None:
        self._writer = writer
        self._run = run
        self._summary = summary

    @property
    def summary(self) -> Run:
        """The run of its model that people compare; itself where there is none."""
        return self._summary or self

    @classmethod
    def begin(cls, folder: Path, record: dict[str, Any]) -> Run:
        tracked = cls(None, record.get("run") or uuid.uuid4().hex)
        try:
            tracked._writer = Writer.create(folder, tracked._stamped("run", record))
        except OSError as error:
            tracked._give_up(error)
        return tracked

    def below(self, record: Mapping[str, Any]) -> Run:
        """A stage's run below its summary."""
        tracked = Run(self._writer, uuid.uuid4().hex, self)
        tracked._record("run", {**record, "parent": self._run})
        return tracked

    def __reduce__(self) -> tuple[Any, ...]:
        return _join, (self._writer.path if self._writer else None, self._run)

    @contextmanager
    def child(
        self, name: str, params: Mapping[str, Any] | None = None, tags: Mapping[str, Any] | None = None
    ) -> Iterator[Run]:
        """A run below this one: a fold, a trial."""
        child = Run(self._writer, uuid.uuid4().hex)
        tags = {LEVEL: name.partition(" ")[0], **(tags or {})}
        body = {"name": name, "parent": self._run, "params": flatten(params or {}), "tags": tags}
        child._record("run", body)
        with child.ending():
            yield child

    def metrics(self, values: Mapping[str, float | None], step: int | None = None) -> None:
        """Numbers by name; None is left out, infinities become NaN (MLflow would draw 1.8e308)."""
        points = [[key, _number(value), step or 0] for key, value in values.items() if value is not None]
        self._record("metrics", {"points": points})

    def curves(self, curves: Mapping[str, Sequence[float]]) -> None:
        """One value an epoch each, as metrics with the epoch (from 1) as step.

        A curve named ``iteration`` is no metric: it gives the steps of the others.
        Long ones are thinned evenly to ``CURVE_POINTS``, their first and last values kept.
        """
        steps = curves.get("iteration")
        points = [
            [key, _number(values[index]), index + 1 if steps is None else int(steps[index])]
            for key, values in curves.items()
            if key != "iteration"
            for index in _thinned(len(values), CURVE_POINTS)
        ]
        self._record("metrics", {"points": points})

    def params(self, values: Mapping[str, Any]) -> None:
        self._record("params", {"params": flatten(values)})

    def tags(self, values: Mapping[str, Any]) -> None:
        self._record("tags", {"tags": dict(values)})

    def figure(self, name: str, data: Mapping[str, Any]) -> None:
        """Data (JSON values, arrays) of a picture ``name``, which the sender draws later."""
        self._record("figure", {"figure": name, "data": _listed(data)})

    def text(self, name: str, text: str) -> None:
        """A text, as a file ``name`` of the run's artifacts."""
        self._record("text", {"file": name, "text": text})

    def artifact(self, path: str | Path, folder: str | None = None) -> None:
        """Keep a file or folder as it is now, under ``folder`` of the run's artifacts."""
        if (kept := self._keep({Path(path).name: Path(path)})) is not None:
            self._record("artifact", {"files": kept, "folder": folder})

    def model(
        self,
        contents: str | Path | Mapping[str, Path],
        *,
        name: str,
        register: str | None = None,
        alias: str | None = None,
        served: Mapping[str, Any] | None = None,
    ) -> None:
        """Log an answering folder as an MLflow pyfunc model, and register it.

        contents: the folder, or what it is to hold, files and folders by name.
        register: the registered model to add a version to (tagged ``model=name``).
        alias: moved to that version (``champion``).
        served: ``inputs``, names of the columns that it reads; ``example``, texts of a few rows by column, or None;
            ``about``, the version's description.
        """
        if not isinstance(contents, Mapping):
            contents = {item.name: item for item in sorted(Path(contents).iterdir())}
        if (kept := self._keep(contents)) is not None:
            body = {"files": kept, "model": name, "register": register, "alias": alias, "served": served}
            self._record("model", body)

    @contextmanager
    def ending(self) -> Iterator[None]:
        status = "FINISHED"
        try:
            yield
        except Exception:
            status = "FAILED"
            raise
        except BaseException as error:
            status = "FINISHED" if isinstance(error, SystemExit) and not error.code else "KILLED"
            raise
        finally:
            self._record("end", {"status": status})

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _stamped(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"kind": kind, "run": self._run, "time": time.time_ns() // 1_000_000, **scrub(body)}

    def _record(self, kind: str, body: Mapping[str, Any]) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(self._stamped(kind, body))
        except OSError as error:
            self._give_up(error)

    def _keep(self, contents: Mapping[str, Path]) -> str | None:
        """Copy files aside (hard links, where the file system has them); the copy's name."""
        if self._writer is None:
            return None
        name = uuid.uuid4().hex[:12]
        target = attachments(self._writer.path) / name
        try:
            target.mkdir(parents=True)
            for item, path in contents.items():
                place = target / redact(item)
                place.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir():
                    shutil.copytree(path, place, copy_function=_link_or_copy)
                else:
                    _link_or_copy(path, place)
        except OSError as error:
            print(f"warning: tracking leaves out {', '.join(contents)}: {error}", file=sys.stderr)  # noqa: T201
            return None
        return name

    def _give_up(self, error: OSError) -> None:
        print(f"warning: this run is not tracked any further: {error}", file=sys.stderr)  # noqa: T201
        self.close()


def _join(path: Path | None, run: str) -> Run:
    """A run received by another process."""
    try:
        return Run(Writer(path) if path else None, run)
    except OSError:  # delivered and closed meanwhile, or the folder is gone
        return Run(None, run)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as ``{"fit.epochs": "100"}``: texts as they are, the rest as JSON."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value, default=str)
    return flat


def _number(value: Any) -> float:
    number = float(value)
    return number if math.isfinite(number) else math.nan


def _thinned(length: int, most: int) -> list[int]:
    if length <= most:
        return list(range(length))
    return sorted({round(i * (length - 1) / (most - 1)) for i in range(most)})


def _listed(value: Any) -> Any:
    """Arrays inside ``value`` as lists, so that texts in them are seen and redacted."""
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def _link_or_copy(source: str | Path, target: str | Path) -> None:
    """A hard link: later stages replace files by renaming, which leaves the linked one as it is."""
    source = os.path.realpath(source)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
