"""Source ``kaggle``: the official client, for downloads and for submissions.

The client answers in exceptions whose texts hold addresses (signed ones, too) and prints as it
likes. Nothing of either reaches a message here: only the status, the competition and what to do.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.files import lock, shown
from pipeline.core.paths import state_folder
from pipeline.core.registry import settings
from pipeline.sources import sources
from pipeline.sources.archives import extract, is_archive
from pipeline.sources.files import Files, Names, only_folder

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

SLUG = r"^[a-z0-9][a-z0-9-]*$"
NO_CREDENTIALS = (
    "no Kaggle credentials that work; make an API token at https://www.kaggle.com/settings/api and put it "
    "into the variable KAGGLE_API_TOKEN or the file ~/.kaggle/access_token, then run again"
)


@sources.register("kaggle")
@settings
class Kaggle(Names):
    """A competition on Kaggle, downloaded once.

    The download lies in ``.podium/downloads/<competition>/`` and is taken from there ever after;
    delete that folder to download again. A download broken off is taken up where it stopped.
    competition: the last part of its address, such as ``titanic``.
    """

    competition: Annotated[str, Field(pattern=SLUG)]

    @property
    def slug(self) -> str:
        return self.competition

    def fetch(self, folder: Path, competition: str, *, look: bool = True) -> None:
        """Download, unpack safely, then bring the tables as source ``files`` does.

        Raises UserError without credentials, before the rules are accepted, for an unknown
        competition, without a network, and for an archive that is unsafe or damaged.
        """
        unpacked = self._unpacked()
        names = {one.name: getattr(self, one.name) for one in fields(Names)}
        files = Files(path=str(unpacked), **names)
        files.bring(only_folder(unpacked), folder, shown(unpacked))

    def brought(self) -> Path:
        return only_folder(self._unpacked())

    def _unpacked(self) -> Path:
        """Where all its files lie."""
        cache = state_folder() / "downloads" / self.competition
        with lock(cache.with_name(f"{self.competition}.lock"), wait=0, held=shown(cache)):
            unpacked = cache / "files"
            if not unpacked.is_dir():
                archive = cache / f"{self.competition}.zip"
                if not archive.is_file():
                    _download(self.competition, archive)
                try:
                    extract(archive, unpacked)
                except UserError:
                    archive.unlink()  # it would be in the way of a better one
                    raise
                archive.unlink()
        return unpacked


def submit_to_kaggle(slug: str, path: Path, message: str) -> str:
    """Send a submission file to the competition ``slug``; returns what Kaggle answers.

    Raises UserError for a file that is missing and in the cases of ``Kaggle.fetch``.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{shown(path)}: no such file; run `dvc repro` to make the submission")
    with _client(slug) as client:
        answer = client.competition_submit(str(path), message, slug, quiet=True)
        said = str(answer.message or "")
        if said == client.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
            raise UserError(f"kaggle {slug}: the upload of {shown(path)} failed; check the network and submit again")
    return said


def _download(slug: str, archive: Path) -> None:
    """Bring the competition's archive whole. What has come of a broken download waits in ``partial/``."""
    partial = archive.parent / "partial"
    partial.mkdir(parents=True, exist_ok=True)
    with _client(slug) as client:
        client.competition_download_files(slug, path=str(partial), quiet=not sys.stderr.isatty())
    archives = [file for file in sorted(partial.iterdir()) if file.suffix != ".kaggle-partial"]
    if len(archives) != 1 or not is_archive(archives[0]):
        shutil.rmtree(partial)
        raise UserError(f"kaggle {slug}: what came is no archive; run again, or download it by hand for source files")
    archives[0].replace(archive)
    shutil.rmtree(partial)


@contextmanager
def _client(slug: str) -> Iterator[KaggleApi]:
    """The client, signed in, its own words kept from the terminal, its errors said in ours."""
    with redirect_stdout(io.StringIO()):
        api = _import_client()
        import requests
        import urllib3

        try:
            client = api()
            if os.environ.get("KAGGLE_API_ENVIRONMENT") == "LOCALHOST":
                client.args = ["--local"]  # client 2.2 asks for the real Kaggle whatever the variable says
            try:
                client.authenticate()
            except SystemExit:  # its way to say so
                raise UserError(f"kaggle {slug}: {NO_CREDENTIALS}") from None
            yield client
        except requests.exceptions.HTTPError as error:
            raise UserError(_refused(slug, getattr(error.response, "status_code", None))) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ConnectionError):
            raise UserError(
                f"kaggle {slug}: Kaggle cannot be reached or the connection broke; check the network "
                "and run again (a broken download goes on where it stopped)"
            ) from None
        except ValueError as error:
            if "does not match expected size" not in str(error):
                raise
            raise UserError(f"kaggle {slug}: the download came in another size than announced; run again") from None


def _import_client() -> type[Any]:
    try:
        from kaggle.api.kaggle_api_extended import KaggleApi
    except ModuleNotFoundError as error:
        raise UserError(f"source kaggle: needs the package '{error.name}'; run `pip install kaggle six`") from None
    except OSError:  # the client makes its folder as it is imported
        raise UserError("source kaggle: the client cannot make its folder in the home; set KAGGLE_CONFIG_DIR") from None
    return KaggleApi


def _refused(slug: str, status: int | None) -> str:
    page = f"https://www.kaggle.com/competitions/{slug}"
    reasons = {
        401: NO_CREDENTIALS,
        403: f"refused (403); sign in at {page}/rules and accept the rules, then run again",
        404: f"no such competition (404); the name is the last part of its address, check it at {page}",
        429: "too many requests (429); wait some minutes, then run again",
    }
    return f"kaggle {slug}: {reasons.get(status or 0, f'Kaggle answered with status {status}; try again later')}"
