"""How many counts of ambient RNA a droplet holds, from marker genes in cells that cannot express them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.cells.ambient.evidence import is_above, lowest_consistent
from stietime.cells.cell_types import ERYTHROID, LINEAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cells.ambient.evidence import Evidence

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

MAX_ROUNDS: Final = 25
SLACK_TARGETS: Final = 1.5  # factor between the rates of one gene in several lineages
SLACK_GENES: Final = 2.0  # factor between the genes of one source
SLACK_SOURCES: Final = 2.0  # factor between sources, before cells or the profile are doubted
MAX_SOURCE_FACTOR: Final = 4.0  # largest change of a source's part of the profile; none for red cells
TARGET_PRIOR: Final = 50.0  # counts that pull a lineage's ambient RNA to that of the sample
GENE_SPREAD: Final = 0.3  # sd of the log ratio between the share of a gene in ambient RNA and in the fit
SYSTEMATIC: Final = 0.07  # sd of the log of the whole estimate, from doublets and expression that stay unseen
DROPLET_DISPERSION: Final = 0.25  # of foreign counts between droplets: ambient RNA varies between them
P_FOREIGN: Final = 5e-3  # a cell with less likely foreign counts is a doublet or mislabelled


@dataclass(frozen=True)
class AmbientFit:
    """The fit of one sample; one value per lineage in the order of `cell_types.LINEAGES`.

    Parameters
    ----------
    per_droplet
        Ambient counts in a droplet, averaged over the sources.
    log_sd
        Standard error of its logarithm.
    background
        Counts of a silent gene in a droplet that have nothing to do with its share in ambient RNA.
    source_factor
        Part of each lineage in the ambient profile, as a multiple of its part in the counts of the cells.
    target_factor
        Ambient RNA in the droplets of each lineage, as a multiple of `per_droplet`.
    source_counts, source_exposure
        Foreign counts of each source without the background; what one ambient count per droplet would give.
    n_genes, n_cells
        Marker genes and cells that were used.
    n_rounds
        Rounds that were done.
    """

    per_droplet: float
    log_sd: float
    background: float
    source_factor: Floats
    target_factor: Floats
    source_counts: Floats
    source_exposure: Floats
    n_genes: int
    n_cells: int
    n_rounds: int = 0


@dataclass(frozen=True)
class _Sums:
    """Foreign counts of the cells that are kept in one round, and the gene-target pairs that count."""

    counts: Floats  # targets x genes
    cells: Floats  # targets
    used: Bools  # targets x genes
    by_gene: Floats  # less the background
    exposure: Floats  # of each gene, to one ambient count per droplet


def start(evidence: Evidence) -> AmbientFit:
    """Begin with ambient RNA of 5 % in every droplet and the profile as given."""
    n = len(LINEAGES)
    mean_depth = float(np.mean(np.concatenate([np.zeros(1), *evidence.depths]))) or 1.0
    ones, zeros = np.ones(n), np.zeros(n)
    return AmbientFit(0.05 * mean_depth, 1.0, 0.0, ones, ones.copy(), zeros, zeros.copy(), 0, 0)


def improve(fit: AmbientFit, evidence: Evidence, profile: Floats, *, known: bool) -> AmbientFit:
    """Do one round: drop doublets and mislabelled cells, then pairs that are expressed, then fit.

    Parameters
    ----------
    fit
        The fit of the round before.
    evidence
        Foreign counts.
    profile
        Ambient share of each marker of the evidence, and of its rare markers behind them.
    known
        Whether the profile is measured, so that no source's part is changed.
    """
    n = len(evidence.columns)
    share, rare_share = profile[:n], profile[n:]
    kept = [_plausible(fit, evidence, share, i) for i in range(len(evidence.targets))]
    background = 0.0 if fit.n_rounds == 0 else _background(fit, evidence, rare_share)
    sums = _sum_up(fit, evidence, share, kept, background)
    sums = _drop_expressed(sums, evidence, fit.per_droplet)
    fit = replace(fit, background=background, n_rounds=fit.n_rounds + 1)
    fit = _per_droplet(fit, sums, evidence)
    fit = replace(fit, target_factor=_target_factor(fit, sums, evidence, share))
    return fit if known else replace(fit, source_factor=_source_factor(fit))


def _plausible(fit: AmbientFit, evidence: Evidence, share: Floats, target: int) -> Bools:
    """Find the cells of a target whose foreign counts of every source can be ambient RNA.

    What is expected follows the droplet, and the depth of cells that are deeper than the mean.
    """
    depth = evidence.depths[target]
    relative_depth = np.maximum(1, depth / max(depth.mean(), 1))
    kept = np.ones(len(depth), dtype=bool)
    for source in np.unique(evidence.source):
        genes = np.flatnonzero(evidence.silent[target] & (evidence.source == source))
        rate = max(fit.per_droplet, _rate(fit, source)) * share[genes].sum() + fit.background * len(genes)
        found = evidence.foreign[target][:, source]
        expected = fit.target_factor[evidence.targets[target]] * rate * relative_depth
        kept &= ~is_above(found, expected, DROPLET_DISPERSION, P_FOREIGN)
    return kept


def _rate(fit: AmbientFit, source: int) -> float:
    exposure = fit.source_exposure[source]
    return float(fit.source_counts[source] / exposure) if exposure > 0 else 0.0


def _background(fit: AmbientFit, evidence: Evidence, rare_share: Floats) -> float:
    """Measure stray counts of silent genes by the markers that ambient RNA hardly holds: their median."""
    n_cells = np.array([len(depth) for depth in evidence.depths], dtype=np.float64)
    asked = np.where(np.isfinite(evidence.rare), n_cells[:, None], 0).sum(axis=0)
    if not asked.any():
        return 0.0
    rate = np.nansum(evidence.rare, axis=0) / np.maximum(asked, 1) - fit.per_droplet * rare_share
    return max(0.0, weighted_median(rate, asked))


def _sum_up(
    fit: AmbientFit, evidence: Evidence, share: Floats, kept: list[Bools], background: float
) -> _Sums:
    counts = np.array(
        [
            np.asarray(cells[rows].sum(axis=0)).ravel()
            for cells, rows in zip(evidence.cells, kept, strict=True)
        ],
        dtype=np.float64,
    )
    cells = np.array([rows.sum() for rows in kept], dtype=np.float64)
    droplets = np.where(evidence.silent, (cells * fit.target_factor[evidence.targets])[:, None], 0)
    used = lowest_consistent(np.where(evidence.silent, counts, 0), droplets, SLACK_TARGETS)
    droplets = np.where(used, droplets, 0).sum(axis=0)
    by_gene = np.maximum(np.where(used, counts, 0).sum(axis=0) - background * droplets, 0)
    return _Sums(counts, cells, used, by_gene, droplets * share)


def _drop_expressed(sums: _Sums, evidence: Evidence, per_droplet: float) -> _Sums:
    """Drop genes that are much higher than the other genes of their source: some cells express them."""
    good = sums.exposure > 0
    for source in np.unique(evidence.source):
        own = np.flatnonzero((evidence.source == source) & (sums.exposure > 0))
        if not len(own):
            continue
        ratio = sums.by_gene[own] / sums.exposure[own]
        middle = weighted_median(ratio, np.minimum(sums.exposure[own] * per_droplet, 20) + 1e-9)
        expected = SLACK_GENES * middle * sums.exposure[own]
        good[own] = ~is_above(sums.by_gene[own], expected, 0.1, 0.05)
    return replace(sums, used=sums.used & good, exposure=np.where(good, sums.exposure, 0))


def _per_droplet(fit: AmbientFit, sums: _Sums, evidence: Evidence) -> AmbientFit:
    """Average the sources' estimates, those left out that are much higher than most."""
    n = len(LINEAGES)
    good = sums.exposure > 0
    counts = np.bincount(evidence.source[good], sums.by_gene[good], minlength=n)
    exposure = np.bincount(evidence.source[good], sums.exposure[good], minlength=n)
    n_genes = np.bincount(evidence.source[good], minlength=n)
    fit = replace(fit, source_counts=counts, source_exposure=exposure, n_cells=int(sums.cells.sum()))
    at = np.flatnonzero(exposure > 0)
    if not len(at):
        return replace(fit, per_droplet=np.nan, n_genes=0)
    rate, expected = counts[at] / exposure[at], exposure[at] * max(fit.per_droplet, 1e-3)
    variance = 1 / (expected + 1) + GENE_SPREAD**2 / n_genes[at] + evidence.share_variance[at]
    weight = 1 / variance
    middle = weighted_median(rate, weight)
    sound = ~is_above(counts[at], np.maximum(SLACK_SOURCES * middle * exposure[at], 1), 0.1, 0.05)
    weight = np.where(sound, weight, 0)
    mean = float((weight * rate).sum() / weight.sum())
    log_sd = float(np.sqrt((weight**2 * variance).sum() / weight.sum() ** 2 + SYSTEMATIC**2))
    return replace(fit, per_droplet=mean, log_sd=log_sd, n_genes=int(n_genes[at][sound].sum()))


def _target_factor(fit: AmbientFit, sums: _Sums, evidence: Evidence, share: Floats) -> Floats:
    """Compare the lineages in which foreign counts were found; few counts say little."""
    rate = fit.per_droplet * share + fit.background
    expected = np.where(sums.used, sums.cells[:, None] * rate, 0).sum(axis=1)
    found = np.where(sums.used, sums.counts, 0).sum(axis=1)
    factor = (found + TARGET_PRIOR) / (expected + TARGET_PRIOR)
    if expected.sum() > 0:
        factor = factor * expected.sum() / (factor * expected).sum()
    result = np.ones(len(LINEAGES))
    result[evidence.targets] = factor
    return result


def _source_factor(fit: AmbientFit) -> Floats:
    """Change a source's part of the profile only as far as its markers contradict a factor of two.

    Markers measure their own share of the ambient RNA; that all genes of the lineage follow them is not
    known, so that the cells' own composition stands until it is plainly wrong.
    """
    stray = fit.background * fit.source_exposure + 20
    expected = fit.per_droplet * fit.source_exposure
    ratio = np.log((fit.source_counts + stray) / (expected + stray)) + np.log(fit.source_factor)
    dead_zone = np.log(2) + 2 / np.sqrt(fit.source_counts + 1)
    change = np.sign(ratio) * np.maximum(np.abs(ratio) - dead_zone, 0)
    limit = np.where(np.array(LINEAGES) == ERYTHROID, np.inf, np.log(MAX_SOURCE_FACTOR))
    return np.asarray(np.exp(np.clip(change, -np.log(MAX_SOURCE_FACTOR), limit)))


def weighted_median(values: Floats, weights: Floats) -> float:
    """Give the value at which half of the weight is reached; the lower one on a tie.

    Parameters
    ----------
    values, weights
        Of the same length, at least one; weights not negative, some above 0.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
