"""Draw the figure of the package's README from the searches that benchmarks/results/nb201 keeps."""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.records import read  # noqa: E402
from benchmarks.summary import standings  # noqa: E402

# Okabe and Ito's colours; ours are solid.
SHOWN = {
    "auto": ("#0072B2", "-", "auto"),
    "evolution": ("#D55E00", "-", "evolution"),
    "reinforce": ("#009E73", "-", "reinforce"),
    "optuna-gp": ("#CC79A7", "--", "Optuna's GPSampler"),
    "optuna-tpe": ("#8C6D31", "--", "Optuna's TPESampler"),
    "optuna-random": ("#6B6B6B", ":", "Optuna's RandomSampler"),
}
FILE = ROOT / "optunahub" / "package" / "samplers" / "cellwright_nas" / "images" / "nb201.png"


def main() -> None:
    records = [r for r in read(ROOT / "benchmarks" / "results" / "nb201") if r.plan.workers == 1]
    found = standings(records, minimise=False)
    figure = Figure(figsize=(7, 4), dpi=110, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for name, (colour, dashes, label) in SHOWN.items():
        curve = sorted((s for s in found if s.contender == name), key=lambda s: s.evaluations)
        across, mean = [s.evaluations for s in curve], [s.mean for s in curve]
        low, high = [s.mean - s.error for s in curve], [s.mean + s.error for s in curve]
        axes.fill_between(across, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(across, mean, color=colour, linestyle=dashes, linewidth=1.8, label=label)
    axes.set(
        xlim=(0, 200),
        ylim=(93, 94.4),
        xlabel="evaluations",
        ylabel="test accuracy of the best so far (%)",
        title="NAS-Bench-201, CIFAR-10",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    FILE.parent.mkdir(exist_ok=True)
    figure.savefig(FILE)
    print(FILE.relative_to(ROOT), f"{FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
