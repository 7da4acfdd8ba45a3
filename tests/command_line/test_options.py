"""Options and settings go together: an option costs a line in each of two files."""

import inspect
from dataclasses import fields
from pathlib import Path

from cellwright.command_line.options import settings_of
from cellwright.searches.settings import Settings

# Settings that `settings_of` has no option for, and why.
WITHOUT = {
    "host": "--host is an option of `search` alone; `nni-init` has but one host",
    "storage": "likewise",
    "study": "likewise",
    "concurrency": "`search` and `nni-init` have different defaults",
    "confirm": "an option of `search` alone, which trains the children again itself",
    "deadline": "the estimators set it",
    "edition": "a search that goes on keeps its own",
    "prior": "what the runs of --after found",
    "shared": "what the supernet of --supernet says of children",
    "track": "an option of `search` alone; a trial script is given `on_trial` by hand",
}


def test_every_setting_has_an_option():
    settings = {field.name for field in fields(Settings)}
    options = inspect.signature(settings_of).parameters.keys()
    missing = settings - options - WITHOUT.keys()
    assert not missing, f"add the options {sorted(missing)} to `settings_of`, or say why not here"
    assert options <= settings, "an option that is no setting is not kept, and not compared"
    assert WITHOUT.keys() <= settings - options, "take what has an option off the list"


def test_every_option_reaches_its_setting(capsys):
    given = {
        "strategy": "random", "space": "mlp", "data": "wine", "label": "a", "task": "regression",
        "class_weight": "balanced", "image_size": "64x48", "color": "gray", "image_fit": "crop",
        "strict": True, "stream": True, "trials": 3, "epochs": 9, "schedule": "halving",
        "factor": 2, "batch_size": 7, "learning_rate": 0.5, "devices": 7, "filters": 5, "seed": 11,
        "precision": "mixed_bfloat16", "augmentation": "shift", "weight_decay": 0.01,
        "learning_rate_schedule": "cosine", "warmup": 1, "label_smoothing": 0.1,
        "clip_norm": 1.0, "patience": 4, "target": 2.5, "hard": True, "limit": 3.5,
    }  # fmt: skip
    settings, settings_of_given = settings_of(**given), given.keys()
    assert {name: getattr(settings, name) for name in given} == given
    others = {
        "drop": "b,c", "tune": ["batch_size=8,16"], "target_from": "mnasnet-a1",
        "objectives": "val_accuracy,parameters", "reward": "accuracy,power=2",
        "one_shot": True, "weights": Path("w.keras"), "meter": ["size", "litert-int8, threads=2"],
    }  # fmt: skip
    population = settings_of(schedule="pbt", tune=["batch_size=8,16"], population=5, step=2)
    assert (population.population, population.step) == (5, 2)
    plain = settings_of()
    for name, value in others.items():
        assert getattr(settings_of(**{name: value}), name) != getattr(plain, name)
    options = inspect.signature(settings_of).parameters.keys()
    given = settings_of(strategy="reinforce", strategy_arg=["units=8", "baseline={window: 5}"])
    assert given.strategy_arg == {"units": 8, "baseline": "{window: 5}"}
    begun = settings_of(space="darts", start="darts-v1, darts-v2")
    assert begun.start == ("darts-v1", "darts-v2")
    settings_of(space="nasnet-published", start="nasnet-a").strategy_arguments()
    assert capsys.readouterr().err.count("starts from the nearest one") == 1
    assert settings_of(after=["one", "other"]).after == ("one", "other")
    shared = settings_of(supernet=9, shared_trials=8, shared_best=7, supernet_folder=Path("s"))
    assert (shared.supernet, shared.shared_trials, shared.shared_best) == (9, 8, 7)
    assert shared.supernet_folder == str(Path("s").resolve())
    assert settings_of(supernet=9, shared_examples=6).shared_examples == 6
    # The first is tested in tests/searches/test_prediction.py.
    tested = {"predict", "strategy_arg", "population", "step", "start", "after"}
    tested |= {"supernet", "supernet_folder", "shared_trials", "shared_best", "shared_examples"}
    assert options - settings_of_given - others.keys() == tested
