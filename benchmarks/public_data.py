"""Public data that more than one benchmark reads; where they are not there, a figure says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import anndata as ad
from scipy import sparse

from benchmarks.record import NAN, Figure
from stietime.resources import read_gene_aliases

if TYPE_CHECKING:
    import pandas as pd

DATA: Final = Path(os.environ.get("STIETIME_DATA", "../shared/data"))
# marrow with erythroid cells staged by the authors (Luecken 2021)
MARROW: Final = tuple(
    DATA / "openproblems_bmmc_citeseq_multiome" / f"{name}.h5ad"
    for name in ("cite_merged_2v", "multiome_merged")
)
CHEMISTRIES: Final = tuple(
    DATA / "pbmc_three_chemistries_10x" / f"{name}.h5ad"
    for name in ("1k_PBMC_v2_filt", "1k_PBMC_v3_filt", "5prime_PBMC_filt_1kcells")
)
ZILIONIS: Final = DATA / "zilionis_nsclc_blood_tumor_300" / "zilionis300_counts_recovered.h5ad"
NUCLEATED: Final = ("Proerythroblast", "Erythroblast", "Normoblast")


def read_counts(path: Path) -> tuple[sparse.csr_matrix, list[str], pd.DataFrame]:
    """Read counts, their genes by current symbols, and the labels of the cells."""
    cells = ad.read_h5ad(path)
    aliases = read_gene_aliases("human")
    genes = [aliases.get(gene, gene) for gene in map(str, cells.var_names)]
    return sparse.csr_matrix(cells.X), genes, cast("pd.DataFrame", cells.obs)


def not_found(case: str, metric: str, target: str) -> Figure:
    """Say that the data of a case are not there."""
    return Figure(f"{case}: data not found", metric, NAN, target=target, met=False)
