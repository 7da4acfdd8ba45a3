"""The benchmark of meters and predictor, run from end to end on a tiny space."""

import json

import numpy as np
import pytest

from cellwright.plugins import LiteRTLatency, Timing
from cellwright.search_spaces import Skeleton

latency = pytest.importorskip("benchmarks.latency")


def test_rank_correlation():
    rising = np.array([1.0, 5.0, 2.0, 9.0])
    assert latency.spearman(rising, rising**3) == pytest.approx(1)
    assert latency.spearman(rising, -rising) == pytest.approx(-1)
    assert latency.spearman(rising, np.array([1.0, 2.0, 5.0, 9.0])) == pytest.approx(0.8)


def test_every_step_goes_on_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    space = latency.NASNetSpace(
        blocks=1, operations=("sep_3x3", "avg_3x3"), combinations=("add",),
        skeleton=Skeleton.book(filters=2, reductions=0),
    )  # fmt: skip
    monkeypatch.setattr(latency, "SETTINGS", {"tiny": latency.Setting("tiny", space, (4, 4, 1))})
    monkeypatch.setattr(latency, "SAME", 2)
    quick = LiteRTLatency(timing=Timing(1, 0.5, 0.0, 0.05, pause=0))
    monkeypatch.setattr(latency, "LiteRTLatency", lambda: quick)
    latency.build("tiny", tmp_path, fitted=3, children=1)
    capsys.readouterr()
    latency.build("tiny", tmp_path, fitted=3, children=2)
    assert capsys.readouterr().out == "tiny: child 5 of 5\n"
    latency.time_children("tiny", tmp_path, seconds=0)
    assert "the same command continues" in capsys.readouterr().out
    latency.time_children("tiny", tmp_path)
    assert "all children are timed" in capsys.readouterr().out
    latency.report(tmp_path, out=tmp_path / "results")
    figures = json.loads((tmp_path / "results" / "latency.json").read_text())["tiny"]
    assert figures["children"] == 2  # those that the correction is fitted on do not count
    assert figures["correction"]["children"] == 3
    assert figures["predictor_median_error"] >= 0
    assert figures["same_model_median_ms"] > 0
    assert (tmp_path / "results" / "latency.png").stat().st_size > 0
