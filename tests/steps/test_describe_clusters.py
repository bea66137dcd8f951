"""The step `describe-clusters`, called as on the command line."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import cli, storage
from stietime.cells.clusters.clustering import find_clusters
from stietime.cells.embedding.neighbours import neighbour_graph

GENES = [f"G{place}" for place in range(60)]
# patient and batch; the second sample of p1 stands apart from the first, the last has another panel
SAMPLES = {
    "p1_blood": ("p1", "b1"),
    "p2_blood": ("p2", "b1"),
    "p1_tumour": ("p1", "b2"),
    "p3_blood": ("p3", "b2"),
}
N_CELLS = 90
CLUSTERING = {"resolution": 0.5, "other_resolutions": [1.5]}
OUTPUTS = ("resolutions", "quality", "markers")


def write_sample(folder, sample, patient, batch, seed):
    """Three types with ten markers each; a fourth, of p3 alone; every ninth cell is dropped."""
    rng = np.random.default_rng(seed)
    types = rng.integers(0, 3, N_CELLS)
    if patient == "p3":
        types[:40] = 3
    means = np.full((N_CELLS, len(GENES)), 2.0)
    for kind in range(4):
        means[types == kind, 10 * kind : 10 * kind + 10] = 12
    counts = rng.poisson(means * rng.lognormal(0, 0.3, (N_CELLS, 1))).astype(np.int32)
    cells = [f"{sample}:{place}" for place in range(N_CELLS)]
    obs = pd.DataFrame({"sample": sample, "patient": patient, "batch": batch, "type": types}, index=cells)
    made = ad.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=GENES))
    if sample == "p3_blood":
        made = made[:, ::-1][:, 3:].copy()
    storage.write_cells(made, folder / "counts.h5ad")
    keep = np.arange(N_CELLS) % 9 != 8
    storage.write_table(pd.DataFrame({"cell": cells, "keep": keep}), folder / "quality.parquet")
    return obs[keep], rng.normal(size=(keep.sum(), 5)) * 0.5 + 10 * np.eye(5)[types[keep]]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    root = tmp_path_factory.mktemp("clusters")
    parts = [
        write_sample(root / sample, sample, *facts, seed)
        for seed, (sample, facts) in enumerate(SAMPLES.items())
    ]
    obs, points = pd.concat([part[0] for part in parts]), np.vstack([part[1] for part in parts])
    columns = [f"harmony_{place + 1}" for place in range(5)]
    embedding = pd.DataFrame(points.astype(np.float32), columns=columns)
    storage.write_table(storage.cell_table(obs.index, **embedding), root / "embedding.parquet")
    graph = neighbour_graph(points.astype(np.float32), 15).weights
    clusters = storage.cell_table(obs.index, **find_clusters(graph, (0.5, 1.5)))
    clusters.insert(1, "cluster", clusters["leiden_0.5"])
    storage.write_table(clusters, root / "clusters.parquet")
    return root


def describe(root, out, *more, settings=None, clustering=None, samples=SAMPLES, clusters=None):
    words = ["step", "describe-clusters", "--settings", json.dumps({"n_subsamples": 3} | (settings or {}))]
    words += ["--clustering", json.dumps(clustering or CLUSTERING)]
    words += ["--counts", *(str(root / sample / "counts.h5ad") for sample in samples)]
    words += ["--quality", *(str(root / sample / "quality.parquet") for sample in samples)]
    words += ["--embedding", str(root / "embedding.parquet")]
    words += ["--clusters", str(clusters or root / "clusters.parquet")]
    words += ["--output", *(str(out / f"{name}.tsv") for name in OUTPUTS)]
    return cli.main([*words, *more])


def tables(out):
    text = {"cluster": str}
    return [pd.read_csv(out / f"{name}.tsv", sep="\t", dtype=text, keep_default_na=False) for name in OUTPUTS]


@pytest.fixture(scope="module")
def described(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("described")
    assert describe(cohort, out) == 0
    return out


def truth(root):
    obs = pd.concat([ad.read_h5ad(root / sample / "counts.h5ad").obs for sample in SAMPLES])
    clusters = pd.read_parquet(root / "clusters.parquet").set_index("cell")["cluster"]
    return pd.crosstab(clusters, obs.loc[clusters.index, "type"])


def test_the_resolutions_stand_side_by_side_and_the_chosen_one_is_justified(described):
    resolutions, quality, _ = tables(described)
    assert resolutions["resolution"].tolist() == [0.5, 1.5]
    assert resolutions["chosen"].tolist() == [True, False]
    chosen = resolutions.iloc[0]
    assert chosen["n_clusters"] == len(quality) == 4
    assert float(chosen["stability"]) > 0.99
    assert float(chosen["silhouette"]) > 0.7
    assert chosen["note"].startswith("justified: stability 1.00")
    assert (chosen["n_subsamples"], chosen["n_cells_subsample"]) == (3, 256)
    assert float(resolutions.iloc[1]["stability"]) < float(chosen["stability"])


def test_the_cluster_of_one_patient_is_flagged_and_the_others_are_not(cohort, described):
    quality = tables(described)[1].set_index("cluster")
    alone = truth(cohort)[3].idxmax()
    assert quality.loc[alone, "flag"].startswith("one patient: p3 holds 100%")
    assert (quality.drop(alone)["flag"] == "").all()
    assert (quality.drop(alone)["n_patients"] == 3).all()
    assert quality["n_cells"].sum() == 320
    assert (quality["stability"].astype(float) > 0.95).all()


def test_the_markers_are_the_planted_ones_and_patients_agree(cohort, described):
    markers = tables(described)[2]
    panel = set(GENES[:57])  # three genes are not in every sample
    for kind, cluster in truth(cohort).idxmax().items():
        planted = {f"G{10 * kind + place}" for place in range(10)} & panel
        mine = markers[markers["cluster"] == cluster]
        assert set(mine["gene"].head(len(planted))) == planted
        first = mine.iloc[0]
        if kind < 3:
            assert (first["n_patients"], first["n_patients_higher"]) == (3, 3)
            assert (float(first["consistency"]), float(first["p_patients"])) == (1, 0.25)
        else:
            assert first["consistency"] == ""
            assert first["note"].startswith("consistency not testable: 1 patient has 10 cells")


def test_shares_and_fold_changes_are_those_of_all_cells(cohort, described):
    cells = ad.concat([ad.read_h5ad(cohort / sample / "counts.h5ad") for sample in SAMPLES])
    clusters = pd.read_parquet(cohort / "clusters.parquet").set_index("cell")["cluster"]
    cells = cells[clusters.index]
    row = tables(described)[2].iloc[0]
    mine = (clusters == row["cluster"]).to_numpy()
    counts = cells[:, row["gene"]].X.toarray().ravel()
    assert float(row["share_in"]) == pytest.approx((counts[mine] > 0).mean())
    assert float(row["share_out"]) == pytest.approx((counts[~mine] > 0).mean())
    assert (row["n_cells_in"], row["n_cells_out"]) == (mine.sum(), (~mine).sum())


def test_blocks_threads_and_the_order_of_samples_change_nothing(cohort, described, tmp_path):
    expected = [(described / f"{name}.tsv").read_text() for name in OUTPUTS]
    more = ("--compute", json.dumps({"block_gib": 1e-5}), "--threads", "2")
    assert describe(cohort, tmp_path, *more) == 0
    assert [(tmp_path / f"{name}.tsv").read_text() for name in OUTPUTS] == expected
    assert describe(cohort, tmp_path, samples=["p3_blood", "p2_blood", "p1_tumour", "p1_blood"]) == 0
    assert (tmp_path / "quality.tsv").read_text().count("one patient") == 1
    again, before = tables(tmp_path)[2], tables(described)[2]
    pd.testing.assert_frame_equal(
        again.sort_values(["cluster", "gene"], ignore_index=True),
        before.sort_values(["cluster", "gene"], ignore_index=True),
    )


def test_above_the_limit_tests_are_on_a_draw_and_the_rest_on_all_cells(cohort, described, tmp_path):
    assert describe(cohort, tmp_path, settings={"max_cells_for_markers": 120}) == 0
    drawn, whole = tables(tmp_path)[2], tables(described)[2]
    assert drawn["note"].str.startswith("tested on ").all()
    tested = drawn["n_cells_in"] + drawn["n_cells_out"]
    assert 115 <= tested.min() == tested.max() <= 120
    both = drawn.merge(whole, on=["cluster", "gene"])
    assert len(both) > 20
    for column in ("share_in", "share_out", "log2_fold_change", "n_patients_higher"):
        assert (both[f"{column}_x"] == both[f"{column}_y"]).all()
    assert (both["auc_x"] != both["auc_y"]).any()
    before = (tmp_path / "markers.tsv").read_text()
    more = ("--compute", json.dumps({"block_gib": 1e-5}))
    assert describe(cohort, tmp_path, *more, settings={"max_cells_for_markers": 120}) == 0
    assert (tmp_path / "markers.tsv").read_text() == before


def test_bbknn_joins_subsamples_within_every_batch(cohort, described, tmp_path):
    assert describe(cohort, tmp_path, "--integration", json.dumps({"method": "bbknn"})) == 0
    first, again = tables(described)[0], tables(tmp_path)[0]
    assert (first["stability"] != again["stability"]).any()


def test_a_batch_column_that_is_not_there_is_not_testable(cohort, tmp_path):
    assert describe(cohort, tmp_path, "--integration", json.dumps({"batch_column": "plate"})) == 0
    quality = tables(tmp_path)[1]
    assert (quality["n_batches"] == "").all()
    assert quality["note"].str.contains("no batch is given").all()


def test_a_cohort_of_one_sample_in_one_cluster_is_described(cohort, tmp_path):
    obs, points = write_sample(tmp_path / "one", "one", "p1", "b1", 9)
    embedding = storage.cell_table(obs.index, harmony_1=points[:, 0], harmony_2=points[:, 1])
    storage.write_table(embedding, tmp_path / "embedding.parquet")
    same = dict.fromkeys(("cluster", "leiden_0.5", "leiden_1.5"), "0")
    storage.write_table(storage.cell_table(obs.index, **same), tmp_path / "clusters.parquet")
    assert describe(tmp_path, tmp_path, samples=["one"]) == 0
    resolutions, quality, markers = tables(tmp_path)
    assert (resolutions["note"] == "not testable: all cells are one cluster").all()
    assert (resolutions["stability"] == "").all()
    assert quality["flag"].tolist() == [""]
    assert quality["note"].str.endswith("stability not testable: all cells are one cluster").all()
    assert markers["note"].tolist() == ["not testable: all cells are in this cluster"]


def test_bad_input_ends_with_2_and_names_what_is_wrong(cohort, tmp_path, capsys):
    assert describe(cohort, tmp_path, clustering={"resolution": 0.7, "other_resolutions": [1.5]}) == 2
    assert "the clusters lack the columns leiden_0.7" in capsys.readouterr().err
    assert describe(cohort, tmp_path, clustering={"resolution": 1.5, "other_resolutions": [0.5]}) == 2
    assert "the clusters in use are not those of leiden_1.5" in capsys.readouterr().err
    clusters = pd.read_parquet(cohort / "clusters.parquet")
    storage.write_table(clusters.iloc[1:], tmp_path / "fewer.parquet")
    assert describe(cohort, tmp_path, clusters=tmp_path / "fewer.parquet") == 2
    assert "1 cells are missing" in capsys.readouterr().err
    assert describe(cohort, tmp_path, samples=["p1_blood"]) == 2
    assert "extra" in capsys.readouterr().err


def test_options_that_are_not_allowed_end_with_2_and_name_the_argument(cohort, tmp_path, capsys):
    assert describe(cohort, tmp_path, settings={"min_stability": 2}) == 2
    assert "--settings" in (told := capsys.readouterr().err)
    assert "min_stability" in told
    assert describe(cohort, tmp_path, clustering={"resolution": -1}) == 2
    assert "--clustering" in (told := capsys.readouterr().err)
    assert "resolution" in told
    assert describe(cohort, tmp_path, "--integration", '{"method": "scanorama"}') == 2
    assert "--integration" in (told := capsys.readouterr().err)
    assert "harmony" in told
