"""What a strategy proposes for a trial, made known to all other workers before it is tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial

from cellwright.adapters.optuna_private import Writes, enqueued_in, write_at_once
from cellwright.adapters.optuna_record import PROPOSED, Record, proposed_in
from cellwright.adapters.optuna_study import place_of, signs_of
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Params

_TURNS = 8  # how often a worker gives way to others that propose the same


def propose(
    study: Study,
    trial: FrozenTrial,
    strategy: Strategy,
    record: Record,
    fixed: Mapping[str, Any],
) -> Params:
    """Ask for a trial's architecture, so that no two workers try one network.

    Two workers that read the record at the same moment may be given the same network. So each
    writes down what it was given, all of it in one write, and then reads what others have written.
    Whoever finds its network there asks again. The last of them to read sees what all have
    written, and so no two go on with one network. Workers in step with each other would be given
    the same network again and again: so each asks once more for every older trial that it meets.

    Args:
        study: As a sampler sees it.
        trial: The trial to propose for.
        strategy: Stands where the record stands.
        record: The finished trials.
        fixed: Decisions that are not open in this trial.

    Returns:
        The whole architecture. It is one that others try too if the space is used up.
    """
    space, place = strategy.space, place_of(study, trial)
    before = proposed_in(trial, space)
    if before and all(before[name] == value for name, value in fixed.items()):
        # A worker died while this was being suggested: the child is tried again, and not one that
        # has as many of its decisions as were stored by then.
        return before
    running = record.running(study, trial)
    proposed = strategy.ask(place, list(running.values()), fixed)
    for _ in range(_TURNS):
        notes = Writes(system_attrs={PROPOSED: [int(k) for k in space.encode(proposed)]})
        expected = strategy.predict(proposed)
        if expected is not None and not enqueued_in(trial):
            notes.user_attrs.update(expected.notes(signs_of(study)[0]))
        write_at_once(study, trial, notes)
        others = record.running(study, trial, now=True, ended=True)
        same = [k for k, params in others.items() if space.key(params) == space.key(proposed)]
        if not same:
            break
        before, avoided = proposed, [*running.values(), *others.values()]
        for _ in range(1 + sum(number < trial.number for number in same)):
            proposed = strategy.ask(place, avoided, fixed)
            avoided.append(proposed)
        if proposed == before:
            break
    return proposed
