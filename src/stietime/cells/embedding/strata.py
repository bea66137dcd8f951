"""Samples of cells that a metric is computed for: of all cells, and of each batch or environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

ALL: Final = "all"
# a stratum has at least so many of its cells looked up, if it holds them
MIN_CELLS_PER_STRATUM: Final = 200


def sampled_cells(n_cells: int, limit: int, seed: int) -> Rows:
    """Choose all cells, or the first of a random order; the samples of two limits hold each other."""
    if n_cells <= limit:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(seed).permutation(n_cells)[:limit])


def strata_of(labels: pd.DataFrame, columns: Iterable[str]) -> dict[str, NDArray[np.bool_]]:
    """Name the strata and their cells: `all`, and `column=value` for columns of more than one value."""
    found = {ALL: np.ones(len(labels), dtype=bool)}
    for column in columns:
        values = labels[column].astype(object)
        present = sorted(values.dropna().unique())
        if len(present) > 1:
            found |= {f"{column}={value}": (values == value).to_numpy() for value in present}
    return found


def sampled_strata(strata: Mapping[str, NDArray[np.bool_]], max_cells: int, seed: int) -> dict[str, Rows]:
    """Sample cells for each stratum: its share of the sample of all, or 200 of its cells where that is less.

    All strata take the first of their cells in one random order, so that they share cells, and each sample
    is a simple random one of its stratum.
    """
    order = np.random.default_rng(seed).permutation(len(next(iter(strata.values()))))
    chosen = {}
    for name, mask in strata.items():
        inside = order[mask[order]]
        in_sample = int(mask[order[:max_cells]].sum())
        chosen[name] = np.sort(inside[: max(in_sample, min(MIN_CELLS_PER_STRATUM, max_cells))])
    return chosen
