"""What a search was told: kept, compared, and read back."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cellwright.command_line.settings import (
    Settings,
    as_text,
    continue_or_start,
    read_settings,
    sole_user,
)
from cellwright.search_spaces import CellwrightError, CorruptedState, InvalidData

SETTINGS = Settings(
    host="optuna", strategy="random", space="nasnet", data="digits", trials=2, epochs=1,
    batch_size=32, learning_rate=1e-3, filters=2, seed=0, target_ms=None, storage=None,
    concurrency=1,
)  # fmt: skip
HERE = Path(".")


def test_settings_come_back_as_they_were_saved():
    for settings in (SETTINGS, replace(SETTINGS, target_ms=2.5, storage="sqlite:///a.db")):
        settings.save(HERE)
        assert read_settings(HERE) == settings
    assert not Path("settings.json.new").exists()


def test_a_search_may_train_more_children_and_change_nothing_else():
    continue_or_start(HERE, SETTINGS)
    continue_or_start(HERE, replace(SETTINGS, trials=5, concurrency=3))
    assert read_settings(HERE).trials == 5
    kept = Path("settings.json").read_text()
    other = replace(SETTINGS, seed=1, learning_rate=0.1, target_ms=3.0)
    with pytest.raises(CellwrightError) as refused:
        continue_or_start(HERE, other)
    for words in (
        "--seed was 0 and is now 1",
        "--learning-rate was 0.001 and is now 0.1",
        "--target-ms was None and is now 3.0",
        "another --out",
    ):
        assert words in str(refused.value)
    assert "--trials" not in str(refused.value)
    assert Path("settings.json").read_text() == kept


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:40],
        lambda text: "[1, 2]",
        lambda text: "null",
        lambda text: text.replace('"seed"', '"sede"'),
        lambda text: text.replace('"epochs": 1', '"epochs": "one"'),
        lambda text: text.replace('"epochs": 1', '"epochs": 1.5'),
        lambda text: text.replace('"host": "optuna"', '"host": "ray"'),
        lambda text: text.replace('"target_ms": null', '"target_ms": "fast"'),
    ],
)
def test_damaged_settings_are_named_and_kept(damage):
    SETTINGS.save(HERE)
    file = Path("settings.json")
    damaged = damage(file.read_text())
    file.write_text(damaged)
    for read in (read_settings, lambda folder: continue_or_start(folder, SETTINGS)):
        with pytest.raises(CorruptedState, match=r"settings\.json is damaged.*another --out"):
            read(HERE)
    assert file.read_text() == damaged


def test_settings_that_are_no_text_are_damaged():
    Path("settings.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorruptedState, match="is damaged"):
        read_settings(HERE)


def test_whole_numbers_serve_as_settings_of_fractions():
    file = Path("settings.json")
    file.write_text(json.dumps(asdict(SETTINGS) | {"learning_rate": 1, "target_ms": 3}))
    assert read_settings(HERE).target_ms == 3


def test_a_folder_without_a_search_is_named():
    with pytest.raises(CellwrightError, match=r"holds no search: there is no settings\.json"):
        read_settings(HERE)


def test_a_folder_serves_one_search_at_a_time():
    hold = (
        "import sys; from pathlib import Path; from cellwright.command_line.settings import *\n"
        "with sole_user(Path('out')): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    )
    assert process.stdout.readline() == b"held\n"
    with (
        pytest.raises(CellwrightError, match="another search is running in out"),
        sole_user(Path("out")),
    ):
        pass
    process.kill()  # and the system lets go of the folder
    process.wait()
    with sole_user(Path("out")):
        pass


def test_the_reward_and_the_meter_follow_the_target():
    plain = SETTINGS.make_evaluation()
    assert (plain.meter, plain.options, plain.recipe.batch_size) == (None, {"filters": 2}, 32)
    weighed = replace(SETTINGS, target_ms=2.5).make_evaluation()
    assert weighed.reward.target == 2.5
    assert weighed.meter is not None
    with pytest.raises(ValueError, match="target must be above 0"):
        replace(SETTINGS, target_ms=0.0).make_evaluation()
    with pytest.raises(InvalidData, match="no such path"):
        replace(SETTINGS, data="nowhere").make_evaluation()


def test_only_what_matters_is_told():
    assert "concurrency" not in as_text(SETTINGS)
    assert "target_ms" not in as_text(SETTINGS)
    assert as_text(replace(SETTINGS, host="nni"))["concurrency"] == 1
