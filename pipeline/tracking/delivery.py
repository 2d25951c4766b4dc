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
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import write_json
from pipeline.tracking import journal as journals
from pipeline.tracking.batches import TAG, Batch, allowed_key, cut
from pipeline.tracking.faults import is_refusal, reason
from pipeline.tracking.models import log_model
from pipeline.tracking.redact import redact
from pipeline.tracking.store import Unavailable, artifact_location, shown_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

Draw = Callable[[str, dict[str, Any]], bytes]
"""A figure's name and data to PNG bytes."""

SAVED_VIEW = "mlflow.sharedViewState."  # begins the experiment tags that MLflow's pages keep their saved views in
CHUNK = 256 * 1024  # bytes of a journal sent between two notes of the place
ATTEMPTS = 3  # at an artifact that the store fails on while it answers otherwise


class Delivery:
    """The way of one journal into MLflow."""

    def __init__(self, client: MlflowClient, journal: Path, draw: Draw | None) -> None:
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
        # Sent elsewhere in between, all of it may be here from before: look always.
        self.moved: bool = progress.get("moved", False) or progress.get("address", shown_uri()) != shown_uri()
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
        keys = ("position", "experiment", "runs", "open", "moved")
        body = {key: getattr(self, key) for key in keys}
        write_json(journals.progress_file(self.journal), {"address": shown_uri(), **body})

    def _runs_exist(self, progress: dict[str, Any]) -> bool:
        """Whether the runs noted are still in the store (it may have been deleted and made anew)."""
        for run in list(progress.get("runs", {}).values())[:1]:
            try:
                self.client.get_run(run)
            except Exception as error:
                if is_refusal(error):
                    return False
                raise Unavailable(reason(error)) from error
        return True

    def _send(self, records: Iterable[dict[str, Any]]) -> None:
        self._batches = {}
        try:
            for record in records:
                try:
                    self._handle(record)
                except (KeyError, TypeError, ValueError) as error:
                    self._refuse(f"a record of kind {record.get('kind')}", f"{type(error).__name__}: {reason(error)}")
            for run in list(self._batches):
                self._flush(run)
        except Unavailable:
            self._careful = True
            raise
        self._careful = self.moved

    def _handle(self, record: dict[str, Any]) -> None:
        kinds = {
            "run": self._run,
            "metrics": self._metrics,
            "params": self._params,
            "tags": self._tags,
            "figure": self._figure,
            "text": self._text,
            "artifact": self._artifact,
            "model": self._model,
            "end": self._end,
        }
        kinds[record["kind"]](record)

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
            if record.get("again"):
                self._try(f"run {record['name']}", lambda: self._go_on(record))
            if "data.digest" in record["tags"]:
                self._try("dataset", lambda: self._log_dataset(record))

    def _go_on(self, record: dict[str, Any]) -> None:
        """With a summary run that an earlier stage may have made: its params are there and never change."""
        run = self.runs[record["run"]]
        known = self.client.get_run(run)
        batch = self._batches[record["run"]]
        batch.params = {key: value for key, value in batch.params.items() if allowed_key(key) not in known.data.params}
        batch.tags = {key: str(value) for key, value in record["tags"].items()}
        if known.info.status != "RUNNING":
            self.client.update_run(run, status="RUNNING")
        if record.get("about"):
            about = record["about"].replace("{experiment}", str(self.experiment))
            self.client.set_experiment_tag(str(self.experiment), "mlflow.note.content", about)
        if view := record.get("view"):
            self._save_view(view, record["time"])

    def _save_view(self, view: dict[str, Any], now: int) -> None:
        """As the pages themselves save one. One that is there stays: somebody may have changed it there."""
        tag = f"{SAVED_VIEW}{view['key']}"
        if tag in self.client.get_experiment(str(self.experiment)).tags:
            return
        kept = {"name": view["name"], "createdAt": now, "updatedAt": now, "state": json.dumps(view["state"])}
        self.client.set_experiment_tag(str(self.experiment), tag, json.dumps(kept))

    def _metrics(self, record: dict[str, Any]) -> None:
        if batch := self._batch(record):
            batch.metrics += [(key, value, record["time"], step) for key, value, step in record["points"]]

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

    def _text(self, record: dict[str, Any]) -> None:
        if (run := self.runs.get(record["run"])) is not None:
            name = re.sub(r"[^\w.-]", "_", record["file"])
            self._try(f"text {name}", lambda: self.client.log_text(run, record["text"], name), artifact=True)

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
            # MLflow's pages open with runs and metrics, rather than with traces of language models.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            try:
                self.experiment = self.client.create_experiment(name, artifact_location(name), tags=kind)
                return
            except Exception:
                if (found := self.client.get_experiment_by_name(name)) is None:  # nobody else made it at that moment
                    raise
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        self.experiment = found.experiment_id

    def _create(self, record: dict[str, Any]) -> None:
        if self.experiment is None:
            raise ValueError("its experiment is not there")
        run = record["run"]
        if self._careful or record.get("again"):
            found = self.client.search_runs([self.experiment], f"tags.`podium.run` = '{run}'", max_results=1)
            if found:
                self.runs[run] = found[0].info.run_id
                return
        tags = {allowed_key(key): cut(str(value), TAG) for key, value in record["tags"].items()}
        tags |= {"podium.run": run, "mlflow.source.type": "LOCAL"}
        if parent := record.get("parent"):
            tags["mlflow.parentRunId"] = self.runs[parent]
        if "podium.stage" in tags:
            words = ("python -m pipeline", tags.get("podium.stage"), tags.get("podium.model", record["competition"]))
            tags["mlflow.source.name"] = " ".join(word for word in words if word)
        if commit := tags.get("git.commit"):
            tags["mlflow.source.git.commit"] = commit
        self.runs[run] = self.client.create_run(self.experiment, record["time"], tags, record["name"]).info.run_id

    def _log_dataset(self, record: dict[str, Any]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        name, digest = record["competition"], str(record["tags"]["data.digest"])
        dataset = Dataset(name, digest[:36], source_type="local", source=json.dumps({"uri": f"data/{name}"}))
        context = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(self.runs[record["run"]], [DatasetInput(dataset, [context])])

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
        if (batch := self._batches.pop(run, None)) is None:
            return
        for part in batch.calls():
            log = partial(self.client.log_batch, self.runs[run])
            if not self._try("batch", partial(log, **part), silent=True):
                # One of them is refused: find it, and let the others through.
                for kind, items in part.items():
                    for item in items:
                        self._try(f"{kind[:-1]} {item.key}", partial(log, **{kind: [item]}))

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
                self._careful = True  # it may have arrived all the same
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
