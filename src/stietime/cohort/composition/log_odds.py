"""Log-odds of cell fractions that do not depend on how many cells a sample has."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

EXACT_BELOW: Final = 50.0  # expected cells; above, four moments are as good (differences below 1e-5)
WINDOW: Final = 7.0  # standard deviations that are summed over
MOST_TERMS: Final = 2_000_000  # of one block, which bounds the memory


def rarefied_log_odds(n: Vector, total: Vector, depth: Vector) -> Vector:
    """Give the empirical logit that a sample would have at a lower depth, averaged over all rarefactions.

    The mean of log((X + 1/2) / (M - X + 1/2)), where X is the number of cells of the entity among M cells
    drawn from the N without replacement (hypergeometric). A sample at the depth itself has Haldane's and
    Anscombe's logit. Two samples of the same composition thus have the same expectation at any depths, which
    no fixed half count gives: the logit of few cells is biased, and differently at different depths. Where
    the sample is shallower than the depth, the half count is scaled by N / M instead.

    Parameters
    ----------
    n, total
        Cells of the entity and of its parent, of any one shape; nan where not measured.
    depth
        Parent cells to rarefy to, of the same shape; a broken number is cut off.

    Returns
    -------
    Log-odds of the same shape.

    References
    ----------
    Anscombe 1956, Biometrika 43:461. Hurlbert 1971, Ecology 52:577 (expectations over rarefactions).
    """
    n, total, depth = (np.asarray(values, dtype=float) for values in (n, total, depth))
    half = 0.5 * np.minimum(1.0, total / depth)
    result = np.asarray(np.log((n + half) / (total - n + half)))
    deep = total > np.floor(depth)
    n, total, depth = n[deep], total[deep], np.maximum(np.floor(depth[deep]), 1.0)
    fewer = np.minimum(n, total - n)  # the logit of the rest is the same with the other sign
    values = _mean_logits(fewer, total, depth)
    result[deep] = np.where(n > fewer, -values, values)
    return result


def _mean_logits(n: Vector, total: Vector, depth: Vector) -> Vector:
    mean = depth * n / total
    few = mean < EXACT_BELOW
    result = np.empty(len(n))
    result[few] = _summed(n[few], total[few], depth[few])
    n, total, depth, mean = n[~few], total[~few], depth[~few], mean[~few]
    share, left = n / total, (total - depth) / (total - 1)
    variance = mean * (1 - share) * left
    skew = variance * (1 - 2 * share) * (total - 2 * depth) / np.maximum(total - 2, 1)
    result[~few] = _mean_log(mean, variance, skew) - _mean_log(depth - mean, variance, -skew)
    return result


def _mean_log(mean: Vector, variance: Vector, third: Vector) -> Vector:
    """Give the mean of log(X + 1/2) by the central moments of X."""
    at = mean + 0.5
    return np.asarray(
        np.log(at) - variance / (2 * at**2) + third / (3 * at**3) - 3 * variance**2 / (4 * at**4)
    )


def _summed(n: Vector, total: Vector, depth: Vector) -> Vector:
    """Sum over the hypergeometric distribution, in blocks of entities that need as many terms."""
    mean = depth * n / total
    spread = np.sqrt(mean * (1 - n / total) * (total - depth) / np.maximum(total - 1, 1))
    low = np.maximum(np.maximum(0.0, depth - (total - n)), np.floor(mean - WINDOW * spread - 2))
    high = np.minimum(np.minimum(n, depth), np.ceil(mean + WINDOW * spread + 8))
    order = np.argsort(high - low, kind="stable")
    result = np.empty(len(n))
    start = 0
    while start < len(order):
        width = int((high - low)[order[min(len(order), start + MOST_TERMS // 100) - 1]]) + 1
        stop = start + max(1, min(MOST_TERMS // 100, MOST_TERMS // width))
        block = order[start:stop]
        result[block] = _summed_block(n[block], total[block], depth[block], low[block], high[block])
        start = stop
    return result


def _summed_block(n: Vector, total: Vector, depth: Vector, low: Vector, high: Vector) -> Vector:
    n, total, depth, low = (values[:, None] for values in (n, total, depth, low))
    x = low + np.arange(int((high - low[:, 0]).max()) + 1)
    inside = x <= high[:, None]
    x = np.minimum(x, high[:, None])
    # log of p(x + 1) / p(x), 0 beyond the last
    up, down = (n - x) * (depth - x), (x + 1) * (total - n - depth + x + 1)
    steps = np.log(np.where(inside & (up > 0), up, 1.0) / np.where(down > 0, down, 1.0))
    logs = np.concatenate([np.zeros_like(low), np.cumsum(steps, axis=1)[:, :-1]], axis=1)
    weights = np.where(inside, np.exp(logs - np.max(np.where(inside, logs, -np.inf), axis=1)[:, None]), 0.0)
    logits = np.log((x + 0.5) / (depth - x + 0.5))
    return np.asarray((weights * logits).sum(axis=1) / weights.sum(axis=1))
