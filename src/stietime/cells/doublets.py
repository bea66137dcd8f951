"""Doublets within one capture, by the method of Scrublet (Wolock et al., Cell Systems 2019).

Doublets are simulated by adding the counts of random pairs of cells; a cell whose neighbours are mostly
simulated is likely one. The method is written out here because the library's first call compiles for longer
than a whole sample takes, and because it fails on small libraries; its scores agree with scanpy's (tested).
Expression is log-normalised and ten components are taken, which finds more of the known doublets (hashtags,
simulation) than the library's defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import sparse

from stietime.cells.gene_families import in_family
from stietime.cells.integration import principal_components
from stietime.cells.neighbours import nearest_neighbours
from stietime.cells.normalisation import log_normalise, totals
from stietime.cells.variable_genes import moments, normalised_dispersion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Vector = NDArray[np.float64]
    Mask = NDArray[np.bool_]

SIMULATED_PER_CELL: Final = 2
MIN_GENES: Final = 30
MIN_CELLS_OF_GENE: Final = 3
N_GENES: Final = 2000
N_COMPONENTS: Final = 10
# calls beyond this share and beyond four times the expected one are not believed
MAX_UNEXPECTED: Final = 0.05
CYCLING_GENES: Final = (
    "MKI67",
    "TOP2A",
    "CDK1",
    "CCNB1",
    "CCNB2",
    "UBE2C",
    "BIRC5",
    "NUSAP1",
    "CENPF",
    "TPX2",
)


class Doublets(NamedTuple):
    """Doublet scores of the cells of one capture.

    Parameters
    ----------
    scores
        Posterior odds-like score of each cell, 0 to 1; nan where not tested.
    called
        Whether the score is above the threshold.
    threshold
        Score above which a cell is called; nan where not tested.
    note
        How the threshold was found, or why nothing was tested.
    """

    scores: Vector
    called: Mask
    threshold: float
    note: str


def not_tested(n_cells: int, note: str) -> Doublets:
    """Return a result without scores, with the reason."""
    return Doublets(
        np.full(n_cells, np.nan), np.zeros(n_cells, dtype=bool), float("nan"), f"not tested: {note}"
    )


def expected_rate(n_cells: int, rate_per_1000_cells: float, most: float = 0.5) -> float:
    """Give the expected share of doublets in a capture, which grows with its number of cells."""
    return min(rate_per_1000_cells * n_cells / 1000, most)


def find_doublets(counts: csr_matrix, *, rate: float, seed: int = 1) -> Doublets:
    """Score and call doublets in one capture.

    Parameters
    ----------
    counts
        Counts of the cells of one capture, cells x genes; empty and dying cells are better left out before.
    rate
        Expected share of doublets.
    seed
        Seed of the simulated pairs.

    Returns
    -------
    Scores and calls. The threshold is the minimum between the two modes of the simulated scores. Where
    there are not two modes, or where it would call more than four times the expected share (and more than
    5 %), as happens with cells of one kind, it is the score that the expected share of cells exceeds.
    """
    genes = _informative_genes(counts)
    n_cells = counts.shape[0]
    if len(genes) <= MIN_GENES or n_cells <= MIN_GENES:
        note = f"{n_cells} cells and {len(genes)} usable genes; more than {MIN_GENES} of both are needed"
        return not_tested(n_cells, note)
    observed, simulated = _embed(counts[:, genes], seed)
    scores, simulated_scores = _scores(observed, simulated, rate)
    threshold, note = _threshold(scores, simulated_scores, rate)
    return Doublets(scores, scores > threshold, threshold, note)


def describe_called(counts: csr_matrix, genes: Iterable[str], called: Mask, rate: float) -> str:
    """Say in words whether the calls fall on one kind of cells that doublet finders mistake for doublets.

    Cells between two types, cycling and erythroid ones above all, look like sums of others. They are named
    when more than half of their kind is called.

    Parameters
    ----------
    counts
        Counts of the tested cells, cells x genes.
    genes
        Gene symbols, human or mouse.
    called
        Whether each cell is called a doublet.
    rate
        Expected share of doublets.

    Returns
    -------
    Empty when nothing is to be said.
    """
    notes = []
    if called.mean() > 2 * rate:
        notes.append(f"{called.mean():.1%} called where {rate:.1%} are expected: check the doublet rate")
    for kind, members in _mistakable(counts, genes).items():
        n, n_called = int(members.sum()), int((members & called).sum())
        if n_called > 0.5 * n:
            notes.append(f"{n_called} of {n} {kind} cells are called: they may be no doublets")
    return "; ".join(notes)


def _mistakable(counts: csr_matrix, genes: Iterable[str]) -> dict[str, Mask]:
    """Cells with more than 5 % haemoglobin, and cells with three or more genes of the cell cycle."""
    haemoglobin = counts @ in_family(genes, "hb").astype(float)
    cycling = np.array([gene.upper() in CYCLING_GENES for gene in genes], dtype=bool)
    n_cycling = np.asarray((counts[:, cycling] > 0).sum(axis=1)).ravel()
    return {"haemoglobin-rich": haemoglobin > 0.05 * totals(counts), "cycling": n_cycling >= 3}


def _informative_genes(counts: csr_matrix) -> NDArray[np.int64]:
    """Genes in at least three cells, the most variable of them."""
    seen = np.asarray((counts > 0).sum(axis=0)).ravel() >= MIN_CELLS_OF_GENE
    dispersion = normalised_dispersion(moments(counts))["normalised_dispersion"].to_numpy()
    usable = np.flatnonzero(seen & ~np.isnan(dispersion))
    return np.sort(usable[np.argsort(-dispersion[usable], kind="stable")[:N_GENES]])


def _embed(counts: csr_matrix, seed: int) -> tuple[Vector, Vector]:
    """Components of the cells, and of simulated doublets in the same space."""
    n_cells = counts.shape[0]
    pairs = np.random.default_rng(seed).integers(0, n_cells, size=(2, SIMULATED_PER_CELL * n_cells))
    doublets = sparse.csr_matrix(counts[pairs[0]] + counts[pairs[1]])
    components = principal_components(log_normalise(counts), N_COMPONENTS)
    return components.scores, components.project(log_normalise(doublets))


def _scores(observed: Vector, simulated: Vector, rate: float) -> tuple[Vector, Vector]:
    """Score by the share q of simulated cells among the k neighbours (Wolock et al. 2019, equation 1).

    With r simulated doublets per cell and the expected share rho:
    q = (n_simulated + 1) / (k + 2), score = q rho / r / (1 - rho - q (1 - rho - rho / r)).
    """
    n, ratio = len(observed), len(simulated) / len(observed)
    k = max(1, round(round(0.5 * np.sqrt(n)) * (1 + ratio)))
    found = nearest_neighbours(np.vstack([observed, simulated]).astype(np.float32), k)
    share = ((found.indices >= n).sum(axis=1) + 1) / (found.indices.shape[1] + 2)
    scores = share * rate / ratio / (1 - rate - share * (1 - rate - rate / ratio))
    return scores[:n], scores[n:]


def _threshold(scores: Vector, simulated: Vector, rate: float) -> tuple[float, str]:
    """Choose the score above which a cell is called, and say how."""
    valley = _valley(simulated)
    called = float((scores > valley).mean())
    expected = f"threshold: top {rate:.2%} of cells, the expected share"
    if np.isnan(valley):
        return float(np.quantile(scores, 1 - rate)), f"no two modes in the simulated scores; {expected}"
    if called > max(4 * rate, MAX_UNEXPECTED):
        note = (
            f"the minimum between two modes would call {called:.0%} of cells and is not believed; {expected}"
        )
        return float(np.quantile(scores, 1 - rate)), note
    return valley, "threshold: minimum between the two modes of the simulated scores"


def _valley(scores: Vector) -> float:
    """Lowest point between the two modes of the smoothed histogram (Glasbey 1993); nan without two modes."""
    from skimage.filters import threshold_minimum

    try:
        return float(threshold_minimum(scores))  # type: ignore[no-untyped-call]
    except RuntimeError:
        return float("nan")
