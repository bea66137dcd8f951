"""Labels of rare types drawn at random, where the moments of a join count do not tell its tails.

Only cells of rare types and their neighbours get a label in a draw, so that a draw costs what the rare cells
have for neighbours, not what the section has for cells. Draws come in chunks with a seed each: the result
does not depend on the number of threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Labels = NDArray[np.int32]
    State = NDArray[np.uint64]

_CHUNKS: Final = 20
_ROUNDING: Final = 1e-9


class Exceeded(NamedTuple):
    """Shares of draws, the observed labels among them, that lie at least as far from the mean.

    Parameters
    ----------
    joins
        Rare types x types: by the number of neighbours of the type.
    shares
        Rare types x types: by the directed excess (`stietime.tissue.pairs.join_counts.share_deviation`).
    """

    joins: Floats
    shares: Floats


@numba.njit(nogil=True, cache=True)
def _next(state: State, below: int) -> int:
    """Draw a whole number below some other (splitmix64; Steele et al. 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(31))) >> np.uint64(32)
    return int((z * np.uint64(below)) >> np.uint64(32))


@numba.njit(nogil=True, cache=True)
def _pick(values: NDArray[np.int32], start: int, taken: int, size: int, state: State) -> int:
    """Take one more value of a part of an array without replacement; what is taken stands first."""
    at = start + taken + _next(state, size - taken)
    here = start + taken
    values[here], values[at] = values[at], values[here]
    return int(values[here])


class Rare(NamedTuple):
    """Rare types, and what of them is compared with draws.

    Parameters
    ----------
    types
        Codes of the rare types.
    needs_all
        Whether the neighbours of a rare type get a label each; else only neighbours of rare types count.
    means, observed
        Rare types x types: neighbours of the type that the cells of the rare type have, from both ends within
        a type; expected and observed.
    weights, excess
        Rare types x types: shares of all neighbours that are of the type by chance, and the observed excess.
    """

    types: Ints
    needs_all: NDArray[np.bool_]
    means: Floats
    observed: Floats
    weights: Floats
    excess: Floats


class _Urns(NamedTuple):
    """What is drawn from: cells and common labels in the order of strata, and where each stratum starts."""

    cells: NDArray[np.int32]
    first_cell: Ints
    labels: NDArray[np.int32]
    first_label: Ints
    rare_in: Ints  # strata x rare types: numbers of cells


@numba.njit(nogil=True, cache=True)
def _place_rare(urns: _Urns, types: Ints, label: Labels, placed: Ints, state: State) -> None:
    """Give the labels of rare types to random cells of their strata; `placed` lists the cells."""
    at = 0
    for s in range(len(urns.rare_in)):
        taken, size = 0, urns.first_cell[s + 1] - urns.first_cell[s]
        for r in range(len(types)):
            for _one in range(urns.rare_in[s, r]):
                cell = _pick(urns.cells, urns.first_cell[s], taken, size, state)
                label[cell] = types[r]
                placed[at] = cell
                taken += 1
                at += 1


@numba.njit(nogil=True, cache=True)
def _label_around(
    near: NDArray[np.int32], strata: Ints, urns: _Urns, label: Labels, taken: Ints, state: State
) -> None:
    """Give common labels to cells that have none yet."""
    for j in near:
        if label[j] < 0:
            s = strata[j]
            start = urns.first_label[s]
            label[j] = _pick(urns.labels, start, taken[s], urns.first_label[s + 1] - start, state)
            taken[s] += 1


@numba.njit(nogil=True, cache=True)
def _count_joins(
    starts: NDArray[np.integer], near: NDArray[np.int32], placed: Ints, row_of: Ints, label: Labels,
    joins: Floats, ends: Floats,
) -> None:  # fmt: skip
    """Count the neighbours of the placed cells by type, and all of them."""
    for i in placed:
        r = row_of[label[i]]
        ends[r] += starts[i + 1] - starts[i]
        for place in range(starts[i], starts[i + 1]):
            if label[near[place]] >= 0:
                joins[r, label[near[place]]] += 1


@numba.njit(nogil=True, cache=True)
def _draw_chunk(
    starts: NDArray[np.integer], near: NDArray[np.int32], strata: Ints, urns: _Urns, rare: Rare,
    away: tuple[Floats, Floats], n_draws: int, seed: int,
) -> tuple[Ints, Ints]:  # fmt: skip
    """Count, over some draws, how often the deviations are at least as large as the observed ones."""
    n_rare, n_types = rare.means.shape
    state = np.full(1, seed, dtype=np.uint64)
    label = np.full(len(starts) - 1, -1, dtype=np.int32)
    row_of, taken = np.zeros(n_types, np.int64), np.zeros(len(urns.rare_in), np.int64)
    row_of[rare.types] = np.arange(n_rare)
    placed = np.empty(urns.rare_in.sum(), np.int64)
    beyond = np.zeros((2, n_rare, n_types), np.int64)
    for _ in range(n_draws):
        _place_rare(urns, rare.types, label, placed, state)
        taken[:] = 0
        for i in placed:
            if rare.needs_all[row_of[label[i]]]:
                _label_around(near[starts[i] : starts[i + 1]], strata, urns, label, taken, state)
        joins, ends = np.zeros((n_rare, n_types)), np.zeros(n_rare)
        _count_joins(starts, near, placed, row_of, label, joins, ends)
        for r in range(n_rare):
            for b in range(n_types):
                beyond[0, r, b] += abs(joins[r, b] - rare.means[r, b]) >= away[0][r, b]
                beyond[1, r, b] += abs(joins[r, b] - rare.weights[r, b] * ends[r]) >= away[1][r, b]
        for i in placed:
            label[i] = -1
            label[near[starts[i] : starts[i + 1]]] = -1
    return beyond[0], beyond[1]


def draw_labels(
    graph: csr_array, codes: Ints, strata: Ints, rare: Rare, *, n_draws: int, seed: int, n_threads: int = 1
) -> Exceeded:
    """Permute labels within strata and count how often joins of rare types lie as far from their mean.

    Parameters
    ----------
    graph
        Cells x cells, symmetric, no self loops.
    codes
        Type of every cell.
    strata
        Stratum of every cell, 0 and up; all 0 permutes labels among all cells.
    rare
        What is compared.
    n_draws, seed
        Number of permutations, and the seed of the first chunk of them.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    (1 + draws at least as far from the mean) / (1 + draws): never 0, never too small on average (Phipson &
    Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39).
    """
    n_strata = int(strata.max()) + 1
    rare_in = np.zeros((n_strata, len(rare.types)), dtype=np.int64)
    for place, code in enumerate(rare.types):
        rare_in[:, place] = np.bincount(strata[codes == code], minlength=n_strata)
    order = np.argsort(strata, kind="stable").astype(np.int32)
    labels = codes[order[~np.isin(codes[order], rare.types)]].astype(np.int32)
    sizes = np.bincount(strata, minlength=n_strata)
    first_cell, first_label = (
        np.concatenate([[0], np.cumsum(n)]) for n in (sizes, sizes - rare_in.sum(axis=1))
    )
    slack = _ROUNDING * (1 + np.abs(rare.observed))
    away = np.abs(rare.observed - rare.means) - slack, np.abs(rare.excess) - slack
    chunks = [len(part) for part in np.array_split(np.arange(n_draws), _CHUNKS)]
    seeds = np.random.SeedSequence(seed).generate_state(_CHUNKS, dtype=np.uint32)

    def _draw(chunk: int) -> tuple[Ints, Ints]:
        urns = _Urns(order.copy(), first_cell, labels.copy(), first_label, rare_in)
        return _draw_chunk(
            graph.indptr, graph.indices, strata, urns, rare, away, chunks[chunk], int(seeds[chunk])
        )

    with ThreadPoolExecutor(max(1, n_threads)) as pool:
        found = list(pool.map(_draw, range(_CHUNKS)))
    joins, shares = (sum(part) for part in zip(*found, strict=True))
    return Exceeded((1 + np.asarray(joins)) / (1 + n_draws), (1 + np.asarray(shares)) / (1 + n_draws))
