"""A search in which nobody asks for a decision ends with the first trial."""

import keras
import keras_tuner as kt
import numpy as np
import pytest
from keras_tuner.engine.trial import Trial

from cellwright.adapters.keras_asked import NothingSearched
from cellwright.adapters.keras_decisions import read_params
from cellwright.adapters.keras_oracle import StrategyOracle, architecture
from cellwright.search_spaces import Decision, SearchSpace, SpaceMismatch

SPACE = SearchSpace(
    [
        Decision("kernel", (1, 3, 5)),
        Decision("pool", ("max", "mean")),
        Decision("stride", (1, 2), when={"pool": "max"}),
    ]
)


def oracle(trials=3, **kwargs):
    kwargs = {"strategy": "random", "space": SPACE, "seed": 0, **kwargs}
    return StrategyOracle(kt.Objective("score", "max"), trials, **kwargs)


class Asking(kt.engine.base_tuner.BaseTuner):
    """Calls ``ask`` with the ``hp`` of each trial, and trains nothing."""

    def __init__(self, *args, ask=lambda hp: None, **kwargs):
        super().__init__(*args, **kwargs)
        self.ask = ask

    def run_trial(self, trial, *args, **kwargs):
        self.ask(trial.hyperparameters)
        return 0.5


def search(path, ask=lambda hp: None, *, mine=None, **kwargs):
    tuner = Asking(mine or oracle(), directory=str(path), project_name="p", ask=ask, **kwargs)
    tuner.search(verbose=0)
    return tuner.oracle


@pytest.mark.parametrize("trials", [1, 3, None])
def test_a_search_in_which_nothing_is_asked_ends_with_the_first_trial(tmp_path, trials):
    mine = oracle(trials)
    with pytest.raises(NothingSearched, match=r"none of the 3 decisions.*architecture\(hp, space"):
        search(tmp_path, mine=mine)
    assert list(mine.trials) == ["0" if trials else "0000"]
    assert mine.record() == []
    again = oracle(3)  # with the call that was missing
    search(tmp_path, lambda hp: architecture(hp, SPACE), mine=again)
    assert [(told.number, told.reward) for told in again.record()] == [(i, 0.5) for i in range(3)]


def own(hp):
    hp.Int("units", 8, 64)
    hp.Choice("activation", ["relu", "gelu"])
    return hp["units"], hp.get("activation"), hp.values["units"], "units" in hp


@pytest.mark.parametrize("new", [{}, {"tune_new_entries": False}])
def test_hyperparameters_of_ones_own_do_not_count(tmp_path, new):
    message = r"architecture\(hp, space\).*\['units', 'activation'\] alone are drawn at random"
    with pytest.raises(NothingSearched, match=message):
        search(tmp_path, own, mine=oracle(**new), hypermodel=own)


@pytest.mark.parametrize(
    "ask",
    [
        lambda hp: architecture(hp, SPACE),
        lambda hp: architecture(hp.copy(), SPACE),
        lambda hp: read_params(hp.values, SPACE),
        lambda hp: [hp[name] for name in ("kernel", "pool", "stride")],
        lambda hp: [hp.get(name) for name in ("kernel", "pool", "stride")],
        lambda hp: [hp.values.get(name) for name in ("kernel", "pool", "stride")],
        lambda hp: dict(hp.values),
        lambda hp: {**hp.values},
        lambda hp: list(hp.values.items()),
        lambda hp: hp.Choice("kernel", [1, 3, 5]) + len(hp.Choice("pool", ["max", "mean"])),
    ],
)
def test_every_way_to_ask_counts(tmp_path, ask):
    assert len(search(tmp_path, ask).record()) == 3


def test_decisions_that_are_asked_for_in_fit_alone_count(tmp_path):
    class Late(kt.HyperModel):
        def build(self, hp):
            return small()

        def fit(self, hp, model, *args, **kwargs):
            return {"score": float(architecture(hp, SPACE)["kernel"])}

    mine = oracle()
    kt.Tuner(mine, Late(), directory=str(tmp_path), project_name="p").search(verbose=0)
    assert len(mine.record()) == 3


def small(units=2):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    return model


def test_what_tensorboard_reads_does_not_count(tmp_path):
    """Keras Tuner reads every value to write it down for a callback of TensorBoard."""
    mine = StrategyOracle("loss", 2, strategy="random", space=SPACE, seed=0)
    tuner = kt.Tuner(
        mine, lambda hp: small(hp.Int("units", 1, 4)), directory=str(tmp_path), project_name="p"
    )
    board = keras.callbacks.TensorBoard(str(tmp_path / "board"))
    with pytest.raises(NothingSearched, match="'units'"):
        tuner.search(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0, callbacks=[board])
    assert mine.record() == []


def test_decisions_that_are_left_out_are_said_once(tmp_path, caplog):
    def ask(hp):
        if hp["pool"] == "max":
            hp.get("stride")

    search(tmp_path, ask)
    (said,) = caplog.messages
    assert "trial 0 did not ask for 1 of the decisions that have an effect on it" in said
    assert said.endswith("kernel")


def test_a_hyperparameter_with_the_name_of_a_decision_is_refused(tmp_path):
    def build(hp):
        architecture(hp, SPACE)
        hp.Int("kernel", 1, 7)

    with pytest.raises(SpaceMismatch, match=r"kernel is a decision.*another name"):
        kt.Tuner(oracle(), build, directory=str(tmp_path), project_name="p")


@pytest.mark.parametrize("asks", [True, False])
def test_a_chief_cannot_see_what_its_workers_ask_for_and_says_so(tmp_path, caplog, asks):
    """A worker sends its trial back over gRPC, as a new object."""
    mine = oracle()
    build = (lambda hp: architecture(hp, SPACE)) if asks else (lambda hp: None)
    kt.engine.base_tuner.BaseTuner(mine, build, directory=str(tmp_path), project_name="p")
    for _ in range(2):
        trial = mine.create_trial("tuner0")
        mine.update_trial(trial.trial_id, {"score": 0.5})
        trial.status = "COMPLETED"
        mine.end_trial(Trial.from_proto(trial.to_proto()))
    assert len(mine.record()) == 2
    assert [said.split(" of ")[0] for said in caplog.messages] == (
        [] if asks else ["the hypermodel that this script builds asks for no decision"]
    )
