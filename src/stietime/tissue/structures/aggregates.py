"""Tertiary lymphoid structures and other aggregates of B cells in one section."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.stats import binom

from stietime.tissue.graphs.graph import n_neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

TLS: Final = "tls"
B_AGGREGATE: Final = "b_cell_aggregate"
COLUMNS: Final = (
    *("structure", "kind", "x_um", "y_um", "n_core", "n_b", "n_t", "n_dc", "b_share", "t_share"),
    *("area_mm2", "diameter_um", "distance_to_boundary_um", "confidence", "note"),
)
_CHANCE: Final = 0.001
_KEPT_SHARE: Final = 0.8
_N_THINNINGS: Final = 20


@dataclass(frozen=True)
class Lymphoid:
    """Which cells of a section are B cells, T cells and dendritic cells.

    Parameters
    ----------
    b, t, dc
        One truth value per cell.
    """

    b: NDArray[np.bool_]
    t: NDArray[np.bool_]
    dc: NDArray[np.bool_]


@dataclass(frozen=True)
class Definition:
    """What counts as an aggregate of B cells, and as a tertiary lymphoid structure.

    Parameters
    ----------
    min_b_share
        Smallest share of B cells around a cell of the core.
    min_b_cells
        Smallest number of B cells in the core.
    min_t_cells
        Smallest number of T cells in the core and its rim for a tertiary lymphoid structure.
    rim_um
        Width of the rim around the core, micrometres.
    """

    min_b_share: float = 0.5
    min_b_cells: int = 50
    min_t_cells: int = 10
    rim_um: float = 50.0


@dataclass(frozen=True)
class Aggregates:
    """The aggregates of one section.

    Parameters
    ----------
    core
        For every cell the number of the aggregate whose core it lies in, from 0; -1 outside.
    rim
        The same with the rim; where two rims meet, of the nearer core.
    n
        Number of aggregates, numbered by the B cells in their core, the largest first.
    """

    core: NDArray[np.int64]
    rim: NDArray[np.int64]
    n: int


def _pieces(
    graph: csr_array, is_b: NDArray[np.bool_], kept: NDArray[np.bool_], definition: Definition, b_share: float
) -> NDArray[np.int64]:
    """Give the number of the piece of a B-cell zone to each cell that is kept; -1 outside."""
    n_near = graph @ kept.astype(np.float64) + kept
    n_b = graph @ (is_b & kept).astype(np.float64) + (is_b & kept)
    candidate = kept & (n_b >= definition.min_b_share * n_near) & (n_b > 0)
    rows = np.flatnonzero(candidate)
    rows = rows[binom.sf(n_b[rows] - 1, n_near[rows], b_share) < _CHANCE]
    found = np.full(len(is_b), -1, dtype=np.int64)
    if not len(rows):
        return found
    _, piece = connected_components(graph[rows][:, rows], directed=False)
    sizes = np.bincount(piece, weights=is_b[rows])
    large = np.flatnonzero(sizes >= definition.min_b_cells)
    number = np.full(len(sizes), -1, dtype=np.int64)
    number[large[np.argsort(-sizes[large], kind="stable")]] = np.arange(len(large))
    found[rows] = number[piece]
    return found


def find_aggregates(
    positions: NDArray[np.float64], graph: csr_array, is_b: NDArray[np.bool_], definition: Definition
) -> Aggregates:
    """Find the dense aggregates of B cells of a section.

    A cell of any type lies in a core when B cells are at least `min_b_share` of the cells around it, itself
    included, and more than the section's share of B cells explains (one-sided binomial, p < 0.001).
    Connected pieces of such cells with at least `min_b_cells` B cells are aggregates. Mixing B cells evenly
    among all others makes none, however many there are.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    graph
        Cells x cells, symmetric: the neighbourhood that is judged, such as 30 um.
    is_b
        Which cells are B cells.
    definition
        The numbers of the definition.

    Returns
    -------
    The aggregates, the largest first.
    """
    everyone = np.ones(len(is_b), dtype=bool)
    core = _pieces(graph, is_b, everyone, definition, float(is_b.mean()))
    rim = core.copy()
    held = np.flatnonzero(core >= 0)
    if len(held):
        distance, nearest = cKDTree(positions[held]).query(positions, distance_upper_bound=definition.rim_um)
        near = np.isfinite(distance)
        rim[near] = core[held[nearest[near]]]
    return Aggregates(core, rim, int(core.max(initial=-1)) + 1)


def confidence_of(
    graph: csr_array, is_b: NDArray[np.bool_], found: Aggregates, definition: Definition, seed: int
) -> NDArray[np.float64]:
    """Measure how surely each aggregate is found again when a fifth of the cells is lost at random.

    An aggregate is found again when at least half of the B cells of its core that are left lie in one
    aggregate of the same definition, with four fifths of its smallest number of B cells: about 0.5 for an
    aggregate on a cut, 1 far from it (stability under subsampling; Hennig 2007, Comput. Stat. Data Anal. 52,
    258).

    Parameters
    ----------
    graph, is_b, definition
        See `find_aggregates`.
    found
        The aggregates of all cells.
    seed
        Seed of the 20 subsamples.

    Returns
    -------
    For each aggregate the share of subsamples in which it is found again, 0 to 1.
    """
    rng = np.random.default_rng(seed)
    thinned = replace(definition, min_b_cells=round(_KEPT_SHARE * definition.min_b_cells))
    held = np.flatnonzero((found.core >= 0) & is_b)
    again = np.zeros(found.n)
    for _ in range(_N_THINNINGS if found.n else 0):
        kept = rng.random(len(is_b)) < _KEPT_SHARE
        left = held[kept[held]]
        pieces = _pieces(graph, is_b, kept, thinned, float(is_b.mean()))[left]
        n_left = np.bincount(found.core[left], minlength=found.n)
        inside = pieces >= 0
        shared = np.zeros((found.n, int(pieces.max(initial=-1)) + 2), dtype=np.int64)
        np.add.at(shared, (found.core[left][inside], pieces[inside]), 1)
        again += shared.max(axis=1) >= np.maximum(1.0, n_left / 2)
    return again / _N_THINNINGS


def describe_aggregates(
    positions: NDArray[np.float64],
    graph: csr_array,
    cells: Lymphoid,
    found: Aggregates,
    definition: Definition,
    *,
    distance_um: NDArray[np.float64],
    seed: int = 1,
) -> pd.DataFrame:
    """List the aggregates with their size and composition, and say which are tertiary lymphoid structures.

    A tertiary lymphoid structure has T cells and dendritic cells with its B cells: at least `min_t_cells`
    and one dendritic cell in the core and its rim (Sautes-Fridman et al. 2019, Nat. Rev. Cancer 19, 307).
    Where the section has no dendritic cell at all the platform may not show them; they are then not asked
    for, and `note` says so.

    Parameters
    ----------
    positions, graph, found, definition
        See `find_aggregates`.
    cells
        Which cells are B cells, T cells and dendritic cells.
    distance_um
        Signed distance of every cell to the boundary of tumour regions; may be missing.
    seed
        Seed of the subsamples of the confidence.

    Returns
    -------
    `COLUMNS`, one row per aggregate. The area is the sum over the core's cells of the area a cell has around
    it.
    """
    confidence = confidence_of(graph, cells.b, found, definition, seed)
    own_um2 = _area_around(positions, graph)
    core = np.flatnonzero(found.core >= 0)

    everyone = np.ones(len(positions))
    n_core, n_whole = _sums(found.core, everyone, found.n), _sums(found.rim, everyone, found.n)
    n_b, n_t, n_dc = (_sums(found.rim, kind, found.n) for kind in (cells.b, cells.t, cells.dc))
    asks_dc = bool(cells.dc.any())
    is_tls = (n_t >= definition.min_t_cells) & ((n_dc > 0) | (not asks_dc))
    area = _sums(found.core, own_um2, found.n)
    x, y = (_sums(found.core, positions[:, axis], found.n) / n_core for axis in (0, 1))
    columns = {
        "structure": [str(number + 1) for number in range(found.n)],
        "kind": np.where(is_tls, TLS, B_AGGREGATE).astype(object),
        "x_um": x,
        "y_um": y,
        "n_core": n_core.astype(int),
        "n_b": n_b.astype(int),
        "n_t": n_t.astype(int),
        "n_dc": n_dc.astype(int),
        "b_share": _sums(found.core, cells.b, found.n) / n_core,
        "t_share": n_t / n_whole,
        "area_mm2": area / 1e6,
        "diameter_um": 2 * np.sqrt(area / np.pi),
        "distance_to_boundary_um": pd.Series(distance_um[core]).groupby(found.core[core]).median().to_numpy(),
        "confidence": confidence,
        "note": "" if asks_dc else "the section has no dendritic cells: not asked for",
    }
    return pd.DataFrame(columns, columns=list(COLUMNS))


def _sums(number: NDArray[np.int64], weight: NDArray[Any], n: int) -> NDArray[np.float64]:
    """Sum a weight over the cells of each aggregate; negative numbers are outside."""
    held = number >= 0
    return np.bincount(number[held], weights=weight[held].astype(float), minlength=n)


def _area_around(positions: NDArray[np.float64], graph: csr_array) -> NDArray[np.float64]:
    """Give every cell its part of the tissue, in square micrometres, from the distance of its neighbours.

    With m neighbours within r, r the distance of the farthest of them, the density is m / (pi r^2): the cell
    itself and the disc's edge cancel (the k-nearest-neighbour estimate of a density, with k = m).
    """
    degree = n_neighbours(graph)
    first = np.repeat(np.arange(len(degree)), degree)
    apart = np.linalg.norm(positions[first] - positions[graph.indices], axis=1)
    farthest = np.zeros(len(degree))
    np.maximum.at(farthest, first, apart)
    return np.asarray(np.pi * farthest**2 / np.maximum(degree, 1))
