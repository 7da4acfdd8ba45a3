"""A small part of the fuzz: no raw exception, and nothing accepted that is nonsense."""

import logging
import warnings

from benchmarks.fuzz import Tally, fuzz, table
from cellwright.search_spaces import CorruptedState


def test_some_hundreds_of_damaged_files_and_wrong_arguments():
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = fuzz(400, seed=1)
    finally:
        logging.disable(logging.NOTSET)
    assert sum(one.tried for one in found.values()) >= 400
    bad = {name: one for name, one in found.items() if one.raw or one.nonsense}
    assert not bad, table(bad)


def test_what_is_raw_and_what_is_nonsense_is_counted():
    tally = Tally()

    def refuse():
        raise CorruptedState("file")

    def fail():
        raise KeyError("seed")

    for attempt in (refuse, fail, lambda: "", lambda: "reward nan"):
        tally.take(attempt, lambda error: isinstance(error, CorruptedState))
    assert (tally.tried, tally.refused) == (4, 1)
    assert dict(tally.raw) == {"KeyError: 'seed'": 1}
    assert dict(tally.nonsense) == {"reward nan": 1}
    assert "KeyError" in table({"door": tally})
