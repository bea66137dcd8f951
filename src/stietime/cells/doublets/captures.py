"""Doublets within the captures of a sample: scores, calls, and the cells that only look like doublets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stietime.cells.cell_sums import sum_sets
from stietime.cells.doublets.pairs import explained_by_pairs
from stietime.cells.doublets.rates import Rate, expected_rate, rate_of_chemistry
from stietime.cells.doublets.scores import find_threshold, score_capture

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Vector = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Words = NDArray[np.object_]

CYCLING_GENES: Final = (
    *("MKI67", "TOP2A", "CDK1", "CCNB1", "CCNB2"),
    *("UBE2C", "BIRC5", "NUSAP1", "CENPF", "TPX2"),
)
MIN_CYCLING_GENES: Final = 3
NO_RATE: Final = 1e-4  # below this share of doublets per 1,000 cells none is called by its score
SCORE, LABEL, BOTH, PROTECTED = "score", "label", "score+label", "protected"


class Doublets(NamedTuple):
    """Doublets among cells.

    Parameters
    ----------
    scores
        Score of each cell, 0 to 1; nan where not tested.
    called
        Whether the cell is called a doublet.
    evidence
        Why: "score", "label", "score+label"; "protected" for a cell above the threshold that is not called;
        "" for all others.
    threshold
        Score above which a cell is called; nan where nothing was tested, and where captures differ (the note
        gives the threshold of each).
    rate
        Expected share of doublets among the tested cells; nan where nothing was tested.
    note
        How the threshold was found and what was not tested, in words.
    """

    scores: Vector
    called: Mask
    evidence: Words
    threshold: float
    rate: float
    note: str

    def spread(self, passed: Mask) -> Doublets:
        """Put the results of the tested cells back among all cells.

        Parameters
        ----------
        passed
            Whether each of all cells was among the tested ones.

        Returns
        -------
        Results for all cells: nan, not called and "" for the others.

        Raises
        ------
        ValueError
            Not as many cells passed as there are results.
        """
        if int(passed.sum()) != len(self.scores):
            message = f"{int(passed.sum())} cells passed, and there are results for {len(self.scores)}"
            raise ValueError(message)
        everything = not_tested(len(passed), "")
        everything.scores[passed] = self.scores
        everything.called[passed] = self.called
        everything.evidence[passed] = self.evidence
        return everything._replace(threshold=self.threshold, rate=self.rate, note=self.note)


def not_tested(n_cells: int, note: str) -> Doublets:
    """Return a result without scores, with the reason."""
    return Doublets(
        scores=np.full(n_cells, np.nan),
        called=np.zeros(n_cells, dtype=bool),
        evidence=np.full(n_cells, "", dtype=object),
        threshold=float("nan"),
        rate=float("nan"),
        note=f"not tested: {note}",
    )


def score_captures(
    counts: csr_matrix,
    genes: Iterable[str],
    *,
    captures: Iterable[str] | None = None,
    chemistry: str = "",
    rate_per_1000_cells: float | None = None,
    min_cells: int = 100,
    seed: int = 1,
    labels: Mask | None = None,
    protected: Mask | None = None,
    second_lineage: Mask | None = None,
) -> Doublets:
    """Score and call the doublets of a sample, each capture by itself.

    Parameters
    ----------
    counts
        Counts, cells x genes; empty and dying cells are better left out before.
    genes
        Gene symbols, human or mouse.
    captures
        Capture of each cell; by default all cells are of one.
    chemistry
        Chemistry, which gives the expected rate.
    rate_per_1000_cells
        Expected share of doublets per 1,000 cells of a capture; by default that of the chemistry.
    min_cells
        Captures with fewer cells are not tested.
    seed
        Seed of the artificial doublets.
    labels
        Whether hashtags or genotypes say that the cell is a doublet; such cells are always called.
    protected
        Cells that look like doublets and need not be any, such as nucleated erythroid cells; cycling cells
        (at least three genes of the cell cycle) join them. They are called by score only with markers of
        a second lineage. By default no cell is protected, cycling ones neither. Cells that no pair of groups
        of cells explains, or a single group explains as well, are never called by score.
    second_lineage
        Whether each cell shows the markers of two lineages that are not related.

    Returns
    -------
    Scores, calls and their evidence.
    """
    rate = rate_of_chemistry(chemistry)
    if rate_per_1000_cells is not None:
        rate = Rate(rate_per_1000_cells, f"{100 * rate_per_1000_cells:g} % doublets per 1,000 cells (given)")
    found, above, explained = _tested(counts, captures, rate, min_cells, seed)
    labelled = np.zeros(len(above), dtype=bool) if labels is None else np.asarray(labels, dtype=bool)
    spared = np.zeros(len(above), dtype=bool)
    if protected is not None:
        hybrid = np.asarray(protected, dtype=bool) | is_cycling(counts, genes)
        spared = hybrid if second_lineage is None else hybrid & ~second_lineage
    spared |= ~explained
    evidence = np.full(len(above), "", dtype=object)
    evidence[above & spared] = PROTECTED
    evidence[above & ~spared] = SCORE
    evidence[labelled] = LABEL
    evidence[labelled & above] = BOTH
    called = labelled | (above & ~spared)
    note = "; ".join(filter(None, [found.note, _note_on_calls(called, labelled, evidence, found.rate)]))
    return found._replace(called=called, evidence=evidence, note=note)


def is_cycling(counts: csr_matrix, genes: Iterable[str]) -> Mask:
    """Say which cells express at least three genes of the cell cycle.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    genes
        Gene symbols, human or mouse.
    """
    cycling = np.array([gene.upper() in CYCLING_GENES for gene in genes], dtype=bool)
    return np.asarray(sum_sets(counts, cycling[:, None])[1][:, 0] >= MIN_CYCLING_GENES)


def _tested(
    counts: csr_matrix, captures: Iterable[str] | None, rate: Rate, min_cells: int, seed: int
) -> tuple[Doublets, Mask, Mask]:
    """Score every capture: results without calls, which cells are above the threshold, and are pairs."""
    n_cells = counts.shape[0]
    capture = np.array([""] * n_cells if captures is None else list(captures), dtype=object)
    found, above = not_tested(n_cells, "")._replace(note=""), np.zeros(n_cells, dtype=bool)
    explained = np.ones(n_cells, dtype=bool)
    thresholds, expected, notes = [], np.full(n_cells, np.nan), [rate.note]
    names = sorted(set(capture))
    for name in names:
        rows = np.flatnonzero(capture == name)
        told = f"capture {name}: " if len(names) > 1 else ""
        share = expected_rate(len(rows), rate.per_1000_cells)
        own = counts if len(rows) == n_cells else counts[rows]
        scores = (
            score_capture(own, rate=share, seed=seed) if len(rows) >= min_cells else _few(rows, min_cells)
        )
        if isinstance(scores, str):
            notes.append(f"{told}not tested: {scores}")
            continue
        threshold, how = find_threshold(scores, share)
        found.scores[rows], expected[rows] = scores.cells, share
        if rate.per_1000_cells < NO_RATE:
            threshold, how = float("nan"), "none expected, so that none is called by score"
        thresholds.append(threshold)
        above[rows] = scores.cells > threshold
        likely = rows[above[rows]]
        if len(likely):
            explained[likely] = explained_by_pairs(own, above[rows], seed=seed)
        notes.append(f"{told}threshold {threshold:.2f}, {how}")
    note = "; ".join(notes)
    if not thresholds:
        return found._replace(note="; ".join(notes[1:]) or "not tested: no cells"), above, explained
    threshold = thresholds[0] if len(thresholds) == 1 else float("nan")
    return found._replace(threshold=threshold, rate=float(np.nanmean(expected)), note=note), above, explained


def _few(rows: NDArray[np.int64], min_cells: int) -> str:
    return f"{len(rows)} cells; at least {min_cells} are needed (min_cells_for_doublets)"


def _note_on_calls(called: Mask, labelled: Mask, evidence: Words, rate: float) -> str:
    notes = []
    n_protected = int((evidence == PROTECTED).sum())
    if labelled.any():
        notes.append(f"{int(labelled.sum())} called by label")
    if n_protected:
        why = "cycling, nucleated erythroid or not like a pair of groups"
        notes.append(f"{n_protected} cells above the threshold not called ({why})")
    share = float((called & ~labelled).mean()) if len(called) else 0.0
    if share > 2 * rate and share > 0.02:
        notes.append(f"{share:.1%} called by score where {rate:.1%} are expected: check the doublet rate")
    return "; ".join(notes)
