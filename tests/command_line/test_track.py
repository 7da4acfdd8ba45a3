"""`cellwright search --track`."""

import sys

import pytest

pytest.importorskip("optuna")

SEARCH = ("search", "--strategy", "random", "--epochs", "1", "--out", "tracked")


@pytest.mark.parametrize(
    ("given", "missing", "said"),
    [
        ("nope", None, "--track nope: installed trackers are mlflow, tensorboard, and"),
        ("mlflow:http://localhost:5000", None, "write mlflow=http://localhost:5000"),
        ("mlflow", "mlflow", "pip install 'cellwright[mlflow]'"),
        ("tensorboard", "tensorboard", "pip install 'cellwright[tensorboard]'"),
    ],
)
def test_what_cannot_track_is_refused_before_any_child(
    command, monkeypatch, tmp_path, given, missing, said
):
    if missing is not None:
        for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, missing, None)
    code, _, error = command(*SEARCH, "--track", given)
    assert code == 1
    assert said in " ".join(error.split())
    assert not (tmp_path / "tracked").exists()


def test_a_search_that_goes_on_tells_of_its_new_trials(cellwright, tmp_path, write_digits):
    pytest.importorskip("keras")
    pytest.importorskip("tensorboard")
    write_digits(tmp_path / "data.npz")
    (tmp_path / "tracks.py").write_text(
        "def make(where, **given):\n"
        "    return lambda trial: open(where, 'a').write(f'{trial.number} {trial.model}\\n')\n"
    )
    (tmp_path / "tracked_space.py").write_text(
        "from cellwright.search_spaces import MLPSpace\n"
        "SPACE = MLPSpace(nodes=(2, 3, 4, 5), activations=('relu',), length=2)\n"
    )
    small = (*SEARCH, "--data", "data.npz", "--space", "tracked_space:SPACE")
    said, code = cellwright(tmp_path, *small, "--trials", "1", "--track", "tracks:make=told")
    assert code == 0, said
    tracked = ("--track", "tracks:make=told", "--track", "tensorboard")
    said, code = cellwright(tmp_path, *small, "--trials", "2", *tracked)
    assert code == 0, said
    lines = (tmp_path / "told").read_text().splitlines()
    assert lines[0] == "0 tracked/best.keras"
    assert [line.split()[0] for line in lines] == ["0", "1"]
    assert (tmp_path / "tracked" / "tensorboard" / "trial_1").is_dir()
