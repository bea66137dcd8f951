"""How much like the cells of a state a cell is by all other genes, which nobody named in advance.

The evidence for a state rests on the few genes of its set. The cells with much of it are compared with the
others of their parent in the same samples, gene by gene; what is learned there judges every cell, each
without its own counts. Calls do not use it: that the other genes agree is a check that they do not rest on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Floats = NDArray[np.float64]

TEMPERATURE: Final = 3.0  # genes are not independent: log-likelihoods are divided by this
PSEUDO_CELLS: Final = 3.0  # as many average cells of the parent are added to either profile, of each gene
PSEUDO_COUNT: Final = 1.0  # at least so many counts
MIN_CELLS: Final = 20.0  # with and without the state, expected by the evidence
N_GENES: Final = 15  # that the table shows, higher and lower each
PROFILE_COLUMNS: Final = ("state", "gene", "log2_ratio", "per_10000_with", "per_10000_without")
_START, _LEAST, _MOST, _TOLERANCE, _ROUNDS = 0.1, 1e-5, 0.9, 1e-6, 500


def state_share(evidence: Floats) -> float:
    """Estimate the share of the cells that have a state, by expectation maximisation.

    With the share f, a cell has the state with the probability ``expit(evidence + logit f)``; f is the mean
    of these (Dempster, Laird and Rubin 1977, for a mixture of two known densities).

    Parameters
    ----------
    evidence
        Log-likelihood ratio of each cell, natural logarithm.

    Returns
    -------
    From 0.00001 to 0.9.
    """
    share = _START
    for _ in range(_ROUNDS):
        updated = float(np.clip(expit(evidence + logit(share)).mean(), _LEAST, _MOST))
        if abs(updated - share) < _TOLERANCE:
            break
        share = updated
    return share


@dataclass(frozen=True)
class CellWeights:
    """How much each cell counts for the profile of the state, and for that of the cells without it.

    Parameters
    ----------
    with_state
        Probability that the cell has the state.
    without
        Probability that it has not, scaled within each sample so that both profiles are of the same samples
        in the same shares: what differs between samples is no mark of the state.
    """

    with_state: Floats
    without: Floats

    @property
    def enough(self) -> bool:
        """Whether there are cells of either kind to learn from."""
        return min(float(self.with_state.sum()), float((self.without > 0).sum())) >= MIN_CELLS


def weigh_cells(evidence: Floats, samples: Sequence[Any] | NDArray[Any] | pd.Index) -> CellWeights:
    """Weigh cells by their evidence.

    Parameters
    ----------
    evidence
        Log-likelihood ratio of each cell.
    samples
        Sample of each cell.
    """
    probability: Floats = expit(evidence + logit(state_share(evidence)))
    codes, _ = pd.factorize(np.asarray(samples, dtype=object))
    have = np.bincount(codes, weights=probability)
    have_not = np.bincount(codes, weights=1 - probability)
    scale = np.divide(have, have_not, out=np.zeros_like(have), where=have_not > 0)
    return CellWeights(probability, (1 - probability) * scale[codes])


def weighted_sums(counts: csr_matrix, weights: CellWeights) -> Floats:
    """Sum the counts of some cells for both profiles.

    Parameters
    ----------
    counts
        Cells x genes.
    weights
        Of the same cells.

    Returns
    -------
    2 x genes: with the state, without. Those of all cells are the sums of those of some.
    """
    return np.stack([counts.T @ weights.with_state, counts.T @ weights.without])


def likeness(counts: csr_matrix, weights: CellWeights, sums: Floats, n_cells: int) -> Floats:
    """Judge cells by the two profiles, each cell by profiles without its own counts.

    The counts of a cell are multinomial with the profile of the state or with the other:
    ``sum over genes of count log(share with / share without) / TEMPERATURE``. To either profile
    the average cell is added `PSEUDO_CELLS` times, of each gene at least `PSEUDO_COUNT` (a gamma prior), so
    that a gene that few cells show says little.

    Parameters
    ----------
    counts
        Cells x genes, float.
    weights
        Of the same cells.
    sums
        2 x genes, `weighted_sums` over all cells of the parent, these among them.
    n_cells
        Number of all cells of the parent.

    Returns
    -------
    One log-likelihood ratio per cell.
    """
    added, depths = _pseudo_counts(sums, n_cells)
    own_totals = np.asarray(counts.sum(axis=1)).ravel()
    rows, genes = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr)), counts.indices
    ratio = np.zeros(len(counts.data))
    for profile, weight, sign in zip(sums, (weights.with_state, weights.without), (1, -1), strict=True):
        seen = profile[genes] - weight[rows] * counts.data + added[genes]
        depth = (profile.sum() - weight * own_totals)[rows] + depths[genes]
        ratio += sign * np.log(seen / depth)
    summed = np.bincount(rows, weights=ratio * counts.data, minlength=counts.shape[0])
    return np.asarray(summed / TEMPERATURE)


def _pseudo_counts(sums: Floats, n_cells: int) -> tuple[Floats, Floats]:
    """Give for each gene the counts that are added to either profile, and the depth that they stand for."""
    total = sums.sum(axis=0)
    shares = np.maximum(total, _LEAST) / max(float(total.sum()), 1.0)
    cells = PSEUDO_CELLS * float(total.sum()) / max(n_cells, 1)
    added = np.maximum(cells * shares, PSEUDO_COUNT)
    return added, added / shares


def profile_table(sums: Floats, genes: pd.Index, n_cells: int) -> pd.DataFrame:
    """List the genes that say most: the largest sum over cells of what a gene adds to the likeness.

    Parameters
    ----------
    sums
        2 x genes, over all cells of the parent.
    genes
        Gene symbols.
    n_cells
        Number of cells of the parent.

    Returns
    -------
    Up to `N_GENES` genes that are higher in the state and as many that are lower, the most telling first:
    gene, log2_ratio (shrunken as in `likeness`), per_10000_with, per_10000_without (counts per 10,000).
    """
    added, depths = _pseudo_counts(sums, n_cells)
    shares = (sums + added) / (sums.sum(axis=1, keepdims=True) + depths)
    log_ratio = np.log(shares[0] / shares[1])
    telling = sums[0] * log_ratio / np.sqrt(np.maximum(sums.sum(axis=0), 1.0))
    high, low = np.argsort(-telling, kind="stable"), np.argsort(telling, kind="stable")
    chosen = [*high[:N_GENES][telling[high[:N_GENES]] > 0], *low[:N_GENES][telling[low[:N_GENES]] < 0]]
    plain = 1e4 * sums / np.maximum(sums.sum(axis=1, keepdims=True), 1.0)
    return pd.DataFrame(
        {
            "gene": genes[chosen],
            "log2_ratio": log_ratio[chosen] / np.log(2),
            "per_10000_with": plain[0, chosen],
            "per_10000_without": plain[1, chosen],
        }
    )


def agreement(values: Floats, called: NDArray[np.bool_], samples: Sequence[Any] | NDArray[Any]) -> float:
    """Tell how far the other genes set called cells apart: the area under the curve within samples.

    Parameters
    ----------
    values
        Likeness of each cell.
    called
        Whether it is called.
    samples
        Sample of each cell.

    Returns
    -------
    Share of the pairs of a called and another cell of the same sample in which the called one has more (ties
    half); nan without such a pair.
    """
    codes, names = pd.factorize(np.asarray(samples, dtype=object))
    won = pairs = 0.0
    for code in range(len(names)):
        inside = codes == code
        is_called = called[inside]
        n, rest = int(is_called.sum()), int((~is_called).sum())
        won += rankdata(values[inside])[is_called].sum() - n * (n + 1) / 2
        pairs += n * rest
    return won / pairs if pairs else float("nan")
