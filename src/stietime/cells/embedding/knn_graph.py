"""Search for nearest neighbours among many cells: lists around centres, of which each cell searches a few.

This is an inverted file search (Jegou et al., IEEE TPAMI 2011; IVF-Flat in faiss), compiled with numba. The
search of a cell does not depend on others, so that the result is the same on any number of threads.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Points = NDArray[np.float32]
    Ids = NDArray[np.int32]
    Starts = NDArray[np.int64]

# cells whose distances are computed together, which is what a processor's vectors hold best
_TILE: Final = 64
_FAR: Final = np.float32(1e18)
_UNSEEN: Final = np.finfo(np.float32).max
_BLOCK: Final = 4096
# cells per centre that the centres are learnt from, and rounds of k-means
_LEARN_FROM: Final = 48
_ROUNDS: Final = 5
# numbers of lists to search that are tried, and the cells they are tried for
_LISTS_TO_TRY: Final = (4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 96, 128)
_TRIED_CELLS: Final = 500


class Found(NamedTuple):
    """Nearest points.

    Parameters
    ----------
    indices
        Their rows, queries x k, the nearest first.
    squared
        Squared Euclidean distances, queries x k.
    """

    indices: Ids
    squared: Points


class Lists(NamedTuple):
    """Points in lists around centres.

    Parameters
    ----------
    centres
        Centres x dimensions.
    tiles
        Points, tiles x dimensions x 64; a list is some tiles in a row, the last one filled up far away.
    ids
        Rows of the points, tiles x 64; -1 where filled up.
    starts
        First tile of each list, and the end.
    n_searched
        Number of lists that a query searches.
    recall
        Share of the true nearest points that are found with it, measured on some points.
    """

    centres: Points
    tiles: Points
    ids: Ids
    starts: Starts
    n_searched: int
    recall: float


@numba.njit(nogil=True, cache=True, fastmath={"contract", "nnan", "nsz"})
def _scan(
    query: Points, tiles: Points, ids: Ids, first: int, end: int, apart: Points, squared: Points, found: Ids
) -> None:
    """Offer the points of some tiles to the sorted list of the nearest of one query."""
    k = squared.shape[0]
    farthest = squared[k - 1]
    for tile in range(first, end):
        for lane in range(_TILE):
            apart[lane] = np.float32(0)
        for dimension in range(query.shape[0]):
            value = query[dimension]
            row = tiles[tile, dimension]
            for lane in range(_TILE):
                difference = row[lane] - value
                apart[lane] += difference * difference
        least = apart[0]
        for lane in range(_TILE):
            least = min(least, apart[lane])
        if least >= farthest:
            continue
        for lane in range(_TILE):
            distance = apart[lane]
            if distance < farthest:
                place = k - 1
                while place > 0 and squared[place - 1] > distance:
                    squared[place] = squared[place - 1]
                    found[place] = found[place - 1]
                    place -= 1
                squared[place] = distance
                found[place] = ids[tile, lane]
                farthest = squared[k - 1]


@numba.njit(nogil=True, cache=True)
def _search_lists(
    queries: Points, chosen: Ids, starts: Starts, tiles: Points, ids: Ids, squared: Points, found: Ids
) -> None:
    """Search the chosen lists for every query."""
    apart = np.empty(_TILE, np.float32)
    for row in range(queries.shape[0]):
        for place in range(chosen.shape[1]):
            at = chosen[row, place]
            _scan(queries[row], tiles, ids, starts[at], starts[at + 1], apart, squared[row], found[row])


def in_blocks(work: Callable[[slice], None], n: int, n_threads: int, size: int = _BLOCK) -> None:
    """Do work on all rows, some thousand at a time; the blocks do not depend on the number of threads."""
    blocks = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    with ThreadPoolExecutor(min(n_threads, os.cpu_count() or 1)) as pool:
        for _ in pool.map(work, blocks):
            pass


def _in_tiles(points: Points, lists: Ids, n_lists: int) -> tuple[Points, Ids, Starts]:
    """Lay the points of each list out in tiles."""
    order = np.argsort(lists, kind="stable")
    sizes = np.bincount(lists, minlength=n_lists)
    starts = np.concatenate([[0], np.cumsum(-(-sizes // _TILE))])
    within = np.arange(len(points)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    slots = starts[lists[order]] * _TILE + within
    ids = np.full((starts[-1], _TILE), -1, dtype=np.int32)
    ids.reshape(-1)[slots] = order
    tiles = np.full((starts[-1], points.shape[1], _TILE), _FAR, dtype=np.float32)
    tiles[slots // _TILE, :, slots % _TILE] = points[order]
    return tiles, ids, starts


def _search(queries: Points, chosen: Ids, laid: tuple[Points, Ids, Starts], k: int, n_threads: int) -> Found:
    tiles, ids, starts = laid
    squared = np.full((len(queries), k), _UNSEEN, dtype=np.float32)
    found = np.full((len(queries), k), -1, dtype=np.int32)

    def search(rows: slice) -> None:
        """Search for some of the queries."""
        _search_lists(queries[rows], chosen[rows], starts, tiles, ids, squared[rows], found[rows])

    in_blocks(search, len(queries), n_threads)
    return Found(found, squared)


def nearest_of_all(queries: Points, points: Points, k: int, *, n_threads: int = 1) -> Found:
    """Find the k nearest points of each query among all points, exactly."""
    laid = _in_tiles(points, np.zeros(len(points), dtype=np.int32), 1)
    return _search(queries, np.zeros((len(queries), 1), dtype=np.int32), laid, k, n_threads)


def _learn_centres(points: Points, n_centres: int, rng: np.random.Generator, n_threads: int) -> Points:
    """Find centres by k-means on a sample, the sums in double precision."""
    n_sampled = min(len(points), _LEARN_FROM * n_centres)
    sample = points[np.sort(rng.choice(len(points), n_sampled, replace=False))]
    centres = sample[np.sort(rng.choice(n_sampled, n_centres, replace=False))]
    for _ in range(_ROUNDS):
        nearest = nearest_of_all(sample, centres, 1, n_threads=n_threads).indices[:, 0]
        sizes = np.bincount(nearest, minlength=n_centres)
        held = sizes > 0
        ordered = sample[np.argsort(nearest, kind="stable")].astype(np.float64)
        sums = np.add.reduceat(ordered, (np.cumsum(sizes) - sizes)[held], axis=0)
        centres[held] = sums / sizes[held, None]
    return centres


def make_lists(points: Points, k: int, *, recall: float, seed: int, n_threads: int = 1) -> Lists:
    """Sort points into lists and measure how many of them a query must search.

    Parameters
    ----------
    points
        Points x dimensions.
    k
        Number of nearest points that will be asked for.
    recall
        Share of the true nearest points to be found; the fewest lists that reach it on 500 points are
        searched.
    seed
        Seed of the k-means that finds the centres, and of the points the recall is measured on.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    The lists: 330 for 50,000 points, 2,000 for a million, which measured fastest.
    """
    rng = np.random.default_rng(seed)
    n_lists = max(1, round(0.5 * len(points) ** 0.6))
    centres = _learn_centres(points, n_lists, rng, n_threads)
    home = nearest_of_all(points, centres, 1, n_threads=n_threads).indices[:, 0]
    laid = _in_tiles(points, home, n_lists)
    tried = points[np.sort(rng.choice(len(points), min(len(points), _TRIED_CELLS), replace=False))]
    every = np.tile(np.arange(n_lists, dtype=np.int32), (len(tried), 1))
    farthest = _search(tried, every, laid, k, n_threads).squared[:, -1:]
    order = nearest_of_all(tried, centres, min(_LISTS_TO_TRY[-1], n_lists), n_threads=n_threads).indices
    for n_searched in _LISTS_TO_TRY:
        found = _search(tried, order[:, :n_searched], laid, k, n_threads)
        reached = float(np.mean(found.squared <= farthest))
        if reached >= recall or n_searched >= n_lists:
            break
    return Lists(centres, *laid, min(n_searched, n_lists), reached)


def search_lists(lists: Lists, queries: Points, k: int, *, n_threads: int = 1) -> Found:
    """Find nearly all of the k nearest points of each query in the lists whose centres are nearest to it.

    Parameters
    ----------
    lists
        Points in lists, at least k.
    queries
        Queries x dimensions.
    k
        Number of nearest points.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    The nearest points; a query that is one of the points finds itself. Where its lists hold fewer than
    k points, all points are searched.
    """
    n_lists = len(lists.centres)
    chosen = nearest_of_all(queries, lists.centres, lists.n_searched, n_threads=n_threads).indices
    # queries of one list after each other find its points in the processor's cache
    order = np.argsort(chosen[:, 0], kind="stable")
    laid = (lists.tiles, lists.ids, lists.starts)
    found = _search(queries[order], chosen[order], laid, k, n_threads)
    indices, squared = np.empty_like(found.indices), np.empty_like(found.squared)
    indices[order], squared[order] = found
    short = np.flatnonzero(indices[:, -1] < 0)
    every = np.tile(np.arange(n_lists, dtype=np.int32), (len(short), 1))
    indices[short], squared[short] = _search(queries[short], every, laid, k, n_threads)
    return Found(indices, squared)
