"""``cellwright search --reward``: by name, with arguments, and refused before any training."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cellwright.command_line.options import settings_of
from cellwright.plugins import AccuracyReward, MnasNetReward
from cellwright.search_spaces import CellwrightError
from cellwright.searches.folder import continue_or_start, read_settings
from cellwright.searches.hosts import driver_of
from cellwright.searches.reward import read_reward, split_named

SETTINGS = settings_of(strategy="random", trials=2, epochs=1)
MODULE = """
from cellwright.plugins import Reward

class Small(Reward):
    def __init__(self, per=1e6):
        self.per = per
    def __call__(self, metrics):
        return metrics["val_accuracy"] - metrics["parameters"] / self.per

class Absent(Reward):
    def __call__(self, metrics):
        return metrics["moons"]

def number():
    return 5
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "rewards_of_a_user.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_arguments_are_numbers_booleans_and_words():
    assert split_named("loss", "--reward") == ("loss", {})
    text = " accuracy, metric=best_val_accuracy, power=3 , a=1e-2, b=true"
    arguments = {"metric": "best_val_accuracy", "power": 3, "a": 0.01, "b": True}
    assert split_named(text, "--reward") == ("accuracy", arguments)
    reward = read_reward("accuracy,metric=best_val_accuracy,power=3")
    assert isinstance(reward, AccuracyReward)
    assert (reward.metric, reward.power) == ("best_val_accuracy", 3)
    hard = read_reward("mnasnet-hard,target=2.5")
    assert isinstance(hard, MnasNetReward)
    assert (hard.target, hard.alpha, hard.beta) == (2.5, 0, -1)
    assert read_reward("rewards_of_a_user:Small,per=2e6").per == 2e6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("acuracy", r"unknown name 'acuracy'; installed rewards are .*Did you mean 'accuracy'\?"),
        ("", "a name was expected"),
        ("accuracy,power", r"such as accuracy,metric=best_val_accuracy,power=3; got 'accuracy,p"),
        ("accuracy,power=", "such as accuracy"),
        ("accuracy,power=1,power=2", "each once"),
        ("accuracy,2=3", "such as accuracy"),
        ("accuracy,powr=3", "reward 'accuracy' cannot be made so: .*powr"),
        ("accuracy,power=0", "power must be above 0"),
        ("mnasnet", "cannot be made so: .*target"),
        ("rewards_of_a_user:number", "gives a int, not a Reward"),
    ],
)
def test_a_reward_that_is_none_is_refused_at_once(text, words):
    with pytest.raises((ValueError, CellwrightError), match=words):
        settings_of(reward=text)


@pytest.mark.parametrize("target", [{"target": 2.5}, {"target_from": "mnasnet-a1"}])
def test_a_reward_beside_a_target_is_refused(target):
    with pytest.raises(CellwrightError, match="both say how accuracy is weighed: give one"):
        settings_of(reward="accuracy", **target)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"reward": "accuracy", "data": "diabetes", "space": "mlp"}, "'val_accuracy' is missing"),
        ({"reward": "mnasnet,target=2"}, "'latency_ms' is missing.*Give the --meter"),
        ({"reward": "mnasnet,target=2", "meter": ("size",)}, "'latency_ms' is missing"),
        ({"reward": "rewards_of_a_user:Absent"}, "metric 'moons' is missing; measured are .*loss"),
    ],
)
def test_a_reward_that_needs_what_nothing_measures_is_refused(settings, words):
    with pytest.raises(CellwrightError, match=words):
        replace(SETTINGS, **settings).make_evaluation()


def test_a_reward_weighs_what_is_measured():
    evaluation = replace(SETTINGS, reward="rewards_of_a_user:Small,per=1000").make_evaluation()
    assert evaluation.reward({"val_accuracy": 0.5, "parameters": 100.0}) == pytest.approx(0.4)
    sized = replace(SETTINGS, reward="mnasnet,target=5,latency=size_bytes", meter=("size",))
    assert sized.make_evaluation().reward.latency == "size_bytes"
    assert sized.make_evaluation(measure=False).reward is None
    numbers = replace(SETTINGS, reward="loss", data="diabetes", space="mlp", filters=None)
    assert numbers.make_evaluation().reward({"val_loss": 0.5}) == -0.5


def test_the_reward_is_kept_and_files_from_before_lack_it():
    settings = replace(SETTINGS, reward="accuracy,power=3")
    settings.save(Path("."))
    assert read_settings(Path(".")) == settings
    with pytest.raises(CellwrightError, match="--reward was 'accuracy,power=3' and is now None"):
        continue_or_start(Path("."), SETTINGS)
    before = {name: value for name, value in asdict(SETTINGS).items() if name != "reward"}
    Path("settings.json").write_text(json.dumps(before))
    assert read_settings(Path(".")) == SETTINGS


def test_a_trial_script_makes_the_same_reward():
    pytest.importorskip("nni")
    settings = replace(SETTINGS, host="nni", reward="rewards_of_a_user:Small,per=3000")
    evaluation = settings.make_evaluation()
    driver_of("nni").write(Path("experiment"), settings, evaluation, overwrite=False)
    script = Path("experiment/trial.py").read_text()
    assert 'reward=make_reward("rewards_of_a_user:Small", per=3000)' in script
    assert "make_reward" in script.partition("if __name__")[0]  # imported


def test_a_trial_script_makes_the_same_meters():
    pytest.importorskip("nni")
    meters = ("cellwright.plugins:Int8Accuracy,threads=2", "size,metric=weights_bytes,bits=8")
    settings = replace(
        SETTINGS, host="nni", meter=meters, reward="accuracy,metric=accuracy_int8", limit=1e6
    )
    evaluation = settings.make_evaluation()
    driver_of("nni").write(Path("experiment"), settings, evaluation, overwrite=False)
    script = Path("experiment/trial.py").read_text()
    made = {}
    exec(script.replace('"__main__":\n', "__name__:\n").partition("    # best/")[0], made)
    assert made["evaluation"].meter == list(evaluation.meter)
    assert made["evaluation"].limit == evaluation.limit
    assert made["evaluation"].limit.metric == "weights_bytes"  # the first cost, not the accuracy
    assert made["evaluation"].fingerprint == evaluation.fingerprint
