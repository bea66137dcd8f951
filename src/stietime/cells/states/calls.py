"""Calls of a state, by how much more likely a cell's counts are with the state than without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.cells.marker_sets import positions

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.states.rules import StateGenes

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

DISPERSION: Final = 1.0
N_RANDOM_SETS: Final = 200
N_MATCHED: Final = 50  # genes of similar expression that a gene of a random set is drawn from
MAX_NULL_CELLS: Final = 2000
MIN_ODDS_WITHOUT_GATE: Final = 10.0  # a cell that shows no telling gene is as much likelier with the state
NO_GATE_FACTOR: Final = 0.1  # without a gate gene the false-call rate allowed is a tenth
_MAX_ROUNDS: Final = 10
_LEAST_SHARE: Final = 1e-7


@dataclass(frozen=True)
class StateCall:
    """Cells called as a state.

    Parameters
    ----------
    called
        One boolean per parent cell.
    evidence
        Log-likelihood ratio of each parent cell.
    threshold
        Evidence from which a cell that shows a gate gene (or of a state without one) is called.
    threshold_without_gate
        The same for a cell that shows no gate gene.
    """

    called: Mask
    evidence: Floats
    threshold: float
    threshold_without_gate: float


def state_evidence(
    counts: Floats, totals: Floats, shares: Floats, weights: Floats, fold_change: float
) -> Floats:
    """Log-likelihood ratio of the state against its absence, gene by gene.

    Without the state a gene has the mean ``m = total share``; with it ``m fold_change`` (positive genes) or
    ``m / fold_change`` (negative genes). Counts are negative binomial with variance ``m + DISPERSION m^2``.

    Parameters
    ----------
    counts
        Cells x genes.
    totals
        Counts of each cell over all genes.
    shares
        Share of each gene in the RNA of the reference cells.
    weights
        Weight of each gene, negative for negative genes.
    fold_change
        How much a gene of the state differs, above 1.

    Returns
    -------
    Cells x genes, multiplied by the absolute weight; the sum over genes is the evidence of the cell.
    """
    size = 1 / DISPERSION
    fold = np.where(weights > 0, fold_change, 1 / fold_change)
    without = np.outer(totals, np.maximum(shares, _LEAST_SHARE))
    with_state = without * fold
    ratio = counts * (np.log(fold) + np.log((without + size) / (with_state + size)))
    evidence: Floats = (ratio - size * np.log((with_state + size) / (without + size))) * np.abs(weights)
    return evidence


def matched_genes(
    shares: Floats, targets: NDArray[np.intp], candidates: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Find genes that are expressed about as strongly as each gene of a set.

    Parameters
    ----------
    shares
        Share of every gene of the dataset in the RNA of the parent cells.
    targets
        Positions of the genes of the set.
    candidates
        Positions of the genes to choose from; at least `N_MATCHED`.

    Returns
    -------
    Targets x `N_MATCHED` positions.

    Raises
    ------
    ValueError
        There are too few candidates.
    """
    if len(candidates) < N_MATCHED:
        message = f"{len(candidates)} genes to choose from, {N_MATCHED} are needed"
        raise ValueError(message)
    level = np.log(shares + _LEAST_SHARE)
    distance = np.abs(level[targets][:, None] - level[candidates][None, :])
    return np.asarray(candidates[np.argsort(distance, axis=1, kind="stable")[:, :N_MATCHED]])


def call_state(
    counts: csr_matrix,
    totals: Floats,
    genes: pd.Index,
    state: StateGenes,
    matched: pd.DataFrame,
    *,
    reference_shares: pd.Series | None = None,
    min_odds: float = 3.0,
    fold_change: float = 4.0,
    false_call_rate: float = 0.02,
    false_discovery_rate: float = 0.1,
    seed: int = 1,
) -> StateCall:
    """Call a state among its parent cells.

    The evidence of a cell is the sum of `state_evidence` over the state's informative genes. Against the
    parent, the reference is what parent cells that are not called have; it is found by calling and
    leaving out the called cells until nothing changes, so that a frequent state does not hide itself. What
    cells without the state reach is told by random gene sets of matched expression. The threshold is the
    quantile ``1 - false_call_rate`` of their evidence, not below `min_odds` to one, and so high that the
    random sets reach it in no more than `false_discovery_rate` of the share of cells that reach it with the
    genes of the state. A cell that shows no gate gene (of a state without gate genes: no positive gene) must
    reach the quantile of a tenth of the rate, and ten to one.

    Against an outside reference, which random sets cannot stand for, the threshold is a likelihood ratio of
    ``1 / false_call_rate``, which by Markov's inequality is passed by chance at most so often; and at least
    one positive gene must be detected.

    Parameters
    ----------
    counts
        Parent cells x `genes`.
    totals
        Counts of each parent cell over all genes.
    genes
        Gene symbols of the columns: those of the state and of the random sets.
    state
        Informative genes of the state.
    matched
        Genes of the state (index) x genes to draw random sets from.
    reference_shares
        Share of each gene of the state in the RNA of outside cells; left out, the parent is the reference.
    min_odds
        How many times likelier the counts of a called cell are with the state, at the least.
    fold_change
        How much a gene of the state differs.
    false_call_rate
        Share of cells without the state that may be called.
    false_discovery_rate
        Share of the called cells that may be without the state; against an outside reference unused.
    seed
        Seed of the random sets.
    """
    columns = positions(genes, state.genes)
    own = counts[:, columns].toarray().astype(np.float64)
    weights = np.array(state.weights)
    telling = np.isin(state.genes, state.gates) if state.has_gate else weights > 0
    shows = own[:, telling].any(axis=1)
    if reference_shares is not None:
        shares = reference_shares.reindex(list(state.genes)).to_numpy(dtype=np.float64)
        evidence = state_evidence(own, totals, shares, weights, fold_change).sum(axis=1)
        threshold = float(np.log(max(min_odds, 1 / false_call_rate)))
        called = own[:, weights > 0].any(axis=1) & (evidence > threshold)
        return StateCall(called, evidence, threshold, threshold)
    least, least_without_gate = (float(np.log(max(min_odds, odds))) for odds in (1, MIN_ODDS_WITHOUT_GATE))
    null = _RandomSets(counts, totals, genes, matched, weights, fold_change, seed)
    called = np.zeros(len(totals), dtype=bool)
    for _ in range(_MAX_ROUNDS):
        rest = ~called
        evidence = state_evidence(own, totals, _shares(own, totals, rest), weights, fold_change).sum(axis=1)
        chance = null.evidence(rest)
        cuts = np.quantile(chance, [1 - false_call_rate, 1 - NO_GATE_FACTOR * false_call_rate])
        discovered = discovery_threshold(evidence, chance, false_discovery_rate)
        threshold = float(max(least, cuts[0], discovered))
        strict = float(max(least_without_gate, cuts[1], discovered))
        updated = evidence > np.where(shows, threshold, strict)
        if (updated == called).all() or updated.all():
            break
        called = updated
    return StateCall(called, evidence, threshold, strict)


def evidence_only(
    counts: csr_matrix, totals: Floats, genes: pd.Index, state: StateGenes, *, fold_change: float = 4.0
) -> StateCall:
    """Measure the evidence of a state against all cells of its parent, and call none.

    For panels with too few genes to draw random sets from: without them nothing says which evidence is more
    than chance, but cells can still be ranked.

    Parameters
    ----------
    counts, totals, genes, state, fold_change
        As in `call_state`.

    Returns
    -------
    The evidence, with no call and no threshold (nan).
    """
    own = counts[:, positions(genes, state.genes)].toarray().astype(np.float64)
    everyone = np.ones(len(totals), dtype=bool)
    shares = _shares(own, totals, everyone)
    weights = np.array(state.weights)
    evidence = state_evidence(own, totals, shares, weights, fold_change).sum(axis=1)
    return StateCall(~everyone, evidence, float("nan"), float("nan"))


def _shares(counts: Floats, totals: Floats, cells: Mask) -> Floats:
    shares: Floats = counts[cells].sum(axis=0) / max(float(totals[cells].sum()), 1.0)
    return shares


class _RandomSets:
    """Evidence for random sets of genes that are expressed like the genes of a state."""

    def __init__(
        self,
        counts: csr_matrix,
        totals: Floats,
        genes: pd.Index,
        matched: pd.DataFrame,
        weights: Floats,
        fold_change: float,
        seed: int,
    ) -> None:
        rng = np.random.default_rng(seed)
        n_cells = len(totals)
        drawn = np.sort(rng.choice(n_cells, min(n_cells, MAX_NULL_CELLS), replace=False))
        self.columns = [positions(genes, row) for row in matched.to_numpy()]
        self.totals, self.cells = totals, drawn
        self.counts = [counts[:, columns] for columns in self.columns]
        self.weights, self.fold_change = weights, fold_change
        self.choices = rng.integers(matched.shape[1], size=(N_RANDOM_SETS, matched.shape[0]))

    def evidence(self, reference: Mask) -> Floats:
        """Evidence of random sets x cells, against the reference cells."""
        evidence = np.zeros((N_RANDOM_SETS, len(self.cells)))
        for position, (counts, weight) in enumerate(zip(self.counts, self.weights, strict=True)):
            depth = max(float(self.totals[reference].sum()), 1.0)
            shares = np.asarray(counts[reference].sum(axis=0)).ravel() / depth
            found = state_evidence(
                counts[self.cells].toarray(),
                self.totals[self.cells],
                shares,
                np.full(len(shares), weight),
                self.fold_change,
            )
            evidence += found.T[self.choices[:, position]]
        return evidence


def discovery_threshold(evidence: Floats, chance: Floats, rate: float) -> float:
    """Find the lowest evidence above which no more than a share of the cells is there by chance.

    The share is that of the chance evidence above the threshold over that of the cells, as if all cells were
    without the state, which makes it too large rather than too small (Storey and Tibshirani 2003, with their
    pi0 of 1).

    Parameters
    ----------
    evidence
        Evidence of each cell.
    chance
        Evidence as it is by chance, of any shape.
    rate
        The share.

    Returns
    -------
    Infinity where no threshold will do.
    """
    steps, null = np.sort(evidence), np.sort(chance, axis=None)
    above = np.arange(len(steps), 0, -1) / len(steps)
    by_chance = 1 - np.searchsorted(null, steps, side="left") / len(null)
    good = np.flatnonzero(by_chance <= rate * above)
    return float(np.nextafter(steps[good[0]], -np.inf)) if len(good) else float("inf")
