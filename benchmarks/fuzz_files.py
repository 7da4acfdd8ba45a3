"""The files of ours that a search or a training leaves, and the readers that must name them where
they are damaged."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from benchmarks.fuzz_damage import Door
from cellwright.plugins.checked import read_as
from cellwright.plugins.meters.latency_table import LatencyTable
from cellwright.plugins.meters.measurement import Measurement
from cellwright.plugins.supernet.state import State
from cellwright.plugins.supernet.state import read as read_state
from cellwright.plugins.training.best_child import read_best
from cellwright.search_spaces import (
    ConvNetSpace,
    EdgeCellSpace,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
    load_genotype,
)
from cellwright.search_spaces.identity import brief
from cellwright.search_spaces.pieces import Piece
from cellwright.searches.final import Outcome
from cellwright.searches.final_place import ANEW, PLAN, TRAINING, is_finished
from cellwright.searches.folder import read_settings
from cellwright.searches.settings import KeptScore, Settings, as_text


def doors(folder: Path) -> list[Door]:
    """The doors of these files; ``folder`` is used to make some."""
    return [
        _settings(), _best(), _outcome(), _plan(), _latency(folder), _supernet(folder),
        *_genotypes(),
    ]  # fmt: skip


def _settings() -> Door:
    whole = Settings("optuna", "auto", "nasnet", "digits", 5, 2, 32, 1e-3, 4, 0, None, 1)
    whole = replace(whole, supernet=5, shared=(KeptScore((0,) * 50, 0.5, 0.5),))

    def read(folder: Path) -> str:
        settings = read_settings(folder)
        as_text(settings)
        return "" if isinstance(settings.epochs, int) and settings.learning_rate < 9e999 else "type"

    return Door("settings.json", "settings.json", json.dumps(asdict(whole)).encode(), read, 2)


def _supernet(folder: Path) -> Door:
    fresh, facts = State.fresh([np.ones((2, 3, 4), np.float32)]), {"seed": 0}
    State(fresh.tables, fresh.means, fresh.squares, fresh.steps, [2.3, 1.5]).write(
        folder / "supernet.npz", facts
    )

    def read(place: Path) -> str:
        found = read_state(place / "supernet.npz", fresh, facts)
        assert found is not None
        return "" if all(np.isfinite(one).all() for one in found.tables) else "weights"

    return Door("supernet", "supernet.npz", (folder / "supernet.npz").read_bytes(), read)


def _best() -> Door:
    space = NASNetSpace()
    params = space.sample(np.random.default_rng(0))
    whole = {"params": params, "metrics": {"reward": 0.5, "seconds": 3.0}}

    def read(folder: Path) -> str:
        best = read_best(folder)
        reward = 0.0 if best is None else best["metrics"]["reward"]
        return "" if math.isfinite(reward) and not isinstance(reward, bool) else f"reward {reward}"

    return Door("best.json", "best.json", json.dumps(whole).encode(), read)


def _outcome() -> Door:
    whole = asdict(Outcome(0, {"val_accuracy": 0.5}, {"loss": [0.5, 0.25]}))

    def read(folder: Path) -> str:
        found = read_as(folder / "seed_0.json", Outcome, ANEW)
        return "" if all(isinstance(v, float) for v in found.metrics.values()) else "metrics"

    return Door("training of a seed", "seed_0.json", json.dumps(whole).encode(), read)


def _genotypes() -> list[Door]:
    found = []
    for space in (NASNetSpace(), MnasNetSpace(), ConvNetSpace(), EdgeCellSpace(), MLPSpace()):
        whole = space.describe(space.sample(np.random.default_rng(0)))

        def read(folder: Path) -> str:
            genotype = load_genotype(folder / "genotype.json")
            genotype.words()
            plain = json.loads(json.dumps(genotype.to_dict()))
            again = json.loads(json.dumps(type(genotype).from_dict(plain).to_dict()))
            return "" if plain == again else "it does not come back"

        name = f"genotype of {type(space).__name__}"
        found.append(Door(name, "genotype.json", json.dumps(whole).encode(), read))
    return found


def _latency(folder: Path) -> Door:
    space = NASNetSpace()
    about = {"machine": "this", "space": brief(space.identity())}
    table = LatencyTable(about)
    table.add(Piece("sep_3x3", (8, 8, 4), 4, 1), Measurement(1.0, 0.1, 5, "ms", "a clock"))
    table.save(folder / "whole.json")

    def read(folder: Path) -> str:
        found = LatencyTable.load(folder / "latency.json", about, space)
        times = [piece.value for piece in found.pieces.values()]
        return "" if all(0 <= time < math.inf for time in times) else f"a time of {times}"

    return Door("latency table", "latency.json", (folder / "whole.json").read_bytes(), read)


def _plan() -> Door:
    plan = {
        "network": {"space": "mlp", "params": {"layer/1": "8 relu"}, "size": {"filters": None}},
        "recipe": {"epochs": 5, "batch_size": 32, "learning_rate": 1e-3, "seed": 0},
        "seeds": 1,
        "data": "0123456789abcdef",
        "validation": None,
        "test": None,
        "image_fit": None,
    }

    def read(folder: Path) -> str:
        return "" if isinstance(is_finished(folder, plan, False), bool) else "no answer"

    file = f"{TRAINING}/{PLAN}"
    return Door("plan of a training", file, json.dumps(plan).encode(), read)
