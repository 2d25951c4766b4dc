"""The command line: one command a stage, plus add, look, check, parts, curve, gain, leaderboard, score,
predict, generate, translate, worker, proxy, track, ui and kaggle."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.errors import UserError, counted

app = typer.Typer(
    help="From a competition's raw files to a submission. `dvc repro` runs the stages in order.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
kaggle_app = typer.Typer(help="What talks to Kaggle on your behalf.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(kaggle_app, name="kaggle")

CompetitionName = Annotated[str, typer.Argument(metavar="NAME", help="A competition in params.yaml.")]
CompetitionOfStage = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="A competition in params.yaml; under `dvc repro` the stage's own."),
]
CompetitionOrModel = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="A competition in params.yaml, or one of its models."),
]
Again = Annotated[bool, typer.Option("--again", help="Fit anew what is kept.")]


def _stage(stage: str, name: str | None, again: bool = False) -> None:
    from pipeline.stages.runner import run_stage

    run_stage(stage, name, again=again)


@app.command()
def fetch(name: CompetitionOfStage = None) -> None:
    """Bring the competition's raw files."""
    _stage("fetch", name)


@app.command()
def preprocess(name: CompetitionOfStage = None) -> None:
    """Settle types, make folds, fit encoders."""
    _stage("preprocess", name)


@app.command()
def train(name: CompetitionOrModel = None, again: Again = False) -> None:
    """Cross-validate every model."""
    _stage("train", name, again)


@app.command()
def tune(name: CompetitionOrModel = None, again: Again = False) -> None:
    """Search better settings for the models that declare a search."""
    _stage("tune", name, again)


@app.command()
def blend(name: CompetitionOfStage = None) -> None:
    """Weigh the models by their out-of-fold predictions."""
    _stage("blend", name)


@app.command()
def retrain(name: CompetitionOrModel = None, again: Again = False) -> None:
    """Fit the models with weight on all rows, predict the test rows."""
    _stage("retrain", name, again)


@app.command()
def submit(name: CompetitionOfStage = None) -> None:
    """Write submission.csv, checked against the sample."""
    _stage("submit", name)


@app.command()
def report(name: CompetitionOfStage = None) -> None:
    """Write the report page."""
    _stage("report", name)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A gallery entry, or a name for your own competition.")],
    source: Annotated[
        str | None, typer.Option("--from", help="Folder or zip of the competition's files, or kaggle:SLUG.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Target column; guessed when not given.")] = None,
    id: Annotated[str | None, typer.Option(help="Id column; guessed when not given.")] = None,
    metric: Annotated[str | None, typer.Option(help="Metric; guessed when not given.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.1, help="For all that a submission takes; without it every search runs to its end."),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the text files; recognised when not given.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Of texts, trained on: a folder, a name on the hub, or package:NAME.")
    ] = None,
    broken: Annotated[
        str | None, typer.Option(help="Image files that cannot be read: refuse, which is the default, or skip.")
    ] = None,
) -> None:
    """Put a competition and its models into params.yaml.

    NAME is an entry of the gallery, or any name for files of your own. Of those it guesses what is
    not said (columns, task, metric, what the submission wants), tells it, and keeps it in the file.
    """
    from pipeline.commands.add import run

    said = {"encoding": encoding, "encoder": encoder, "broken": broken}
    run(name, source=source, target=target, id=id, metric=metric, minutes=minutes, **said)


@app.command()
def score(
    name: CompetitionName,
    solution: Annotated[Path | None, typer.Option(help="Solution file; default: the source's own.")] = None,
    submission: Annotated[Path | None, typer.Option(help="Submission file; default: the blend's.")] = None,
) -> None:
    """Compute the metric of a submission against a solution."""
    from pipeline.commands.score import run

    run(name, solution, submission)


@app.command()
def predict(
    name: CompetitionName,
    rows: Annotated[Path, typer.Option("--in", help="New raw rows, in the test file's format.")],
    out: Annotated[Path, typer.Option("--out", help="Where the predictions go (CSV).")],
    probabilities: Annotated[bool, typer.Option("--probabilities", help="A column a class, nothing decided.")] = False,
) -> None:
    """Predict new rows with the blended final models."""
    from pipeline.commands.predict import run

    run(name, rows, out, probabilities)


@app.command()
def generate(
    name: CompetitionName,
    prefix: Annotated[str, typer.Option(help="What the text begins with.")] = "",
    model: Annotated[str | None, typer.Option(help="One final model; default: the blend.")] = None,
    length: Annotated[int, typer.Option(help="Tokens to add at most.")] = 200,
    temperature: Annotated[float, typer.Option(help="Higher is more varied; 0: always the most probable token.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Only among so many most probable tokens; 0: all.")] = 40,
    top_p: Annotated[float, typer.Option(help="Only among the most probable that have this part together.")] = 0.95,
    seed: Annotated[int, typer.Option(help="The same seed gives the same text.")] = 0,
    samples: Annotated[int, typer.Option(help="How many texts.")] = 1,
) -> None:
    """Go on from a prefix with the final language models."""
    from pipeline.commands.generate import run

    run(name, prefix, model, length, temperature, top_k, top_p, seed, samples)


@app.command()
def translate(
    name: CompetitionName,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts; default: lines of stdin.")] = None,
    model: Annotated[str | None, typer.Option(help="One final model; default: the blend.")] = None,
    n_best: Annotated[int, typer.Option(help="Translations of each text.")] = 3,
    attention: Annotated[bool, typer.Option(help="Show what each token looked at.")] = True,
    plain: Annotated[bool, typer.Option("--plain", help="The best translation of each text, a line each.")] = False,
) -> None:
    """Translate texts with the final models."""
    from pipeline.commands.translate import run

    run(name, texts or (), model, n_best, attention, plain)


@app.command()
def leaderboard(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One competition; default: all.")] = None,
) -> None:
    """Print the table of models, and where the submission lies."""
    from pipeline.commands.leaderboard import run

    run(name)


@app.command(name="findings")
def findings_page() -> None:
    """Print every finding: its code, what it measures, why, what to do; docs/findings.md is this."""
    from pipeline.diagnosis.handbook import handbook

    typer.echo(handbook(), nl=False)


@app.command()
def look(
    name: CompetitionName,
    rows: Annotated[int, typer.Option(min=1, max=20, help="How many.")] = 5,
    picture: Annotated[
        Path | None, typer.Option(help="Of images: a PNG of the first, and of what augmentation makes of them.")
    ] = None,
) -> None:
    """Show a competition's first rows as its models will see them."""
    from pipeline.commands.look import run

    run(name, rows, picture)


@app.command()
def parts(
    shelf: Annotated[str | None, typer.Argument(metavar="SHELF", help="One shelf, such as model.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One of its parts.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="All of them, as docs/parts.md has them.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="What params.yaml may say, as a JSON schema.")] = False,
) -> None:
    """List shelves, a shelf's parts, or a part's settings."""
    from pipeline.commands.parts import run

    run(shelf, name, markdown, schema)


@app.command()
def curve(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model in params.yaml.")],
    over: Annotated[str, typer.Option(help="rows, or a setting by its key, such as model.hidden.")],
    values: Annotated[
        str | None, typer.Option(help="Of it, such as 8,32,128; of rows: parts, such as 0.1,0.3,1.0.")
    ] = None,
) -> None:
    """Cross-validate a model over a setting's values, or over parts of its training rows."""
    from pipeline.commands.curve import run

    run(model, over, values)


@app.command()
def gain(
    name: CompetitionName,
    model: Annotated[str | None, typer.Option(help="Model to try with; its first when not given.")] = None,
) -> None:
    """Tell on folds whether one's own columns, rows from elsewhere, or weights of rows help."""
    from pipeline.commands.gain import run

    run(name, model)


@app.command()
def check() -> None:
    """Check params.yaml whole and tell every fault."""
    from pipeline.stages.check import run

    config = run()
    found = f"{counted(len(config.competitions), 'competition')}, {counted(len(config.models), 'model')}"
    typer.echo(f"params.yaml: {found}, no fault")


@app.command()
def track(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a server that does not answer.")] = 30.0,
) -> None:
    """Send waiting records to MLflow."""
    from pipeline.commands.track import run

    run(wait=wait)


@app.command()
def worker(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model in params.yaml that is searched.")],
    minutes: Annotated[float | None, typer.Option(min=0, help="Leave after so many.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a study that has not begun.")] = 0.0,
) -> None:
    """Try trials of a study that another machine began, in the database of both."""
    from pipeline.commands.worker import run

    run(model, minutes=minutes, wait=wait)


@app.command()
def proxy(
    host: Annotated[str, typer.Option(help="Address to listen at; it asks for no password.")] = "localhost",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 13000,
) -> None:
    """Stand between many workers and the database of studies."""
    from pipeline.tuning.proxy import serve

    serve(host, port)


@app.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 5000) -> None:
    """Open MLflow on this machine alone."""
    from pipeline.tracking.ui import serve

    serve(port)


@kaggle_app.command("submit")
def kaggle_submit(
    name: CompetitionName,
    message: Annotated[str, typer.Option("--message", "-m", help="Shown on Kaggle beside the score.")] = "Podium",
    slug: Annotated[
        str | None, typer.Option(help="Its name on Kaggle, where the files did not come from there.")
    ] = None,
) -> None:
    """Send the competition's submission.csv to Kaggle."""
    from pipeline.commands.kaggle import run

    run(name, message, slug)


def main() -> None:
    """Run a command; a user's fault is told in a line each, with exit code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":  # what a terminal has no letter for
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="python -m pipeline")
    except UserError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"error: {line}\n")
        sys.exit(2)
    except (MemoryError, RuntimeError, OSError) as error:
        from pipeline.core.files import refused_by_disk
        from pipeline.core.memory import no_memory

        told = refused_by_disk(error) if isinstance(error, OSError) else no_memory(error)
        if told is None:
            raise
        sys.stderr.write(f"error: {told}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
