"""Doublet scores of one capture, and the score above which a cell is called.

A classifier learns to tell artificial doublets from the cells of the capture by the features of
`doublet_features`; the score of a cell is the probability that it is artificial, given by a classifier that
was not trained on it. The likely doublets among the cells are left out of the next rounds of training
(Germain et al., F1000Research 2021). The cells are a mixture of doublets and single cells, and the artificial
doublets show what scores doublets have: how many cells score as high as most artificial ones limits the share
of doublets (as Blanchard et al., JMLR 2010, for learning from positive and unlabelled examples), and with it
comes the share of doublets among the cells above any score. Everything random happens in an order that the
contents of the cells set, and on one thread, so that scores depend neither on the order of the cells nor on
the number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import sparse

from stietime.cells.cell_sums import hash_rows
from stietime.cells.doublets.features import describe_capture, informative_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.doublets.features import Capture

    Vector = NDArray[np.float64]
    Rows = NDArray[np.int64]

MIN_CELLS: Final = 20
MIN_GENES: Final = 30
N_FOLDS: Final = 4
N_ROUNDS: Final = 2
# the share of doublets is read off above the scores that this part of the artificial doublets exceeds: single
# cells are rare there, and doublets, which the classifier knows as cells, are about as frequent
LEVELS: Final = (0.6, 0.65, 0.7, 0.75, 0.8)
PRIOR_DOUBLETS: Final = 0.25  # the expected share weighs as much as so many doublets seen
# beyond this many times the expected share, and this share, scores are not believed
MOST_OF_EXPECTED: Final = 4.0
MOST_UNEXPECTED: Final = 0.12
MIN_PRECISION: Final = 0.85


class Scores(NamedTuple):
    """Scores of the cells of one capture.

    Parameters
    ----------
    cells, artificial
        Probability that a cell, or an artificial doublet, is artificial, 0 to 1.
    """

    cells: Vector
    artificial: Vector


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
    counts = without_stored_zeros(counts)
    contents = hash_rows(counts)
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
    return Scores(_same_for_same(scores, contents), probability[n_cells:])


def without_stored_zeros(counts: csr_matrix) -> csr_matrix:
    """Store equal cells alike: genes sorted, each once, zeros not stored; a copy where they are not yet."""
    if counts.has_canonical_format and counts.data.all():
        return counts
    clean = sparse.csr_matrix(counts, copy=True)
    clean.sum_duplicates()
    clean.eliminate_zeros()
    return clean


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
            scores = Scores(probability[:n], probability[n:])
            trusted[:n] &= probability[:n] <= find_threshold(scores, rate)[0]
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
    """Choose the lowest score above which at least 85 % of the cells can be doublets.

    Of k cells above a score, s n F are expected to be doublets, where s is the share of doublets, n the
    number of cells and F the part of the artificial doublets above the score.

    Parameters
    ----------
    scores
        Scores of a capture.
    rate
        Expected share of doublets.

    Returns
    -------
    The threshold, and how it was found.
    """
    n, share = len(scores.cells), estimate_share(scores, rate)
    falling, artificial = -np.sort(-scores.cells), np.sort(scores.artificial)
    above = 1 - np.searchsorted(artificial, falling, side="left") / len(artificial)
    # equal scores stand or fall together
    n_above = np.searchsorted(-falling, -falling, side="right")
    precise = np.flatnonzero(share * n * above >= MIN_PRECISION * n_above)
    called = int(n_above[precise[-1]]) if len(precise) else 0
    told = f"{rate:.2%} doublets expected, scores tell {share:.2%}; {called} cells above it"
    return float(falling[called]) if called < n else 0.0, told


def estimate_share(scores: Scores, rate: float) -> float:
    """Estimate the share of doublets: the most that the number of high scores allows.

    Were all cells above a score doublets, their number k would be Poisson with mean s n F, where s is the
    share of doublets, n the number of cells and F the part of the artificial doublets above the score. With
    a gamma prior of shape a and mean `rate`, k plus its standard deviation gives (k + sqrt(k) + a) /
    (n F + a / rate); the least over some scores is taken, for single cells among the k only raise it.

    Parameters
    ----------
    scores
        Scores of a capture.
    rate
        Expected share of doublets.

    Returns
    -------
    Share; the expected one where scores tell more than four times that (and 12 %), as they do in captures of
    cells too alike to tell doublets by.
    """
    levels = np.quantile(scores.artificial, 1 - np.array(LEVELS))
    n_above = (scores.cells[:, None] >= levels).sum(axis=0)
    artificial = (scores.artificial[:, None] >= levels).mean(axis=0)
    expected = max(rate, 1e-4)
    weight = len(scores.cells) * artificial + PRIOR_DOUBLETS / expected
    most = (n_above + np.sqrt(n_above) + PRIOR_DOUBLETS) / weight
    believed = most.min() <= max(MOST_OF_EXPECTED * expected, MOST_UNEXPECTED)
    return float(most.min()) if believed else expected
