"""A folder of somebody else has no module imported that it names, unless the user says so."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import keras
import optuna
import pytest

from cellwright.adapters.optuna_sampler import StrategySampler
from cellwright.command_line.app import main
from cellwright.plugins import RandomSearch
from cellwright.plugins.training.best_child import keep_best
from cellwright.search_spaces import MLPSpace
from cellwright.searches import on_optuna
from cellwright.searches.settings import Settings

EVIL = """
import pathlib
pathlib.Path(__file__).with_name("owned").touch()
from cellwright.search_spaces import MLPSpace
class S(MLPSpace):
    pass
"""
SETTINGS = Settings("optuna", "random", "evilmod:S", "wine", 2, 1, 32, 1e-3, None, 0, None, 1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A search in a space of a module that is beside it, in the present folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CELLWRIGHT_TRUST", raising=False)
    monkeypatch.setattr("sys.path", [path for path in __import__("sys").path if path])
    monkeypatch.delitem(__import__("sys").modules, "evilmod", raising=False)
    Path("evilmod.py").write_text(EVIL)
    out = Path("theirs")
    out.mkdir()
    SETTINGS.save(out)
    space = MLPSpace()
    study = optuna.create_study(
        storage=on_optuna.storage_of(out, SETTINGS), study_name="cellwright", direction="maximize",
        sampler=StrategySampler(RandomSearch(space, seed=0)),
    )  # fmt: skip
    from cellwright.adapters.optuna_sampler import suggest

    def objective(trial):
        params = suggest(trial, space)
        trial.set_user_attr("reward", 0.5)
        model = keras.Sequential([keras.Input((13,)), keras.layers.Dense(3)])
        keep_best(out)(params, {"reward": 0.5}, model)
        return 0.5

    study.optimize(objective, n_trials=1)
    return out


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["cellwright", *map(str, arguments)])
    try:
        main()
        status = 0
    except SystemExit as error:
        status = error.code or 0
    told = capsys.readouterr()
    return status, " ".join((told.out + told.err).split())


COMMANDS = ("show", "best", "report", "export", "train", "worker")


def test_nothing_is_imported_that_a_folder_names(folder, monkeypatch, capsys):
    for name in ("space", "strategy", "meter", "reward", "track"):
        told = {"space": "mlp", name: ("evilmod:S",) if name in ("meter", "track") else "evilmod:S"}
        (folder / "settings.json").write_text(json.dumps(asdict(replace(SETTINGS, **told))))
        commands = COMMANDS if name == "space" else ("worker",)
        for command in commands:
            status, words = run(monkeypatch, capsys, command, folder)
            assert status == 1, (command, name, words)
            assert "'evilmod:S' is named by the folder, not by you" in words, (command, words)
            assert "give --trust" in words
            assert not Path("owned").exists(), (command, name)


def test_a_page_imports_nothing_either(folder, monkeypatch, capsys):
    pytest.importorskip("vl_convert", reason="vl-convert-python is not installed: extra report")
    status, words = run(monkeypatch, capsys, "report", folder, "--html")
    assert (status, Path("owned").exists()) == (1, False)
    assert "give --trust" in words
    assert not list(folder.rglob("report.html"))


def test_one_who_trusts_says_so(folder, monkeypatch, capsys):
    status, words = run(monkeypatch, capsys, "best", folder, "--trust")
    assert (status, Path("owned").exists()) == (0, True), words
    monkeypatch.setenv("CELLWRIGHT_TRUST", "1")
    assert run(monkeypatch, capsys, "best", folder)[0] == 0


def test_a_search_imports_what_its_own_command_names(folder, monkeypatch, capsys):
    command = ("search", "--space", "mlp", "--data", "wine", "--out", folder)
    status, words = run(monkeypatch, capsys, *command)
    assert "--space was 'evilmod:S' and is now 'mlp'" in words
    assert (status, Path("owned").exists()) == (1, False)


def test_our_own_classes_are_trusted_and_what_they_import_is_not(folder, monkeypatch, capsys):
    for space, trusted in (
        ("cellwright.search_spaces:MLPSpace", True),
        ("cellwright.search_spaces.decision:math.exp", False),
        ("cellwright.searches.checks:os.abort", False),
    ):
        (folder / "settings.json").write_text(json.dumps(asdict(replace(SETTINGS, space=space))))
        status, words = run(monkeypatch, capsys, "best", folder)
        assert (status == 0) == trusted, words
        assert ("is named by the folder" in words) != trusted
