"""Counts of genes along the genome, with lineages that differ and copy numbers that are planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.resources import read_gene_positions

GAINS_AND_LOSSES = {"1": 1.5, "7": 1.5, "8": 1.5, "3": 0.5, "10": 0.5, "17": 0.5}
LINEAGES = {"epithelial": 200, "t_cell": 120, "macrophage": 100, "fibroblast": 60}


def plant(
    seed: int = 1,
    changes: dict[str, float] | None = None,
    share: float = 1.0,
    sizes: dict[str, int] = LINEAGES,
    n_genes: int = 6000,
    depth: int = 6000,
) -> tuple[sparse.csr_matrix, pd.Index, np.ndarray, np.ndarray]:
    """Draw a sample.

    Every lineage has a tenth of the genes four times higher or lower, wherever they lie, and a run of a
    dozen neighbours higher, as keratins are. A share of the epithelial cells have the copy numbers.

    Returns
    -------
    Counts, genes, the lineage of each cell, and which cells are malignant.
    """
    random = np.random.default_rng(seed)
    known = read_gene_positions().sample(n_genes, random_state=seed).reset_index(drop=True)
    rank = known.sort_values(["chromosome", "start"]).index.to_numpy()
    lineages = np.repeat(list(sizes), list(sizes.values())).astype(object)
    malignant = (lineages == "epithelial") & (np.arange(len(lineages)) < share * sizes.get("epithelial", 0))
    base = np.exp(random.normal(0, 1.3, n_genes))
    means = np.empty((len(lineages), n_genes))
    for lineage in sizes:
        own = base * np.exp(np.log(4) * random.choice([-1, 0, 1], n_genes, p=[0.05, 0.9, 0.05]))
        start = random.integers(0, n_genes - 12)
        own[rank[start : start + 12]] *= 3
        means[lineages == lineage] = own
    dose = known["chromosome"].map(changes or {}).fillna(1.0).to_numpy()
    means[malignant] *= dose
    means *= (depth * np.exp(random.normal(0, 0.35, len(lineages))) / means.sum(axis=1))[:, None]
    counts = random.poisson(means * random.gamma(4, 1 / 4, means.shape))
    return (
        sparse.csr_matrix(counts.astype(np.int32)),
        pd.Index(known["symbol"], dtype=object),
        lineages,
        malignant,
    )
