import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from benchmarks.scale_mixing import SYMPHONY_TYPES
from scipy import sparse

from stietime import cli
from stietime.cells import variable_genes
from stietime.cells.embedding.balanced_neighbours import balanced_graph
from stietime.cells.embedding.graph_metrics import nearest_graph
from stietime.cells.embedding.integration import correct_for_batch, principal_components
from stietime.cells.embedding.integration_metrics import Question, graph_rows, measure_embeddings
from stietime.cells.normalisation import log_normalise
from stietime.cells.quality.provisional_lineage import provisional_lineages
from stietime.resources import read_markers
from stietime.sample import Sample

pytestmark = pytest.mark.data
CHEMISTRIES = ("1k_PBMC_v2_filt", "1k_PBMC_v3_filt", "5prime_PBMC_filt_1kcells")


def before_and_after(components, labels):
    found = correct_for_batch(components, labels["batch"].tolist())
    assert found.converged
    table = measure_embeddings(
        {"pca": components, "harmony": found.embedding}, Question(labels, "batch", "cell_type", ("batch",))
    )
    return table.pivot_table(index=["metric", "stratum"], columns="embedding", values="value")


def of_batches(table, metric):
    return table.loc[metric].drop("all")


def check_mixed_and_apart(table, *, full_mixing, gain=0.5):
    batch, kind = table.loc["lisi_batch", "all"], table.loc["lisi_cell_type", "all"]
    assert batch["pca"] < 1.1
    assert batch["harmony"] > 1 + 0.5 * (full_mixing - 1)
    assert kind["harmony"] < kind["pca"] + 0.02
    # every technology gains, and none loses its cell types
    assert (of_batches(table, "lisi_batch")["harmony"] > of_batches(table, "lisi_batch")["pca"] + gain).all()
    assert (
        of_batches(table, "lisi_cell_type")["harmony"] < of_batches(table, "lisi_cell_type")["pca"] + 0.05
    ).all()
    silhouette = table.loc["silhouette_type", "all"]
    assert silhouette["harmony"] > silhouette["pca"]
    explained = table.loc["pc_regression_batch", "all"]
    assert explained["harmony"] < 0.3 * explained["pca"]


def test_three_technologies_mix_and_the_authors_types_stay_apart(data_dir):
    cells = ad.read_h5ad(data_dir / "symphony_pbmc_1200" / "symphony_pbmc_1200.h5ad")
    labels = pd.DataFrame({"batch": cells.obs["donor"], "cell_type": cells.obs["cell_type"]}).astype(str)
    # log values of 1,767 variable genes, as the authors normalised them
    components = principal_components(sparse.csr_matrix(cells.X, dtype=np.float64), 20).scores
    table = before_and_after(components, labels.reset_index(drop=True))
    check_mixed_and_apart(table, full_mixing=2.88)


def test_log_values_are_those_of_whole_counts(data_dir):
    cells = ad.read_h5ad(data_dir / "symphony_pbmc_1200" / "symphony_pbmc_1200.h5ad")
    values = sparse.csr_matrix(cells.X, dtype=np.float64)
    for row, total in enumerate(cells.obs["nUMI"]):
        counts = np.expm1(values.data[values.indptr[row] : values.indptr[row + 1]]) * total / 1e4
        np.testing.assert_allclose(counts, np.round(counts), atol=0.01)


def three_chemistries(folder):
    """Log-normalised variable genes of the three captures, with the first guess at their lineages."""
    samples = []
    for name in CHEMISTRIES:
        cells = ad.read_h5ad(folder / f"{name}.h5ad")
        genes = pd.Index(cells.var_names.astype(str))
        first = np.flatnonzero(~genes.duplicated())
        samples.append((name, genes[first], sparse.csr_matrix(cells.X, dtype=np.float32)[:, first]))
    shared, batches = variable_genes.gather([(n, g, variable_genes.moments(x)) for n, g, x in samples])
    top = variable_genes.rank_variable_genes(batches, shared, n_variable_genes=2000)["gene"]
    expression = sparse.vstack([log_normalise(x)[:, genes.get_indexer(top)] for _, genes, x in samples])
    markers = read_markers()
    found = np.concatenate([provisional_lineages(x, list(genes), markers) for _, genes, x in samples])
    kinds = pd.Series(found, dtype=object).where(found != "unclear")
    batch = np.repeat(CHEMISTRIES, [x.shape[0] for _, _, x in samples])
    return sparse.csr_matrix(expression), pd.DataFrame({"batch": batch, "cell_type": kinds})


def test_three_chemistries_mix_and_lineages_stay_apart_by_harmony_and_by_balanced_neighbours(data_dir):
    expression, labels = three_chemistries(data_dir / "pbmc_three_chemistries_10x")
    components = principal_components(expression, 30).scores
    check_mixed_and_apart(before_and_after(components, labels), full_mixing=3.0)
    points = components.astype(np.float32)
    question = Question(labels, "batch", "cell_type")
    balanced = balanced_graph(points, labels["batch"].tolist()).weights
    tables = [graph_rows("graph", graph, question) for graph in (nearest_graph(points, 15), balanced)]
    plain, mixed = (table.set_index("metric")["value"] for table in tables)
    assert plain["graph_lisi_batch"] < 1.2
    assert mixed["graph_lisi_batch"] > 1.8
    assert mixed["graph_lisi_cell_type"] < 1.2
    assert mixed["graph_connectivity_all_cells"] > 0.9


def step(name, *words, **options):
    """Type a step."""
    settings = ("--settings", json.dumps(options)) if options else ()
    assert cli.main(["step", name, *map(str, words), *settings]) == 0


def ingested_and_integrated(rows, folder, inputs):
    """Type the steps from the files to the table of metrics; return it, and the cells that were kept."""
    folders = [folder / row.sample for row in rows]
    for row, here in zip(rows, folders, strict=True):
        step("ingest", "--sample", row.as_json(), "--output", here / "counts.h5ad", **inputs)
        outputs = (
            "--output",
            here / "quality.parquet",
            "--cuts",
            here / "cuts.tsv",
            "--losses",
            here / "l.tsv",
        )
        outputs += ("--ambient", here / "ambient.tsv", "--sample-quality", here / "sample_quality.tsv")
        step("assess-quality", "--counts", here / "counts.h5ad", *outputs, find_doublets=False)
    step(
        "integrate",
        *("--counts", *(here / "counts.h5ad" for here in folders)),
        *("--quality", *(here / "quality.parquet" for here in folders)),
        *("--output", folder / "embedding.parquet", "--variable-genes", folder / "genes.tsv"),
        *("--graph", folder / "graph.npz", "--metrics", folder / "metrics.tsv"),
    )
    return pd.read_csv(folder / "metrics.tsv", sep="\t"), pd.read_parquet(folder / "embedding.parquet")


def row_of(sample, path, **columns):
    fixed = {"environment": "STIE", "modality": "cells", "format": "h5ad", "path": str(path)}
    return Sample(sample=sample, patient=sample, batch=sample, **fixed, **columns)


def test_log_values_are_ingested_as_counts_and_three_technologies_are_integrated(data_dir, tmp_path):
    path = data_dir / "symphony_pbmc_1200" / "symphony_pbmc_1200.h5ad"
    rows = [row_of(donor, path, subset=f"donor={donor}") for donor in ("3pv1", "3pv2", "5p")]
    inputs = {"values": "log1p", "cell_type_column": "cell_type", "cell_type_names": SYMPHONY_TYPES}
    metrics, embedding = ingested_and_integrated(rows, tmp_path, inputs)
    assert len(embedding) > 0.9 * 1200
    for row in rows:
        facts = ad.read_h5ad(tmp_path / row.sample / "counts.h5ad").uns["ingest"]
        assert facts["counts_recovered_from"] == "log1p values and the totals of the column nUMI, scale 10000"
        assert facts["largest_remainder"] < 0.01
    # over these 1,767 genes alone, one technology is half mixed before
    check_steps(metrics, "given_cell_type", full_mixing=2.88, gain=0.35)


def check_steps(metrics, types, **expected):
    """Check the table that the step writes."""
    table = metrics.pivot_table(index=["metric", "stratum"], columns="embedding", values="value")
    table = table.rename(index={f"lisi_{types}": "lisi_cell_type"})
    check_mixed_and_apart(table, **expected)


def test_three_chemistries_are_ingested_and_integrated(data_dir, tmp_path):
    folder = data_dir / "pbmc_three_chemistries_10x"
    rows = [row_of(name, folder / f"{name}.h5ad") for name in CHEMISTRIES]
    metrics, embedding = ingested_and_integrated(rows, tmp_path, {})
    assert len(embedding) > 0.8 * 2860
    check_steps(metrics, "provisional_lineage", full_mixing=3.0)
