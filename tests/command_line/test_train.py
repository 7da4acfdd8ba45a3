"""From photos and from a CSV to predictions: `search`, `train`, `predict`, as a user runs them."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_wine

from cellwright import TrainedModel

SEARCH = ["search", "--space", "mlp", "--trials", 1, "--epochs", 2, "--strategy", "random"]


def words(text):
    return " ".join(text.replace("│", " ").split())


@pytest.fixture(scope="module")
def wine(tmp_path_factory, cellwright):
    """A folder with a CSV of wines, 20 more in another, and a search on the first."""
    home = tmp_path_factory.mktemp("wine")
    found = load_wine(as_frame=True)
    frame = found.data.assign(soil=["clay", "sand"] * 89)
    frame["maker"] = [str(found.target_names[label]) for label in found.target]
    frame = frame.sample(frac=1, random_state=0)
    frame[:158].to_csv(home / "wines.csv", index=False)
    frame[158:].to_csv(home / "tasted.csv", index=False)
    frame[158:].drop(columns="maker").assign(soil="chalk").to_csv(home / "new.csv", index=False)
    told, code = cellwright(home, *SEARCH, "--data", "wines.csv", "--out", "run")
    assert code == 0, told
    return home


def test_a_csv_goes_from_search_to_predictions_in_three_commands(wine, cellwright, command, capsys):
    told, code = cellwright(wine, "train", "run", "--epochs", 12, "--learning-rate", 0.01)
    assert code == 0, told
    assert "158 examples to train on. Nothing is held out" in told
    assert "--test DATA scores other data at last, --validation 0.1 holds a tenth out" in told
    assert "epoch 12/12" in told
    assert "next: cellwright predict run/model FILES" in told
    assert (wine / "run" / "model" / "pictures" / "curves.png").stat().st_size > 10_000
    code, out, err = command("predict", wine / "run" / "model", wine / "new.csv")
    assert code == 0, err
    rows = list(csv.DictReader(out.splitlines()))
    assert list(rows[0]) == [
        "row",
        "prediction",
        "probability",
        *(f"p_class_{n}" for n in range(3)),
    ]
    truth = pd.read_csv(wine / "tasted.csv")["maker"].tolist()
    assert (
        np.mean([row["prediction"] == label for row, label in zip(rows, truth, strict=True)]) > 0.8
    )
    assert "note: categories that the training did not have" in words(err)
    assert "'soil' (20, such as 'chalk')" in words(err)
    told, code = cellwright(wine, "predict", "run/model", "new.csv", "--out", "to/p.csv")
    assert code == 0, told
    assert "wrote 20 predictions to to/p.csv" in told
    assert (wine / "to" / "p.csv").read_text() == out


def test_a_finished_training_is_not_repeated_and_seeds_are_told_apart(wine, cellwright, command):
    train = ["train", "run", "--epochs", 2, "--seeds", 2, "--test", "tasted.csv", "--out", "two"]
    first, code = cellwright(wine, *train)
    assert code == 0, first
    assert "158 examples to train on, 20 to test at last" in first
    assert "seed 1 epoch 2/2" in first
    assert "mean" in first
    assert "std" in first
    assert "kept: seed 0, the first one: nothing is held out by which to choose" in first
    again, code = cellwright(wine, *train)
    assert code == 0
    assert "two holds this model already, and --overwrite trains it anew" in again
    assert "epoch 1/2" not in again
    train[1], train[-3], train[-1] = wine / "run", wine / "tasted.csv", wine / "two"
    code, out, err = command(*train, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [outcome["seed"] for outcome in told["outcomes"]] == [0, 1]
    accuracies = [outcome["metrics"]["test_accuracy"] for outcome in told["outcomes"]]
    assert told["spread"]["test_accuracy"][0] == pytest.approx(np.mean(accuracies))
    told, code = cellwright(wine, *train, "--batch-size", 64)
    assert code == 1
    assert "two holds another training: batch_size was 128 and is now 64." in told


def test_scores_are_printed_and_written(wine, cellwright, command):
    model = wine / "scored"
    shutil.copytree(wine / "run", wine / "other")
    told, code = cellwright(wine, "train", "other", "--epochs", 1, "--out", model)
    assert code == 0, told
    told, code = cellwright(wine, "evaluate", "scored", "tasted.csv")
    assert code == 0, told
    assert "accuracy" in told
    assert "on 20 examples" in told
    there = sorted(file.name for file in (model / "evaluation").iterdir())
    assert there == ["confusion_matrix.png", "confusion_matrix.svg", "scores.csv", "scores.json"]
    table = list(csv.DictReader((model / "evaluation" / "scores.csv").open()))
    assert [row["class"] for row in table] == ["class_0", "class_1", "class_2"]
    assert sum(int(row["number"]) for row in table) == 20
    code, out, err = command("evaluate", model, wine / "tasted.csv", "--json")
    assert code == 0, err
    assert json.loads(out)["files"] == []
    scores = json.loads((model / "evaluation" / "scores.json").read_text())
    assert json.loads(out)["metrics"] == scores["metrics"]


def test_an_estimator_s_folder_is_evaluated_and_predicted_with(wine, command):
    from cellwright import CellwrightClassifier

    frame = pd.read_csv(wine / "wines.csv")
    made = CellwrightClassifier(
        time_budget=None, max_trials=1, epochs=2, strategy="random", random_state=0
    ).fit(frame.drop(columns="maker"), frame["maker"])
    made.save(wine / "estimator")
    code, out, err = command("predict", wine / "estimator", wine / "new.csv")
    assert code == 0, err
    said = [row["prediction"] for row in csv.DictReader(out.splitlines())]
    assert said == made.predict(pd.read_csv(wine / "new.csv")).tolist()
    code, _, err = command("evaluate", wine / "estimator", wine / "tasted.csv")
    assert code == 1
    assert "the model does not know the name of its label: give --label COLUMN" in words(err)
    code, out, err = command(
        "evaluate", wine / "estimator", wine / "tasted.csv", "--label", "maker"
    )
    assert code == 0, err
    with pytest.raises(Exception, match="no CellwrightClassifier: it has no search"):
        CellwrightClassifier.load(trained(wine, command))


def trained(wine, command):
    code, _, err = command("train", wine / "run", "--epochs", 1, "--out", wine / "brief")
    assert code == 0, err
    return wine / "brief"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photos of the digits 0 and 1 in mixed sizes, formats and colours, and new ones."""
    home, rng, digits = tmp_path_factory.mktemp("photos"), np.random.default_rng(0), load_digits()
    for count, at in enumerate(np.flatnonzero(digits.target < 2)[:80]):
        part = "new" if count >= 70 else f"photos/{('zero', 'one')[digits.target[at]]}"
        (home / part).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray((digits.images[at] * 15.9).astype(np.uint8))
        image = image.convert("RGB" if count % 3 else "L").resize(tuple(rng.integers(12, 40, 2)))
        image.save(home / part / f"{digits.target[at]}_{count}.{('jpg', 'png', 'webp')[count % 3]}")
    (home / "new" / "broken.jpg").write_bytes(b"no image")
    return home


def test_photos_of_mixed_sizes_go_to_predictions_in_three_commands(photos, cellwright, command):
    options = ["--image-size", 12, "--color", "gray", "--batch-size", 16, "--out", "run"]
    told, code = cellwright(photos, *SEARCH, "--data", "photos", *options)
    assert code == 0, told
    told, code = cellwright(photos, "train", "run", "--epochs", 8, "--validation", 0.2)
    assert code == 0, told
    assert "56 examples to train on, 14 held out to score after each epoch" in told
    assert "batch normalisation" not in told
    code, out, err = command("predict", photos / "run" / "model", photos / "new")
    assert code == 0, err
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == 10
    right = [
        row["prediction"] == ("zero", "one")[int(row["file"].rpartition("/")[2][0])] for row in rows
    ]
    assert np.mean(right) >= 0.8
    assert "note: left out, as they cannot be read: 1 file" in words(err)
    assert "are resized to 12x12 and padded, as in training" in words(err)
    code, _, err = command("predict", photos / "run" / "model", photos / "new", "--strict")
    assert code == 1
    assert "broken.jpg cannot be read" in words(err)


def test_a_training_too_short_for_batch_normalisation_says_so(photos, cellwright):
    options = ["--data", "photos", "--image-size", 8, "--color", "gray", "--batch-size", 16]
    size = ["--filters", 2, "--repeats", 1, "--epochs", 1]
    told, code = cellwright(photos, "train", "nasnet-a", *options, *size)
    assert code == 0, told
    assert "note: after 5 training steps, 59% of what batch normalisation predicts with" in told
    assert "29 steps are enough: more epochs, or smaller batches" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "nowhere"], "'nowhere' is not the folder of a search, a genotype file"),
        (["train", "nasnet-a"], "--data is needed: nasnet-a is a genotype, and says nothing of"),
        (["train", "run", "--trial", 7], "run has no trial 7; its 1 trials are numbered from 0"),
        (["train", "run", "--repeats", 2], "--repeats: for networks of cells, and the space mlp"),
        (["train", "run", "--auxiliary"], "--auxiliary: for networks of cells"),
        (["train", "run", "--filters", 8], "--filters is for convolutions, and the space mlp has"),
        (["train", "run", "--validation", 2], "--validation is the share to hold out, between 0"),
        (["train", "run", "--learning-rate", 0], "--learning-rate must be above 0 and finite"),
        (["train", "run", "--test", "none.csv"], "data 'none.csv': there is no such file"),
        (["train", "run", "--label", "rain"], "there is no column 'rain'"),
        (["train", "run", "--image-size", 9], "are for folders of images"),
        (["train", "run", "--class-weight", "x"], "--class-weight must be balanced, or left out"),
        (["train", "run", "--out", "wines.csv"], "--out wines.csv cannot be a folder"),
        (["evaluate", "run", "tasted.csv"], "run holds no trained model, only what led to one"),
        (["predict", "nowhere", "new.csv"], "nowhere does not exist: give the folder of a model"),
        (
            ["predict", "run", "new.csv", "--out", "p.txt"],
            "a CSV table is written: end its name in",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_advice(arguments, told, wine, cellwright):
    before = sorted(wine.rglob("*"))
    said, code = cellwright(wine, *arguments)
    assert code == 1, said
    assert told in said
    assert sorted(wine.rglob("*")) == before


def test_a_model_is_no_search(wine, command):
    code, _, err = command("train", trained(wine, command))
    assert code == 1
    assert "is a model that is trained already: give the folder of the search" in words(err)


@pytest.mark.slow
def test_a_process_that_is_stopped_or_killed_goes_on_bit_for_bit(wine):
    """Ctrl-C in one run, kill -9 in the next; the third ends with the weights of one in a go."""
    script = "from cellwright.command_line.app import main; main()"
    line = [sys.executable, "-c", script, "train", "run", "--epochs", "400", "--out"]

    def started(out, epoch):
        process = subprocess.Popen([*line, out], cwd=wine, stdout=subprocess.PIPE, text=True)
        for told in process.stdout:
            if f"epoch {epoch:>4}/400" in told:
                return process, told
        raise AssertionError(f"epoch {epoch} was not reached")

    process, _ = started("parts", 20)
    process.send_signal(signal.SIGINT)
    assert "stopped; the same command continues" in process.stdout.read()
    assert process.wait(60) == 130
    process, _ = started("parts", 200)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    time.sleep(0.5)
    for out in ("parts", "whole"):
        done = subprocess.run([*line, out], cwd=wine, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert ("continuing after epoch" in done.stdout) == (out == "parts")
    one, other = (TrainedModel.load(wine / out).network.get_weights() for out in ("parts", "whole"))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
