"""What is said about an experiment's files before NNI starts."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("nni", reason="NNI is not installed")

from cellwright.adapters.nni_config import check_experiment, read_config
from cellwright.adapters.nni_experiment import latest_experiment, read_trials
from cellwright.adapters.nni_init import write_experiment
from cellwright.adapters.nni_moved import has_begun, mend
from cellwright.plugins.records.history import load_history
from cellwright.search_spaces import CorruptedState

BEFORE = Path(__file__).parents[1] / "fixtures" / "before_rooms" / "runs" / "nni" / "experiment"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_experiment(tmp_path, strategy="random")
    return tmp_path


def test_broken_json_is_reported_with_its_file_and_place(folder: Path) -> None:
    file = folder / "search_space.json"
    lines = file.read_text().splitlines()
    lines[2] = '    "_type" "choice",'
    file.write_text("\n".join(lines))
    with pytest.raises(
        ValueError, match=r"search_space\.json is damaged: line 3, column 13: Expecting ':'"
    ):
        check_experiment(folder)
    file.write_bytes(b'{"\xff": 1}')
    with pytest.raises(ValueError, match=r"search_space\.json is damaged: it is no text in UTF-8"):
        check_experiment(folder)


def test_what_nni_reads_as_yaml_is_taken(folder: Path) -> None:
    file = folder / "search_space.json"
    file.write_text(file.read_text().rstrip().removesuffix("}") + ",}")
    check_experiment(folder)


def test_a_broken_config_is_reported_with_its_file_and_place(folder: Path) -> None:
    file = folder / "config.yml"
    text = file.read_text()
    file.write_text(text.replace("maxTrialNumber: 20", "maxTrialNumber: [20"))
    with pytest.raises(ValueError, match=r"config\.yml, line \d+, column \d+: "):
        check_experiment(folder)
    file.write_text("just text")
    with pytest.raises(ValueError, match="must hold `name: value` lines, got 'just text'"):
        read_config(file)
    file.write_text(text.replace('strategy: "random"', '"random"').replace("space:", "#"))
    with pytest.raises(ValueError, match=r"config\.yml, line"):
        check_experiment(folder)
    file.write_text("tuner:\n  className: cellwright.adapters.nni_tuner.X\n  classArgs: auto\n")
    with pytest.raises(ValueError, match=r"classArgs of the tuner must hold .* got 'auto'"):
        check_experiment(folder)
    without = "tuner:\n  className: cellwright.adapters.nni_tuner.Auto\n"
    file.write_text(without)
    with pytest.raises(ValueError, match="NNI wants `codeDirectory: "):
        check_experiment(folder)
    file.write_text(f"{without}  codeDirectory: .\n")
    with pytest.raises(ValueError, match="there is no tuner 'Auto' in cellwright"):
        check_experiment(folder)


def test_a_damaged_checkpoint_is_named_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "cellwright_history.json"
    file.write_text('{"format": 1,\n "history": [}')
    with pytest.raises(
        CorruptedState, match=r"cellwright_history\.json is damaged: line 2, column 14: "
    ):
        load_history(file)


def test_an_experiment_that_was_moved_is_mended(tmp_path: Path) -> None:
    """A database that NNI itself wrote, in another folder."""
    home = tmp_path / "moved"
    shutil.copytree(BEFORE, home)
    experiment = latest_experiment(home)
    assert experiment is not None
    with closing(sqlite3.connect(experiment / "db" / "nni.sqlite")) as database:
        [(before, *_), *_] = database.execute("SELECT params FROM ExperimentProfile").fetchall()
    assert str(home) not in before
    [said] = mend(experiment, home)
    assert str(home) in said
    assert json.loads(before)["trialCodeDirectory"] in said
    with closing(sqlite3.connect(experiment / "db" / "nni.sqlite")) as database:
        rows = database.execute("SELECT params, logDir FROM ExperimentProfile").fetchall()
    for text, log in rows:
        params = json.loads(text)
        assert params["trialCodeDirectory"] == str(home)
        assert params["experimentWorkingDirectory"] == str(home / "experiments")
        assert log == str(experiment)
        assert json.loads(before)["trialCodeDirectory"] not in text
    assert mend(experiment, home) == []
    assert len(read_trials(home)) > 0


def test_trials_are_read_from_the_working_directory_that_the_config_names(tmp_path: Path) -> None:
    home = tmp_path / "own"
    shutil.copytree(BEFORE, home)
    before = read_trials(home)
    (home / "experiments").rename(home / "elsewhere")
    assert read_trials(home) == []
    config = home / "config.yml"
    config.write_text(config.read_text().replace(": experiments", ": elsewhere"))
    assert read_trials(home) == before


def test_a_database_without_an_experiment_is_none_to_resume(tmp_path: Path) -> None:
    database = tmp_path / "experiments" / "abc" / "db" / "nni.sqlite"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as made:
        made.execute("CREATE TABLE ExperimentProfile (params text, logDir text)")
    assert latest_experiment(tmp_path) is None
    assert not has_begun(database.parents[1])
    database.write_bytes(b"no database at all, but long enough to be looked at" * 40)
    assert has_begun(database.parents[1])
    with pytest.raises(CorruptedState, match=r"nni\.sqlite cannot be read"):
        mend(database.parents[1], tmp_path)


NO_FRAMEWORK = """
import sys
from cellwright.command_line.app import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
assert not {"tensorflow", "keras", "nni", "matplotlib"} & sys.modules.keys()
"""


def test_nni_init_loads_no_framework(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    for place, words in enumerate((["--tune", "learning_rate=1e-4..1e-2:log"], ["--numeric"])):
        done = subprocess.run(
            [sys.executable, "-c", NO_FRAMEWORK, "nni-init", str(tmp_path / str(place)), *words],
            capture_output=True, text=True, check=False, env=dict(os.environ),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (tmp_path / str(place) / "trial.py").exists()
