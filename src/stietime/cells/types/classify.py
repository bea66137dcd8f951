"""The probability of each cell type for each cell, from the clear cells and its counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import softmax

from stietime.cells.cell_types import CD4_T, CD8_T, LINEAGE_OF, SETS, T_CELL, TYPES, WITHIN_LINEAGE
from stietime.cells.types.naive_bayes import (
    background_shares,
    group_by_depth,
    learn_profiles,
    log_likelihood,
    shares_where_detected,
)
from stietime.cells.types.t_cells import cd8_probability
from stietime.names import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.marker_sets import MarkerSets

    Floats = NDArray[np.float64]

TEMPERATURE: Final = 3.0  # marker genes are not independent: log-likelihoods are divided by this
CERTAIN: Final = 0.9  # probability from which a cell helps to learn its type's profile again
UNTOLD: Final = 0.1  # a T cell this near to 0.5 is neither CD4 nor CD8
_ROUNDS: Final = 2
_CELLS_AT_ONCE: Final = 16_384  # whose intermediate results are in memory


@dataclass(frozen=True)
class MarkerCounts:
    """Counts of marker genes.

    Parameters
    ----------
    counts
        Cells x marker genes.
    genes
        Gene symbols of the columns.
    totals
        Counts of each cell over all genes, not only marker genes.
    """

    counts: csr_matrix
    genes: pd.Index
    totals: NDArray[np.float64]


@dataclass(frozen=True)
class Probabilities:
    """How probable each cell type is for each cell.

    Parameters
    ----------
    types
        Cell types; the last is `unknown`, a cell without the markers of any.
    matrix
        Cells x types; rows sum to 1.
    """

    types: tuple[str, ...]
    matrix: NDArray[np.float64]


def pieces(n_cells: int) -> Iterator[slice]:
    """Cut cells into pieces, so that no step on the way is there for all of them."""
    for start in range(0, max(n_cells, 1), _CELLS_AT_ONCE):
        yield slice(start, start + _CELLS_AT_ONCE)


def classify(
    data: MarkerCounts, sets: MarkerSets, clear: NDArray[np.intp], *, n_threads: int = 1
) -> Probabilities:
    """Judge all cells by profiles that are learned from the clear ones, twice.

    The second time the profiles are learned from all cells that are certain. What most types show of each
    gene stands for a cell without markers.

    Parameters
    ----------
    data
        Counts of the marker genes.
    sets
        The sets of `cell_types.SETS`.
    clear
        Position of the set of each cell that is clear, -1 for the others (`find_clear_cells`).
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    Probabilities of the types that have a clear cell.
    """
    kind_of_set = [SETS[name][0] for name in sets.set_ids]
    found = {kind_of_set[position] for position in np.unique(clear[clear >= 0])}
    kinds = [kind for kind in TYPES if kind in found]
    if not kinds:
        return Probabilities((UNKNOWN,), np.ones((len(data.totals), 1)))
    code_of_set = np.array([kinds.index(kind) if kind in found else -1 for kind in kind_of_set])
    label = np.where(clear >= 0, code_of_set[clear], -1)
    background = background_shares(data.counts, data.totals)
    prior, depths = _prior_profiles(data, sets, kinds, background), group_by_depth(data.totals)
    values = np.empty((0, 0))
    for _ in range(_ROUNDS):
        profiles = learn_profiles(data.counts, data.totals, label, prior)
        nothing = np.median(np.vstack([profiles, background]), axis=0)
        values = log_likelihood(
            data.counts, data.totals, np.vstack([profiles, nothing]), depths, n_threads=n_threads
        )
        _to_probabilities(values)
        best = values.argmax(axis=1)
        label = np.where((values.max(axis=1) > CERTAIN) & (best < len(kinds)), best, -1)
    return Probabilities((*kinds, UNKNOWN), values)


def _to_probabilities(values: Floats) -> None:
    """Turn log-likelihoods into probabilities, in place."""
    for some in pieces(len(values)):
        values[some] = softmax(values[some] / TEMPERATURE, axis=1)


def _prior_profiles(data: MarkerCounts, sets: MarkerSets, kinds: list[str], background: Floats) -> Floats:
    """Shares expected before seeing cells of a type, so that a type with few clear cells has a profile.

    Of a positive gene half of what the cells that show it have; of a negative gene half the average.
    """
    high_share = np.maximum(background, shares_where_detected(data.counts, data.totals) / 2)
    prior = np.tile(background, (len(kinds), 1))
    for row, kind in enumerate(kinds):
        names = [name for name in sets.set_ids if SETS[name][0] in (kind, WITHIN_LINEAGE.get(kind))]
        low = data.genes.isin([gene for name in names for gene in sets.genes_of(name, "negative")])
        high = data.genes.isin([gene for name in names for gene in sets.genes_of(name)])
        prior[row, low] = background[low] / 2
        prior[row, high] = high_share[high]
    return prior


def divide_t_cells(
    found: Probabilities, data: MarkerCounts, markers: pd.DataFrame, *, n_threads: int = 1
) -> Probabilities:
    """Divide the probability of T cells between CD4 and CD8; cells that cannot be told stay T cells.

    Parameters
    ----------
    found
        Probabilities, T cells in one or more columns.
    data
        Counts of the marker genes.
    markers
        The marker table.
    n_threads
        Threads; the result does not depend on them.
    """
    ours = np.array([LINEAGE_OF.get(kind) == T_CELL for kind in found.types])
    of_t_cell, rest = found.matrix[:, ours].sum(axis=1), found.matrix[:, ~ours]
    t_cells = np.flatnonzero(of_t_cell > rest.max(axis=1, initial=0))
    known = markers[markers["direction"] == "positive"].groupby("set_id")["gene"].agg(set)
    defining = [sorted(known.get(name, set()) - known.get(T_CELL, set())) for name in (CD4_T, CD8_T)]
    cd8 = np.full(len(of_t_cell), np.nan)
    cd8[t_cells] = cd8_probability(
        data.counts[t_cells], data.totals[t_cells], data.genes, *defining, n_threads=n_threads
    )
    told = np.isfinite(cd8) & (np.abs(cd8 - 0.5) >= UNTOLD)
    cd8 = np.where(told, cd8, 0)
    parts = np.column_stack([np.where(told, 1 - cd8, 0), cd8, ~told]) * of_t_cell[:, None]
    others = [kind for kind, is_t_cell in zip(found.types, ours, strict=True) if not is_t_cell]
    return Probabilities((CD4_T, CD8_T, T_CELL, *others), np.column_stack([parts, rest]))
