"""The resolutions side by side: how stable and how separate their clusters are, and which is justified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.clusters.spread_draw import draw_evenly

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cells.clusters.stability import Stability

MAX_CELLS_MEASURED: Final = 3000  # whose silhouettes are measured, the same cells at every resolution
# of the adjusted Rand index; a smaller difference does not speak against a resolution
TOLERANCE: Final = 0.05


def resolution_table(
    clusters: pd.DataFrame, resolutions: dict[str, float], stability: Stability, widths: pd.Series
) -> pd.DataFrame:
    """Put the resolutions side by side.

    Suggested is the chosen resolution, unless it is 0.05 or more below the most stable; then the one with the
    most clusters of those that are less than 0.05 below.

    Parameters
    ----------
    clusters
        Clusters of all cells, one column per resolution, that of the clusters in use first.
    resolutions
        Resolutions by the names of their columns.
    stability
        Of `cluster_stability.measure_stability`.
    widths
        Mean silhouette width by column, as of `mean_silhouettes`.

    Returns
    -------
    One row per resolution, the lowest first: resolution, n_clusters, stability (mean adjusted Rand index),
    stability_low, n_subsamples, n_cells_subsample, silhouette, chosen, suggested, note.
    """
    found = stability.agreement
    means = found.mean()
    chosen = str(clusters.columns[0])
    suggested = _suggested(chosen, means, clusters.nunique())
    rows = [
        {
            "resolution": resolutions[name],
            "n_clusters": int(clusters[name].nunique()),
            "stability": means[name],
            "stability_low": found[name].min(),
            "n_subsamples": int(found[name].notna().sum()),
            "n_cells_subsample": stability.n_cells if len(found) else np.nan,
            "silhouette": widths[name],
            "chosen": name == chosen,
            "suggested": name == suggested,
            "note": _note(name, chosen, suggested, resolutions, stability, len(clusters)),
        }
        for name in sorted(clusters.columns, key=resolutions.__getitem__)
    ]
    return pd.DataFrame(rows)


def _suggested(chosen: str, means: pd.Series, n_clusters: pd.Series) -> str:
    """Name the chosen column unless another is clearly more stable; of the best the one of most clusters."""
    good = means.index[means > means.max() - TOLERANCE]
    if chosen in good or not len(good):
        return chosen
    return str(n_clusters[good].idxmax())


def _note(
    name: str, chosen: str, suggested: str, resolutions: dict[str, float], stability: Stability, n_cells: int
) -> str:
    found = stability.agreement
    if found[name].isna().all():
        why = "all cells are one cluster" if len(found) else f"{n_cells} cells are too few to be divided"
        return f"not testable: {why}"
    if name != chosen:
        words = _told_difference(name, chosen, resolutions, found)
        words = f"suggested: {words}" if name == suggested else words
    elif name != suggested:
        words = f"another is more stable: {_told_difference(suggested, chosen, resolutions, found)}"
    else:
        words = f"justified: {_why_justified(chosen, resolutions, found)}"
    share = stability.n_cells / n_cells
    if share < 0.5:
        words += f"; subsamples hold {share:.0%} of the cells, where small clusters are hard to find again"
    return words


def _why_justified(chosen: str, resolutions: dict[str, float], found: pd.DataFrame) -> str:
    told = f"stability {found[chosen].mean():.2f} (lowest {found[chosen].min():.2f})"
    known = found.columns[found.notna().any()]
    best = str(found[known].mean().idxmax())
    if len(known) == 1:
        return f"{told}, with no other resolution to compare"
    if best == chosen:
        return f"{told}, the most stable of {len(known)} resolutions"
    return (
        f"{told}, and no other is {TOLERANCE:g} more stable; "
        f"{_told_difference(best, chosen, resolutions, found)}"
    )


def _told_difference(name: str, chosen: str, resolutions: dict[str, float], found: pd.DataFrame) -> str:
    """Tell how much the stability of a resolution differs from the chosen one's, in how many subsamples."""
    told = f"resolution {resolutions[name]:g} has {found[name].mean():.2f}"
    if found[chosen].isna().all():
        return f"{told}, resolution {resolutions[chosen]:g} is not testable"
    differences = found[name] - found[chosen]
    mean = differences.mean()
    if abs(mean) < 0.005:
        return f"resolution {resolutions[name]:g} is as stable ({found[name].mean():.2f})"
    n_same = int((np.sign(differences) == np.sign(mean)).sum())
    return (
        f"{told} against {found[chosen].mean():.2f} of resolution {resolutions[chosen]:g}, "
        f"{abs(mean):.2f} {'more' if mean >= 0 else 'less'}, in {n_same} of {len(differences)} subsamples"
    )


def mean_silhouettes(
    points: NDArray[np.float32],
    clusters: pd.DataFrame,
    *,
    max_cells: int = MAX_CELLS_MEASURED,
    seed: int = 1,
) -> pd.Series:
    """Measure how far apart the clusters of each resolution lie, on the same cells for all.

    Parameters
    ----------
    points
        Embedding, cells x dimensions.
    clusters
        Clusters by the names of the cells, one column per resolution; the cells are drawn evenly from those
        of the first, whatever their order.
    max_cells
        Number of cells that are drawn.
    seed
        Seed of the draw.

    Returns
    -------
    Mean silhouette width (Rousseeuw 1987) by column, -1 to 1; nan where all drawn cells are one cluster, or
    each is one of its own.
    """
    from sklearn.metrics import silhouette_score

    first = clusters.iloc[:, 0]
    drawn = draw_evenly(clusters.index, first, first, max_cells=max_cells, seed=seed)
    some = np.asarray(points[drawn], dtype=np.float64)
    labels = clusters.iloc[drawn]
    measurable = [name for name in labels if 1 < labels[name].nunique() < len(labels)]
    widths = {name: silhouette_score(some, labels[name]) for name in measurable}
    return pd.Series(widths, index=clusters.columns, dtype=np.float64)
