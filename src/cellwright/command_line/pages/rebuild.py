"""How a reader gets the best network of a run again: commands, and its genotype."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from cellwright.search_spaces.genotype_space import GenotypeSpace
from cellwright.search_spaces.joint import architecture_of
from cellwright.searches.folder import read_settings
from cellwright.searches.run import Run
from cellwright.searches.settings import FILE, as_text
from cellwright.searches.trial import Trial

_FILE = "best.json"


@dataclass(frozen=True)
class Step:
    """What to do, in a sentence, and what to type or to save; ``language`` is for a reader."""

    words: str
    text: str
    language: str = "sh"


def steps(what: str, run: Run, best: Trial) -> list[Step]:
    """How to build, train and use the best child of a run.

    Args:
        what: As it was given to the command.
        run: Of any host.
        best: A complete trial.
    """
    found = []
    if Path(what, FILE).is_file():
        place = shlex.quote(what)
        lines = [
            f"cellwright show {place} --trial {best.number}      # what it costs, part by part",
            f"cellwright export {place} --trial {best.number}    # as a model to load and use",
            f"cellwright train {place} --trial {best.number}     # trained to its end, on all data",
        ]
        found.append(Step("The search has all that it takes:", "\n".join(lines)))
        told = as_text(read_settings(Path(what)))
        settings = "\n".join(f"{name}: {value}" for name, value in told.items())
        found.append(Step("It searched with these settings:", settings, "settings"))
    if run.space is None or not best.params:
        params = json.dumps({**best.params, **best.others}, indent=1, default=str)
        return [*found, Step("The trial's parameters are", params, "json")]
    network = architecture_of(run.space)
    described = json.dumps(run.space.describe(best.params), indent=1, default=str)
    if not isinstance(network, GenotypeSpace):
        found.append(Step("What the space says of the architecture:", described, "json"))
    else:
        found += [
            Step(f"Anywhere else, save the genotype as {_FILE}:", described, "json"),
            Step(
                "The command line then shows it and trains it on data of yours:",
                f"cellwright show {_FILE}\ncellwright train {_FILE} --data FILE_OR_FOLDER",
            ),
            Step(
                "And Python builds it for inputs of any shape and any number of classes:",
                "from cellwright import load_genotype\n\n"
                f'model = load_genotype("{_FILE}").build(input_shape, classes)',
                "python",
            ),
        ]
    if best.others:
        others = json.dumps(dict(best.others), indent=1, default=str)
        found.append(Step("Its other hyperparameters are", others, "json"))
    return found
