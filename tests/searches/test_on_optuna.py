"""A search of the command line that Optuna drives."""

import pytest

from cellwright.searches import on_optuna
from cellwright.searches.folder import read_settings
from cellwright.searches.settings import Settings

pytestmark = pytest.mark.usefixtures("untraced")


def test_every_child_is_trained_to_its_end_as_in_the_other_hosts(tmp_path):
    """Optuna's default pruner would end the worse half of the children after the fifth."""
    settings = Settings(
        host="optuna", strategy="random", space="mlp", data="wine", trials=14, epochs=3,
        batch_size=512, learning_rate=1e-3, filters=None, seed=0, storage=None, concurrency=1,
    )  # fmt: skip
    settings.save(tmp_path)
    epochs = []
    on_optuna.search(
        tmp_path,
        settings,
        settings.make_evaluation(),
        lambda trial: None,
        lambda number, epoch, metrics: epochs.append((number, epoch)),
    )
    assert epochs == [(number, epoch) for number in range(14) for epoch in range(3)]
    told = on_optuna.read(tmp_path, read_settings(tmp_path))
    assert [trial.state for trial in told] == ["complete"] * 14
    for trial in told:
        assert [epoch for epoch, _ in trial.curves["reward"]] == [1, 2, 3]
        assert trial.curves["reward"][-1][1] == trial.reward
