"""How long NASNet-A mobile takes to build, beside ``keras.applications.NASNetMobile``.

    python benchmarks/build_time.py [--repeats 5]

The two take turns, so that other load on the machine affects both.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from cellwright import Skeleton, load_genotype


def seconds(build: Callable[[], Any]) -> float:
    keras.backend.clear_session()
    start = time.process_time()
    build()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    genotype = load_genotype("nasnet-a")
    builders: dict[str, Callable[[], Any]] = {
        "keras.applications": lambda: keras.applications.NASNetMobile(weights=None),
        "cellwright": lambda: genotype.build((224, 224, 3), 1000, Skeleton.imagenet(), seed=0),
    }
    for build in builders.values():
        build()  # imports and first-time set-up
    times: dict[str, list[float]] = {name: [] for name in builders}
    for _ in range(repeats):
        for name, build in builders.items():
            times[name].append(seconds(build))
    for name, found in times.items():
        print(
            f"{name:20} median {statistics.median(found):.2f} s, "
            f"{min(found):.2f} to {max(found):.2f} s of processor time"
        )


if __name__ == "__main__":
    main()
