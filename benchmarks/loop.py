"""One search on one problem, with any number of simulated workers."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.contenders import Contender, Plan, Proposal
from benchmarks.problems import Source
from benchmarks.records import Record

SHORTEST, LONGEST = 0.5, 1.5  # of an evaluation, in simulated time; uniform


def search(contender: Contender, source: Source, plan: Plan, points: Sequence[int]) -> Record:
    """Run one search to its end, and record how it stood after each of ``points`` evaluations.

    An evaluation is an answer to `Search.ask`, a repeated architecture like any other. Its result
    is told in the order in which the workers finish. Time is the processor's, in ``ask`` and
    ``tell`` alone: neither imports nor the evaluations themselves.
    """
    problem = source.load(plan.seed)
    contest = contender.start(problem.space, plan)
    running: list[tuple[float, int, Proposal]] = []  # a heap: the next to finish comes first
    best, leader, seconds, now, asked = -math.inf, math.nan, 0.0, 0.0, 0
    bests, times = [], []
    for done in range(1, plan.evaluations + 1):
        while asked < plan.evaluations and len(running) < plan.workers:
            start = time.process_time()
            proposal = contest.ask()
            seconds += time.process_time() - start
            heapq.heappush(running, (now + _duration(plan, asked), asked, proposal))
            asked += 1
        now, number, proposal = heapq.heappop(running)
        outcome = problem.evaluate(proposal.params, number)
        start = time.process_time()
        contest.tell(proposal, outcome.value)
        seconds += time.process_time() - start
        if outcome.value is not None and outcome.value > best:
            best, leader = outcome.value, outcome.report
        if done in points:
            bests.append(leader)
            times.append(seconds)
    return Record(
        source.name,
        contender.name,
        contender.version,
        plan,
        tuple(points),
        tuple(bests),
        tuple(times),
    )


def _duration(plan: Plan, number: int) -> float:
    return float(np.random.default_rng((plan.seed, 2, number)).uniform(SHORTEST, LONGEST))
