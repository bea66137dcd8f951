"""The plain script: what a user writes today with scanpy's and harmonypy's defaults, after their tutorials.

From the same files of counts to the same ends as our chain: quality control, doublets, one embedding,
clusters, UMAP and the score of every marker set. Choices where the tutorials leave one: genes in at least 3
cells, cells of at least 100 genes and below 20 % mitochondrial counts, Scrublet within each capture, its
calls removed, 2,000 variable genes by batch, no scaling to unit variance, Harmony over the batch. It runs as
a process of its own; seconds per stage go to `stages.json`, what it found to `cells.parquet` and
`neighbours.npz`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STAGES: dict[str, float] = {}  # wall seconds
PROCESSOR: dict[str, float] = {}  # processor seconds of all threads


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a stage."""
    begin, before = time.perf_counter(), time.process_time()
    yield
    STAGES[name], PROCESSOR[name] = time.perf_counter() - begin, time.process_time() - before
    print(f"{name}: {STAGES[name]:.1f} s, processor {PROCESSOR[name]:.1f} s", flush=True)


def read(paths: Sequence[Path]) -> Any:  # noqa: ANN401 - an AnnData
    """Read all captures and put them together."""
    import anndata as ad

    return ad.concat([ad.read_h5ad(path) for path in paths])


def filter_cells(adata: Any) -> Any:  # noqa: ANN401
    """Measure and filter cells, and find doublets."""
    import scanpy as sc

    with stage("quality"):
        adata.var["mt"] = adata.var_names.str.startswith("MT-")
        adata.var["ribo"] = adata.var_names.str.startswith(("RPS", "RPL"))
        adata.var["hb"] = adata.var_names.str.contains("^HB[^(P)]")
        sc.pp.calculate_qc_metrics(adata, qc_vars=["mt", "ribo", "hb"], inplace=True, log1p=True)
        sc.pp.filter_cells(adata, min_genes=100)
        sc.pp.filter_genes(adata, min_cells=3)
        adata = adata[adata.obs["pct_counts_mt"] < 20].copy()
    with stage("scrublet"):
        sc.pp.scrublet(adata, batch_key="sample")
        # a capture on which Scrublet finds no threshold has no calls
        return adata[~adata.obs["predicted_doublet"].fillna(value=False).astype(bool)].copy()


def embed(adata: Any) -> None:  # noqa: ANN401
    """Normalise, integrate, cluster and draw."""
    import harmonypy
    import scanpy as sc

    with stage("normalise"):
        adata.layers["counts"] = adata.X.copy()
        sc.pp.normalize_total(adata)
        sc.pp.log1p(adata)
    with stage("variable genes"):
        sc.pp.highly_variable_genes(adata, n_top_genes=2000, batch_key="batch")
    with stage("pca"):
        sc.tl.pca(adata)
    with stage("harmony"):
        corrected = harmonypy.run_harmony(adata.obsm["X_pca"], adata.obs, "batch").Z_corr
        adata.obsm["X_pca_harmony"] = corrected
    with stage("neighbours"):
        sc.pp.neighbors(adata, use_rep="X_pca_harmony")
    with stage("leiden"):
        sc.tl.leiden(adata, flavor="igraph", n_iterations=2, directed=False)
    with stage("umap"):
        sc.tl.umap(adata)


def score(adata: Any) -> None:  # noqa: ANN401
    """Score every marker set of the package by its positive genes."""
    import scanpy as sc

    from stietime.resources import read_markers

    markers = read_markers()
    positive = markers[(markers["direction"] == "positive") & markers["gene"].isin(adata.var_names)]
    with stage("score genes"):
        for set_id, rows in positive.groupby("set_id"):
            sc.tl.score_genes(adata, rows["gene"].unique(), score_name=f"score_{set_id}")


def write(adata: Any, folder: Path) -> None:  # noqa: ANN401
    """Write what the benchmark looks at, in the form of our tables."""
    import pandas as pd
    from scipy import sparse

    table = pd.DataFrame({"cell": adata.obs_names.to_numpy(dtype=object)})
    table["cluster"] = adata.obs["leiden"].astype(str).to_numpy(dtype=object)
    blocks = {"harmony": adata.obsm["X_pca_harmony"], "umap": adata.obsm["X_umap"]}
    for name, block in blocks.items():
        columns = [f"{name}_{place + 1}" for place in range(block.shape[1])]
        table = pd.concat([table, pd.DataFrame(block.astype("float32"), columns=columns)], axis=1)
    scores = [column for column in adata.obs if column.startswith("score_")]
    table = pd.concat([table, adata.obs[scores].astype("float32").reset_index(drop=True)], axis=1)
    table.to_parquet(folder / "cells.parquet", index=False)
    sparse.save_npz(folder / "neighbours.npz", sparse.csr_matrix(adata.obsp["connectivities"]))


def main() -> None:
    """Run the script on files of counts."""
    parser = argparse.ArgumentParser(description="the plain script")
    parser.add_argument("folder", type=Path, help="folder that receives the results")
    parser.add_argument("counts", type=Path, nargs="+", help="counts of every capture (h5ad)")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with stage("imports"):
        import harmonypy  # noqa: F401
        import scanpy  # noqa: F401
    with stage("read"):
        adata = read(arguments.counts)
    adata = filter_cells(adata)
    embed(adata)
    score(adata)
    with stage("write"):
        write(adata, arguments.folder)
    for name, seconds in (("stages", STAGES), ("stages_cpu", PROCESSOR)):
        (arguments.folder / f"{name}.json").write_text(json.dumps(seconds, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
