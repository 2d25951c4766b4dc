"""The tracking server of ``docs/deploy/compose.yaml``: its file, its page, and its very command on a PostgreSQL and an
S3-compatible store of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import compose
import postgresql
import pytest
import yaml
from projects import free_port

from pipeline import tracking
from pipeline.tracking.sender import deliver_waiting

PAGE = (compose.ROOT / "docs" / "tracking_server.md").read_text()
SETTINGS = {
    "ADMIN_PASSWORD": "a-password-of-admin",
    "SECRET_KEY": "4f1c" * 16,
    "DATABASE_PASSWORD": "ofMlflow2",
    "S3_BUCKET": "runs",
    "S3_KEY": "key",
    "S3_SECRET": "secret",
}


def in_env() -> dict[str, str]:
    """What the page writes to ``.env``."""
    [lines] = re.findall(r"cat > \.env <<END\n(.*?)\s*END\n", PAGE, re.DOTALL)
    return dict(line.strip().split("=", 1) for line in lines.splitlines())


def test_the_page_says_each_setting_and_its_env_leaves_none_out():
    said = set(re.findall(r"`([A-Z0-9_]+)`(?=[^|\n]*\|)", PAGE.split("What the file itself settles")[0]))
    assert said == compose.names()
    assert compose.names(demanded=True) <= set(in_env()) <= compose.names()


def test_compose_takes_the_file_with_the_settings_of_the_page():
    compose_spec = pytest.importorskip("compose_spec")
    file = compose.declared(in_env())
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(file)).validate()
    assert {volume.split(":")[0] for service in file["services"].values() for volume in service.get("volumes", ())} == {
        *file["volumes"]
    }
    file["services"]["mlflow"]["comand"] = []
    with pytest.raises(ValueError, match="comand"):
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(file))


@pytest.fixture
def store() -> Iterator[str]:
    """The address of an S3-compatible store with the bucket, and what it holds."""
    moto = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


def test_its_command_keeps_runs_in_postgresql_and_files_in_the_store(tracked, store, tmp_path, monkeypatch):
    psycopg, boto3 = pytest.importorskip("psycopg"), pytest.importorskip("boto3")
    keys = {"aws_access_key_id": SETTINGS["S3_KEY"], "aws_secret_access_key": SETTINGS["S3_SECRET"]}
    bucket = boto3.resource("s3", endpoint_url=store, region_name="us-east-1", **keys).create_bucket(Bucket="runs")
    with postgresql.server() as database:
        # As the image makes them from POSTGRES_USER and POSTGRES_DB.
        with psycopg.connect(f"postgresql://{database.address}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE ROLE mlflow LOGIN PASSWORD '{SETTINGS['DATABASE_PASSWORD']}'")
            connection.execute("CREATE DATABASE mlflow OWNER mlflow")
        place = database.address.rpartition("@")[2]
        (tmp_path / "server").mkdir()
        server = compose.Server(tmp_path / "server", {**SETTINGS, "S3_ENDPOINT": store}, {"@database/": f"@{place}/"})
        try:
            server.start()  # two workers on an empty database
            from mlflow.server import get_app_client

            for name, password in {"USERNAME": "admin", "PASSWORD": SETTINGS["ADMIN_PASSWORD"]}.items():
                monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", password)
            get_app_client("basic-auth", server.address).create_user("ada", "a password of hers")
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a password of hers")
            monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
            with tracking.run(competition="team", stage="train", model="ridge") as run:
                run.metrics({"valid": 0.5})
                (tmp_path / "notes.txt").write_text("kept")
                run.artifact(tmp_path / "notes.txt", "texts")
            assert deliver_waiting().refused == []
            found = tracked.runs(server.address, "team")["ridge train"]
            client = tracked.client(server.address)
            # As the page has it for people whom the store does not know: else the server hands out links into it.
            monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
            came = Path(client.download_artifacts(found.info.run_id, "texts/notes.txt", str(tmp_path / "server")))
        finally:
            server.kill()
        with psycopg.connect(f"postgresql://mlflow:{SETTINGS['DATABASE_PASSWORD']}@{place}/mlflow") as connection:
            assert connection.execute("SELECT value FROM latest_metrics WHERE key = 'valid'").fetchall() == [(0.5,)]
            users = connection.execute("SELECT username, is_admin FROM users ORDER BY 1").fetchall()
            assert users == [("ada", False), ("admin", True)]
    assert found.data.metrics == {"valid": 0.5}
    assert came.read_text() == "kept"
    [file] = [one for one in bucket.objects.all() if one.key.endswith("notes.txt")]
    assert file.get()["Body"].read() == b"kept"
