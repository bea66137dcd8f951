"""From counts to states: the same tables whatever the blocks, the threads and the workers."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score
from tests.tiny_cohort import stietime

from stietime import storage
from stietime.blocks import BYTES_PER_ENTRY, plan_blocks
from stietime.simulate.cohort import Artefacts, Sample, simulate_sample

SAMPLES = {
    f"{patient}_{tissue}": (patient, environment, batch)
    for patient, batch in (("p1", "b1"), ("p2", "b2"))
    for tissue, environment in (("blood", "STIE"), ("tumour", "TIME"))
}
N_CELLS = 400
WAYS = ("sixteen_blocks", "two_threads", "two_workers")


def write_sample(folder, sample, patient, environment, batch):
    """Counts as `ingest` leaves them; every twentieth cell is not kept."""
    made = simulate_sample(Sample(patient, environment, "before"), N_CELLS, 1, Artefacts(0, 0, 75, 1))
    index = pd.Index([f"{sample}:{place}" for place in range(N_CELLS)], dtype=object)
    facts = {"sample": sample, "patient": patient, "environment": environment, "batch": batch}
    obs = pd.DataFrame({**facts, "tissue": sample.partition("_")[2], "timepoint": "before"}, index=index)
    counts = sparse.csr_matrix(made.X).astype(np.int32)
    cells = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=made.var_names))
    storage.write_cells(cells, folder / sample / "counts.h5ad")
    quality = storage.cell_table(index, keep=np.arange(N_CELLS) % 20 != 19, reason="kept")
    storage.write_table(quality, folder / sample / "quality.parquet")


def compute(root, out, compute_options, threads):
    """Run the steps in which all samples are read, as typed."""
    (root / out).mkdir()
    counts = [f"{sample}/counts.h5ad" for sample in SAMPLES]
    quality = [f"{sample}/quality.parquet" for sample in SAMPLES]
    read = ("--counts", *counts, "--quality", *quality, "--compute", json.dumps(compute_options))
    read += ("--threads", str(threads))
    embedding = ("--embedding", f"{out}/embedding.parquet", "--graph", f"{out}/graph.npz")
    steps = {
        "integrate": (
            *read,
            *("--settings", json.dumps({"n_components": 15})),
            *("--output", f"{out}/embedding.parquet", "--variable-genes", f"{out}/genes.tsv"),
            *("--graph", f"{out}/graph.npz", "--metrics", f"{out}/metrics.tsv"),
        ),
        "cluster": (*embedding, "--output", f"{out}/clusters.parquet"),
        "annotate": (*read, "--clusters", f"{out}/clusters.parquet", "--output", f"{out}/types.parquet"),
        "score-states": (
            *(*read, "--cell-types", f"{out}/types.parquet"),
            *("--output", f"{out}/states.parquet", "--tables", f"{out}/rules.tsv"),
            *(f"{out}/state_genes.tsv", f"{out}/examples.tsv"),
        ),
    }
    for step, words in steps.items():
        done = stietime("step", step, *words, cwd=root)
        assert done.returncode == 0, f"{step}: {done.stderr}"
    return root / out


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Four samples, and the tables of one thread and one block for each sample."""
    folder = tmp_path_factory.mktemp("ways")
    for sample, facts in SAMPLES.items():
        write_sample(folder, sample, *facts)
    compute(folder, "plain", {}, 1)
    return folder


def block_gib(root):
    """Memory that cuts the cohort into about sixteen blocks."""
    entries = sum(ad.read_h5ad(root / sample / "counts.h5ad").X.nnz + N_CELLS for sample in SAMPLES)
    return entries / 15 * BYTES_PER_ENTRY / 2**30


def computed(root, way):
    if way == "sixteen_blocks":
        pairs = [(root / s / "counts.h5ad", root / s / "quality.parquet") for s in SAMPLES]
        assert 16 <= len(plan_blocks(pairs, max_gib=block_gib(root))) <= 20
        return compute(root, way, {"block_gib": block_gib(root)}, 1)
    if way == "two_threads":
        return compute(root, way, {"block_gib": block_gib(root)}, 2)
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**options) as cluster:
        scheduler = {"block_gib": block_gib(root), "dask_scheduler": cluster.scheduler_address}
        return compute(root, way, scheduler, 1)


@pytest.mark.parametrize("way", WAYS)
def test_the_tables_are_the_same(root, way):
    plain, other = root / "plain", computed(root, way)
    assert (other / "genes.tsv").read_text() == (plain / "genes.tsv").read_text()
    one, two = (pd.read_parquet(folder / "embedding.parquet") for folder in (plain, other))
    assert one["cell"].equals(two["cell"])
    for name, tolerance in (("pca", 1e-5), ("harmony", 1e-4)):
        columns = [column for column in one if column.startswith(f"{name}_")]
        np.testing.assert_allclose(two[columns], one[columns], atol=tolerance)
    one, two = (pd.read_parquet(folder / "clusters.parquet") for folder in (plain, other))
    for column in one.columns.drop("cell"):
        assert adjusted_rand_score(one[column], two[column]) == 1
    one, two = (pd.read_parquet(folder / "types.parquet") for folder in (plain, other))
    pd.testing.assert_frame_equal(one, two, rtol=1e-9)
    one, two = (pd.read_parquet(folder / "states.parquet") for folder in (plain, other))
    pd.testing.assert_frame_equal(one, two)
    assert (other / "rules.tsv").read_text() == (plain / "rules.tsv").read_text()
