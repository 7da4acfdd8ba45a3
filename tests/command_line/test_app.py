"""The command line: what it prints, what it refuses, and what it does with a damaged search.

Searches run in this process through `main`, as the executable does, with real children. The file
beside this one starts real processes, stops and kills them.
"""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from rich.console import Console
from sklearn.datasets import load_digits

from cellwright.command_line.app import main
from cellwright.command_line.progress import Display
from cellwright.plugins import load_dataset
from cellwright.search_spaces import NASNetSpace
from cellwright.searches.startup import quiet_tensorflow
from cellwright.searches.trial import Trial

SPACES = """
import keras
from cellwright.search_spaces import NASNetSpace

class Tiny(NASNetSpace):
    def build(self, params, input_shape, classes, **options):
        return super().build(params, input_shape, classes, reductions=0, **options)

class Failing(Tiny):
    def build(self, *arguments, **options):
        model = super().build(*arguments, **options)
        model.get_layer("classes").bias.assign([float("nan")] * 3)
        return model

class Unbuildable(Tiny):
    def build(self, *arguments, **options):
        raise RuntimeError("no network here")

class Zeroless(Tiny):
    def build(self, params, *arguments, **options):
        if params["normal/1/input_1"] == 0:
            raise RuntimeError("no zero here")
        return super().build(params, *arguments, **options)

OPERATIONS = ("identity", "max_3x3", "avg_3x3")
"""
TINY = ["--epochs", "1", "--filters", "2", "--data", "../data.npz", "--strategy", "random"]


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.words = " ".join((out + err).replace("│", " ").split())
        assert "Traceback" not in self.words, out + err


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """60 digits of 3 classes in a file, and a module of spaces."""
    home = tmp_path_factory.mktemp("app")
    digits = load_digits()
    chosen = np.flatnonzero(digits.target < 3)[:60]
    np.savez(home / "data.npz", x=digits.images[chosen] / 16, y=digits.target[chosen])
    (home / "app_spaces.py").write_text(
        SPACES
        + "".join(
            f"{name.upper()} = {name}(blocks=1, operations=OPERATIONS)\n"
            for name in ("Tiny", "Failing", "Unbuildable", "Zeroless")
        )
    )
    (home / "work").mkdir()
    return home


def run(home, *arguments):
    """`cellwright` with these arguments, in a folder of ``home``."""
    before = os.getcwd(), sys.argv, sys.path[:], sys.stdout, sys.stderr
    out, err = io.StringIO(), io.StringIO()
    os.chdir(home / "work")
    sys.argv = ["cellwright", *map(str, arguments)]
    sys.path.insert(0, str(home))
    sys.stdout, sys.stderr = out, err
    code = 0
    try:
        main()
    except SystemExit as exit:
        code = exit.code or 0
    finally:
        os.chdir(before[0])
        sys.argv, sys.path[:], sys.stdout, sys.stderr = before[1:]
    return Result(code, out.getvalue(), err.getvalue())


def search(home, *arguments, space="TINY"):
    return run(home, "search", *TINY, "--space", f"app_spaces:{space}", *arguments)


def table(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(home):
    """A search of three trials; tests that change it copy it."""
    result = search(home, "--trials", 3, "--out", "done")
    assert result.code == 0, result.words
    return home / "work" / "done", result


@pytest.fixture
def copy(finished, request):
    folder = finished[0].with_name(f"copy of {request.node.name}"[:60])
    shutil.copytree(finished[0], folder)
    return folder


def test_without_a_terminal_each_trial_is_a_line(finished):
    folder, result = finished
    lines = [line for line in result.out.splitlines() if line.startswith("trial ")]
    assert [int(line.split()[1]) for line in lines] == [0, 1, 2]
    for line, row in zip(lines, table(folder), strict=True):
        assert f"reward {float(row['reward']):.4f}" in line
        assert f"{float(row['parameters']):,.0f} parameters" in line
    assert "\x1b" not in result.out
    assert "\r" not in result.out
    assert result.err == ""
    best = max(table(folder), key=lambda row: float(row["reward"]))
    assert f"best: trial {best['trial']}, reward" in result.out


def test_the_table_tells_every_decision_and_metric(finished):
    rows = table(finished[0])
    decisions = NASNetSpace(blocks=1).names
    assert list(rows[0]) == ["trial", "state", "reward", "val_accuracy", "best_val_accuracy",
                             "weighted_val_accuracy", "val_loss", "accuracy", "loss",
                             "parameters", "seconds", "error", *decisions]  # fmt: skip
    for row in rows:
        assert row["reward"] == row["val_accuracy"]
        assert row["error"] == ""
        assert all(row[name] for name in decisions)


@pytest.mark.slow
def test_more_trials_leave_the_first_ones_as_they_are(home, finished, copy):
    before = table(copy)
    result = search(home, "--trials", 4, "--out", copy.name)
    assert result.code == 0
    assert "continuing after 3 trials" in result.words
    rows = table(copy)
    assert rows[:3] == before
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3"]
    unbroken = search(home, "--trials", 4, "--out", "unbroken")
    assert unbroken.code == 0
    for mine, theirs in zip(rows, table(home / "work" / "unbroken"), strict=True):
        assert {k: v for k, v in mine.items() if k != "seconds"} == {
            k: v for k, v in theirs.items() if k != "seconds"
        }


def test_no_trial_is_run_when_there_are_enough(home, copy):
    journal = (copy / "study.journal").read_bytes()
    result = search(home, "--trials", 2, "--out", copy.name)
    assert result.code == 0
    assert len(table(copy)) == 3
    assert (copy / "study.journal").read_bytes().startswith(journal)


def test_looking_changes_no_study(home, copy):
    journal = (copy / "study.journal").read_bytes()
    for arguments in (("show",), ("best",), ("best", "--json")):
        assert run(home, arguments[0], copy.name, *arguments[1:]).code == 0
    assert (copy / "study.journal").read_bytes() == journal


def test_best_in_json_is_json_and_nothing_else(home, finished):
    result = run(home, "best", "done", "--json")
    found = json.loads(result.out)
    assert result.err == ""
    row = table(finished[0])[found["trial"]]
    assert {name: str(value) for name, value in found["params"].items()} == {
        name: row[name] for name in found["params"]
    }
    assert found["metrics"]["reward"] == float(row["reward"])
    assert found["genotype"] == json.loads((finished[0] / "genotype.json").read_text())


def test_a_trial_is_shown_as_a_network(home, copy):
    trials = table(copy)
    best = max(trials, key=lambda row: float(row["reward"]))
    found = json.loads(run(home, "show", copy, "--json").out)
    assert found["name"] == f"trial {best['trial']}"
    assert found["reward"] == float(best["reward"])
    assert found["parameters"] == float(best["parameters"])
    assert (found["input_shape"], found["classes"], found["pictures"]) == ([8, 8, 1], 3, [])
    shown = run(home, "show", copy, "--trial", 1)
    assert shown.code == 0, shown.words
    assert shown.words.startswith(f"trial 1 reward {float(trials[1]['reward']):.4f}")
    assert f"{int(float(trials[1]['parameters'])):,}" in shown.words
    names = {path.name for path in (copy / "trial_1").iterdir()}
    assert names == {
        f"{name}.{kind}"
        for name in ("normal_cell", "reduction_cell", "skeleton")
        for kind in ("png", "svg")
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trial", 99], "has no trial 99; its 3 trials are numbered from 0"),
        (
            ["--filters", 8, "--image", 9],
            "--filters, --image: only for a genotype; a search has its own",
        ),
    ],
)
def test_what_a_search_cannot_show_is_one_line(home, finished, arguments, words):
    result = run(home, "show", finished[0], *arguments)
    assert result.code == 1
    assert words in result.words
    assert len(result.err.splitlines()) == 1


def test_a_latency_target_makes_the_reward(home):
    result = search(home, "--trials", 1, "--target-ms", "0.001", "--out", "latency")
    assert result.code == 0
    (row,) = table(home / "work" / "latency")
    latency, accuracy = float(row["latency_ms"]), float(row["val_accuracy"])
    assert latency > 0.001
    assert float(row["reward"]) == pytest.approx(accuracy * (latency / 0.001) ** -0.07)
    assert f"validation accuracy {accuracy:.4f}  {latency:.3g} ms" in result.out
    assert "target 0.001 ms: the best child, trial 0" in result.words
    assert "is beyond it no child is within it" in result.words
    assert "latency (ms)" in run(home, "show", "latency").words


def test_a_search_whose_children_all_fail_ends_and_says_why(home):
    result = search(home, "--trials", 2, "--out", "failing", space="FAILING")
    assert result.code == 1
    assert "no trial has succeeded" in result.words
    lines = [line for line in result.out.splitlines() if line.startswith("trial ")]
    assert len(lines) == 2
    assert all("failed  ChildFailed: the training loss became nan" in line for line in lines)
    rows = table(home / "work" / "failing")
    assert [row["state"] for row in rows] == ["failed", "failed"]
    assert all(row["error"].startswith("ChildFailed: ") for row in rows)
    assert "no finished trial" in run(home, "best", "failing").words
    assert "no trial has succeeded" in run(home, "show", "failing").words


def test_a_space_that_builds_nothing_is_refused_before_the_first_trial(home):
    result = search(home, "--out", "unbuildable", space="UNBUILDABLE")
    assert result.code == 1
    assert "can be built and measured: RuntimeError: no network here" in result.words
    assert not (home / "work" / "unbuildable").exists()


def test_a_space_that_builds_some_is_searched(home):
    assert search(home, "--trials", 2, "--out", "zeroless", space="ZEROLESS").code == 0
    for row in table(home / "work" / "zeroless"):
        failed = row["normal/1/input_1"] == "0"
        assert row["state"] == ("failed" if failed else "complete")
        assert row["error"] == ("RuntimeError: no zero here" if failed else "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--learning-rate", "0"], "learning_rate must be above 0"),
        (["--learning-rate", "inf"], "learning_rate must be above 0 and finite"),
        (["--target-ms", "-1"], "target must be above 0"),
        (["--space", "app_spaces:TINI"], "'app_spaces:TINI' cannot be loaded"),
        (["--space", "app_spaces:OPERATIONS"], "gives a tuple, not a SearchSpace"),
        (["--strategy", "app_spaces:Tiny"], "cannot be made so"),
        (["--data", "../app_spaces.py"], "no such data: give digits"),
        (["--storage", "nosuchdb://x/y"], "Optuna cannot open the storage nosuchdb://x/y"),
        (["--out", "../data.npz"], "File exists"),
        (["--out", "../data.npz/below"], "Not a directory"),
    ],
)
def test_wrong_options_are_one_line(home, arguments, words):
    given = arguments if "--out" in arguments else [*arguments, "--out", "wrong"]
    result = search(home, *given)
    assert result.code == 1
    assert words in result.words
    assert result.err.startswith("error: ")
    assert len(result.err.splitlines()) == 1


def test_images_that_no_child_can_take_are_refused_before_the_first_trial(home):
    np.savez(home / "pixel.npz", x=np.zeros((6, 1, 1)), y=[0, 0, 0, 1, 1, 1])
    result = search(home, "--data", "../pixel.npz", "--out", "pixel", "--space", "nasnet")
    assert result.code == 1
    assert "1x1 is too small for 2 reduction cells" in result.words
    assert not (home / "work" / "pixel").exists()


def test_the_digits_come_before_a_folder_of_that_name(home):
    (home / "work" / "digits").mkdir()
    result = search(home, "--data", "digits", "--learning-rate", "0")
    assert "learning_rate" in result.words  # the data were read


def test_other_data_are_another_search(home, copy):
    shutil.copy(home / "data.npz", home / "other.npz")
    result = search(home, "--data", "../other.npz", "--out", copy.name)
    assert result.code == 1
    assert "--data was" in result.words
    assert len(table(copy)) == 3


def last_line(copy):
    whole = (copy / "study.journal").read_bytes()
    return whole, whole[whole[:-1].rindex(b"\n") + 1 :]


def test_a_journal_that_was_cut_in_the_middle_of_a_line_goes_on(home, copy):
    """A process killed while it wrote leaves half a line; nothing before it may be lost."""
    whole, last = last_line(copy)
    (copy / "study.journal").write_bytes(whole + last[: len(last) // 2])
    for command in ("show", "best"):
        assert run(home, command, copy.name).code == 0
    before = table(copy)
    assert len(before) == 3
    for trials in (4, 5):
        result = search(home, "--trials", trials, "--out", copy.name)
        assert result.code == 0, result.words
        assert len(table(copy)) == trials
        assert table(copy)[:3] == before
    assert (copy / "study.journal").read_bytes().startswith(whole)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda lines: [*lines[:5], b'{"op_code": 4, "tr', *lines[5:]], id="middle"),
        pytest.param(lambda lines: [*lines, b"no json"], id="last line"),
        pytest.param(lambda lines: [*lines, b"\0" * 100], id="zeros"),
        pytest.param(lambda lines: [b"[1]", *lines], id="no object"),
        pytest.param(lambda lines: [*lines, b"{}"], id="empty object"),
    ],
)
def test_a_damaged_journal_is_named_and_kept(home, copy, damage):
    lines = (copy / "study.journal").read_bytes().splitlines()
    damaged = b"\n".join(damage(lines)) + b"\n"
    (copy / "study.journal").write_bytes(damaged)
    result = search(home, "--trials", 4, "--out", copy.name)
    assert result.code == 1
    assert "study.journal is damaged" in result.words
    assert (copy / "study.journal").read_bytes() == damaged
    assert len(table(copy)) == 3


def test_a_damaged_best_child_is_told_before_a_child_is_trained(home, copy):
    (copy / "best.json").write_text("{")
    journal = (copy / "study.journal").read_bytes()
    result = search(home, "--trials", 4, "--out", copy.name)
    assert result.code == 1
    assert "best.json is damaged" in result.words
    assert (copy / "study.journal").read_bytes() == journal


@pytest.mark.parametrize("lost", [["best.keras"], ["best.json"], ["best.keras", "best.json"]])
def test_a_lost_best_child_is_trained_again(home, copy, lost):
    import keras

    for name in lost:
        (copy / name).unlink()
    assert search(home, "--trials", 3, "--out", copy.name).code == 0
    data = load_dataset(str(home / "data.npz"))
    _, accuracy = keras.models.load_model(copy / "best.keras").evaluate(
        data.x_val, data.y_val, verbose=0
    )
    best = max(table(copy), key=lambda row: float(row["reward"]))
    assert accuracy == pytest.approx(float(best["val_accuracy"]), abs=1e-6)
    kept = json.loads((copy / "best.json").read_text())
    assert {k: str(v) for k, v in kept["params"].items()} == {k: best[k] for k in kept["params"]}


def test_any_storage_of_optuna_serves(home):
    place = home / "work" / "study.db"
    arguments = ("--storage", f"sqlite:///{place}", "--out", "stored")
    assert search(home, "--trials", 1, *arguments).code == 0
    assert search(home, "--trials", 2, *arguments).code == 0
    assert len(table(home / "work" / "stored")) == 2
    assert not (home / "work" / "stored" / "study.journal").exists()
    assert "2 trials in stored" in run(home, "show", "stored").words


def test_a_search_in_progress_is_left_alone(home, copy):
    from cellwright.searches.folder import only_search_in

    with only_search_in(copy):
        result = search(home, "--trials", 4, "--out", copy.name)
    assert result.code == 1
    assert "another search is running" in result.words
    assert json.loads((copy / "settings.json").read_text())["trials"] == 3


def python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


def test_help_and_version_need_no_framework():
    done = python(
        "import sys\n"
        "from cellwright.command_line.app import app\n"
        "from typer.testing import CliRunner\n"
        "for words in (['--help'], ['search', '--help'], ['--version']):\n"
        "    result = CliRunner().invoke(app, words)\n"
        "    assert result.exit_code == 0, result.output\n"
        "    print(result.output)\n"
        "loaded = {'tensorflow', 'keras', 'optuna', 'nni', 'matplotlib'} & sys.modules.keys()\n"
        "assert not loaded, loaded\n"
    )
    assert done.returncode == 0, done.stderr
    for word in ("search", "show", "best", "nni-init", "--out", "--target-ms", "cellwright 0."):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("missing", "extra"),
    [("optuna", "optuna"), ("nni", "nni"), ("keras_tuner", "keras-tuner"), ("keras", "tensorflow")],
)
def test_a_missing_package_is_named_with_its_extra(missing, extra):
    host = {"nni": "nni", "keras_tuner": "keras-tuner"}.get(missing, "optuna")
    done = python(
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from cellwright.command_line.app import main\n"
        f"sys.argv = ['cellwright', 'search', '--host', {host!r}, '--out', 'never']\n"
        "main()"
    )
    assert done.returncode == 1, done.stderr
    assert f"pip install 'cellwright[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_tensorflow_starts_without_notes_and_warnings_still_appear():
    done = python(
        "import os, sys\n"
        "from cellwright.searches.startup import quiet_tensorflow\n"
        "with quiet_tensorflow():\n"
        "    import keras, tensorflow\n"
        "    tensorflow.constant(1)\n"
        "    os.write(2, b'W0000 00:00:1.5 77 file.cc:1] a warning\\n')\n"
        "    print('a word of Python', file=sys.stderr)\n"
        "print('afterwards', file=sys.stderr)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "W0000 00:00:1.5 77 file.cc:1] a warning",
        "a word of Python",
        "afterwards",
    ]


def test_an_error_while_notes_are_kept_back_is_not_kept_back(capfd):
    def fail():
        with quiet_tensorflow():
            os.write(2, b"what led to it\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "what led to it\nlater\n"


def display(width, trials=3, epochs=4, before=()):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    return console, Display(console, trials, epochs, list(before))


def ended(number, reward, seconds=100.0):
    return Trial(number, {}, "complete", {"reward": reward, "val_accuracy": reward,
                                          "parameters": 1234567.0, "seconds": seconds})  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_the_display_fits_the_terminal_and_tells_the_time_left(width):
    console, shown = display(width)
    with shown:
        shown.trial(ended(0, 0.5))
        shown.epoch(1, 2, {"val_accuracy": 0.61})
        console.file = io.StringIO()
        shown.progress.refresh()
        text = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]|\r", "", console.file.getvalue())
    assert "1/3" in text
    assert "best 0.5000" in text
    assert "epoch 3/4 at 0.6100" in text
    assert "0:03:20 left" in text  # two trials of 100 seconds
    assert max(len(line) for line in text.splitlines()) <= width


def test_the_time_left_is_known_from_the_second_epoch_of_the_first_trial():
    console, shown = display(100, trials=2, epochs=11)
    with shown:
        shown.progress.refresh()
        assert "-:--:-- left" in console.file.getvalue()
        time.sleep(0.2)
        shown.epoch(0, 0, {})
        time.sleep(0.4)
        shown.epoch(0, 1, {})
        each = shown.progress.tasks[0].fields["each"]
    assert 4 <= each < 6  # 0.2 s to begin with, and 0.4 s for each of 10 further epochs


def test_a_long_reason_is_one_short_line():
    console, shown = display(200)
    with shown:
        shown.trial(Trial(0, {}, "failed", {}, "Graph execution error:\n\n" + "at node\n" * 400))
    lines = [line for line in console.file.getvalue().splitlines() if "failed" in line]
    assert len(lines) == 1
    assert "Graph execution error: at node" in lines[0]
    assert "..." in lines[0]


def test_a_backend_that_a_notebook_names_is_no_error(tmp_path):
    """In a cell, ``!cellwright`` is another process, maybe of another environment."""
    begin = "from cellwright.command_line.app import main; main()"
    network = ["mnasnet-a1", "--filters", "8", "--image", "32", "--classes", "3"]
    done = subprocess.run(
        [sys.executable, "-c", begin, "show", *network],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "module://of_another_environment"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("runs/mnasnet-a1/*.png"))
