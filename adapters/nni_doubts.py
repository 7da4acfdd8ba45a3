"""What speaks against a trial script: that it never reports, or that nothing depends on a trial."""

from __future__ import annotations

from collections.abc import Mapping

from cellwright.adapters.nni_record import Record
from cellwright.plugins.records.record import GUESSED
from cellwright.search_spaces import CellwrightError

_SILENT = 2  # trials that end well and report nothing, until the script is to blame
_CRASHED = 5  # trials that end in any way and report nothing, likewise
_ALIKE = 4  # trials with one and the same result, until a user is asked about it
_REMEDY = (
    "a trial script takes its parameters from nni.get_next_parameter() and gives its result to "
    "nni.report_final_result(value); `run` in cellwright.adapters.nni_trial does both"
)


class NothingSearched(CellwrightError):
    """No trial reports anything, so that there is nothing to learn from."""


def silence(record: Record, ended: Mapping[int, bool]) -> str:
    """Why the experiment should not go on; empty if it should.

    Args:
        record: All trials.
        ended: Whether each trial that has ended in this process ended well, by its number.
    """
    if any(GUESSED not in facts for facts in record.facts.values()):
        return ""
    well = sum(ended.values())
    if well < _SILENT and len(ended) < _CRASHED:
        return ""
    how = f"{well} of them with exit status 0" if well else "all of them with an error"
    return (
        f"{len(ended)} trials have ended, {how}, and none has reported a final result: nothing is "
        f"searched. {_REMEDY[0].upper()}{_REMEDY[1:]}. What the trials wrote is in the folder "
        "`trials` of the experiment"
    )


def sameness(record: Record) -> str:
    """What is odd about the results so far, in words; empty if nothing is."""
    told = list(record.told.values())
    if len(told) < _ALIKE:
        return ""
    if len({record.space.key(each.params) for each in told}) < _ALIKE:
        return ""
    rewards = {each.reward for each in told}
    if len(rewards) > 1:
        return ""
    if rewards != {None}:
        value = record.facts[told[0].number].get("default")
        return (
            f"{len(told)} different networks have all reported {value}: does the trial script use "
            f"what nni.get_next_parameter() gives? {_REMEDY[0].upper()}{_REMEDY[1:]}"
        )
    errors = {record.facts[each.number].get("error") for each in told}
    if len(errors) > 1:
        return ""
    return f"the first {len(told)} trials have all failed, and alike: {errors.pop()}"
