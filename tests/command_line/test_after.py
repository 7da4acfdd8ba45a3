"""`cellwright search --after`: a search that learns from an earlier one of any host."""

import json

import pytest

OPTIONS = ("--data", "wine", "--space", "mlp", "--epochs", 1, "--seed", 1)


@pytest.mark.parametrize("host", ["optuna", "keras-tuner"])
def test_an_earlier_search_is_learned_from(cellwright, tmp_path, host):
    pytest.importorskip("keras_tuner")
    printed, code = cellwright(
        tmp_path, "search", *OPTIONS, "--strategy", "random", "--trials", 4, "--out", "before",
        "--host", "keras-tuner" if host == "optuna" else "optuna",
    )  # fmt: skip
    assert code == 0, printed
    more = (*OPTIONS, "--host", host, "--out", "next", "--after", "before")
    printed, code = cellwright(tmp_path, "search", *more, "--trials", 6)
    assert code == 0, printed
    kept = json.loads((tmp_path / "next" / "settings.json").read_text())
    (results,) = kept["prior"]
    assert len(results) == 4
    # It goes on with what it began with, even where the earlier search has grown since.
    (tmp_path / "before").rename(tmp_path / "moved")
    (tmp_path / "before").mkdir()
    printed, code = cellwright(tmp_path, "search", *more, "--trials", 7)
    assert code == 0, printed
    assert json.loads((tmp_path / "next" / "settings.json").read_text())["prior"] == [results]
    printed, code = cellwright(
        tmp_path, "search", "--data", "digits", "--space", "convnet", "--after", "moved",
        "--out", "other", "--trials", 2,
    )  # fmt: skip
    assert code == 1
    assert "its trials are of another space" in printed
