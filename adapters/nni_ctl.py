"""NNI's own command with what it lacks:  python -m cellwright.adapters.nni_ctl create --config ...

It takes the words of ``nnictl`` and runs that. Before, it checks the experiment that is to be
created (`check_experiment`), and mends one that is resumed after its folder was moved
(`nni_moved.mend`). Meanwhile it is patient with a busy machine (`nni_patience`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cellwright.adapters.nni_config import check_config
from cellwright.adapters.nni_localhost import allow_localhost
from cellwright.adapters.nni_moved import mend
from cellwright.adapters.nni_patience import patience
from cellwright.search_spaces import CellwrightError


def main(words: Sequence[str] | None = None) -> None:
    """Run ``nnictl`` with these words, by default those of the command line."""
    words = list(sys.argv[1:] if words is None else words)
    try:
        if words[:1] == ["create"] and (config := _option(words, "--config", "-c")):
            check_config(Path(config))
        if words[:1] == ["resume"] and (folder := _option(words, "--experiment_dir", "-e")):
            experiment = Path(folder, words[1])
            for line in mend(experiment, experiment.resolve().parents[1]):
                print(line)
    except (CellwrightError, ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    from nni.tools.nnictl.nnictl import parse_args

    allow_localhost()
    sys.argv = ["nnictl", *words]
    with patience():
        parse_args()


def _option(words: Sequence[str], *names: str) -> str | None:
    """The word after one of these options, or after its = sign."""
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else next(iter(words[place + 1 :]), None)
    return None


if __name__ == "__main__":
    main()
