"""A user's own metric from a file."""

import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.core.registry import settings_dict
from pipeline.metrics import metrics
from pipeline.metrics.custom import FOLDER

TARGET, FRAME = pd.Series([1.0, 2.0]), pd.DataFrame({"prediction": [1.0, 4.0]})


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    return folder


def build(path, **body):
    return metrics.build(
        {"name": "file", "path": f"{FOLDER}/{path}", "higher_is_better": False, **body}, "competitions.x.metric"
    )


def test_it_scores_with_the_users_function(project):
    (project / "my_metric.py").write_text(
        "import numpy as np\n"
        "def score(target, predictions):\n"
        "    return np.abs(target - predictions['prediction']).max()\n"
        "def other(target, predictions):\n"
        "    return 7\n"
    )
    metric = build("my_metric.py")
    assert metric.score(TARGET, FRAME) == 2.0
    assert build("my_metric.py", function="other").score(TARGET, FRAME) == 7.0
    assert not metric.higher_is_better
    assert metric.name == "file"
    assert "classification" in metric.tasks
    assert build("my_metric.py", tasks=["translation"]).tasks == ("translation",)
    assert metrics.build(settings_dict(metric), "again") == metric
    assert [path.name for path in project.iterdir()] == ["my_metric.py"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def scores(t, p): return 1.0", "has no function 'score'; did you mean 'scores'"),
        ("score = 3", "has no function 'score'"),
        ("def score(t, p): return None", "score must return a finite number, got None"),
        ("def score(t, p): return float('nan')", "score must return a finite number, got nan"),
        ("def score(t, p): return True", "score must return a finite number, got True"),
        (
            "import numpy as np\ndef score(t, p): return np.array([0.5, 1])",
            r"a finite number, got array\(\[0.5, 1. \]\)",
        ),
        ("def score(t, p): return t", "a finite number, got 0 1.0 1 2.0"),
        ("def score(t, p): raise KeyError('x')", "score raised KeyError: 'x'"),
        ("def score(t): return 1.0", "score raised TypeError"),
        ("def score(:", "cannot be loaded: SyntaxError"),
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_faults_name_the_file_and_the_function(project, content, message):
    (project / "mine.py").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        build("mine.py").score(TARGET, FRAME)
    assert str(caught.value).startswith(f"metric {FOLDER}/mine.py: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["missing.py", "../outside.py", "/etc/hostname", "data.csv", "."])
def test_only_python_files_of_the_project(project, path):
    (project / "data.csv").write_text("a")
    (project.parent / "outside.py").write_text("def score(t, p): return 1.0")
    with pytest.raises(UserError, match=r"competitions\.x\.metric\.path: needs a .*file .*got "):
        build(path)


def test_the_direction_must_be_said(project):
    (project / "mine.py").write_text("def score(t, p): return 1.0")
    with pytest.raises(UserError, match=r"metric\.higher_is_better: is needed and missing"):
        metrics.build({"name": "file", "path": "mine.py"}, "competitions.x.metric")
