"""Arguments of strategies from every entrance: what a host is given reaches the strategy, and what
is refused is a ``ValueError`` that names the argument before the first child is trained."""

import json
import re

import pytest

from cellwright.plugins import MovingAverage, RollingWindow, make_strategy
from cellwright.search_spaces import CellwrightError, Decision, SearchSpace

PLAIN = SearchSpace([Decision("a", (1, 2, 3)), Decision("b", ("x", "y"))])


def optuna_sampler(**arguments):
    pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import NASNetRLSampler

    return NASNetRLSampler(PLAIN, **arguments).strategy


def nni_tuner(**arguments):
    pytest.importorskip("nni")
    from cellwright.adapters.nni_tuner import StrategyTuner

    return StrategyTuner("reinforce", space=PLAIN, **arguments).strategy


def named_nni_tuner(**arguments):
    pytest.importorskip("nni")
    from cellwright.adapters.nni_tuner import NASNetRLTuner

    return NASNetRLTuner(space=PLAIN, **arguments).strategy


def keras_oracle(**arguments):
    pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    return StrategyOracle("val_accuracy", strategy="reinforce", space=PLAIN, **arguments).strategy


def named_keras_oracle(**arguments):
    pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import NASNetRLOracle

    return NASNetRLOracle("val_accuracy", space=PLAIN, **arguments).strategy


def ray_searcher(**arguments):
    pytest.importorskip("ray.tune")
    from cellwright.adapters.ray_searcher import CellwrightSearch

    return CellwrightSearch(
        "reinforce", metric="val_accuracy", mode="max", space=PLAIN, **arguments
    ).strategy


def command_line(**arguments):
    from cellwright.command_line.options import settings_of

    seed = {"seed": arguments.pop("seed")} if "seed" in arguments else {}
    texts = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in arguments.items()
    ]
    settings = settings_of(strategy="reinforce", strategy_arg=texts, **seed)
    return make_strategy(
        settings.strategy, PLAIN, seed=settings.seed, **settings.strategy_arguments()
    )


ENTRANCES = [
    optuna_sampler, nni_tuner, named_nni_tuner, keras_oracle, named_keras_oracle, ray_searcher,
    command_line,
]  # fmt: skip
entrances = pytest.mark.parametrize("make", ENTRANCES)


@entrances
def test_arguments_reach_the_strategy(make):
    strategy = make(
        units=4, baseline={"window": 5}, standardise=False, exploration=0.25, cell="nas"
    )
    assert strategy.controller.units == 4
    assert isinstance(strategy.baseline, RollingWindow)
    assert strategy.baseline.size == 5
    assert (strategy.standardise, strategy.exploration) == (False, 0.25)
    assert isinstance(make(baseline="moving-average").baseline, MovingAverage)


@entrances
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"units": "many"}, "units must be an integer, at least 1, got 'many'"),
        ({"units": 0}, "units must be at least 1, got 0"),
        ({"cell": "gru"}, "cell must be one of lstm, nas, got 'gru'"),
        ({"baseline": "median"}, "baseline must be moving-average, rolling-window, constant, or"),
        ({"baseline": {"window": "long"}}, "size must be an integer, at least 2, got 'long'"),
        ({"learning_rate": "fast"}, "learning_rate must be a finite number, above 0, got 'fast'"),
        ({"standardise": "perhaps"}, "standardise must be true or false, got 'perhaps'"),
        ({"unitz": 3}, "unknown argument 'unitz'; the arguments are baseline, batch, cell"),
        ({"seed": True}, "seed must be an integer from 0, or None, got True"),
        ({"seed": "three"}, "seed must be an integer from 0, or None, got 'three'"),
    ],
)
def test_what_is_refused_is_named_with_what_is_allowed(make, arguments, words):
    # The command line names the option before.
    kind = CellwrightError if make is command_line else ValueError
    with pytest.raises(kind, match=re.escape(words)):
        make(**arguments)


@entrances
def test_a_search_starts_from_what_is_known_to_be_good(make):
    good = [{"a": 3, "b": "y"}, {"a": 1, "b": "x"}]
    if make is command_line:
        pytest.skip("it names files and genotypes: see test_start")
    strategy = make(start=good, seed=1)
    assert [strategy.ask(number) for number in range(2)] == good
    with pytest.raises(ValueError, match="a = 7 is not allowed"):
        make(start=[{"a": 7, "b": "y"}])


def test_the_books_controller_has_one_name_in_every_host(tmp_path):
    made = []
    if pytest.importorskip("keras_tuner"):
        from cellwright.adapters.keras_oracle import StrategyOracle

        made.append(StrategyOracle("val_accuracy", strategy="reinforce-book", space=PLAIN).strategy)
    if pytest.importorskip("nni"):
        import yaml

        from cellwright.adapters.nni_config import check_experiment
        from cellwright.adapters.nni_init import write_experiment
        from cellwright.adapters.nni_tuner import StrategyTuner

        arguments = {"entropy_weight": 1e-05, "baseline": {"decay": 1e-05}, "standardise": True}
        write_experiment(tmp_path, strategy="reinforce-book", space="mlp", arguments=arguments)
        check_experiment(tmp_path)
        config = yaml.safe_load((tmp_path / "config.yml").read_text())
        given = config["tuner"]["classArgs"]
        assert given["strategy"] == "reinforce-book"
        assert {name: given[name] for name in arguments} == arguments
        made.append(StrategyTuner("reinforce-book", space=PLAIN).strategy)
        with pytest.raises(ValueError, match="must not be called tune in an NNI experiment"):
            write_experiment(tmp_path / "b", strategy="reinforce", arguments={"tune": 1})
    from cellwright.command_line.options import settings_of

    made.append(settings_of(strategy="reinforce-book", space="mlp").make_strategy())
    for strategy in made:
        assert (strategy.batch, strategy.exploration, strategy.standardise) == (1, 0.5, False)
        assert (strategy.baseline.size, strategy.baseline.start) == (20, (0.1,))
