"""Files that are damaged in every way that a kill, a full disk or a stranger leaves them, and the
readers that must name them."""

from __future__ import annotations

import copy
import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.adapters.nni_database import DATABASE, read_jobs
from cellwright.adapters.nni_record import HISTORY, Record
from cellwright.plugins import Dataset, WeightBank, load_dataset
from cellwright.plugins.checked import read_as
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.table import read_table
from cellwright.plugins.meters.latency_table import LatencyTable
from cellwright.plugins.meters.measurement import Measurement
from cellwright.plugins.model.arrays import read_arrays
from cellwright.plugins.model.document import Document
from cellwright.plugins.model.network_file import read_network
from cellwright.plugins.model.trained import reader_from_json
from cellwright.plugins.training.best_child import read_best
from cellwright.plugins.training.checkpoints import Checkpoint
from cellwright.search_spaces import MLPSpace, NASNetSpace, load_genotype
from cellwright.search_spaces.identity import brief
from cellwright.search_spaces.pieces import Piece
from cellwright.searches import on_optuna
from cellwright.searches.final import Outcome
from cellwright.searches.final_place import ANEW
from cellwright.searches.folder import read_settings
from cellwright.searches.settings import Settings, as_text

Rng = np.random.Generator
# What stands in a file in place of a value.
NONSENSE: tuple[Any, ...] = (
    None, True, False, "", "x", "\ud800", -1, 0, 1, 10**30, 1e300, -0.5, math.nan, math.inf,
    [], {}, [[]], {"a": 1}, [None], "nan", "../../etc/passwd",
)  # fmt: skip


@dataclass(frozen=True)
class Door:
    """A file and what reads it.

    Args:
        name: In the table.
        file: Where it lies, below a folder.
        whole: Its bytes.
        read: Reads it, of the folder; says what is nonsense in what it accepts, or "".
        share: How often it is tried, beside the others.
    """

    name: str
    file: str
    whole: bytes
    read: Callable[[Path], str]
    share: float = 1.0


def damaged(whole: bytes, rng: Rng) -> bytes:
    """The bytes of a file after some damage."""
    kind = rng.integers(8)
    if kind == 0:
        return (b"", b"\0" * len(whole), b" \n", b"[" * 100_000, b'{"a":' * 100_000)[
            rng.integers(5)
        ]
    if kind == 1:
        return whole[: rng.integers(len(whole) + 1)]
    if kind == 2:
        return rng.bytes(int(rng.integers(1, 400)))
    if kind == 3:
        changed = bytearray(whole)
        for _ in range(rng.integers(1, 8)):
            changed[rng.integers(len(changed))] = rng.integers(256)
        return bytes(changed)
    try:
        return json.dumps(_changed(json.loads(whole), rng)).encode()
    except (ValueError, RecursionError):
        start, end = sorted(int(n) for n in rng.integers(len(whole), size=2))
        return whole[:start] + rng.bytes(int(rng.integers(20))) + whole[end:]


def _changed(data: Any, rng: Rng) -> Any:
    """Plain data with a value in it that is another, missing, or twice there."""
    data = copy.deepcopy(data)
    for _ in range(rng.integers(1, 3)):
        holder: Any = None
        key: Any = None
        part = data
        while isinstance(part, dict | list) and part and (holder is None or rng.random() < 0.75):
            keys: Any = list(part) if isinstance(part, dict) else range(len(part))
            holder, key = part, keys[rng.integers(len(keys))]
            part = part[key]
        other = copy.deepcopy(NONSENSE[rng.integers(len(NONSENSE))])
        if holder is None:
            data = other
        elif rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = other
    return data


def doors(folder: Path) -> list[Door]:
    """All readers of files, with files that ``folder`` is used to make."""
    found = [_settings(), _best(), _outcome(), _record(), _database(folder), _latency(folder)]
    found += _genotypes() + _tables(folder) + _arrays(folder) + [_journal(folder), _network(folder)]
    return found


def _settings() -> Door:
    whole = Settings("optuna", "auto", "nasnet", "digits", 5, 2, 32, 1e-3, 4, 0, None, 1)

    def read(folder: Path) -> str:
        settings = read_settings(folder)
        as_text(settings)
        return "" if isinstance(settings.epochs, int) and settings.learning_rate < 9e999 else "type"

    return Door("settings.json", "settings.json", json.dumps(asdict(whole)).encode(), read, 2)


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
    from cellwright.search_spaces import ConvNetSpace, MnasNetSpace

    found = []
    for space in (NASNetSpace(), MnasNetSpace(), ConvNetSpace(), MLPSpace()):
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


def _record() -> Door:
    space = MLPSpace()
    whole: list[bytes] = []

    def make(folder: Path) -> bytes:
        from cellwright.plugins.strategies.outcome import Told

        params = space.sample(np.random.default_rng(0))
        record = Record(space, {0: Told(0, params, 0.5)}, {1: params}, {0: {"metrics": {}}}, 2)
        record.save(folder / HISTORY, seed=0)
        return (folder / HISTORY).read_bytes()

    import tempfile

    with tempfile.TemporaryDirectory() as made:
        whole.append(make(Path(made)))

    def read(folder: Path) -> str:
        record, _ = Record.load(folder / HISTORY, space)
        rewards = [told.reward for told in record.told.values()]
        finite = all(r is None or np.isfinite(r).all() for r in rewards)
        return "" if finite and isinstance(record.asked, int) else f"rewards {rewards}"

    return Door("record of NNI", HISTORY, whole[0], read)


def _database(folder: Path) -> Door:
    path = folder / "nni.sqlite"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("create table ExperimentProfile (params text, revision integer, logDir text)")
        made.execute("insert into ExperimentProfile values ('{}', 1, '')")
        made.execute("create table TrialJobEvent (timestamp integer, trialJobId text, event text, "
                     "data text, sequenceId integer)")  # fmt: skip
        made.execute("""insert into TrialJobEvent values
                     (1, 'a', 'WAITING', '{"parameters": {"x": 1}}', 0),
                     (2, 'a', 'SUCCEEDED', '', 0)
                     """)
        made.execute("create table MetricData (timestamp integer, trialJobId text, type text, "
                     "sequence integer, data text)")  # fmt: skip
        made.execute("insert into MetricData values (3, 'a', 'FINAL', 0, '\"0.5\"')")

    def read(folder: Path) -> str:
        read_jobs(folder)
        return ""

    return Door("database of NNI", str(DATABASE), path.read_bytes(), read, 0.5)


def _journal(folder: Path) -> Door:
    import optuna

    settings = Settings("optuna", "random", "mlp", "wine", 5, 2, 32, 1e-3, None, 0, None, 1)
    folder = folder / "journal"
    folder.mkdir()
    study = optuna.create_study(
        storage=on_optuna.storage_of(folder, settings),
        study_name="cellwright",
        direction="maximize",
    )
    study.tell(study.ask(), 0.5)

    def read(folder: Path) -> str:
        on_optuna.read(folder, settings)
        return ""

    whole = (folder / on_optuna.JOURNAL).read_bytes()
    return Door("journal of Optuna", on_optuna.JOURNAL, whole, read, 0.2)


def _tables(folder: Path) -> list[Door]:
    rng = np.random.default_rng(0)
    table = read_table(
        np.array([["a", "1"], ["b", "2"], ["a", "3.5"], ["b", ""]]), ("kind", "size")
    )
    whole = {"table": Preparation.fit(table).to_json()}

    def read(folder: Path) -> str:
        reader = reader_from_json(Document.read(folder / "reader.json", "Train it again"))
        if isinstance(reader, Preparation):
            made = reader.transform(reader.read(np.array([["a", "1"]])[:, : len(reader.names)]))
            return "" if np.isfinite(made).all() else "features that are no numbers"
        return ""

    def read_csv(folder: Path) -> str:
        data: Any = load_dataset(str(folder / "table.csv"))
        return "" if np.isfinite(data.x_train).all() else "infinite features"

    rows = "\n".join(f"{rng.normal():.3f},{'ab'[n % 2]},{n % 2}" for n in range(40))
    images = {"images": {"shape": [8, 8, 1], "low": 0.0, "high": 1.0, "fit": "pad"}}
    return [
        Door("preparation of a table", "reader.json", json.dumps(whole).encode(), read),
        Door("reader of images", "reader.json", json.dumps(images).encode(), read),
        Door("table.csv", "table.csv", f"size,kind,label\n{rows}\n".encode(), read_csv, 0.5),
    ]


def _arrays(folder: Path) -> list[Door]:
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 4, 4, 1)).astype(np.float32), np.arange(20) % 2
    Dataset(x[:10], y[:10], x[10:], y[10:], ("a", "b")).save(folder / "whole.dataset.npz")
    np.savez(folder / "images.npz", x=x, y=y)
    np.savez(folder / "check.npz", history=np.array('{"loss": [0.5]}'), **{"0": x[0]})
    np.savez(folder / "bank.npz", **{"0": x[0]})
    np.save(folder / "one.npy", x)

    def read_data(name: str) -> Callable[[Path], str]:
        def read(folder: Path) -> str:
            data: Any = load_dataset(str(folder / name))
            for part in (data.x_train, data.x_val):
                if not np.isfinite(part).all():
                    return "images that are no numbers"
            return "" if data.y_train.max() < len(data.class_names) else "labels without classes"

        return read

    def check(folder: Path) -> str:
        for values in Checkpoint(folder / "check.npz").history().values():
            if not all(isinstance(value, float) for value in values):
                return f"a history of {values!r}"
        return ""

    bank_file = WeightBank("bank")._path("key").name

    def bank(folder: Path) -> str:
        WeightBank(folder).read("key")
        return ""

    def arrays(folder: Path) -> str:
        read_arrays(folder / "one.npy")
        return ""

    def whole(name: str) -> bytes:
        return (folder / name).read_bytes()

    saved, images = "a.dataset.npz", "images.npz"
    return [
        Door("saved dataset", saved, whole("whole.dataset.npz"), read_data(saved), 2),
        Door("images.npz", images, whole(images), read_data(images)),
        Door("arrays to predict", "one.npy", whole("one.npy"), arrays),
        Door("checkpoint", "check.npz", whole("check.npz"), check),
        Door("weight bank", bank_file, whole("bank.npz"), bank),
    ]


def _network(folder: Path) -> Door:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.save(folder / "whole.keras")

    def read(folder: Path) -> str:
        read_network(folder / "model.keras")
        return ""

    whole = (folder / "whole.keras").read_bytes()
    return Door("network (.keras)", "model.keras", whole, read, 0.2)
