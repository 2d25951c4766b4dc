"""Records of a journal -> MLflow, each exactly once, however often the sender is killed.

What makes it so: a run is found again by its tag ``podium.run``; a metric sent again with its
own time and step is the same row; a logged model and its version carry ``podium.record``.
The place in the journal is noted after each chunk, so at most one chunk is ever sent again.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import write_json
from pipeline.tracking import journal as journals
from pipeline.tracking.models import log_model
from pipeline.tracking.redact import redact
from pipeline.tracking.store import Unavailable, artifact_location, shown_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

Draw = Callable[[str, dict[str, Any]], bytes]
"""A figure's name and data to PNG bytes."""

CHUNK = 256 * 1024  # bytes of a journal sent between two notes of the place
METRICS, PARAMS, TAGS = 1000, 100, 100  # most that MLflow takes in one call
KEY, PARAM, TAG = 250, 6000, 5000  # longest texts that MLflow takes
ATTEMPTS = 3  # at an artifact that the store fails on while it answers otherwise


@dataclass
class Batch:
    metrics: list[Any] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class Delivery:
    """The way of one journal into MLflow."""

    def __init__(self, client: MlflowClient, journal: Path, draw: Draw | None):
        self.client = client
        self.journal = journal
        self.draw = draw
        self.done = False
        self.refused: list[str] = []
        """What the store did not take, and why; it is left out."""
        self._batches: dict[str, Batch] = {}
        progress = journals.read_progress(journal)
        # Something of the next chunk may have arrived already: look before creating.
        self._careful = bool(progress)
        if progress.get("address") != shown_uri() or not self._runs_exist(progress):
            progress = {}
        self.position: int = progress.get("position", 0)
        self.experiment: str | None = progress.get("experiment")
        self.runs: dict[str, str] = progress.get("runs", {})
        self.open: list[str] = progress.get("open", [])

    def advance(self) -> bool:
        """Send what is new; True when there was something. Raises Unavailable."""
        final = not journals.is_alive(self.journal)  # asked before reading: nothing comes after it
        moved = False
        try:
            while True:
                records, position = journals.read_lines(self.journal, self.position, CHUNK)
                if position == self.position:
                    break
                if self.position == 0:
                    self._note()
                self._send(records)
                self.position = position
                self._note()
                moved = True
        except FileNotFoundError:  # somebody cleared the outbox
            self.done = True
            return moved
        if final:
            self._end_open_runs()
            journals.delete(self.journal)
            self.done = True
        return moved

    def _note(self) -> None:
        keys = ("position", "experiment", "runs", "open")
        body = {key: getattr(self, key) for key in keys}
        write_json(journals.progress_file(self.journal), {"address": shown_uri(), **body})

    def _runs_exist(self, progress: dict[str, Any]) -> bool:
        """Whether the runs noted are still in the store (it may have been deleted and made anew)."""
        from mlflow.exceptions import MlflowException

        for run in list(progress.get("runs", {}).values())[:1]:
            try:
                self.client.get_run(run)
            except MlflowException as error:
                if error.get_http_status_code() == 404:
                    return False
                raise Unavailable(reason(error)) from error
        return True

    def _send(self, records: Iterable[dict[str, Any]]) -> None:
        self._batches = {}
        try:
            for record in records:
                getattr(self, f"_{record['kind']}")(record)
            for run in list(self._batches):
                self._flush(run)
        except Unavailable:
            self._careful = True
            raise
        self._careful = False

    # One method a kind of record.

    def _run(self, record: dict[str, Any]) -> None:
        run, parent = record["run"], record.get("parent")
        if parent is not None and parent not in self.runs:
            self._refuse(f"run {record['name']}", "its parent run is not there")
            return
        if parent is None:
            self._try("experiment", lambda: self._find_experiment(record["competition"]))
        self._try(f"run {record['name']}", lambda: self._create(record))
        if run in self.runs:
            if run not in self.open:
                self.open.append(run)
            self._batches[run] = Batch(params=dict(record["params"]))

    def _metrics(self, record: dict[str, Any]) -> None:
        from mlflow.entities import Metric

        if batch := self._batch(record):
            for key, value, step in record["points"]:
                batch.metrics.append(Metric(_key(key), value, record["time"], step))

    def _params(self, record: dict[str, Any]) -> None:
        if batch := self._batch(record):
            batch.params.update(record["params"])

    def _tags(self, record: dict[str, Any]) -> None:
        if batch := self._batch(record):
            batch.tags.update({key: str(value) for key, value in record["tags"].items()})

    def _figure(self, record: dict[str, Any]) -> None:
        if (run := self.runs.get(record["run"])) is None:
            return
        name = re.sub(r"[^\w.-]", "_", record["figure"])

        def log() -> None:
            with tempfile.TemporaryDirectory() as folder:
                if self.draw is None:
                    file = Path(folder, f"{name}.json")
                    file.write_text(json.dumps(record["data"]), encoding="utf-8")
                else:
                    file = Path(folder, f"{name}.png")
                    file.write_bytes(self.draw(record["figure"], record["data"]))
                self.client.log_artifact(run, str(file), "figures")

        self._try(f"figure {name}", log, artifact=True)

    def _artifact(self, record: dict[str, Any]) -> None:
        if (run := self.runs.get(record["run"])) is not None and (kept := self._kept(record)):
            self._try("artifact", lambda: self.client.log_artifacts(run, str(kept), record["folder"]), artifact=True)

    def _model(self, record: dict[str, Any]) -> None:
        if (run := self.runs.get(record["run"])) is not None and (kept := self._kept(record)):
            self._flush(record["run"])  # MLflow copies the run's params and metrics to the model
            self._try(
                f"model {record['model']}",
                lambda: log_model(self.client, run, kept, record, look_first=self._careful),
                artifact=True,
            )

    def _end(self, record: dict[str, Any]) -> None:
        if record["run"] in self.runs:
            self._flush(record["run"])
            self._terminate(record["run"], record["status"], record["time"])

    # What they stand on.

    def _find_experiment(self, name: str) -> None:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            self.experiment = self.client.create_experiment(name, artifact_location(name))
            return
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        self.experiment = found.experiment_id

    def _create(self, record: dict[str, Any]) -> None:
        if self.experiment is None:
            raise ValueError("its experiment is not there")
        run = record["run"]
        if self._careful:
            found = self.client.search_runs([self.experiment], f"tags.`podium.run` = '{run}'", max_results=1)
            if found:
                self.runs[run] = found[0].info.run_id
                return
        tags = {_key(key): str(value)[:TAG] for key, value in record["tags"].items()}
        tags |= {"podium.run": run, "mlflow.source.type": "LOCAL"}
        if parent := record.get("parent"):
            tags["mlflow.parentRunId"] = self.runs[parent]
        else:
            words = ("python -m pipeline", tags.get("podium.stage"), tags.get("podium.model", record["competition"]))
            tags["mlflow.source.name"] = " ".join(word for word in words if word)
        if commit := tags.get("git.commit"):
            tags["mlflow.source.git.commit"] = commit
        created = self.client.create_run(self.experiment, record["time"], tags, record["name"])
        self.runs[run] = created.info.run_id
        if digest := tags.get("data.digest"):
            self._log_dataset(created.info.run_id, record.get("competition", ""), digest)

    def _log_dataset(self, run: str, competition: str, digest: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = json.dumps({"uri": f"data/{competition}"})
        dataset = Dataset(competition, digest[:36], source_type="local", source=source)
        self.client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    def _batch(self, record: dict[str, Any]) -> Batch | None:
        run = record["run"]
        return self._batches.setdefault(run, Batch()) if run in self.runs else None

    def _kept(self, record: dict[str, Any]) -> Path | None:
        kept = journals.attachments(self.journal) / record["files"]
        if not kept.is_dir():
            self._refuse(record["kind"], "its files are gone from the outbox")
            return None
        return kept

    def _flush(self, run: str) -> None:
        from mlflow.entities import Param, RunTag

        if (batch := self._batches.pop(run, None)) is None:
            return
        params = [Param(_key(key), _cut(value, PARAM)) for key, value in batch.params.items()]
        tags = [RunTag(_key(key), _cut(value, TAG)) for key, value in batch.tags.items()]
        metrics = batch.metrics
        while params or tags or metrics:
            self._log(self.runs[run], metrics[:METRICS], params[:PARAMS], tags[:TAGS])
            # One call takes 1000 entities in all; so metrics go in what the others leave.
            params, tags, metrics = params[PARAMS:], tags[TAGS:], metrics[METRICS:]

    def _log(self, run: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
        def all_together() -> None:
            self.client.log_batch(run, params=params, tags=tags)
            if metrics:
                self.client.log_batch(run, metrics=metrics)

        if self._try("batch", all_together, silent=True):
            return
        # One of them is refused: find it, and let the others through.
        for item in metrics:
            self._try(f"metric {item.key}", lambda item=item: self.client.log_batch(run, metrics=[item]))
        for item in params:
            self._try(f"param {item.key}", lambda item=item: self.client.log_batch(run, params=[item]))
        for item in tags:
            self._try(f"tag {item.key}", lambda item=item: self.client.log_batch(run, tags=[item]))

    def _terminate(self, run: str, status: str, end: int) -> None:
        self._try("end", lambda: self.client.set_terminated(self.runs[run], status, end))
        if run in self.open:
            self.open.remove(run)

    def _end_open_runs(self) -> None:
        """The process is dead and never said how it ended."""
        try:
            end = int(self.journal.stat().st_mtime * 1000)
        except FileNotFoundError:
            return
        for run in reversed(self.open[:]):
            self._terminate(run, "KILLED", end)

    def _try(self, what: str, action: Callable[[], Any], *, artifact: bool = False, silent: bool = False) -> bool:
        """Do it; False when the store (or the record itself) refuses. Raises Unavailable."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                action()
                return True
            except Exception as error:
                if is_refusal(error):
                    if not silent:
                        self._refuse(what, reason(error))
                    return False
                if not artifact or not self._store_takes_writes():
                    raise Unavailable(reason(error)) from error
                if attempt == ATTEMPTS:
                    self._refuse(what, reason(error))
                    return False
                time.sleep(attempt)
        return False

    def _store_takes_writes(self) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            self.client.set_experiment_tag(str(self.experiment), "podium.checked", str(time.time_ns()))
            return True
        except (MlflowException, OSError):
            return False

    def _refuse(self, what: str, why: str) -> None:
        self.refused.append(f"{redact(what)}: {why}")


def is_refusal(error: Exception) -> bool:
    """Whether trying again is pointless: the store answered that it will not take this."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, MlflowException):
        code = error.get_http_status_code()
    elif isinstance(error, RequestException):
        code = error.response.status_code if error.response is not None else 503
    else:
        return not isinstance(error, OSError | SQLAlchemyError)
    return 400 <= code < 500 and code not in (401, 403, 408, 429)


def reason(error: BaseException) -> str:
    """An error in one short line without secrets."""
    return redact(" ".join(str(error).split()))[:300] or type(error).__name__


def _key(name: str) -> str:
    """A name as MLflow allows it."""
    return re.sub(r"[^/\w.\- :]", "_", name).strip("/")[:KEY] or "_"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
