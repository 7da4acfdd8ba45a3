"""The last training of a network: what it leaves, how it goes on, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cellwright import MLPSpace, NASNetSpace, Recipe, TrainedModel
from cellwright.plugins.model import evaluate
from cellwright.search_spaces import CellwrightError, UnbuildableChild
from cellwright.searches.candidate import Candidate, Size, find_candidate, with_recipe
from cellwright.searches.final import train_final
from cellwright.searches.final_place import PLAN, TRAINING, is_finished
from cellwright.searches.sources import Sources, about_validation, load_all, load_test

# All that changes from epoch to epoch, or is drawn.
RECIPE = {"epochs": 4, "batch_size": 16, "augmentation": "shift+mixup", "warmup": 1,
          "learning_rate_schedule": "cosine", "label_smoothing": 0.1}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _untraced(untraced):
    """Networks of this file are trained step by step."""


@pytest.fixture
def images(tmp_path):
    """48 images of 8 x 8 pixels in three classes of other brightness, and 12 of a test."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (rng.integers(0, 60, (60, 8, 8)) + 90 * y[:, None, None]).astype(np.uint8)
    np.savez(tmp_path / "x.npz", x_train=x[:48], y_train=y[:48], x_test=x[48:], y_test=y[48:])
    return Sources(str(tmp_path / "x.npz"))


@pytest.fixture
def small(tmp_path):
    """A network with dropout, whose draws belong to its state."""
    space = MLPSpace(nodes=(12,), activations=("relu",), length=3)
    rng = np.random.default_rng(0)
    params = next(p for p in (space.sample(rng) for _ in range(99)) if "dropout" in str(p))
    (tmp_path / "small.json").write_text(json.dumps(space.describe(params)))
    candidate = find_candidate(str(tmp_path / "small.json"), None, Size())
    return with_recipe(candidate, RECIPE)


@pytest.mark.parametrize("size", [7, None, [1], "wide"])
def test_a_plan_whose_size_is_damaged_is_another_training(tmp_path, size):
    plan = {"network": {"space": "mlp", "params": {}, "size": {"filters": 8}}}
    file = tmp_path / TRAINING / PLAN
    file.parent.mkdir()
    file.write_text(json.dumps({"network": {**plan["network"], "size": size}}))
    with pytest.raises(CellwrightError, match=r"holds another training: filters was None and is"):
        is_finished(tmp_path, plan, overwrite=False)


class Stopped(BaseException):
    """In place of the end of a process."""


def stop_after(epoch, seed=0):
    def report(now, done, metrics):
        if (now, done) == (seed, epoch):
            raise Stopped

    return report


def weights(folder):
    return TrainedModel.load(folder).network.get_weights()


def test_what_was_stopped_goes_on_bit_for_bit(small, images, tmp_path):
    whole = train_final(small, images, tmp_path / "whole", seeds=2)
    for report in (stop_after(1), stop_after(3), stop_after(0, seed=1)):
        with pytest.raises(Stopped):
            train_final(small, images, tmp_path / "parts", seeds=2, report=report)
        assert not (tmp_path / "parts" / "model.json").exists()
    seen = []
    parts = train_final(small, images, tmp_path / "parts", seeds=2,
                        report=lambda seed, epoch, metrics: seen.append((seed, epoch)))  # fmt: skip
    assert seen == [(1, 0), (1, 1), (1, 2), (1, 3)]  # a report comes before its epoch is kept
    assert parts.outcomes == whole.outcomes
    for one, other in zip(weights(tmp_path / "parts"), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert sorted(file.name for file in (tmp_path / "parts").iterdir()) == [
        "model.json",
        "model.keras",
    ]
    again = train_final(small, images, tmp_path / "parts", seeds=2, report=stop_after(0))
    assert again.outcomes == whole.outcomes  # which trains nothing


def test_all_examples_are_trained_on_and_the_test_is_scored(small, images, tmp_path):
    found = train_final(small, images, tmp_path / "model", seeds=2)
    (outcome, _), made = found.outcomes, found.model.made
    assert len(outcome.history["loss"]) == 4
    assert outcome.metrics["loss"] == outcome.history["loss"][-1]
    assert "val_loss" not in outcome.metrics
    scores = evaluate(TrainedModel.load(tmp_path / "model"), images.data)
    assert scores.number == 12
    assert scores.metrics["accuracy"] == outcome.metrics["test_accuracy"]
    assert scores.metrics["loss"] == pytest.approx(outcome.metrics["test_loss"])
    accuracies = [each.metrics["test_accuracy"] for each in found.outcomes]
    assert found.spread("test_accuracy") == (np.mean(accuracies), np.std(accuracies, ddof=1))
    assert (found.kept, found.why) == (0, "the first one: nothing is held out by which to choose")
    assert made["recipe"]["augmentation"] == "shift+mixup"
    assert made["recipe"]["warmup"] == 1
    assert made["data"] == {"name": "x.npz", "fingerprint": load_all(images).fingerprint}
    assert str(tmp_path) not in (tmp_path / "model" / "model.json").read_text()


def test_a_last_training_computes_in_the_precision_of_its_recipe(small, images, tmp_path):
    """Rounding shows: the losses are near those in float32, and are not the same."""
    losses = {}
    for precision in ("float32", "mixed_bfloat16"):
        candidate = with_recipe(small, {"precision": precision, "epochs": 2})
        found = train_final(candidate, images, tmp_path / precision)
        losses[precision] = found.outcomes[0].history["loss"]
        assert found.model.made["recipe"]["precision"] == precision
        assert {layer.compute_dtype for layer in found.model.network.layers} == {"float32"}
    assert losses["mixed_bfloat16"] != losses["float32"]
    assert losses["mixed_bfloat16"] == pytest.approx(losses["float32"], rel=0.05)


def test_of_several_seeds_the_best_on_the_part_held_out_is_kept(small, images, tmp_path):
    held = replace(images, validation=0.25)
    found = train_final(small, held, tmp_path / "model", seeds=3)
    best = max(found.outcomes, key=lambda outcome: outcome.metrics["val_accuracy"])
    assert (found.kept, found.why) == (best.seed, "the highest validation accuracy")
    assert len(best.history["val_loss"]) == 4


def test_a_validation_part_of_the_data_s_own_is_said(images):
    assert about_validation(replace(images, validation=0.1)) == []
    with np.load(images.data) as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    np.savez(images.data, x_train=x[6:], y_train=y[6:], x_val=x[:6], y_val=y[:6])
    held = replace(images, validation=0.5)
    assert load_all(held).held_out.number == 6
    assert "have a validation part of their own" in about_validation(held)[0]
    assert load_all(images).train.number == 48


def test_another_training_is_not_gone_on_with(small, images, tmp_path):
    out = tmp_path / "model"
    with pytest.raises(Stopped):
        train_final(small, images, out, report=stop_after(1))
    longer = with_recipe(small, {"epochs": 5})
    with pytest.raises(CellwrightError, match=r"another training: epochs was 4 and is now 5\. Giv"):
        train_final(longer, images, out)
    with pytest.raises(CellwrightError, match="validation was None and is now"):
        train_final(small, replace(images, validation=0.5), out)
    train_final(small, images, out)
    with pytest.raises(CellwrightError, match="epochs was 4 and is now 5"):
        train_final(longer, images, out)
    with pytest.raises(Stopped):
        train_final(longer, images, out, overwrite=True, report=stop_after(2))
    assert TrainedModel.load(out).made["recipe"]["epochs"] == 4  # until there is another
    seen = []
    train_final(longer, images, out, overwrite=True, report=lambda *told: seen.append(told[1]))
    assert seen == [2, 3, 4]
    assert TrainedModel.load(out).made["recipe"]["epochs"] == 5
    with np.load(images.data) as arrays:
        np.savez(images.data, **{**arrays, "x_train": arrays["x_train"][::-1]})
    with pytest.raises(CellwrightError, match="another training: the data are others"):
        train_final(longer, images, out)


def test_a_training_that_runs_is_not_disturbed(small, images, tmp_path):
    def report(seed, epoch, metrics):
        with pytest.raises(CellwrightError, match="another process trains in"):
            train_final(small, images, tmp_path / "model")

    train_final(small, images, tmp_path / "model", report=report)


def test_cells_take_a_skeleton_drop_path_and_a_second_classifier(tmp_path):
    rng, space = np.random.default_rng(0), NASNetSpace(blocks=1, operations=("max_3x3", "identity"))
    (tmp_path / "cell.json").write_text(json.dumps(space.describe(space.sample(rng))))
    x, y = rng.random((24, 32, 32, 3), dtype=np.float32), np.arange(24) % 2
    np.savez(tmp_path / "x.npz", x=x, y=y)
    size = Size("cifar", 1, 4, drop_path=0.4, auxiliary=True)
    candidate = find_candidate(str(tmp_path / "cell.json"), None, size)
    candidate = with_recipe(candidate, {"epochs": 1, "batch_size": 12, "label_smoothing": 0.1})
    network = candidate.build((32, 32, 3), 2, 0, 7)
    assert set(network.output) == {"classes", "auxiliary"}
    assert network.get_layer("progress").steps == 7
    found = train_final(candidate, Sources(str(tmp_path / "x.npz")), tmp_path / "model")
    layers = {type(layer).__name__ for layer in found.model.network.layers}
    assert not layers & {"DropPath", "Progress"}
    assert not any("auxiliary" in layer.name for layer in found.model.network.layers)
    assert found.model.outputs(x).shape == (24, 2)
    assert found.model.made["size"]["drop_path"] == 0.4


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (Size(repeats=2), "--repeats: for networks of cells, and .*small.json has none"),
        (Size(drop_path=0.1), "--drop-path: for networks of cells"),
        (Size(filters=3), "--filters is for convolutions"),
    ],
)
def test_sizes_that_a_network_cannot_have_are_refused(size, told, small, tmp_path):
    with pytest.raises(CellwrightError, match=told):
        find_candidate(str(tmp_path / "small.json"), None, size)


def test_edge_cells_are_repeated_and_have_no_auxiliary_head(tmp_path):
    (tmp_path / "edges.json").write_text(json.dumps({"edges": [["nor_conv_1x1"]]}))
    candidate = find_candidate(str(tmp_path / "edges.json"), None, Size(repeats=2, filters=4))
    network = candidate.build((8, 8, 1), 3, 0, 7)
    assert sum("_edge_01_nor_conv_1x1_convolution" in layer.name for layer in network.layers) == 6
    with pytest.raises(CellwrightError, match="--auxiliary: for networks of normal and reduction"):
        find_candidate(str(tmp_path / "edges.json"), None, Size(auxiliary=True))


def test_values_out_of_range_are_refused(small, images, tmp_path):
    for wrong in ({"repeats": 0}, {"filters": -1}, {"drop_path": 1.0}, {"skeleton": "sifar"}):
        with pytest.raises(CellwrightError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
            Size(**wrong)
    with pytest.raises(CellwrightError, match="--validation is the share to hold out"):
        Sources("digits", validation=1.5)
    with pytest.raises(CellwrightError, match="--learning-rate must be above 0"):
        with_recipe(small, {"learning_rate": -1})
    with pytest.raises(CellwrightError, match="--seeds must be at least 1, got 0"):
        train_final(small, images, tmp_path / "model", seeds=0)
    assert not (tmp_path / "model").exists()


def test_a_test_with_other_classes_is_refused_before_the_training(images, tmp_path):
    np.savez(tmp_path / "t.npz", x=np.zeros((2, 8, 8), np.uint8), y=[0, 7])
    sources = replace(images, test=str(tmp_path / "t.npz"))
    with pytest.raises(CellwrightError, match=r"t.npz': label 'y' holds '7' in 1 of 2 rows"):
        load_test(sources, load_all(sources))


def test_what_cannot_be_built_is_no_crash(images, tmp_path):
    candidate: Candidate = find_candidate("nasnet-a", None, Size("imagenet-large"))
    candidate = replace(candidate, recipe=Recipe(epochs=1))
    with pytest.raises(UnbuildableChild, match="too small"):
        train_final(candidate, images, tmp_path / "model")
