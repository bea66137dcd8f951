"""The steps from counts to clusters, called as on the command line."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from stietime import cli, storage

GENES = [*(f"G{place}" for place in range(300)), "MT-CO1", "MT-ND1", "HBB"]
# patient, environment, batch, number of cells; the last has fewer cells than anything needs
SAMPLES = {
    "p1_blood": ("p1", "STIE", "b1", 130),
    "p1_tumour": ("p1", "TIME", "b1", 90),
    "p2_blood": ("p2", "STIE", "b2", 80),
    "p2_tumour": ("p2", "TIME", "b2", 2),
}


def write_sample(folder, sample, patient, environment, batch, n_cells, seed):
    """Three types, every tenth cell dying, batch b2 with half the genes shifted."""
    profiles = np.random.default_rng(0).gamma(0.4, 1, (3, len(GENES)))
    profiles[:, -3:] = [1.5, 1.5, 0.2]
    if batch == "b2":
        profiles[:, ::2] *= np.random.default_rng(1).lognormal(0, 0.7, profiles[:, ::2].shape[1])
    rng = np.random.default_rng(seed)
    types, dying = rng.integers(0, 3, n_cells), np.arange(n_cells) % 10 == 9
    means = (
        profiles[types] / profiles[types].sum(axis=1, keepdims=True) * rng.lognormal(7.6, 0.2, (n_cells, 1))
    )
    means[dying, :-3] *= 0.4
    means[dying, -3:-1] += 400
    obs = pd.DataFrame(
        {
            "sample": sample,
            "patient": patient,
            "environment": environment,
            "batch": batch,
            "given_cell_type": np.array(["t_cell", "nk", "b_cell"])[types],
            "source_dying": dying,
        },
        index=[f"{sample}:{place}" for place in range(n_cells)],
    )
    counts = sparse.csr_matrix(rng.poisson(means).astype(np.int32))
    storage.write_cells(ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES)), folder / "counts.h5ad")


def step(name, *arguments, settings=None):
    words = ["step", name, *map(str, arguments)]
    return cli.main([*words, "--settings", json.dumps(settings)] if settings else words)


def assess(folder, settings=None):
    outputs = ("--output", folder / "quality.parquet", "--cuts", folder / "cuts.tsv")
    outputs += ("--losses", folder / "losses.tsv", "--ambient", folder / "ambient.tsv")
    outputs += ("--sample-quality", folder / "sample_quality.tsv")
    return step("assess-quality", "--counts", folder / "counts.h5ad", *outputs, settings=settings)


def integrate(folders, out, settings=None, more=()):
    return step(
        "integrate",
        *("--counts", *(folder / "counts.h5ad" for folder in folders)),
        *("--quality", *(folder / "quality.parquet" for folder in folders)),
        *("--output", out / "embedding.parquet", "--variable-genes", out / "genes.tsv"),
        *("--graph", out / "graph.npz", "--metrics", out / "metrics.tsv"),
        *more,
        settings=settings,
    )


def cluster(out, settings=None):
    inputs = ("--embedding", out / "embedding.parquet", "--graph", out / "graph.npz")
    return step("cluster", *inputs, "--output", out / "clusters.parquet", settings=settings)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """The chain run once over all samples."""
    root = tmp_path_factory.mktemp("chain")
    folders = [root / sample for sample in SAMPLES]
    for seed, (folder, facts) in enumerate(zip(folders, SAMPLES.items(), strict=True)):
        write_sample(folder, facts[0], *facts[1], seed)
        assert assess(folder) == 0
    assert integrate(folders, root) == 0
    assert cluster(root) == 0
    return root


def quality_of(root, sample):
    return pd.read_parquet(root / sample / "quality.parquet").set_index("cell")


def test_quality_covers_every_cell_and_drops_the_dying(cohort):
    for sample, (_, _, _, n_cells) in SAMPLES.items():
        obs = ad.read_h5ad(cohort / sample / "counts.h5ad").obs
        quality = quality_of(cohort, sample)
        assert quality.index.tolist() == obs.index.tolist()
        assert len(quality) == n_cells
        assert (quality["keep"] == (quality["reason"] == "kept")).all()
        assert quality.loc[obs["source_dying"].to_numpy(dtype=bool), "reason"].isin(["high_mito"]).all()
        assert quality.columns.tolist() == [
            *("n_genes", "n_counts", "pct_mito", "pct_ribo", "pct_hb"),
            *("pct_stress", "pct_top_genes", "complexity", "pct_intronic", "provisional_lineage"),
            *("doublet_score", "is_doublet", "doublet_evidence", "erythroid_kind", "keep", "reason"),
        ]


def test_cuts_account_for_every_dropped_cell_and_say_what_was_not_tested(cohort):
    for sample in SAMPLES:
        cuts = pd.read_csv(cohort / sample / "cuts.tsv", sep="\t").set_index("metric")
        assert cuts["n_removed"].sum() == (~quality_of(cohort, sample)["keep"]).sum()
        assert cuts.loc["pct_ribo", "note"].startswith("not measured")
    assert cuts.loc["doublet_score", "note"].startswith("not tested: 2 cells")
    tested = pd.read_csv(cohort / "p1_blood" / "cuts.tsv", sep="\t").set_index("metric")
    assert tested.loc["doublet_score", "note"].startswith("0.8 % doublets per 1,000 cells")


def test_embedding_holds_the_kept_cells_in_the_order_of_samples(cohort):
    embedding = pd.read_parquet(cohort / "embedding.parquet")
    kept = [cell for sample in SAMPLES for cell in quality_of(cohort, sample).query("keep").index]
    assert embedding["cell"].tolist() == kept
    blocks = embedding.columns[1:].str.extract(r"(\w+)_(\d+)")
    assert blocks.groupby(0).size().to_dict() == {"harmony": 30, "pca": 30, "umap": 2}
    assert np.isfinite(embedding.drop(columns="cell").to_numpy()).all()
    graph = sparse.load_npz(cohort / "graph.npz")
    assert graph.shape == (len(kept), len(kept))


def test_metrics_show_that_harmony_mixes_batches_and_keeps_types(cohort):
    table = pd.read_csv(cohort / "metrics.tsv", sep="\t")
    metrics = table[table["stratum"] == "all"].set_index(["embedding", "metric"])
    value = metrics["value"]
    assert value["harmony", "lisi_batch"] > 1.3 * value["pca", "lisi_batch"]
    assert value["harmony", "lisi_given_cell_type"] < 1.2
    assert value["cohort", "n_batches"] == 2
    assert metrics.loc[("design", "batch_tells_environment"), "note"] == (
        "every batch holds more than one environment"
    )
    assert value["harmony", "kbet_batch"] > value["pca", "kbet_batch"]
    assert value["harmony", "silhouette_batch"] < value["pca", "silhouette_batch"]
    assert {"batch=b1", "batch=b2", "environment=STIE", "environment=TIME"} <= set(table["stratum"])
    assert {"harmony_iterations", "harmony_converged"} <= set(metrics.loc["harmony"].index)
    assert metrics["n"].notna().all()


def test_clusters_find_the_planted_types(cohort):
    clusters = pd.read_parquet(cohort / "clusters.parquet")
    obs = pd.concat([ad.read_h5ad(cohort / sample / "counts.h5ad").obs for sample in SAMPLES])
    truth = obs.loc[clusters["cell"], "given_cell_type"].astype(str)
    assert clusters.columns.tolist() == ["cell", "cluster", "leiden_0.8", "leiden_0.4", "leiden_1.2"]
    assert (clusters["cluster"] == clusters["leiden_0.8"]).all()
    assert adjusted_rand_score(truth, clusters["leiden_0.4"]) > 0.9


def test_a_second_run_gives_the_same_files(cohort, tmp_path):
    folders = [cohort / sample for sample in SAMPLES]
    assert integrate(folders, tmp_path) == 0
    assert cluster(tmp_path) == 0
    for name in ("embedding.parquet", "clusters.parquet"):
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / name), pd.read_parquet(cohort / name))
    assert (tmp_path / "metrics.tsv").read_text() == (cohort / "metrics.tsv").read_text()


def test_blocks_and_threads_change_the_embedding_by_rounding_only(cohort, tmp_path):
    folders = [cohort / sample for sample in SAMPLES]
    for place, (block_gib, threads) in enumerate(((1e-5, 1), (1e-4, 2))):
        out = tmp_path / str(place)
        words = ("--compute", json.dumps({"block_gib": block_gib}), "--threads", threads)
        assert integrate(folders, out, more=words) == 0
        assert cluster(out) == 0
        assert (out / "genes.tsv").read_text() == (cohort / "genes.tsv").read_text()
        first, again = (pd.read_parquet(root / "embedding.parquet") for root in (cohort, out))
        for columns in ("^pca", "^harmony"):
            np.testing.assert_allclose(first.filter(regex=columns), again.filter(regex=columns), atol=1e-4)
        first, again = (pd.read_parquet(root / "clusters.parquet")["cluster"] for root in (cohort, out))
        assert adjusted_rand_score(first, again) == 1


def test_without_correction_the_harmony_columns_are_the_components_and_the_metrics_say_so(cohort, tmp_path):
    assert integrate([cohort / "p1_blood", cohort / "p2_blood"], tmp_path, {"method": "none"}) == 0
    embedding = pd.read_parquet(tmp_path / "embedding.parquet")
    np.testing.assert_array_equal(embedding.filter(regex="^pca"), embedding.filter(regex="^harmony"))
    metrics = pd.read_csv(tmp_path / "metrics.tsv", sep="\t")
    assert metrics.query("embedding == 'harmony'")["note"].str.contains("not corrected").all()


def test_a_cohort_smaller_than_the_number_of_neighbours_works(tmp_path):
    write_sample(tmp_path / "tiny", "tiny", "p1", "STIE", "b1", 8, 3)
    assert assess(tmp_path / "tiny") == 0
    assert integrate([tmp_path / "tiny"], tmp_path) == 0
    assert cluster(tmp_path) == 0
    assert len(pd.read_parquet(tmp_path / "clusters.parquet")) == 8


def test_samples_with_other_genes_share_what_they_have(cohort, tmp_path):
    cells = ad.read_h5ad(cohort / "p2_blood" / "counts.h5ad")
    storage.write_cells(cells[:, 100:][:, ::-1].copy(), tmp_path / "panel" / "counts.h5ad")
    assert assess(tmp_path / "panel") == 0
    assert integrate([cohort / "p1_blood", tmp_path / "panel"], tmp_path) == 0
    assert pd.read_csv(tmp_path / "genes.tsv", sep="\t")["gene"].isin(GENES[100:]).all()


def renamed(cohort, folder, sample, **columns):
    """A copy of a sample with other columns in obs (None drops one)."""
    cells = ad.read_h5ad(cohort / sample / "counts.h5ad")
    for name, value in columns.items():
        if value is None:
            del cells.obs[name]
        else:
            cells.obs[name] = value
    storage.write_cells(cells, folder / "counts.h5ad")
    (folder / "quality.parquet").write_bytes((cohort / sample / "quality.parquet").read_bytes())
    return folder


def test_bad_input_ends_with_2_and_names_what_is_wrong(cohort, tmp_path, capsys):
    good = cohort / "p1_blood"
    without = renamed(cohort, tmp_path / "without", "p2_blood", batch=None)
    assert integrate([good, without], tmp_path) == 2
    assert "batch_column is 'batch'" in capsys.readouterr().err
    empty = renamed(cohort, tmp_path / "empty", "p2_blood", batch="")
    assert integrate([good, empty], tmp_path) == 2
    assert "sample p2_blood has no batch" in capsys.readouterr().err
    assert integrate([empty], tmp_path) == 0  # no batch anywhere is no error
    dropped = renamed(cohort, tmp_path / "dropped", "p2_tumour")
    quality = pd.read_parquet(dropped / "quality.parquet").assign(keep=False)
    quality.to_parquet(dropped / "quality.parquet", index=False)
    capsys.readouterr()
    assert integrate([dropped], tmp_path) == 2
    assert "no cell of any sample is kept" in capsys.readouterr().err
    assert integrate([cohort / "p2_tumour"], tmp_path) == 2
    assert "at least 3 cells" in capsys.readouterr().err


def test_a_graph_of_other_cells_or_no_graph_is_refused(cohort, tmp_path, capsys):
    for name in ("embedding.parquet", "graph.npz"):
        (tmp_path / name).write_bytes((cohort / name).read_bytes())
    sparse.save_npz(tmp_path / "graph.npz", sparse.csr_matrix((4, 4)))
    assert cluster(tmp_path) == 2
    assert "the graph is 4 x 4" in capsys.readouterr().err
    (tmp_path / "graph.npz").write_text("nothing")
    assert cluster(tmp_path) == 2
    assert "not a sparse matrix" in capsys.readouterr().err
    (tmp_path / "graph.npz").unlink()
    assert cluster(tmp_path) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_sample_without_cells_is_refused(cohort, tmp_path, capsys):
    cells = ad.read_h5ad(cohort / "p1_blood" / "counts.h5ad")
    storage.write_cells(cells[:0].copy(), tmp_path / "counts.h5ad")
    assert assess(tmp_path) == 2
    assert "holds no cells" in capsys.readouterr().err


def test_called_doublets_are_kept_when_asked_and_flagged(cohort, tmp_path):
    cells = ad.read_h5ad(cohort / "p1_blood" / "counts.h5ad")
    cells.obs["source_hto"] = np.where(np.arange(cells.n_obs) % 10 == 0, "Doublet", "Singlet")
    storage.write_cells(cells, tmp_path / "counts.h5ad")
    assert assess(tmp_path, {"remove_doublets": False, "doublet_column": "hto"}) == 0
    quality = pd.read_parquet(tmp_path / "quality.parquet")
    assert quality["is_doublet"].any()
    assert "doublet" not in set(quality["reason"])
    assert quality.loc[quality["is_doublet"], "keep"].all()


@pytest.mark.data
def test_the_real_cohort_of_small_samples(data_dir, tmp_path):
    cells = ad.read_h5ad(data_dir / "zilionis_nsclc_blood_tumor_300" / "zilionis300_counts_recovered.h5ad")
    folders = []
    for (patient, tissue), rows in cells.obs.groupby(["Patient", "Tissue"], observed=True).indices.items():
        sample = f"{patient}_{tissue}"
        part = cells[rows]
        environment = "STIE" if tissue == "blood" else "TIME"
        obs = pd.DataFrame(
            {"sample": sample, "patient": patient, "environment": environment, "batch": patient},
            index=[f"{sample}:{name}" for name in part.obs_names],
        )
        obs["given_cell_type"] = part.obs["Major.cell.type"].astype(str).to_numpy()
        counts = sparse.csr_matrix(part.X).astype(np.int32)
        made = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=part.var_names.astype(str)))
        folders.append(tmp_path / sample)
        storage.write_cells(made, folders[-1] / "counts.h5ad")
        assert assess(folders[-1]) == 0
    assert len(folders) == 13
    assert integrate(folders, tmp_path) == 0
    assert cluster(tmp_path) == 0
    clusters = pd.read_parquet(tmp_path / "clusters.parquet")
    assert len(clusters) >= 297
    metrics = pd.read_csv(tmp_path / "metrics.tsv", sep="\t")
    metrics = metrics[metrics["stratum"] == "all"].set_index(["embedding", "metric"])["value"]
    assert metrics["harmony", "lisi_batch"] > metrics["pca", "lisi_batch"]
    assert metrics["harmony", "lisi_given_cell_type"] < metrics["pca", "lisi_given_cell_type"] + 0.3
