"""Which space an Optuna study is of: its decisions as Optuna's parameters, and the study's note."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna import Study, Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from cellwright.adapters.optuna_private import note_in_study, notes_in_study, trials_of
from cellwright.adapters.optuna_study import is_new, warn_once
from cellwright.search_spaces import (
    Decision,
    Float,
    Int,
    Params,
    SearchSpace,
    SpaceMismatch,
)
from cellwright.search_spaces.identity import (
    Comparison,
    brief,
    compare,
    old_fingerprint,
    renewed,
)
from cellwright.search_spaces.joint import architecture_of

# Study system attributes: the `old_fingerprint` of the space searched, and its identity in brief,
# as MySQL has little room for an attribute.
_SPACE, _IDENTITY = "cellwright:space", "cellwright:identity"
_logger = logging.getLogger(__name__)


def distribution_of(decision: Decision) -> BaseDistribution:
    """A decision as Optuna's own parameter."""
    if isinstance(decision, Float):
        return FloatDistribution(decision.low, decision.high, log=decision.log)
    if isinstance(decision, Int):
        return IntDistribution(int(decision.low), int(decision.high), log=decision.log)
    return CategoricalDistribution(decision.choices)


def part_of(trial: Trial | FrozenTrial, space: SearchSpace) -> Params:
    """The decisions of the space that a trial holds; only some while it is being suggested."""
    held = trial.params  # of a ``Trial`` a deep copy
    return {name: held[name] for name in space.names if name in held}


def is_claimed(study: Study) -> bool:
    """Whether the study notes that a space of ours is searched in it."""
    notes = notes_in_study(study)
    return _IDENTITY in notes or _SPACE in notes


def claim(study: Study, space: SearchSpace) -> None:
    """Note in the study which space it is of, unless it already holds another.

    A study that has begun without any of the space's decisions is taken: Optuna allows new
    parameters, and strategies leave its earlier trials alone.

    Raises:
        SpaceMismatch: If the study is noted as of another space, or a trial holds a decision with
            other choices.
    """
    if not check_space(study, space):
        check_choices(study, space, trials_of(study))
        _note(study, space)


def check_same(space: SearchSpace, searched: SearchSpace) -> None:
    """Check that an objective suggests the networks that the study's sampler searches.

    Raises:
        SpaceMismatch: If it does not.
    """
    if space is searched:
        return
    found = compare(architecture_of(space), architecture_of(searched).identity())
    if found.different:
        raise SpaceMismatch(
            f"the objective suggests {space!r}, and the study's sampler searches {searched!r}: "
            f"{found.different}. Give both the same space, as in "
            'StrategySampler("auto", space=space) and suggest(trial, space)'
        )


def check_choices(study: Study, space: SearchSpace, trials: Sequence[FrozenTrial]) -> None:
    """Refuse a study in which a decision stands with other choices: Optuna allows a parameter the
    same choices only, and would fail each trial from now on.

    Raises:
        SpaceMismatch: Naming the decision and the trial.
    """
    own = {decision.name: distribution_of(decision) for decision in space.decisions}
    has_the_same = _quick_check(own)
    for trial in trials:
        held = trial.distributions
        if has_the_same(held):
            continue
        for name, mine in own.items():
            theirs = held.get(name)
            if theirs is not None and not _compatible(theirs, mine):
                raise SpaceMismatch(
                    f"trial {trial.number} of study {study.study_name!r} is of another search "
                    f"space: it holds {name!r} as {theirs}, and here it is {mine}. Optuna allows a "
                    "parameter no other choices within a study. Start a new study (another "
                    "study_name), or search the space that it was made with"
                )


def _quick_check(
    own: Mapping[str, BaseDistribution],
) -> Callable[[Mapping[str, BaseDistribution]], bool]:
    """A test that only a trial passes that holds every parameter, and each as it is here.

    A study of 20,000 trials holds a million distributions, and one by one they take seconds.
    """
    choices = {n: d.choices for n, d in own.items() if isinstance(d, CategoricalDistribution)}
    ranges = {name: mine for name, mine in own.items() if name not in choices}
    names, mine = list(choices), list(choices.values())

    def check(held: Mapping[str, Any]) -> bool:
        try:
            same = [held[name].choices for name in names] == mine
            return same and all(_compatible(held[name], one) for name, one in ranges.items())
        except (KeyError, AttributeError):  # it lacks one, or holds a range in place of choices
            return False

    return check


def _compatible(one: BaseDistribution, other: BaseDistribution) -> bool:
    """Whether Optuna takes both for one parameter of a study; a range may change."""
    if isinstance(one, CategoricalDistribution) and isinstance(other, CategoricalDistribution):
        return one.choices == other.choices or one == other  # Optuna takes NaN for equal, too
    if isinstance(one, CategoricalDistribution) or isinstance(other, CategoricalDistribution):
        return False
    return type(one) is type(other) and getattr(one, "log", None) == getattr(other, "log", None)


def check_space(study: Study, space: SearchSpace) -> bool:
    """Whether the study is noted as of ``space``; an error if it is noted as of another.

    What could not be compared, or only may matter, is said once and noted as it is now; see
    `renewed` for what is not noted, so that a later process says it again.
    """
    compared = _compared(study, space)
    if compared is None:
        return False
    noted, found = compared
    if found.different:
        raise SpaceMismatch(
            f"study {study.study_name!r} was made with another search space than {space!r}: "
            f"{found.different}. Start a new study (another study_name), or search the space that "
            "it was made with"
        )
    if found.doubtful and is_new(study, found.doubtful):
        _logger.warning(
            "Study %r may have been made with another search space than %r: %s. Its trials are "
            "taken as trials of this space, which is noted in the study from now on",
            study.study_name,
            space,
            found.doubtful,
        )
        _note(study, space, noted)
    return True


def _compared(
    study: Study, space: SearchSpace
) -> tuple[Mapping[str, Any] | str, Comparison] | None:
    """What the study notes of its space, and how that differs from ``space``; None without a note.

    A note that is damaged, or written by a version that notes something else, is named and left
    out.
    """
    notes = notes_in_study(study)
    for name in (_IDENTITY, _SPACE):
        noted = notes.get(name)
        if noted is None:
            continue
        try:
            if name == _IDENTITY and "decisions" not in {**noted}:
                raise KeyError("decisions")
            return noted, compare(architecture_of(space), noted)
        except (TypeError, KeyError, AttributeError, ValueError):
            warn_once(
                study,
                f"the note {name!r} is damaged, or of another version ({str(noted)[:80]!r}). It is "
                f"left out, and the study is taken as one of {space!r}",
            )
    return None


def _note(study: Study, space: SearchSpace, noted: Mapping[str, Any] | str | None = None) -> None:
    searched = architecture_of(space)
    identity = searched.identity() if noted is None else renewed(searched, noted)
    notes = {_IDENTITY: brief(identity), _SPACE: old_fingerprint(searched)}
    for name, note in notes.items():
        note_in_study(study, name, note)
