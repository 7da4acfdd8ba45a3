"""`cellwright search` as a user runs it: tiny children, real training.

A whole search, what is stopped, and an error run as processes of their own; the rest runs in this
one, which has loaded TensorFlow.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cellwright.command_line.pictures.charts import save_figures
from cellwright.plugins.data.preparation import Preparation
from cellwright.search_spaces import MLPSpace

keras = pytest.importorskip("keras")
pytest.importorskip("optuna")

SPACES = """
from cellwright.search_spaces import Decision, NASNetSpace, SearchSpace, Skeleton

ONE_CELL = {"blocks": 1, "skeleton": Skeleton.book(reductions=0)}
SPACE = NASNetSpace(**ONE_CELL)

class Fragile(NASNetSpace):
    def build(self, params, *arguments, **options):
        if params["normal/1/combination"] == "concat":
            raise RuntimeError("no concat today")
        return super().build(params, *arguments, **options)

FRAGILE = Fragile(**ONE_CELL)

class Two(NASNetSpace):
    def __init__(self):
        super().__init__(**ONE_CELL)
        decisions = [
            Decision(d.name, d.choices[: 2 if d.name == "normal/1/operation_1" else 1])
            for d in self.decisions
        ]
        SearchSpace.__init__(self, decisions)

    def canonical(self, params):
        return SearchSpace.canonical(self, params)
"""
TINY = ("--epochs", "1", "--filters", "2", "--space", "searched:SPACE", "--data", "data.npz")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a tiny space and 60 digits."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("search")
    (folder / "searched.py").write_text(SPACES)
    digits = load_digits()
    np.savez(folder / "data.npz", x=digits.images[:60] / 16, y=digits.target[:60])
    return folder


def start(place, *arguments):
    path = os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", "from cellwright.command_line.app import main; main()", *arguments],
        cwd=place,
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Shells start background jobs deaf to Ctrl-C, and a test run may be one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def executable(place, *arguments, code=0):
    process = start(place, *arguments)
    out, err = process.communicate(timeout=400)
    assert process.returncode == code, out + err
    return out + (err if code else "")


def table(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(place, run) -> Path:
    """A search of two trials, continued to four by another process."""
    executable(place, "search", *TINY, "--trials", "2", "--out", "done")
    assert len(table(place / "done")) == 2
    out = run(place, "search", *TINY, "--trials", "4", "--out", "done")
    assert "continuing after 2 trials" in out
    return place / "done"


def test_leaves_study_table_best_child_genotype_and_pictures(finished):
    from cellwright.search_spaces import NASNetSpace

    rows = table(finished)
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3"]
    assert {row["state"] for row in rows} == {"complete"}
    space = NASNetSpace(blocks=1)
    assert set(space.names) <= rows[0].keys()
    best = max(rows, key=lambda row: float(row["reward"]))

    with np.load(finished.parent / "data.npz") as file:
        from cellwright.plugins import load_dataset

        data = load_dataset(str(finished.parent / "data.npz"))
        assert len(data.x_train) + len(data.x_val) == len(file["x"])
    model = keras.models.load_model(finished / "best.keras")
    _, accuracy = model.evaluate(data.x_val, data.y_val, verbose=0)
    assert accuracy == pytest.approx(float(best["val_accuracy"]), abs=1e-4)

    genotype = json.loads((finished / "genotype.json").read_text())
    assert genotype["normal"]["blocks"][0]["operation_1"] == best["normal/1/operation_1"]
    for name in ("search", "normal_cell", "reduction_cell"):
        png = (finished / "pictures" / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
        assert len(png) > 5000
        assert "<svg" in (finished / "pictures" / f"{name}.svg").read_text()[:2000]
    assert (finished / "study.journal").stat().st_size > 0


def test_continued_search_equals_an_unbroken_one(finished):
    from cellwright.plugins import Auto
    from cellwright.search_spaces import NASNetSpace

    space = NASNetSpace(blocks=1)
    strategy = Auto(space, seed=0)
    for number, row in enumerate(table(finished)):
        asked = strategy.ask(number)
        assert {name: str(value) for name, value in asked.items()} == {
            name: row[name] for name in space.names
        }
        strategy.tell(number, asked, float(row["reward"]))


def test_a_search_from_before_the_book_was_repaired_goes_on_with_wide_children(run, place):
    options = ("--epochs", "1", "--filters", "1", "--data", "data.npz", "--out", "old")
    run(place, "search", *options, "--space", "nasnet-wide", "--trials", "1")
    file = place / "old" / "settings.json"
    old = json.loads(file.read_text()) | {"space": "nasnet"}
    del old["edition"]  # as it was
    file.write_text(json.dumps(old))
    for trials in (1, 2):  # the second time, the file has all settings of this version
        out = run(place, "search", *options, "--trials", "2")
        assert "began when nasnet was the space that is now nasnet-wide" in out
        assert f"continuing after {trials} trial" in out
    assert "repair" not in json.loads((place / "old" / "genotype.json").read_text())
    layers = keras.models.load_model(place / "old" / "best.keras").layers
    assert [layer.name for layer in layers if "repair" in layer.name] == []
    shown = run(place, "show", "old", "--trial", "1")
    assert "1x1 convolutions after every concat" not in shown


def test_show_and_best_print_what_was_found(run, finished):
    best = max(table(finished), key=lambda row: float(row["reward"]))
    shown = run(finished.parent, "show", "done")
    assert f"best: trial {best['trial']}" in shown
    assert "validation accuracy" in shown
    told = run(finished.parent, "best", "done")
    assert f"{best['normal/1/operation_1']} of state {best['normal/1/input_1']}" in told
    found = json.loads(run(finished.parent, "best", "done", "--json"))
    assert found["trial"] == int(best["trial"])
    assert found["params"]["normal/1/combination"] == best["normal/1/combination"]


def test_other_settings_are_refused_by_name(run, finished):
    out = run(
        finished.parent, "search", *TINY, "--trials", "4", "--seed", "1", "--out", "done", code=1
    )
    assert "--seed was 0 and is now 1" in " ".join(out.split())
    assert "Traceback" not in out
    assert len(table(finished)) == 4


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_stopped_search_continues_with_the_child_it_left(run, place, stop):
    out = f"stopped-{stop}"
    long = (*TINY[:1], "500", *TINY[2:])
    process = start(place, "search", *long, "--trials", "1", "--out", out)
    journal = place / out / "study.journal"
    deadline = time.monotonic() + 300
    while not journal.exists() or '"intermediate_value"' not in journal.read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(stop)
    printed, _ = process.communicate(timeout=120)
    if stop == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command continues" in printed
        assert [row["state"] for row in table(place / out)] == ["interrupted"]
    else:  # it may have been killed while it wrote, and held Optuna's lock
        lock = journal.with_name("study.journal.lock")
        lock.unlink(missing_ok=True)
        lock.symlink_to(f"{out}/study.journal")
    settings = place / out / "settings.json"  # one epoch now, not to wait for 500
    settings.write_text(settings.read_text().replace('"epochs": 500', '"epochs": 1'))
    run(place, "search", *TINY, "--trials", "2", "--out", out)
    rows = table(place / out)
    assert [row["state"] for row in rows] == ["interrupted", "complete", "complete"]
    names = [name for name in rows[0] if "/" in name]
    assert [rows[0][name] for name in names] == [rows[1][name] for name in names]


def test_failed_children_are_rows_with_their_reason(run, place):
    arguments = [*TINY, "--strategy", "random", "--trials", "4", "--out", "fragile"]
    arguments[arguments.index("searched:SPACE")] = "searched:FRAGILE"
    printed = run(place, "search", *arguments)
    rows = table(place / "fragile")
    failed = [row for row in rows if row["normal/1/combination"] == "concat"]
    assert failed, "this seed draws no concat in four trials"
    assert len(failed) < 4
    assert {row["state"] for row in failed} == {"failed"}
    assert all(row["error"] == "RuntimeError: no concat today" for row in failed)
    assert "no concat today" in printed


@pytest.mark.slow
@pytest.mark.parametrize("host", ["keras-tuner", "nni", "ray"])
def test_other_hosts_find_what_optuna_finds(finished, host):
    """The same seed proposes the same first architecture; the results are of the same form."""
    pytest.importorskip(host.replace("-", "_"))
    place = finished.parent
    executable(place, "search", *TINY, "--host", host, "--trials", "2", "--out", host)
    rows, expected = table(place / host), table(finished)
    assert rows[0].keys() == expected[0].keys()
    names = [name for name in rows[0] if "/" in name]
    assert [[row[n] for n in names] for row in rows] == [
        [r[n] for n in names] for r in expected[:2]
    ]
    assert (place / host / "best.keras").exists()
    executable(place, "search", *TINY, "--host", host, "--trials", "3", "--out", host)
    assert [[row[n] for n in names] for row in table(place / host)] == [
        [r[n] for n in names] for r in expected[:3]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("host", ["optuna", "keras-tuner", "nni", "ray"])
def test_a_space_that_is_used_up_costs_no_more_training(place, host):
    arguments = [*TINY, "--host", host, "--trials", "4", "--out", f"two-{host}"]
    arguments[arguments.index("searched:SPACE")] = "searched:Two"
    executable(place, "search", *arguments)
    rows = table(place / f"two-{host}")
    repeats = [row for row in rows if row["repeat_of"]]
    assert len(repeats) == 2
    for row in repeats:
        original = rows[int(float(row["repeat_of"]))]
        assert (row["reward"], original["repeat_of"]) == (original["reward"], "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--host", "katib"), "--host must be one of optuna, nni, keras-tuner, ray"),
        (("--strategy", "evolutoin"), "Did you mean 'evolution'?"),
        (("--space", "nasnett"), "Did you mean 'nasnet'?"),
        (("--data", "nowhere"), "no such path"),
        (("--data", "one-class"), "at least two"),
        (("--data", "empty.npz"), "empty.npz"),
        (("--host", "nni", "--storage", "sqlite:///x.db"), "--storage is Optuna's"),
        (("--trials", "0"), "'--trials'"),
    ],
)
def test_wrong_options_are_one_clear_error(run, place, arguments, message):
    from PIL import Image

    (place / "one-class" / "cat").mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8)).save(place / "one-class" / "cat" / "1.png")
    (place / "empty.npz").touch()
    code = 2 if arguments[0] == "--trials" else 1
    out = run(place, "search", *arguments, "--out", "wrong", code=code)
    assert message in " ".join(out.replace("│", " ").split())
    assert "Traceback" not in out
    assert not (place / "wrong").exists()


@pytest.mark.parametrize("name", ["settings.json", "study.journal"])
def test_damaged_files_are_named_and_kept(run, finished, name):
    import shutil

    copy = finished.parent / f"damaged-{name}"
    shutil.copytree(finished, copy)
    text = (copy / name).read_text()
    damaged = text[:1] + "}{" + text[1:]
    (copy / name).write_text(damaged)
    out = run(finished.parent, "show", copy.name, code=1)
    assert name in out
    assert "Traceback" not in out
    assert (copy / name).read_text() == damaged


def test_folder_without_a_search_is_named(place):
    assert "holds no search" in executable(place, "best", ".", code=1)


def test_help_says_what_there_is(run, place):
    out = run(place, "--help")
    assert all(command in out for command in ("search", "show", "best", "nni-init"))
    out = run(place, "search", "--help")
    options = ("--host", "--strategy", "--space", "--data", "--trials", "--epochs", "--seed")
    assert all(option in out for option in (*options, "--out"))
    assert run(place, "--version").startswith("cellwright 0.")


COLUMNS = ("--label", "kind", "--drop", "id", "--space", "mlp", "--strategy", "random")


@pytest.fixture(scope="module")
def flowers(tmp_path_factory) -> Path:
    """A folder with a table whose label follows from its columns."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("tables")
    with (folder / "flowers.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "length", "colour", "width", "kind"])
        for i in range(80):
            length, colour = rng.normal(), ("red", "blue")[i % 2]
            kind = "lily" if length + (colour == "red") > 0.5 else "rose"
            width = "" if i % 10 == 0 else f"{rng.normal():.3f}"
            writer.writerow([i, f"{length:.3f}", colour, width, kind])
    return folder


@pytest.mark.parametrize(
    "host",
    ["optuna", *(pytest.param(h, marks=pytest.mark.slow) for h in ("keras-tuner", "nni", "ray"))],
)
def test_a_table_is_searched(run, flowers, host):
    pytest.importorskip(host.replace("-", "_"))
    arguments = ("--data", "flowers.csv", *COLUMNS, "--trials", "2", "--epochs", "2")
    out = run(flowers, "search", "--host", host, "--out", host, *arguments)
    assert "data: label 'kind': 2 classes" in out
    rows = table(flowers / host)
    assert [row["state"] for row in rows] == ["complete"] * 2
    facts = json.loads((flowers / host / "preparation.json").read_text())
    assert facts["class_names"] == ["lily", "rose"]
    prepared = Preparation.from_json(facts["preparation"])
    assert [column.name for column in prepared.columns] == ["length", "colour", "width"]
    model = keras.models.load_model(flowers / host / "best.keras")
    features = prepared.transform(prepared.read([["0.1", "red", ""], [2.0, "green", 1.0]]))
    assert model.predict(features, verbose=0).shape == (2, 2)
    # The picture of the layers tells the features and classes of the model that was built.
    params = json.loads((flowers / host / "best.json").read_text())["params"]
    told, bare = (MLPSpace().figures(params, shown) for shown in (model, None))
    drawn = (flowers / host / "pictures" / "layers.png").read_bytes()
    assert save_figures(told, flowers / "told")[0].read_bytes() == drawn
    assert save_figures(bare, flowers / "bare")[0].read_bytes() != drawn
    run(flowers, "show", host)
    assert (flowers / host / "pictures" / "layers.png").read_bytes() == drawn


@pytest.mark.slow
def test_a_number_is_searched_for(run, flowers):
    arguments = ("--data", "flowers.csv", "--label", "length", "--drop", "id", "--space", "mlp")
    out = run(flowers, "search", "--out", "number", *arguments, "--trials", "2")
    assert "label 'length': a number is predicted" in out
    rows = table(flowers / "number")
    assert [float(row["reward"]) for row in rows] == [-float(row["val_loss"]) for row in rows]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "flowers.csv", "--label", "smell", "--space", "mlp"), "no column 'smell'"),
        (("--data", "digits", "--label", "kind"), "--label is for tables, and these are images"),
        (("--data", "wine", "--class-weight", "even"), "--class-weight must be balanced"),
    ],
)
def test_what_does_not_fit_a_table_is_refused_at_once(run, flowers, arguments, words):
    out = run(flowers, "search", "--out", "refused", *arguments, code=1)
    assert words in " ".join(out.split())
    assert not (flowers / "refused" / "settings.json").exists()
