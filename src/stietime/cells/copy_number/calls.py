"""Which epithelial cells are called malignant, from profiles along the genome.

Signal (mean square of a profile) and correlation with the mean profile of the sample's epithelial cells are
those of Tirosh et al. (Science 2016) and Puram et al. (Cell 2017). The thresholds are not chosen by eye: both
must exceed what cells without copy-number changes reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stietime.cells.copy_number.profiles import (
    CELLS_AT_ONCE,
    Relative,
    Windows,
    baseline_of,
    relative_expression,
    smooth,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]

# Neighbours that stay together when genes are put in another order: families such as keratins and the
# histocompatibility genes lie side by side, and a lineage that expresses them has no other copy number. The
# mean profile of many cells shows families that a single cell does not, so its runs are longer. These and the
# level were chosen on healthy blood (30 lineages of six datasets in turn in the place of epithelial cells).
RUN_OF_CELLS: Final = 10
RUN_OF_MEAN: Final = 25
N_ORDERS_OF_MEAN: Final = 1999
MAX_ORDER_P: Final = 0.001


class Measured(NamedTuple):
    """Copy-number signal and correlation of cells."""

    signal: Floats
    correlation: Floats


class CopyNumbers(NamedTuple):
    """What the cells of one sample show.

    Parameters
    ----------
    cells, reference
        Signal and correlation of the epithelial cells, and of the reference cells against the other half.
    called
        Whether an epithelial cell is called malignant.
    signal_threshold, correlation_threshold
        What a called cell exceeds.
    p
        How often the mean profile of the epithelial cells is as strong when genes are put in another order.
    gene_means
        Mean log ratio of each gene over the called cells, or over all epithelial cells when none is called.
    profile
        The same smoothed, one value per window.
    """

    cells: Measured
    reference: Measured
    called: NDArray[np.bool_]
    signal_threshold: float
    correlation_threshold: float
    p: float
    gene_means: Floats
    profile: Floats


def draw_orders(n_genes: int, run: int, n_orders: int, seed: int) -> list[NDArray[np.intp]]:
    """Draw orders of genes in which runs of neighbours stay together.

    Parameters
    ----------
    n_genes
        Number of genes, in the order of the genome.
    run
        Number of neighbours in a run.
    n_orders
        How many orders.
    seed
        Seed of the random generator.
    """
    random = np.random.default_rng(seed)
    runs = np.array_split(np.arange(n_genes), max(n_genes // run, 1))
    return [np.concatenate([runs[i] for i in random.permutation(len(runs))]) for _ in range(n_orders)]


def measure(relative: Relative, weights: sparse.csr_matrix, mean: Floats, *, among: bool) -> Measured:
    """Measure the signal of each cell, and its correlation with a mean profile.

    Parameters
    ----------
    relative
        Expression relative to the reference, cells x genes.
    weights
        Genes x windows.
    mean
        Mean log ratio of each gene over the epithelial cells.
    among
        Whether the cells are those that the mean is of: each is then left out of it.

    Returns
    -------
    Signal and correlation; the correlation of a flat profile is zero.
    """
    n_cells = relative.seen.shape[0]
    smoothed = mean @ weights
    signal, correlation = np.zeros(n_cells), np.zeros(n_cells)
    for start in range(0, n_cells, CELLS_AT_ONCE):
        part = slice(start, min(start + CELLS_AT_ONCE, n_cells))
        profiles = smooth(Relative(relative.seen[part], relative.unseen), weights)
        signal[part] = (profiles**2).mean(axis=1)
        profiles -= profiles.mean(axis=1, keepdims=True)
        against = np.broadcast_to(smoothed - smoothed.mean(), profiles.shape)
        if among:
            against = (n_cells * against - profiles) / max(n_cells - 1, 1)
        norm = np.sqrt((profiles**2).sum(axis=1) * (against**2).sum(axis=1))
        products = (profiles * against).sum(axis=1)
        correlation[part] = np.divide(products, norm, out=np.zeros(len(norm)), where=norm > 0)
    return Measured(signal, correlation)


def joint_limits(null: Measured, rate: float) -> Floats:
    """Find a signal and a correlation that at most a share of cells like these exceed both.

    Both limits stand at the same quantile of their own distribution. Of few cells the limits are the largest
    values that are seen.

    Parameters
    ----------
    null
        Signal and correlation of cells without copy-number changes.
    rate
        The share, such as 0.01.

    Returns
    -------
    The two limits.
    """
    n = len(null.signal)
    ordered = np.sort(np.stack(null), axis=1)
    below = [np.searchsorted(values, own) for values, own in zip(ordered, null, strict=True)]
    # a cell exceeds both limits at rank r where the smaller of its two ranks is above r
    smaller = np.sort(np.minimum(*below))
    rank = smaller[min(int(np.ceil((1 - rate) * (n + 1))), n) - 1]
    return ordered[:, rank]


def call_malignant(
    epithelial: sparse.csr_matrix,
    reference: sparse.csr_matrix,
    lineages: NDArray[np.object_],
    halves: NDArray[np.bool_],
    windows: Windows,
    *,
    max_log_ratio: float,
    false_call_rate: float,
    n_orders: int,
    seed: int,
) -> CopyNumbers:
    """Call the epithelial cells of one sample whose copy numbers differ from those of reference cells.

    A cell is called when its signal and its correlation both exceed what is reached, but for a share of
    `false_call_rate`, (1) by reference cells against the other half of the reference, and (2) by the same
    epithelial cells when the genes are put in another order. The second has the depth and the lineage of the
    cells, but no chromosomes: what an epithelial cell expresses otherwise than an immune cell is scattered
    over the genome. No cell is called where the mean profile is not stronger than in other orders.

    Parameters
    ----------
    epithelial, reference
        Log-normalised expression, cells x genes in the order of the genome.
    lineages
        Lineage of each reference cell.
    halves
        Which reference cells are in the first half; every lineage must be in both.
    windows
        Windows over the genes.
    max_log_ratio
        Log ratios are cut here.
    false_call_rate
        Share of cells without copy-number changes that may exceed a threshold.
    n_orders
        Number of other orders of the genes.
    seed
        Seed of the orders.
    """
    cells = relative_expression(epithelial, baseline_of(reference, lineages), max_log_ratio=max_log_ratio)
    mean = cells.mean()
    measured = measure(cells, windows.weights, mean, among=True)
    null = _reference_null(reference, lineages, halves, windows.weights, mean, max_log_ratio)
    orders = draw_orders(len(mean), RUN_OF_CELLS, n_orders, seed)
    moved = [measure(cells, windows.weights[order], mean, among=True) for order in orders]
    elsewhere = Measured(*map(np.concatenate, zip(*moved, strict=True)))
    limits = [joint_limits(found, false_call_rate) for found in (null, elsewhere)]
    signal_limit, correlation_limit = map(float, np.max(limits, axis=0))
    p = order_p_value(mean, windows.weights, seed)
    called = (measured.signal > signal_limit) & (measured.correlation > correlation_limit)
    called &= p <= MAX_ORDER_P
    if called.any():
        mean = Relative(cells.seen[called], cells.unseen).mean()
    profile = mean @ windows.weights
    return CopyNumbers(
        measured, null, called, signal_limit, correlation_limit, p, mean, profile - np.median(profile)
    )


def _reference_null(
    reference: sparse.csr_matrix,
    lineages: NDArray[np.object_],
    halves: NDArray[np.bool_],
    weights: sparse.csr_matrix,
    mean: Floats,
    max_log_ratio: float,
) -> Measured:
    """Measure each half of the reference against the other, as if it were not known to be normal."""
    signal, correlation = np.zeros(len(halves)), np.zeros(len(halves))
    for half in (halves, ~halves):
        baseline = baseline_of(reference[~half], lineages[~half])
        relative = relative_expression(reference[half], baseline, max_log_ratio=max_log_ratio)
        signal[half], correlation[half] = measure(relative, weights, mean, among=False)
    return Measured(signal, correlation)


def order_p_value(mean: Floats, weights: sparse.csr_matrix, seed: int) -> float:
    """Say how often a mean profile is as strong when the genes are put in another order.

    Parameters
    ----------
    mean
        Mean log ratio of each gene.
    weights
        Genes x windows.
    seed
        Seed of the orders.
    """
    orders = draw_orders(len(mean), RUN_OF_MEAN, N_ORDERS_OF_MEAN, seed)
    reached = sum((mean[order] @ weights).var() >= (mean @ weights).var() for order in orders)
    return float((1 + reached) / (1 + len(orders)))


def describe_arms(places: pd.DataFrame, gene_means: Floats, p: float, *, level: float = 0.05) -> pd.DataFrame:
    """Compare the genes of each chromosome arm with those of the other arms.

    The mean log ratio of an arm is compared with that of as many runs of neighbouring genes from
    anywhere in the genome (the variance of a mean drawn without replacement), Bonferroni over the arms.

    Parameters
    ----------
    places
        One row per gene in the order of the genome: chromosome, arm (empty where it is not known).
    gene_means
        Mean log ratio of each gene.
    p
        Of `order_p_value`: no gain or loss is told where it is above 0.001.
    level
        Family-wise level of gains and losses.

    Returns
    -------
    One row per arm: chromosome, arm, n_genes, mean_log_ratio (less that of all genes), z,
    state (gain, loss, or empty).
    """
    from scipy.stats import norm

    grouped = places.assign(value=gene_means).groupby(["chromosome", "arm"], sort=False)["value"]
    table = grouped.agg(n_genes="size", mean_log_ratio="mean").reset_index()
    table["mean_log_ratio"] -= gene_means.mean()
    parts = np.array_split(gene_means, max(len(gene_means) // RUN_OF_MEAN, 1))
    runs = np.array([part.mean() for part in parts])
    n_runs = np.maximum(table["n_genes"].to_numpy() / RUN_OF_MEAN, 1)
    left = np.clip(1 - n_runs / len(runs), 0, None)
    spread = np.sqrt(runs.var() * left / n_runs)
    unknown = np.full(len(table), np.nan)
    table["z"] = np.divide(table["mean_log_ratio"].to_numpy(), spread, out=unknown, where=spread > 0)
    limit = norm.isf(level / 2 / len(table)) if p <= MAX_ORDER_P else np.inf
    table["state"] = np.select([table["z"] > limit, table["z"] < -limit], ["gain", "loss"], default="")
    return table
