"""Doublet scores of one capture, and the score above which a cell is called.

A classifier learns to tell artificial doublets from the cells of the capture by the features of
`doublet_features`; the score of a cell is the probability that it is artificial, given by a classifier that
was not trained on it. The likely doublets among the cells are left out of the second round of training
(Germain et al., F1000Research 2021). Everything random happens in an order that the contents of the cells
set, and on one thread, so that scores depend neither on the order of the cells nor on the number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import sparse

from stietime.cells.doublet_features import describe_capture, informative_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.doublet_features import Capture

    Vector = NDArray[np.float64]
    Rows = NDArray[np.int64]

MIN_CELLS: Final = 20
MIN_GENES: Final = 30
N_FOLDS: Final = 5
N_ROUNDS: Final = 2
N_ITERATIONS: Final = 100
MIN_LEFT_OUT: Final = 0.03  # the rate may be larger than expected, and cells left out are still scored
# cells may show fewer or more doublets than expected; beyond these factors (and 5 %) they are not believed
LEAST_OF_EXPECTED: Final = 0.5
MOST_OF_EXPECTED: Final = 4.0
MOST_UNEXPECTED: Final = 0.05


class Scores(NamedTuple):
    """Scores of the cells of one capture.

    Parameters
    ----------
    cells, artificial
        Probability that a cell, or an artificial doublet, is artificial, 0 to 1.
    homotypic
        Share of doublets of two similar cells, which cannot be told from cells.
    """

    cells: Vector
    artificial: Vector
    homotypic: float


def score_capture(counts: csr_matrix, *, rate: float, seed: int = 1) -> Scores | str:
    """Score the cells of one capture.

    Parameters
    ----------
    counts
        Counts of the cells, cells x genes; empty and dying cells are better left out before.
    rate
        Expected share of doublets.
    seed
        Seed of the artificial doublets and of the classifier.

    Returns
    -------
    The scores, or why there are none.
    """
    from threadpoolctl import threadpool_limits

    n_cells = counts.shape[0]
    if n_cells < MIN_CELLS:
        return f"{n_cells} cells; at least {MIN_CELLS} are needed"
    counts = _clean(counts)
    contents = content_hashes(counts)
    order = np.argsort(contents, kind="stable")
    counts = counts[order]
    genes = informative_genes(counts)
    if len(genes) < MIN_GENES:
        return f"{len(genes)} genes vary between cells; at least {MIN_GENES} are needed"
    rng = np.random.default_rng(seed)
    with threadpool_limits(limits=1):
        try:
            capture = describe_capture(counts, genes, rng)
        except ValueError as error:
            return str(error)
        probability = _classify(capture, rate, rng)
    scores = np.empty(n_cells)
    scores[order] = probability[:n_cells]
    return Scores(_same_for_same(scores, contents), probability[n_cells:], capture.homotypic)


def _clean(counts: csr_matrix) -> csr_matrix:
    clean = sparse.csr_matrix(counts, copy=True)
    clean.sum_duplicates()
    clean.eliminate_zeros()
    return clean


def content_hashes(counts: csr_matrix) -> NDArray[np.uint64]:
    """Hash the counts of each cell, so that cells can be put into an order that only their contents set.

    Parameters
    ----------
    counts
        Counts, cells x genes, without stored zeros.

    Returns
    -------
    One hash per cell: the sum of hashes (splitmix64) of all its pairs of gene and count.
    """
    pairs = counts.indices.astype(np.uint64) << np.uint64(32) | counts.data.astype(np.uint64)
    pairs += np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        pairs = (pairs ^ (pairs >> np.uint64(shift))) * np.uint64(factor)
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(pairs ^ (pairs >> np.uint64(31)))])
    return np.asarray(sums[counts.indptr[1:]] - sums[counts.indptr[:-1]])


def _same_for_same(scores: Vector, contents: NDArray[np.uint64]) -> Vector:
    """Give cells of equal counts their mean score, for nothing but their order tells them apart."""
    _, group, size = np.unique(contents, return_inverse=True, return_counts=True)
    if len(size) == len(scores):
        return scores
    # rounded, for the order of a sum changes its last digits
    return np.asarray(np.round(np.bincount(group, weights=scores) / size, 12)[group])


def _classify(capture: Capture, rate: float, rng: np.random.Generator) -> Vector:
    """Probability of every cell and artificial doublet to be artificial, by classifiers not trained on it."""
    n, n_all = capture.n_cells, len(capture.features)
    fold = np.empty(n_all, dtype=np.int64)
    for rows in (np.arange(n), np.arange(n, n_all)):
        fold[rows] = rng.permutation(len(rows)) % N_FOLDS
    trusted = np.concatenate([capture.is_reference, np.ones(n_all - n, dtype=bool)])
    probability = np.zeros(n_all)
    for this_round in range(N_ROUNDS):
        if this_round:
            n_left_out = int(np.ceil(min(max(rate, MIN_LEFT_OUT), 0.4) * n))
            trusted[np.argsort(-probability[:n], kind="stable")[:n_left_out]] = False
        for k in range(N_FOLDS):
            held_out = fold == k
            probability[held_out] = _fit_and_predict(capture, trusted & ~held_out, held_out)
    return probability


def _fit_and_predict(capture: Capture, training: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> Vector:
    from sklearn.ensemble import HistGradientBoostingClassifier

    is_artificial = np.arange(len(training)) >= capture.n_cells
    model = HistGradientBoostingClassifier(
        max_iter=80,
        learning_rate=0.1,
        max_leaf_nodes=8,
        min_samples_leaf=20,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    )
    model.fit(capture.features[training], is_artificial[training])
    return np.asarray(model.predict_proba(capture.features[wanted])[:, 1])


def find_threshold(scores: Scores, rate: float) -> tuple[float, str]:
    """Choose the score above which a cell is called, and say how.

    A score p gives the likelihood ratio r = p / (1 - p) * n_cells / n_artificial of a doublet of unlike
    cells. The share s of doublets is what makes the scores of the cells most likely (mixture of two known
    densities, by EM), and cells with s r > (1 - s) are called: more likely doublets than not. The number of
    calls is held between half the expected number and four times it (or 5 % of the cells, where that is
    more).

    Parameters
    ----------
    scores
        Scores of a capture.
    rate
        Expected share of doublets, those of like cells included.

    Returns
    -------
    The threshold, and how it was found.
    """
    n, expected = len(scores.cells), rate * (1 - scores.homotypic)
    share = estimate_share(scores, expected)
    odds = (1 - share) / max(share, 1e-12) * len(scores.artificial) / n
    threshold = odds / (1 + odds)
    told = f"{expected:.2%} doublets of unlike cells expected, scores tell {share:.2%}"
    least, most = LEAST_OF_EXPECTED * expected, max(MOST_OF_EXPECTED * expected, MOST_UNEXPECTED)
    called = (scores.cells > threshold).mean()
    if called < least:
        return _score_of_top(scores.cells, least), f"{told}; half the expected number called"
    if called > most:
        return _score_of_top(scores.cells, expected), f"{told}, not believed; the expected number called"
    return float(threshold), f"{told}; doublets are more likely above it"


def estimate_share(scores: Scores, start: float) -> float:
    """Estimate the share of doublets from the scores alone.

    Parameters
    ----------
    scores
        Scores of a capture.
    start
        Share that the iteration starts from.
    """
    ratio = scores.cells / (1 - scores.cells) * len(scores.cells) / len(scores.artificial)
    share = min(max(start, 1e-4), 0.5)
    for _ in range(N_ITERATIONS):
        share = float((share * ratio / (share * ratio + 1 - share)).mean())
    return share


def _score_of_top(scores: Vector, share: float) -> float:
    """Score that at most this share of the cells exceed."""
    return float(np.sort(scores)[max(len(scores) - 1 - int(share * len(scores)), 0)])
