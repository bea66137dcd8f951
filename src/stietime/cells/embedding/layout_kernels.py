"""UMAP's rounds, compiled: cells move by themselves, so that threads do not change the drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numba
import numpy as np

from stietime.cells.embedding.knn_graph import in_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float32]
    Ids = NDArray[np.int32]

# UMAP's constants: cells that repel for each that attracts, and the farthest step
_REPELLING: Final = 5
_FARTHEST: Final = 4.0
_NEAR: Final = 0.001
# cells that a thread moves before it takes more
_BLOCK: Final = 1024
# steps of the random sequence
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


@numba.njit(nogil=True, cache=True)
def _random(state: np.uint64) -> np.uint64:
    """Turn a counter into a random number (splitmix64; Steele et al., OOPSLA 2014)."""
    mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@numba.njit(nogil=True, cache=True, fastmath=True)
def _move(
    at: Points,
    others: Points,
    joined: Ids,
    rates: Points,
    curve: tuple[float, float],
    step: np.float32,
    when: tuple[int, int],
    state: np.uint64,
) -> None:
    """Move one cell towards the cells it is joined to and away from some at random."""
    a, b = np.float32(curve[0]), np.float32(curve[1])
    near, far, two = np.float32(_NEAR), np.float32(_FARTHEST), np.float32(2)
    epoch, entry = when
    x, y = at[0], at[1]
    for place in range(joined.shape[0]):
        # an edge acts in as many rounds as its weight says, evenly spread, each edge with its own beginning
        state += _GOLDEN
        offset = np.float32((entry + place) * 0.6180339887498949 % 1.0)
        rate = rates[place]
        if np.floor(rate * epoch + offset) == np.floor(rate * (epoch + 1) + offset):
            continue
        other = joined[place]
        # UMAP pulls at both ends of an edge, which is in the matrix twice
        for _ in range(2):
            dx, dy = x - others[other, 0], y - others[other, 1]
            squared = dx * dx + dy * dy
            if squared > 0:
                power = squared**b
                pull = -two * a * b * power / (squared * (a * power + np.float32(1)))
                x += step * min(max(pull * dx, -far), far)
                y += step * min(max(pull * dy, -far), far)
        for _ in range(_REPELLING):
            state += _GOLDEN
            other = np.int64((_random(state) >> np.uint64(32)) * np.uint64(others.shape[0]) >> np.uint64(32))
            dx, dy = x - others[other, 0], y - others[other, 1]
            squared = dx * dx + dy * dy
            if squared > 0:
                push = two * b / ((near + squared) * (a * squared**b + np.float32(1)))
                x += step * min(max(push * dx, -far), far)
                y += step * min(max(push * dy, -far), far)
    at[0], at[1] = x, y


@numba.njit(nogil=True, cache=True, fastmath=True)
def _fit_round(
    rows: tuple[int, int],
    old: Points,
    new: Points,
    graph: tuple[Ids, Ids, Points],
    curve: tuple[float, float],
    epoch: int,
    n_rounds: int,
    seed: int,
) -> None:
    """Move the cells of some rows once, the others being where the last round left them."""
    starts, joined, rates = graph
    step = np.float32(1.0 - epoch / n_rounds)
    for row in range(rows[0], rows[1]):
        new[row] = old[row]
        first, end = starts[row], starts[row + 1]
        state = _random(np.uint64(seed * 1_000_003 + epoch) * _GOLDEN + np.uint64(row))
        _move(new[row], old, joined[first:end], rates[first:end], curve, step, (epoch, first), state)


def fit(
    start: Points,
    graph: tuple[Ids, Ids, Points],
    curve: tuple[float, float],
    n_rounds: int,
    seed: int,
    n_threads: int,
) -> Points:
    """Move all cells for some rounds; a round reads the positions that the round before it wrote.

    Parameters
    ----------
    start
        Coordinates to start from, cells x 2.
    graph
        Starts of the rows, columns and entries of a symmetric matrix; an entry, at most 1, is the share of
        rounds in which the edge acts.
    curve
        Constants a and b of UMAP's curve.
    n_rounds
        Number of rounds, over which the steps shorten to nothing.
    seed
        Seed of the cells that repel.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    Coordinates, cells x 2.
    """
    old, new = start.copy(), start.copy()
    for epoch in range(n_rounds):

        def move(rows: slice, old: Points = old, new: Points = new, epoch: int = epoch) -> None:
            """Move some of the cells."""
            _fit_round((rows.start, rows.stop), old, new, graph, curve, epoch, n_rounds, seed)

        in_blocks(move, len(start), n_threads, _BLOCK)
        old, new = new, old
    return old
