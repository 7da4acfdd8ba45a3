"""A history survives its file, and a damaged file is named as such."""

import json
from pathlib import Path

import pytest

from cellwright.plugins.records.history import load_history, save_history
from cellwright.plugins.strategies.outcome import Told
from cellwright.search_spaces import CorruptedState

HISTORY = [
    Told(0, {"operation": "sep_3x3", "width": 8, "rate": 0.5, "shortcut": True}, 0.75),
    Told(3, {"operation": "identity", "width": 16, "rate": 0.0, "shortcut": False}, None),
    Told(4, {"operation": "sep_5x5", "width": 32, "rate": 0.0, "shortcut": False}, None, 0.25),
]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    save_history(file, HISTORY[:1])
    save_history(file, HISTORY, seed=2**63 - 1, running=[[4, {"width": 8}]])
    assert load_history(file) == (HISTORY, {"seed": 2**63 - 1, "running": [[4, {"width": 8}]]})
    assert [path.name for path in tmp_path.iterdir()] == ["history.json"]


def test_what_json_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    save_history(file, HISTORY)
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_history(file, [], loss=float("nan"))
    assert load_history(file) == (HISTORY, {})


def test_a_missing_file_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_history(tmp_path / "none.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"format": 1}',
        '{"format": 1, "history": 5}',
        '{"format": 1, "history": [1]}',
        '{"format": 1, "history": [{"number": 0, "params": {}}]}',
        '{"format": 1, "history": [{"number": "0", "params": {}, "reward": 1}]}',
        '{"format": 1, "history": [{"number": 0, "params": [], "reward": 1}]}',
        '{"format": 1, "history": [{"number": 0, "params": {}, "reward": NaN}]}',
        '{"format": 1, "history": [{"number": 0, "params": {}, "reward": "high"}]}',
        '{"format": 2, "history": []}',
    ],
)
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    file.write_text(text)
    with pytest.raises(CorruptedState, match=r"history\.json"):
        load_history(file)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    save_history(file, HISTORY, asked=4)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(CorruptedState):
            load_history(file)
    file.write_bytes(b"\xff" + whole)
    with pytest.raises(CorruptedState):
        load_history(file)
    assert json.loads(whole)["format"] == 1


def test_tuples_come_back_as_tuples(tmp_path: Path) -> None:
    history = [Told(0, {"width": 8}, (0.75, -12.5)), Told(1, {"width": 16}, None)]
    save_history(tmp_path / "history.json", history)
    loaded, _ = load_history(tmp_path / "history.json")
    assert loaded == history
    assert isinstance(loaded[0].reward, tuple)
