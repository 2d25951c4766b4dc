"""Source ``kaggle``: the real client against a server on loopback that speaks as Kaggle does.

The client sends everything to http://localhost, and the server stands in for it as the proxy that
the environment names, so any free port will do. A planted key must turn up nowhere.
"""

import base64
import importlib.util
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from pipeline.core.errors import Faults, UserError
from pipeline.sources import sources
from pipeline.sources.kaggle import submit_to_kaggle

pytestmark = pytest.mark.skipif(importlib.util.find_spec("kaggle") is None, reason="the client is an extra")

ROOT = Path(__file__).parents[2]
KEY = "canary5f1d0c9e7b2a"
SIGNED = "signature-canary-81f2"
API = "/api/v1/competitions.CompetitionApiService/"
TRAIN, TEST, SAMPLE = b"id,x,y\n1,a,0\n2,b,1\n", b"id,x\n3,b\n", b"id,y\n3,0\n"


def competition_zip(size=0, **more):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        files = {"train.csv": TRAIN, "test.csv": TEST, "sample_submission.csv": SAMPLE}
        for name, content in {**files, **more}.items():
            archive.writestr(name, content)
        if size:
            archive.writestr("images.bin", random.Random(0).randbytes(size))
    return stream.getvalue()


class Stub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.archive = competition_zip()
        self.etag = '"one"'
        self.refuse = None  # a status for every API call
        self.once = None  # "cut": close the first download midway; "stall": keep it waiting
        self.ranges = []  # the Range header of each download
        self.sent = {}  # name of the API call to its JSON
        self.uploaded = None


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def path_only(self):
        return re.sub(r"^http://[^/]+", "", self.path).split("?")[0]

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = self.path_only().removeprefix(API)
        self.server.sent[call] = body
        expected = "Basic " + base64.b64encode(f"somebody:{KEY}".encode()).decode()
        status = 401 if self.headers["Authorization"] != expected else self.server.refuse
        if status is not None:
            text = json.dumps({"code": status, "message": f"no, {KEY} is not welcome at {self.path}"}).encode()
            self.reply(status, text, Content_Type="application/json")
        elif call == "DownloadDataFiles":
            self.reply(302, Location=f"http://localhost/storage/files.zip?X-Signature={SIGNED}")
        else:
            answers = {
                "StartSubmissionUpload": {"token": "blob", "createUrl": "http://localhost/upload"},
                "CreateSubmission": {"message": "Successfully submitted to Titanic", "ref": 1},
            }
            self.reply(200, json.dumps(answers[call]).encode(), Content_Type="application/json")

    def do_PUT(self):
        self.server.uploaded = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(201)

    def do_GET(self):
        archive, asked = self.server.archive, self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        whole = start == 0 or self.headers.get("If-Range", self.server.etag) != self.server.etag
        body = archive if whole else archive[start:]
        self.send_response(200 if whole else 206)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", self.server.etag)
        self.send_header("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")
        self.end_headers()
        manner, self.server.once = self.server.once, None
        self.wfile.write(body[: len(body) // 2] if manner else body)
        self.wfile.flush()
        if manner == "stall":
            time.sleep(60)
        self.close_connection = True


@pytest.fixture
def kaggle(tmp_path):
    """A server, and a way to run code with the client in a process of its own."""
    server = Stub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("home", "project"):
        (tmp_path / name).mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower() and "KAGGLE" not in name},
        "HOME": str(tmp_path / "home"),
        "DVC_ROOT": str(tmp_path / "project"),
        "PYTHONPATH": str(ROOT),
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "KAGGLE_USERNAME": "somebody",
        "KAGGLE_KEY": KEY,
        "http_proxy": f"http://127.0.0.1:{server.server_port}",
        "https_proxy": f"http://127.0.0.1:{server.server_port}",
    }

    class Runner:
        stub, folder, raw = server, tmp_path, tmp_path / "project" / "raw"
        downloads = tmp_path / "project" / ".podium" / "downloads"

        def start(self, call, **changes):
            script = (
                "from pathlib import Path; from pipeline.core.errors import UserError\n"
                "from pipeline.sources import sources; from pipeline.sources.kaggle import submit_to_kaggle\n"
                "def source(competition='titanic'):\n"
                "    return sources.build({'name': 'kaggle', 'competition': competition}, 'source')\n"
                f"try: print({call})\nexcept UserError as error: print('UserError:', error)\n"
            )
            env = {name: value for name, value in {**environment, **changes}.items() if value is not None}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            return subprocess.Popen([sys.executable, "-c", script], env=env, cwd=tmp_path, text=True, **pipes)

        def run(self, call="source().fetch(Path('project/raw'), 'titanic')", **changes):
            output = self.start(call, **changes).communicate(timeout=120)[0]
            self.nothing_secret(output)
            return output.strip()

        def nothing_secret(self, output):
            for secret in (KEY, SIGNED, str(tmp_path)):
                assert secret not in output
            for file in tmp_path.rglob("*"):
                if file.is_file():
                    content = file.read_bytes()
                    assert KEY.encode() not in content and SIGNED.encode() not in content, file

    yield Runner()
    server.shutdown()
    server.server_close()


def raw_files(kaggle):
    return {path.name: path.read_bytes() for path in kaggle.raw.iterdir()}


def test_download_unpack_and_keep(kaggle):
    assert kaggle.run() == "None"
    expected = {"train.csv": TRAIN, "test.csv": TEST, "sample_submission.csv": SAMPLE}
    assert raw_files(kaggle) == expected
    assert kaggle.stub.sent["DownloadDataFiles"] == {"competitionName": "titanic"}
    assert [path.name for path in (kaggle.downloads / "titanic").iterdir()] == ["files"]
    # A second time everything is there already, and neither key nor network is needed.
    kaggle.stub.refuse = 403
    assert kaggle.run(KAGGLE_KEY=None) == "None"
    assert raw_files(kaggle) == expected


def test_a_download_killed_midway_goes_on(kaggle):
    kaggle.stub.archive = competition_zip(size=6 << 20)
    kaggle.stub.once = "stall"
    process = kaggle.start("source().fetch(Path('project/raw'), 'titanic')")
    partial = kaggle.downloads / "titanic" / "partial" / "titanic.zip"
    deadline = time.monotonic() + 60
    while not (partial.is_file() and partial.stat().st_size >= 2 << 20):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    have = partial.stat().st_size
    assert 0 < have < len(kaggle.stub.archive) and not kaggle.raw.exists()
    assert kaggle.run() == "None"
    assert kaggle.stub.ranges[0] is None and kaggle.stub.ranges[-1] == f"bytes={have}-"
    assert raw_files(kaggle)["train.csv"] == TRAIN
    content = (kaggle.downloads / "titanic" / "files" / "images.bin").read_bytes()
    assert content == random.Random(0).randbytes(6 << 20)


def test_a_connection_that_breaks_is_taken_up_in_the_same_run(kaggle):
    kaggle.stub.archive = competition_zip(size=4 << 20)
    kaggle.stub.once = "cut"
    assert kaggle.run() == "None"
    assert len(kaggle.stub.ranges) > 1 and kaggle.stub.ranges[-1].startswith("bytes=")
    assert raw_files(kaggle)["train.csv"] == TRAIN


@pytest.mark.parametrize(
    ("changes", "refuse", "message"),
    [
        (
            {"KAGGLE_KEY": None},
            None,
            "kaggle titanic: no Kaggle credentials that work; make an API token at https://www",
        ),
        ({"KAGGLE_KEY": "wrong"}, None, "kaggle titanic: no Kaggle credentials that work"),
        ({}, 403, "sign in at https://www.kaggle.com/competitions/titanic/rules and accept the rules"),
        ({}, 404, "kaggle titanic: no such competition (404)"),
        ({}, 429, "kaggle titanic: too many requests (429); wait"),
        ({}, 500, "kaggle titanic: Kaggle answered with status 500"),
        ({"http_proxy": "http://127.0.0.1:9"}, None, "kaggle titanic: Kaggle cannot be reached"),
    ],
    ids=["no credentials", "wrong credentials", "rules", "unknown", "too many", "server", "no network"],
)
def test_refusals_are_one_line_that_says_what_to_do(kaggle, changes, refuse, message):
    kaggle.stub.refuse = refuse
    output = kaggle.run(**changes)
    assert output.startswith("UserError: ") and message in output and "\n" not in output
    assert not kaggle.raw.exists()


def test_an_unsafe_archive_is_refused_and_forgotten(kaggle):
    kaggle.stub.archive = competition_zip(**{"../../evil.csv": b"x"})
    output = kaggle.run()
    assert "refused, nothing was unpacked: the archive holds the name '../../evil.csv'" in output and "\n" not in output
    assert not kaggle.raw.exists() and not list((kaggle.downloads / "titanic").iterdir())
    assert not list(kaggle.folder.rglob("evil.csv"))


def test_submit(kaggle):
    (kaggle.folder / "submission.csv").write_bytes(SAMPLE)
    call = "submit_to_kaggle('titanic', Path('submission.csv'), 'a blend')"
    assert kaggle.run(call) == "Successfully submitted to Titanic"
    assert kaggle.stub.uploaded == SAMPLE
    sent = kaggle.stub.sent["CreateSubmission"]
    assert sent["competitionName"] == "titanic" and sent["submissionDescription"] == "a blend"


def test_faults_of_a_submission(kaggle):
    with pytest.raises(UserError, match=r"none\.csv: no such file; run `dvc repro`"):
        submit_to_kaggle("titanic", kaggle.folder / "none.csv", "m")
    (kaggle.folder / "submission.csv").write_bytes(SAMPLE)
    kaggle.stub.refuse = 403
    output = kaggle.run("submit_to_kaggle('titanic', Path('submission.csv'), 'a blend')")
    assert "accept the rules" in output and "\n" not in output


def answered_competition(root: Path, source: dict) -> None:
    """What stages leave of a competition of one test row."""
    from pipeline.core.files import write_json
    from pipeline.core.types import Schema

    (root / "data" / "toy" / "raw").mkdir(parents=True)
    (root / "data" / "toy" / "rows").mkdir()
    for place in ("raw/sample_submission.csv", "submission.csv"):
        (root / "data" / "toy" / place).write_bytes(SAMPLE)
    pd.DataFrame({"id": [3]}).to_parquet(root / "data" / "toy" / "rows" / "test.parquet")
    write_json(root / "data" / "toy" / "schema.json", Schema("id", "y", ()).to_json())
    competition = {
        "source": source,
        "columns": {"id": "id", "target": "y"},
        "task": "regression",
        "metric": "rmse",
        "split": "shuffled",
        "features": {"numbers": {"name": "tabular"}},
        "blend": "greedy",
        "submission": "values",
    }
    models = {"toy-ridge": {"competition": "toy", "features": "numbers", "model": "ridge"}}
    (root / "params.yaml").write_text(json.dumps({"competitions": {"toy": competition}, "models": models}))


def test_files_of_ones_own_are_submitted_with_a_slug(kaggle):
    answered_competition(kaggle.folder / "project", {"name": "files", "path": "files"})
    submit = "__import__('pipeline.commands.kaggle', fromlist=['run']).run('toy', 'a blend', {})"
    output = kaggle.run(submit.format(None))
    assert output.startswith("UserError: toy: its files came by the source 'files'; give --slug, the last part")
    assert "--slug: the last part of the competition's address" in kaggle.run(submit.format("'../titanic'"))
    assert not kaggle.stub.sent
    assert kaggle.run(submit.format("'titanic'")).startswith("Successfully submitted to Titanic")
    assert kaggle.stub.uploaded == SAMPLE and kaggle.stub.sent["CreateSubmission"]["competitionName"] == "titanic"


def test_a_kaggle_source_needs_no_slug(kaggle):
    answered_competition(kaggle.folder / "project", {"name": "kaggle", "competition": "titanic"})
    output = kaggle.run("__import__('pipeline.commands.kaggle', fromlist=['run']).run('toy', 'a blend')")
    assert output.startswith("Successfully submitted to Titanic")


def test_without_a_test_file_there_is_nothing_to_send(kaggle):
    answered_competition(kaggle.folder / "project", {"name": "kaggle", "competition": "titanic"})
    (kaggle.folder / "project" / "data" / "toy" / "rows" / "test.parquet").unlink()  # and the submission names columns
    output = kaggle.run("__import__('pipeline.commands.kaggle', fromlist=['run']).run('toy', 'a blend')")
    assert output.startswith("UserError: toy: has no test file") and "\n" not in output
    assert not kaggle.stub.sent


def test_a_name_that_is_none_is_refused_before_anything():
    with pytest.raises(Faults, match=r"source\.competition: .* got '\.\./titanic'"):
        sources.build({"name": "kaggle", "competition": "../titanic"}, "source")
