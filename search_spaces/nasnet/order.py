"""The first of all orders in which the blocks of a cell can stand."""

from __future__ import annotations

from collections.abc import Sequence

Numbers = tuple[int, ...]  # input 1, input 2, operation 1, operation 2 and perhaps the combination


def first_order(blocks: Sequence[Numbers]) -> list[Numbers]:
    """Renumber the hidden states of a cell so that the list of its blocks comes out smallest.

    A block may stand at any place after those that it reads; within a block the halves (input,
    operation) are sorted. The answer is the first of all such lists in lexicographic order, found
    place by place: only blocks that look alike where they stand are both followed up.

    Args:
        blocks: In order; inputs 0 and 1 are the cell's, k + 2 is the output of block k (from 0).
    """
    read = {state - 2 for block in blocks for state in block[:2]}
    if max(read) < 0:  # no block reads another: none has to wait, and the smallest is always next
        return sorted(_renamed(block, {0: 0, 1: 1}) for block in blocks)
    found: list[list[Numbers]] = []
    _extend(blocks, read, {0: 0, 1: 1}, [], found)
    return min(found)


def _extend(
    blocks: Sequence[Numbers],
    read: set[int],
    numbers: dict[int, int],
    placed: list[Numbers],
    found: list[list[Numbers]],
) -> None:
    """Try every block that may come next and is smallest there; ``numbers`` renames states."""
    if len(placed) == len(blocks):
        found.append(placed)
        return
    ready = {
        k: _renamed(block, numbers)
        for k, block in enumerate(blocks)
        if k + 2 not in numbers and block[0] in numbers and block[1] in numbers
    }
    least = min(ready.values())
    alike = [k for k, block in ready.items() if block == least]
    # Among those that nothing reads, one is as good as another.
    unread = [k for k in alike if k not in read]
    for k in [k for k in alike if k in read] + unread[:1]:
        _extend(blocks, read, {**numbers, k + 2: len(placed) + 2}, [*placed, least], found)


def _renamed(block: Numbers, numbers: dict[int, int]) -> Numbers:
    in_1, in_2, op_1, op_2 = numbers[block[0]], numbers[block[1]], block[2], block[3]
    if (in_2, op_2) < (in_1, op_1):
        in_1, in_2, op_1, op_2 = in_2, in_1, op_2, op_1
    return (in_1, in_2, op_1, op_2, *block[4:])
