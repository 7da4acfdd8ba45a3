"""A supernet learns, ranks by what it has learned, is kept, and starts plain children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from cellwright.plugins import Dataset, Recipe, Supernet, load_dataset
from cellwright.plugins.supernet.paths import fair, uniform
from cellwright.plugins.supernet.state import State
from cellwright.search_spaces import CorruptedState, NASNetSpace
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.nasnet.skeleton import Skeleton

SPACE = NASNetSpace(
    blocks=1,
    operations=("sep_3x3", "max_3x3", "identity"),
    skeleton=Skeleton.book(filters=8, reductions=1),
)
EPOCHS = 20
RECIPE = Recipe(batch_size=64, learning_rate=3e-3)
TRAIN = """
import sys
sys.path.insert(0, sys.argv[2])
from test_supernet import made
made(sys.argv[1]).train(int(sys.argv[3]), lambda epoch, loss: print("epoch", epoch, flush=True))
"""


def made(folder: str | Path | None = None, **others: object) -> Supernet:
    given: dict[str, object] = {"space": SPACE, "data": load_dataset("digits"), "recipe": RECIPE}
    return Supernet(folder=folder, **{**given, **others})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Supernet:
    supernet = made(tmp_path_factory.mktemp("supernet") / "kept")
    supernet.train(EPOCHS)
    return supernet


def children(number: int) -> list[dict[str, object]]:
    return [SPACE.sample(np.random.default_rng(k)) for k in range(number)]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="it is about TensorFlow")
def test_one_thread_between_operations_is_enough(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    given = {**os.environ, "TF_NUM_INTEROP_THREADS": "1"}
    command = [sys.executable, "-c", TRAIN, str(tmp_path), here, "1"]
    done = subprocess.run(
        command, env=given, capture_output=True, text=True, timeout=300, check=False
    )
    assert "epoch 0" in done.stdout, done.stderr


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="it is about TensorFlow")
@pytest.mark.parametrize(("side", "calls_branches"), [(8, True), (15, True), (16, False)])
def test_large_images_take_the_usual_executor(
    side: int, calls_branches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    used: list[str] = []
    executor = tf.experimental.function_executor_type
    monkeypatch.setattr(
        tf.experimental, "function_executor_type", lambda name: used.append(name) or executor(name)
    )
    monkeypatch.setattr(
        "cellwright.plugins.supernet.compiled._threads_between_operations", lambda: 2
    )
    rng = np.random.default_rng(0)
    x, y = rng.random((64, side, side, 1)).astype(np.float32), rng.integers(0, 2, 64)
    supernet = made(data=Dataset(x, y, x[:9], y[:9], ("a", "b")))
    supernet.train(1)
    supernet.score(children(1)[0])
    assert bool(used) == calls_branches


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_guessing_costs_what_the_best_answer_for_all_examples_costs(smoothing: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 8, 8, 1)).astype(np.float32), rng.choice(3, 60, p=[0.6, 0.3, 0.1])
    data = Dataset(x, y, x[:9], y[:9], ("a", "b", "c"))
    supernet = made(data=data, recipe=Recipe(label_smoothing=smoothing))
    labels = (1 - smoothing) * np.eye(3)[y] + smoothing / 3

    def loss(answer: np.ndarray) -> float:
        return float(-np.mean(labels @ np.log(answer)))

    assert supernet.guessing_loss == pytest.approx(loss(labels.mean(axis=0)))
    assert all(loss(rng.dirichlet([1, 1, 1])) >= supernet.guessing_loss for _ in range(200))


@pytest.mark.slow
def test_it_learns_and_scores_every_child(trained: Supernet) -> None:
    assert trained.epochs == EPOCHS
    assert trained.losses[-1] < trained.losses[0]
    scores = [trained.score(child)["shared_accuracy"] for child in children(8)]
    assert np.mean(scores) > 0.15, scores  # by chance one of ten classes
    assert scores == [trained.reward(child) for child in children(8)]


@pytest.mark.slow
def test_it_scores_on_fewer_examples(trained: Supernet) -> None:
    few, all_of_them = made(trained.folder, examples=100), made(trained.folder, examples=10_000)
    child = children(1)[0]
    assert all_of_them.reward(child) == trained.reward(child)
    score = few.reward(child)
    assert score * 100 == pytest.approx(round(score * 100))  # a share of a hundred
    assert score == made(trained.folder, examples=100).reward(child)
    assert abs(score - trained.reward(child)) < 0.2


@pytest.mark.slow
def test_a_child_that_starts_from_the_shared_weights_scores_the_same(trained: Supernet) -> None:
    data = load_dataset("digits")
    assert data.held_out is not None
    for params in children(2):
        child = SPACE.build(params, data.input_shape, data.classes, seed=3)
        layers = trained.start_child(child, params)
        assert layers == [layer.name for layer in child.layers if layer.weights]
        found = child.predict(data.held_out.x, verbose=0).argmax(axis=1)
        accuracy = float(np.mean(found == data.held_out.y))
        assert accuracy == pytest.approx(trained.reward(params), abs=1e-6)


@pytest.mark.slow
def test_it_is_taken_up_from_its_folder(trained: Supernet) -> None:
    again = made(trained.folder)
    assert again.epochs == EPOCHS
    assert [again.reward(child) for child in children(3)] == [
        trained.reward(child) for child in children(3)
    ]
    again.train(EPOCHS)  # it has had them
    assert again.losses == trained.losses


@pytest.mark.slow
def test_another_supernet_is_not_taken_up(trained: Supernet) -> None:
    with pytest.raises(CorruptedState, match="another seed: 0 there, and 1 here"):
        made(trained.folder, seed=1)
    with pytest.raises(CorruptedState, match="another recipe"):
        made(trained.folder, recipe=Recipe(batch_size=32))


def test_a_supernet_that_is_laid_out_otherwise_is_not_taken_up(tmp_path: Path) -> None:
    supernet = made()
    older = {name: fact for name, fact in supernet._facts.items() if name != "layout"}
    state = State.fresh([table[:, :, :-1] for table in supernet._state.tables])
    for facts in (older, {**older, "layout": "another"}):
        state.write(tmp_path / "supernet.npz", facts)
        with pytest.raises(CorruptedState, match=r"another version of Cellwright.*another folder"):
            made(tmp_path)


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "supernet.npz").write_bytes(b"no archive")
    with pytest.raises(CorruptedState, match=r"supernet\.npz is no supernet's"):
        made(tmp_path)


@pytest.mark.slow
def test_a_training_that_was_killed_gives_what_it_would_have_given(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", TRAIN, str(folder), str(Path(__file__).parent), "500"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "epoch 1\n":
                break
        process.send_signal(signal.SIGKILL)
    killed = made(folder)
    assert killed.epochs >= 2
    whole = made()
    whole.train(killed.epochs + 1)
    killed.train(killed.epochs + 1)
    assert killed.losses == whole.losses
    assert killed.reward(children(1)[0]) == whole.reward(children(1)[0])


def test_fair_paths_have_every_choice_once() -> None:
    space, rng = NASNetSpace(), np.random.default_rng(0)
    paths = np.array(fair(space, rng))
    assert paths.shape == (6, len(space.decisions))
    for position, decision in enumerate(space.decisions):
        times = np.bincount(paths[:, position], minlength=len(decision.choices))
        assert set(times) == {6 // len(decision.choices)}
    assert (np.array(fair(space, rng)) != paths).any()
    assert len(uniform(space, rng)) == 1


def test_a_step_changes_only_what_was_on_a_path() -> None:
    supernet = made()
    before = [table.copy() for table in supernet._state.tables]
    supernet.train(1)
    for table, old, steps in zip(
        supernet._state.tables, before, supernet._state.steps, strict=True
    ):
        changed = (table != old).any(axis=2)
        assert (changed <= (steps > 0)).all()
    assert sum(int(s.sum()) for s in supernet._state.steps) > 0


@pytest.mark.parametrize(
    ("others", "error", "said"),
    [
        ({"paths": "best"}, ValueError, "paths must be one of .*'uniform', 'fair'.*'best'"),
        ({"space": "nasnet"}, TypeError, "space must be a SearchSpace"),
        ({"data": None}, TypeError, "data must be"),
        ({"seed": -1}, ValueError, "seed"),
        ({"recalibration": 0}, ValueError, "recalibration"),
        ({"examples": 0}, ValueError, "examples"),
        ({"recipe": Recipe(patience=2)}, ValueError, "patience None, got 2"),
        ({"recipe": Recipe(precision="mixed_bfloat16")}, ValueError, "precision float32"),
        ({"options": {"filters": 0}}, UnbuildableChild, "filters"),
    ],
)
def test_what_does_not_go_is_refused(
    others: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        made(**others)


def test_what_cannot_be_scored_is_said() -> None:
    data = load_dataset("digits")
    assert isinstance(data, Dataset)
    with pytest.raises(ValueError, match="not trained yet"):
        made().score(children(1)[0])
    assert json.dumps(made()._facts)
