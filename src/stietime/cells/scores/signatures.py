"""Scores of marker sets in every cell, by the method that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.cells.marker_sets import positions
from stietime.cells.normalisation import log_normalise
from stietime.cells.scores.aucell import score_by_recovery
from stietime.cells.scores.mean_difference import match_controls, score_by_controls
from stietime.cells.scores.ucell import score_by_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cells.marker_sets import MarkerSets

    Floats = NDArray[np.float64]

MethodName = Literal["ucell", "aucell", "mean_difference"]
MIN_NEGATIVE_COVERAGE: Final = 0.5  # with fewer, one ambient gene would weigh as much as all positive genes
UCELL: Final = "ucell"
AUCELL: Final = "aucell"
MEAN_DIFFERENCE: Final = "mean_difference"


class Method(NamedTuple):
    """How sets are scored.

    Parameters
    ----------
    name
        ucell, aucell or mean_difference.
    max_rank
        UCell's maxRank (`ucell.capped_max_rank`).
    first_share
        AUCell's share of the genes that counts as the first ones.
    n_controls
        Controls of each gene in mean_difference.
    """

    name: MethodName = UCELL
    max_rank: int = 1500
    first_share: float = 0.05
    n_controls: int = 100


UCELL_DEFAULT: Final = Method()


def scored_sets(sets: MarkerSets, min_coverage: float) -> NDArray[np.intp]:
    """Name the places of the sets of which enough positive genes are in the data.

    Parameters
    ----------
    sets
        Marker sets.
    min_coverage
        A set with a smaller share of its positive genes in the data is not scored.
    """
    enough = (sets.coverage["coverage"] >= min_coverage) & (sets.coverage["n_present"] > 0)
    return np.flatnonzero(enough.to_numpy())


def negative_half_counts(coverage: pd.DataFrame, min_coverage: float) -> pd.Series:
    """Say of which sets the negative genes enter the score.

    The two halves of a score weigh alike, however many genes are left of each: at least half of a set's
    negative genes, and the share that is asked of the positive ones, must be in the data.

    Parameters
    ----------
    coverage
        One row per set, from `MarkerSets.coverage`.
    min_coverage
        A set with a smaller share of its positive genes in the data is not scored.
    """
    return coverage["negative_coverage"] >= max(min_coverage, MIN_NEGATIVE_COVERAGE)


def _negative(sets: MarkerSets, places: NDArray[np.intp], min_coverage: float) -> sparse.csr_matrix:
    """Give the negative genes x scored sets, empty where too few are in the data."""
    counts = negative_half_counts(sets.coverage, min_coverage).to_numpy()[places]
    return sparse.csr_matrix(sets.negative[:, places] @ sparse.diags(counts.astype(np.float64)))


def control_weights(
    means: Floats, genes: pd.Index, sets: MarkerSets, method: Method, *, min_coverage: float = 0.5
) -> sparse.csr_matrix:
    """Weigh genes and their controls for mean_difference, in one sample.

    Parameters
    ----------
    means
        Mean log-normalised expression of each gene in the cells of the sample.
    genes, sets, method, min_coverage
        As in `score_signatures`.

    Returns
    -------
    Genes x scored sets.
    """
    places, columns = scored_sets(sets, min_coverage), positions(genes, sets.genes)
    high, low = (
        match_controls(means, genes, _over_all(matrix, columns, len(genes)), method.n_controls)
        for matrix in (sets.positive[:, places], _negative(sets, places, min_coverage))
    )
    return sparse.csr_matrix(high - low)


def score_signatures(
    counts: sparse.csr_matrix,
    genes: pd.Index,
    sets: MarkerSets,
    method: Method = UCELL_DEFAULT,
    *,
    min_coverage: float = 0.5,
    cell_totals: Floats | None = None,
    weights: sparse.csr_matrix | None = None,
) -> pd.DataFrame:
    """Score marker sets: the score of the positive genes, less that of the negative ones.

    UCell itself cuts the difference off at 0. That would take away what tells a state whose negative genes
    all its parent cells have, such as class II in M-MDSC, so it is kept here. Genes that are not in the data
    are left out, not taken as undetected; of a set that lacks most of its negative genes all are left out
    (`negative_half_counts`).

    Parameters
    ----------
    counts
        Cells x genes.
    genes
        Gene symbols of the columns.
    sets
        Marker sets, whose genes are among `genes`.
    method
        How they are scored. Weights of genes enter mean_difference only: ranks count all genes alike.
    min_coverage
        A set with a smaller share of its positive genes in the data is not scored.
    cell_totals
        For mean_difference: counts of each cell over all genes, where `counts` holds only some.
    weights
        For mean_difference: what `control_weights` gives for the cells' sample.

    Returns
    -------
    Cells x scored sets, float32.

    Raises
    ------
    ValueError
        mean_difference is asked for without `weights`.
    """
    places, columns = scored_sets(sets, min_coverage), positions(genes, sets.genes)
    if method.name == MEAN_DIFFERENCE:
        if weights is None:
            message = "mean_difference needs the weights of genes and controls in the sample"
            raise ValueError(message)
        found = score_by_controls(log_normalise(counts, cell_totals=cell_totals), weights)
    else:
        # both at once, as genes are ranked in every cell first
        negative = _negative(sets, places, min_coverage)
        members = sparse.hstack([sets.positive[:, places], negative], format="csr")
        scores = _by_ranks(counts, columns, members, method)
        found = scores[:, : len(places)] - scores[:, len(places) :]
    return pd.DataFrame(found.astype(np.float32), columns=sets.set_ids[places])


def _by_ranks(
    counts: sparse.csr_matrix, columns: NDArray[np.intp], members: sparse.csr_matrix, method: Method
) -> Floats:
    if method.name == AUCELL:
        return score_by_recovery(counts, columns, members, method.first_share)
    return score_by_ranks(counts, columns, members, method.max_rank)


def _over_all(members: sparse.csr_matrix, columns: NDArray[np.intp], n_genes: int) -> sparse.csr_matrix:
    """Spread the genes of the sets x sets over all genes x sets."""
    shown = members.tocoo()
    places = (shown.data, (columns[shown.row], shown.col))
    return sparse.csr_matrix(places, shape=(n_genes, members.shape[1]))
