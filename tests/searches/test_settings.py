"""What a search was told: kept, compared, and read back."""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cellwright.plugins import Limit, make_space
from cellwright.search_spaces import (
    CellwrightError,
    CorruptedState,
    InvalidData,
    NASNetSpace,
    costs,
    load_genotype,
)
from cellwright.searches.folder import (
    continue_or_start,
    only_search_in,
    read_settings,
    with_edition,
    with_target,
)
from cellwright.searches.settings import Settings, as_text

SETTINGS = Settings(
    host="optuna", strategy="random", space="nasnet", data="digits", trials=2, epochs=1,
    batch_size=32, learning_rate=1e-3, filters=2, seed=0, storage=None,
    concurrency=1,
)  # fmt: skip
HERE = Path(".")


def test_settings_come_back_as_they_were_saved():
    for settings in (SETTINGS, replace(SETTINGS, target=2.5, hard=True, storage="sqlite:///a.db")):
        settings.save(HERE)
        assert read_settings(HERE) == settings
    assert not list(HERE.rglob(".*.new*"))


def test_a_search_may_train_more_children_and_change_nothing_else():
    continue_or_start(HERE, SETTINGS)
    continue_or_start(HERE, replace(SETTINGS, trials=5, concurrency=3))
    assert read_settings(HERE).trials == 5
    kept = Path("settings.json").read_text()
    other = replace(SETTINGS, seed=1, learning_rate=0.1, target=3.0)
    with pytest.raises(CellwrightError) as refused:
        continue_or_start(HERE, other)
    for words in (
        "--seed was 0 and is now 1",
        "--learning-rate was 0.001 and is now 0.1",
        "--target was None and is now 3.0",
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
        lambda text: text.replace('"host": "optuna"', '"host": "katib"'),
        lambda text: text.replace('"target": null', '"target": "fast"'),
        lambda text: text.replace('"hard": false', '"hard": 1'),
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
    file.write_text(json.dumps(asdict(SETTINGS) | {"learning_rate": 1, "target": 3}))
    assert read_settings(HERE).target == 3


def test_settings_from_before_there_were_meters_are_read():
    later = ("meter", "target", "target_from", "hard", "limit")
    old = {name: value for name, value in asdict(SETTINGS).items() if name not in later}
    Path("settings.json").write_text(json.dumps(old | {"target_ms": 2.5}))
    assert read_settings(HERE) == replace(SETTINGS, target=2.5)
    continue_or_start(HERE, replace(SETTINGS, target=2.5))


LISTS = {"drop": ("id", "full name"), "tune": ("dropout=0..0.5", "batch_size=8,16"),
         "objectives": ("val_accuracy:max", "latency_ms:min"),
         "meter": ("litert", "size,bits=8")}  # fmt: skip


@pytest.mark.parametrize(
    ("space", "meant"),
    [
        ("nasnet", "nasnet-wide"),
        ("cellwright:NASNetSpace", "cellwright:NASNetSpace.wide"),
        ("cellwright.search_spaces:NASNetSpace", "cellwright.search_spaces:NASNetSpace.wide"),
        ("amoebanet", "amoebanet"),
        ("mine:NASNetSpace", "mine:NASNetSpace"),
    ],
)
def test_a_search_from_before_the_book_was_repaired_keeps_its_space(space, meant):
    told = replace(SETTINGS, space=space)
    old = {name: value for name, value in asdict(told).items() if name != "edition"}
    Path("settings.json").write_text(json.dumps(old))
    assert told.meant_space == space
    for _ in range(2):  # after the first, the file has all settings of this version
        settings = with_edition(HERE, told)
        assert settings == read_settings(HERE)
        assert settings.meant_space == as_text(settings)["space"] == meant
        continue_or_start(HERE, settings)
    assert "edition" not in as_text(settings)
    if not space.startswith("mine"):
        wanted = make_space(space.replace("NASNetSpace", "NASNetSpace.wide")
                            if ":" in space else meant)  # fmt: skip
        assert settings.make_space().fingerprint == wanted.fingerprint


def test_auto_of_several_objectives_stays_what_it_was():
    """It was ``pareto`` before there was ``pareto-predictor``."""
    asked = replace(SETTINGS, strategy="auto", objectives=("val_accuracy", "parameters"))
    new = with_edition(HERE, asked)
    assert new.strategy == "pareto-predictor"
    continue_or_start(HERE, new)
    assert with_edition(HERE, asked) == new
    replace(new, strategy="pareto").save(HERE)
    assert with_edition(HERE, asked).strategy == "pareto"
    other = with_edition(HERE, replace(asked, strategy="pareto-predictor"))
    with pytest.raises(CellwrightError, match="--strategy was 'pareto' and is now 'pareto-pred"):
        continue_or_start(HERE, other)
    assert with_edition(HERE, replace(SETTINGS, strategy="auto")).strategy == "auto"


def test_a_new_search_of_the_book_is_repaired():
    assert with_edition(HERE, SETTINGS) == SETTINGS
    assert SETTINGS.make_space().fingerprint == NASNetSpace().fingerprint


def test_arguments_of_the_strategy_are_kept_shown_and_compared():
    settings = replace(SETTINGS, strategy="reinforce",
                       strategy_arg={"units": 8, "baseline": {"window": 5}})  # fmt: skip
    settings.save(HERE)
    assert read_settings(HERE) == settings
    assert read_settings(HERE).make_strategy().controller.units == 8
    assert as_text(settings)["strategy_arg"] == 'baseline={"window": 5} units=8'
    assert "strategy_arg" not in as_text(SETTINGS)
    changed = re.escape("""--strategy-arg was 'baseline={"window": 5} units=8' and is now None""")
    with pytest.raises(CellwrightError, match=changed):
        continue_or_start(HERE, replace(settings, strategy_arg={}))
    kept = json.loads(Path("settings.json").read_text())
    del kept["strategy_arg"]  # as earlier versions wrote it
    Path("settings.json").write_text(json.dumps(kept))
    assert read_settings(HERE).strategy_arg == {}
    Path("settings.json").write_text(json.dumps(kept | {"strategy_arg": ["units=8"]}))
    with pytest.raises(CorruptedState, match="damaged: strategy_arg: "):
        read_settings(HERE)


def test_the_books_controller_by_its_path_explores_since_it_has_a_name():
    """A search that began before goes on without."""
    by_path = replace(SETTINGS, strategy="cellwright.plugins:Reinforce.book", space="mlp")
    assert by_path.make_strategy().exploration == 0.5
    assert replace(by_path, edition=1).make_strategy().exploration == 0
    told = replace(by_path, edition=1, strategy_arg={"exploration": 0.25})
    assert told.make_strategy().exploration == 0.25


def test_lists_are_kept_as_lists():
    settings = replace(SETTINGS, **LISTS)
    settings.save(HERE)
    kept = json.loads(Path("settings.json").read_text())
    assert {name: kept[name] for name in LISTS} == {n: list(texts) for n, texts in LISTS.items()}
    assert read_settings(HERE) == settings
    assert settings.data_options == {"drop": ["id", "full name"]}
    assert as_text(settings)["tune"] == "dropout=0..0.5 batch_size=8,16"
    assert not as_text(SETTINGS).keys() & LISTS.keys()
    with pytest.raises(CellwrightError, match="--drop was 'id,full name' and is now None"):
        continue_or_start(HERE, replace(settings, drop=()))
    Path("settings.json").write_text(json.dumps(kept | {"drop": ["id", 3]}))
    with pytest.raises(CorruptedState, match=r"damaged: drop\[1\]: "):
        read_settings(HERE)


def test_settings_from_before_lists_were_lists_are_read():
    """In those, the reward and accuracies went up and all else down."""
    old = {"drop": "id, full name", "tune": "dropout=0..0.5 batch_size=8,16",
           "objectives": "val_accuracy,latency_ms", "meter": "litert size,bits=8"}  # fmt: skip
    file = Path("settings.json")
    file.write_text(json.dumps(asdict(SETTINGS) | old))
    assert read_settings(HERE) == replace(SETTINGS, **LISTS)
    continue_or_start(HERE, replace(SETTINGS, **LISTS))
    file.write_text(json.dumps(asdict(SETTINGS) | dict.fromkeys(old)))
    assert read_settings(HERE) == SETTINGS
    file.write_text(json.dumps(asdict(SETTINGS) | {"objectives": "val_accuracy,f1"}))
    assert read_settings(HERE).goals == {"val_accuracy": "maximize", "f1": "minimize"}
    changed = "val_accuracy:max,f1:min' and is now 'val_accuracy:max,f1:max'"
    with pytest.raises(CellwrightError, match=changed):
        continue_or_start(HERE, replace(SETTINGS, objectives=("val_accuracy:max", "f1:max")))


def test_each_objective_goes_the_way_that_is_better():
    goals = replace(SETTINGS, objectives=("val_accuracy", "f1", "seconds", "taste:max")).goals
    assert goals == {
        "val_accuracy": "maximize", "f1": "maximize", "seconds": "minimize", "taste": "maximize",
    }  # fmt: skip
    assert SETTINGS.goals == {"reward": "maximize"}
    with pytest.raises(CellwrightError, match="write --objectives f1_macro:max or"):
        assert replace(SETTINGS, objectives=("val_accuracy", "f1_macro")).goals


def test_a_folder_without_a_search_is_named():
    with pytest.raises(CellwrightError, match=r"holds no search: there is no settings\.json"):
        read_settings(HERE)


def test_a_folder_serves_one_search_at_a_time():
    hold = (
        "import sys; from pathlib import Path; from cellwright.searches.folder import *\n"
        "with only_search_in(Path('out')): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    )
    assert process.stdout.readline() == b"held\n"
    with (
        pytest.raises(CellwrightError, match="another search is running in out"),
        only_search_in(Path("out")),
    ):
        pass
    process.kill()  # and the system lets go of the folder
    process.wait()
    with only_search_in(Path("out")):
        pass


def test_the_reward_and_the_meter_follow_the_target():
    plain = SETTINGS.make_evaluation()
    assert (plain.meter, plain.options, plain.recipe.batch_size) == (None, {"filters": 2}, 32)
    weighed = replace(SETTINGS, target=2.5).make_evaluation()
    assert (weighed.reward.target, weighed.reward.alpha, weighed.reward.beta) == (2.5, -0.07, -0.07)
    assert (weighed.meter.metric, weighed.limit) == ("latency_ms", None)
    with pytest.raises(ValueError, match="target must be above 0"):
        replace(SETTINGS, target=0.0).make_evaluation()
    hard = replace(SETTINGS, target=2e6, hard=True, limit=3e6, meter=("multiply-adds",))
    evaluation = hard.make_evaluation()
    assert (evaluation.reward.alpha, evaluation.reward.beta) == (0, -1)
    assert evaluation.reward.latency == evaluation.meter.metric == "multiply_adds"
    assert evaluation.limit == Limit("multiply_adds", 3e6)
    assert hard.make_evaluation(measure=False).reward is None
    with pytest.raises(ValueError, match=r"unknown name 'sundial'; installed meters are"):
        replace(SETTINGS, meter=("sundial",)).make_evaluation()
    with pytest.raises(InvalidData, match="no such path"):
        replace(SETTINGS, data="nowhere").make_evaluation()


def test_a_target_from_a_network_is_measured_once():
    settings = replace(SETTINGS, meter=("multiply-adds",), target_from="mnasnet-small")
    first = with_target(HERE, settings)
    network = load_genotype("mnasnet-small").build((8, 8, 1), 10)
    assert first.target == costs(network).multiply_adds
    replace(first, target=5.0).save(HERE)
    assert with_target(HERE, settings).target == 5
    assert with_target(HERE, replace(settings, target_from="mnasnet-a1")).target > first.target
    network.save("mine.keras")
    mine = replace(settings, target_from="mine.keras")
    assert with_target(HERE, mine).target == first.target
    with pytest.raises(ValueError, match=r"no reference network is called 'mnasnet-z9'.*MobileNet"):
        with_target(HERE, replace(settings, target_from="mnasnet-z9"))


def test_only_what_matters_is_told():
    assert "concurrency" not in as_text(SETTINGS)
    assert not as_text(SETTINGS).keys() & {"target", "hard", "meter"}
    assert as_text(replace(SETTINGS, host="nni", concurrency=3))["concurrency"] == 3
