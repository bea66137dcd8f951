"""The cuts that tutorials and pipelines use by default, as plain functions of the metrics of a capture.

Each returns the cells it drops. The cuts are as published; filters of genes (genes in fewer than 3 cells),
which change the number of genes of a cell by a few, are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import median_abs_deviation

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


def seurat_tutorial(metrics: pd.DataFrame) -> Mask:
    """Drop as the Seurat tutorial of 3k PBMC: keep 200 < genes < 2,500 and < 5 % mitochondrial."""
    genes, mito = metrics["n_genes"], metrics["pct_mito"].fillna(0)
    return ~((genes > 200) & (genes < 2500) & (mito < 5)).to_numpy()


def seurat_tutorial_haemoglobin(metrics: pd.DataFrame) -> Mask:
    """Drop as the Seurat tutorial, and cells of 5 % haemoglobin or more (percent.HB < 5)."""
    return seurat_tutorial(metrics) | (metrics["pct_hb"].fillna(0) >= 5).to_numpy()


def scanpy_tutorial(metrics: pd.DataFrame) -> Mask:
    """Drop as the scanpy tutorial of 3k PBMC: keep 200 <= genes < 2,500 and < 5 % mitochondrial."""
    genes, mito = metrics["n_genes"], metrics["pct_mito"].fillna(0)
    return ~((genes >= 200) & (genes < 2500) & (mito < 5)).to_numpy()


def _beyond(values: pd.Series, n_mads: float) -> Mask:
    """Say which values lie beyond median -/+ MADs; not scaled, as sc-best-practices takes them."""
    median, mad = values.median(), n_mads * median_abs_deviation(values)
    return np.asarray((values < median - mad) | (values > median + mad))


def nf_core_scdownstream(metrics: pd.DataFrame) -> Mask:
    """Drop as nf-core/scdownstream by default (assets/schema_input.json of its development branch).

    5 MADs of log(1 + counts), log(1 + genes) and the share of the 20 most counted genes; 3 MADs of the
    mitochondrial share.
    """
    # scanpy gives cells of fewer than 20 genes a share of 100 %
    top, mito = metrics["pct_top_genes"].fillna(100), metrics["pct_mito"].fillna(0)
    depth = _beyond(np.log1p(metrics["n_counts"]), 5) | _beyond(np.log1p(metrics["n_genes"]), 5)
    return depth | _beyond(top, 5) | _beyond(mito, 3)


def sc_best_practices(metrics: pd.DataFrame) -> Mask:
    """Drop as the chapter on quality control of sc-best-practices.org: those MADs, or > 8 % mitochondrial."""
    return nf_core_scdownstream(metrics) | (metrics["pct_mito"] > 8).to_numpy()
