"""One-shot weights: what children start from, what they leave, and several processes at once."""

import json
import subprocess
import sys

import numpy as np
import pytest

from cellwright.plugins import Evaluation, Recipe, WeightBank
from cellwright.plugins.data.dataset import Dataset
from cellwright.plugins.training.checkpoints import Checkpoint
from cellwright.search_spaces import ConvNetSpace, Decision, JointSpace, MLPSpace, NASNetSpace

keras = pytest.importorskip("keras")

SPACE = MLPSpace(length=4)


def mlp(*tokens, features=5, seed=0, classes=3):
    params = SPACE.from_tokens((*tokens, 30))
    model = SPACE.build(params, (features,), classes, seed=seed)
    return model, SPACE.shared_weights(params, model)


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def table(features=5):
    x = np.random.default_rng(0).normal(size=(60, features)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)
    return Dataset(x, y, x[:30], y[:30], ("a", "b", "c"))


def test_keys_are_the_layer_before_and_this_one_without_dropout():
    assert mlp(15, 29, 28)[1] == {
        "layer_1_dense": "input > 64 relu",
        "layer_3_dense": "64 relu > 512 elu",
        "classes": "512 elu > output",
    }
    assert mlp(15, classes=None)[1] == {
        "layer_1_dense": "input > 64 relu",
        "value": "64 relu > output",
    }


def test_layers_of_the_same_key_start_from_what_was_kept(tmp_path):
    bank = WeightBank(tmp_path / "bank")
    first, keys = mlp(15, 29, 28)
    assert bank.start(first, keys) == []
    bank.keep(first, keys)
    second, others = mlp(15, 28, 7, seed=1)
    fresh = second.get_layer("layer_3_dense").get_weights()
    assert bank.start(second, others) == ["layer_1_dense", "layer_2_dense"]
    for mine, theirs in (("layer_1_dense", "layer_1_dense"), ("layer_2_dense", "layer_3_dense")):
        assert equal(second.get_layer(mine).get_weights(), first.get_layer(theirs).get_weights())
    assert equal(second.get_layer("layer_3_dense").get_weights(), fresh)


def test_weights_of_another_shape_are_left_alone(tmp_path):
    bank = WeightBank(tmp_path)
    first, keys = mlp(15, features=5)
    bank.keep(first, keys)
    second, keys = mlp(15, features=6, seed=1)
    before = second.get_layer("layer_1_dense").get_weights()
    assert bank.start(second, keys) == ["classes"]
    assert equal(second.get_layer("layer_1_dense").get_weights(), before)


def test_cells_share_by_position_and_operation(tmp_path):
    space = NASNetSpace(blocks=1, operations=("sep_3x3", "max_3x3"))
    bank = WeightBank(tmp_path)
    params = {name: space.decisions[place].choices[0] for place, name in enumerate(space.names)}
    other = {**params, "normal/1/operation_2": "max_3x3"}
    models = [
        space.build(p, (8, 8, 1), 3, seed=n, filters=2) for n, p in enumerate((params, other))
    ]
    bank.keep(models[0], space.shared_weights(params, models[0]))
    started = bank.start(models[1], space.shared_weights(other, models[1]))
    assert any("cell_1_normal_block_1_left_sep_3x3" in name for name in started)
    assert any("normalisation" in name or "norm" in name for name in started)
    assert "classes" in started
    for name in started:
        one, two = (model.get_layer(name).get_weights() for model in models)
        assert equal(one, two)


def test_cells_share_the_convolutions_that_repair_them(tmp_path):
    space = NASNetSpace(blocks=2, operations=("sep_3x3", "max_3x3"), combinations=("concat",))
    bank = WeightBank(tmp_path)
    rng = np.random.default_rng(0)
    for seed in range(2):
        params = space.sample(rng)
        model = space.build(params, (8, 8, 1), 3, seed=seed, filters=2, reductions=0)
        started = bank.start(model, space.shared_weights(params, model))
        bank.keep(model, space.shared_weights(params, model))
    assert {
        f"cell_1_normal_{part}repair_pointwise" for part in ("", "block_1_", "block_2_")
    } <= set(started)


def test_a_child_of_an_evaluation_starts_where_the_last_one_ended(tmp_path):
    bank = WeightBank(tmp_path)
    recipe = Recipe(epochs=2, batch_size=16, learning_rate=0.01)
    params = SPACE.from_tokens((15, 29, 7, 30))
    _, plain = Evaluation(SPACE, table(), recipe).run(params)
    _, first = Evaluation(SPACE, table(), recipe, weights=bank).run(params)
    assert equal(first.get_weights(), plain.get_weights())  # an empty bank changes nothing
    losses = []
    evaluation = Evaluation(SPACE, table(), recipe, weights=bank)
    evaluation.run(params, lambda _, metrics: losses.append(metrics["loss"]))
    begun = SPACE.build(params, (5,), 3)
    assert bank.start(begun, SPACE.shared_weights(params, begun))
    assert not equal(begun.get_weights(), first.get_weights())  # the second child went on from it
    assert losses[0] < plain.history.history["loss"][0]


def test_a_joint_space_shares_as_its_architecture_does():
    joint = JointSpace(SPACE, Decision("batch_size", (16, 32)))
    model, keys = mlp(15, 29, 28)
    params = {**SPACE.from_tokens((15, 29, 28, 30)), "batch_size": 16}
    assert joint.shared_weights(params, model) == keys


def test_a_space_that_does_not_say_is_refused(tmp_path):
    space = ConvNetSpace(layers=1)
    x = np.zeros((4, 8, 8, 1), np.float32)
    data = Dataset(x, np.arange(4) % 2, x, np.arange(4) % 2, ("a", "b"))
    for refused in (space, JointSpace(space, Decision("batch_size", (16, 32)))):
        with pytest.raises(ValueError, match=r"ConvNetSpace.* does not say which layers share"):
            Evaluation(refused, data, Recipe(1), weights=WeightBank(tmp_path))


def test_a_bank_does_not_go_with_checkpoints_or_a_schedule(tmp_path):
    bank = WeightBank(tmp_path / "bank")
    with pytest.raises(ValueError, match="do not go with a schedule or checkpoints"):
        Evaluation(SPACE, table(), Recipe(1), weights=bank, checkpoints=tmp_path)
    evaluation = Evaluation(SPACE, table(), Recipe(1), weights=bank)
    params = SPACE.from_tokens((15, 30))
    for given in ({"epochs": 2}, {"checkpoint": Checkpoint(tmp_path / "child.npz")}):
        with pytest.raises(ValueError, match="do not go with a schedule or checkpoints"):
            evaluation.run(params, **given)
    assert not bank.folder.exists()


def test_the_layers_that_began_with_shared_weights_are_counted(tmp_path):
    recipe = Recipe(epochs=1, batch_size=16)
    evaluation = Evaluation(SPACE, table(), recipe, weights=WeightBank(tmp_path))
    found = [
        evaluation.run(SPACE.from_tokens(tokens))[0]["shared_layers"]
        for tokens in ((15, 29, 7, 30), (15, 3, 30), (1, 2, 30), (15, 29, 7, 30))
    ]
    assert found == [0, 1, 0, 3]  # the first layer, and all of a network that was trained before
    metrics, _ = Evaluation(SPACE, table(), recipe).run(SPACE.from_tokens((15, 30)))
    assert "shared_layers" not in metrics


def test_a_damaged_file_means_fresh_weights(tmp_path, caplog):
    bank = WeightBank(tmp_path)
    bank.write("key", [np.ones(3)])
    (file,) = tmp_path.glob("*.npz")
    for content in (b"", b"no zip", file.read_bytes()[:-30]):
        file.write_bytes(content)
        assert bank.read("key") is None
        assert "fresh weights" in caplog.text
    bank.write("key", [np.ones(3)])
    assert equal(bank.read("key"), [np.ones(3)])


def test_the_oldest_files_go_when_there_are_too_many(tmp_path):
    bank = WeightBank(tmp_path, megabytes=0.05)
    model, _ = mlp(28)
    for name in ("a", "b", "c", "d"):
        bank.write(name, [np.zeros(2000)])  # 16 kB each
    bank.keep(model, {"classes": "new"})
    assert bank.read("a") is None
    assert bank.read("new") is not None
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 50_000
    with pytest.raises(ValueError, match="megabytes"):
        WeightBank(tmp_path, megabytes=0)


WORKER = """
import json, sys
import numpy as np
from cellwright.plugins.training.weight_bank import WeightBank
bank, me, torn, read = WeightBank(sys.argv[1]), float(sys.argv[2]), 0, 0
for turn in range(150):
    found = bank.read("shared")
    if found is not None:
        read += 1
        values = {value for array in found for value in np.unique(array)}
        torn += len(values) != 1 or [array.shape for array in found] != [(300, 20), (20,)]
    bank.write("shared", [np.full((300, 20), me), np.full(20, me)])
print(json.dumps({"torn": torn, "read": read}))
"""


def test_processes_never_see_half_of_what_another_wrote(tmp_path):
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    told = [worker.communicate(timeout=120) for worker in workers]
    for worker, (out, err) in zip(workers, told, strict=True):
        assert worker.returncode == 0, err
        found = json.loads(out)
        assert found["torn"] == 0
        assert found["read"] >= 149
        assert "cannot be read" not in err
    assert len(list(tmp_path.iterdir())) == 1  # one file, and nothing half-written beside it
