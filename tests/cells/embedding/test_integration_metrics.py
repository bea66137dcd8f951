import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.metrics import silhouette_samples, silhouette_score
from sklearn.neighbors import NearestNeighbors

from stietime.cells.embedding.graph_metrics import graph_diversity, in_largest_component, nearest_graph
from stietime.cells.embedding.integration_metrics import (
    COLUMNS,
    Question,
    graph_rows,
    measure_embeddings,
    variance_explained,
)
from stietime.cells.embedding.mixing import full_mixing, local_diversity
from stietime.cells.embedding.strata import sampled_cells, sampled_strata, strata_of


def cohort(n=600, shift=2.0, seed=0):
    """Three types in three batches and two environments, the batches apart in one direction."""
    rng = np.random.default_rng(seed)
    types, batches = rng.choice(list("xyz"), n), rng.choice(["b1", "b2", "b3"], n, p=[0.5, 0.3, 0.2])
    points = rng.normal(size=(n, 6))
    points[:, 0] += 6 * (types == "y")
    points[:, 1] += 6 * (types == "z")
    points[:, 2] += shift * (batches == "b2")
    environment = rng.choice(["STIE", "TIME"], n)
    return points, pd.DataFrame({"batch": batches, "environment": environment, "kind": types})


def question(labels, **options):
    return Question(labels, "batch", "kind", ("batch", "environment"), **options)


def value(table, embedding, metric, stratum="all", column="value"):
    chosen = (table["embedding"] == embedding) & (table["metric"] == metric) & (table["stratum"] == stratum)
    return table.loc[chosen, column].item()


def test_the_values_are_those_of_plain_formulas():
    points, labels = cohort()
    table = measure_embeddings({"pca": points}, question(labels))
    assert list(table.columns) == list(COLUMNS)
    batch, kind = labels["batch"].to_numpy(), labels["kind"].to_numpy()
    lisi = local_diversity(points, labels)
    assert value(table, "pca", "lisi_batch") == pytest.approx(lisi["batch"].median())
    assert value(table, "pca", "lisi_batch", column="scaled") == pytest.approx(
        (lisi["batch"].median() - 1) / 2
    )
    assert value(table, "pca", "lisi_kind", column="scaled") == pytest.approx((3 - lisi["kind"].median()) / 2)
    asw = silhouette_score(points, kind)
    assert value(table, "pca", "silhouette_type", column="scaled") == pytest.approx((asw + 1) / 2)
    within = [
        (1 - np.abs(silhouette_samples(points[kind == k], batch[kind == k]))).mean() for k in np.unique(kind)
    ]
    assert value(table, "pca", "silhouette_batch", column="scaled") == pytest.approx(np.mean(within))
    near = NearestNeighbors(n_neighbors=16, algorithm="kd_tree").fit(points).kneighbors(points)[1][:, 1:]
    graph = nx.DiGraph([(i, j) for i, row in enumerate(near) for j in row])
    shares = []
    for k in np.unique(kind):
        parts = nx.strongly_connected_components(graph.subgraph(np.flatnonzero(kind == k)))
        shares.append(max(map(len, parts)) / (kind == k).sum())
    assert value(table, "pca", "graph_connectivity") == pytest.approx(np.mean(shares))
    assert value(table, "pca", "pc_regression_batch") == pytest.approx(
        variance_explained(points, labels["batch"])
    )


def test_variance_explained_is_principal_component_regression():
    points, labels = cohort()
    model = PCA().fit(points)
    components, onehot = model.transform(points), pd.get_dummies(labels["batch"])
    fits = [LinearRegression().fit(onehot, column).score(onehot, column) for column in components.T]
    expected = np.average(fits, weights=model.explained_variance_)
    assert variance_explained(points, labels["batch"]) == pytest.approx(expected)
    assert np.isnan(variance_explained(points, pd.Series(["a"] * len(points))))
    assert np.isnan(variance_explained(np.ones((4, 2)), pd.Series(list("aabb"))))


def test_a_correction_shows_in_every_metric_of_mixing_and_leaves_types_apart():
    points, labels = cohort(shift=4)
    corrected = points.copy()
    corrected[:, 2] -= 4 * (labels["batch"] == "b2")
    table = measure_embeddings({"pca": points, "harmony": corrected}, question(labels))
    for metric in ("lisi_batch", "kbet_batch", "silhouette_batch"):
        assert value(table, "harmony", metric, column="scaled") > value(table, "pca", metric, column="scaled")
    assert value(table, "harmony", "lisi_kind") < 1.05
    assert value(table, "harmony", "pc_regression_batch", column="scaled") > 0.95
    assert np.isnan(value(table, "pca", "pc_regression_batch", column="scaled"))
    assert value(table, "harmony", "kbet_batch") == pytest.approx(0.95, abs=0.08)


def test_every_batch_and_environment_has_rows_of_its_own():
    points, labels = cohort(shift=40)
    points[labels["batch"].isin(["b1", "b3"]), 2] = 0
    table = measure_embeddings({"pca": points}, question(labels))
    strata = {"all", "batch=b1", "batch=b2", "batch=b3", "environment=STIE", "environment=TIME"}
    for metric in ("lisi_batch", "lisi_environment", "lisi_kind", "kbet_batch", "graph_connectivity"):
        assert set(table.loc[table["metric"] == metric, "stratum"]) == strata
    assert set(table.loc[table["metric"] == "pc_regression_batch", "stratum"]) == {
        s for s in strata if "batch" not in s
    }
    assert value(table, "pca", "lisi_batch", "batch=b2") == pytest.approx(1)
    assert value(table, "pca", "lisi_batch", "batch=b3") > 1.5
    n = labels["batch"].value_counts()
    assert value(table, "pca", "lisi_batch", "batch=b3", "n") == n["b3"]
    assert value(table, "pca", "lisi_batch", "batch=b3", "ideal") == pytest.approx(
        full_mixing(labels["batch"])
    )
    stie = labels.loc[labels["environment"] == "STIE", "batch"]
    assert value(table, "pca", "lisi_batch", "environment=STIE", "ideal") == pytest.approx(full_mixing(stie))


def test_cells_without_a_type_are_left_out_of_what_needs_one():
    points, labels = cohort()
    labels.loc[:99, "kind"] = None
    table = measure_embeddings({"pca": points}, question(labels))
    for metric in ("lisi_kind", "silhouette_type", "graph_connectivity"):
        assert value(table, "pca", metric, column="n") == 500
    assert value(table, "pca", "lisi_batch", column="n") == 600
    untyped = measure_embeddings({"pca": points}, Question(labels[["batch"]], "batch"))
    assert set(untyped["metric"]) == {"lisi_batch", "kbet_batch", "pc_regression_batch"}


def test_one_batch_has_no_mixing_to_measure():
    points, labels = cohort()
    table = measure_embeddings({"pca": points}, question(labels.assign(batch="b1")))
    assert value(table, "pca", "lisi_batch") == pytest.approx(1)
    for metric in ("lisi_batch", "kbet_batch", "silhouette_batch", "pc_regression_batch"):
        assert np.isnan(value(table, "pca", metric, column="scaled"))


def test_a_sample_of_cells_comes_close_to_all_and_is_the_same_again():
    points, labels = cohort(6000)
    full = measure_embeddings({"pca": points}, question(labels, max_cells=6000))
    one, again = (measure_embeddings({"pca": points}, question(labels, max_cells=1500)) for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    for metric in ("lisi_batch", "lisi_kind", "kbet_batch", "silhouette_type", "silhouette_batch"):
        assert value(one, "pca", metric) == pytest.approx(value(full, "pca", metric), abs=0.06)
        assert value(one, "pca", metric, column="n") == 1500


def test_small_strata_are_sampled_beyond_their_share_and_few_cells_are_told():
    labels = pd.DataFrame({"batch": ["big"] * 9700 + ["small"] * 280 + ["tiny"] * 20})
    chosen = sampled_strata(strata_of(labels, ["batch"]), 1000, seed=1)
    assert {
        name: len(rows) for name, rows in chosen.items() if name in ("all", "batch=small", "batch=tiny")
    } == {
        "all": 1000,
        "batch=small": 200,
        "batch=tiny": 20,
    }
    assert chosen["batch=small"].min() >= 9700
    assert set(chosen["batch=big"]) <= set(chosen["all"])
    points = np.random.default_rng(0).normal(size=(10_000, 3))
    table = measure_embeddings({"pca": points}, Question(labels, "batch", strata=("batch",), max_cells=500))
    assert value(table, "pca", "lisi_batch", "batch=tiny", "note") == "few cells: 20"


def test_samples_of_two_limits_hold_each_other():
    small, large = sampled_cells(1000, 50, seed=3), sampled_cells(1000, 200, seed=3)
    assert len(small) == 50
    assert set(small) < set(large)
    np.testing.assert_array_equal(sampled_cells(30, 50, seed=3), np.arange(30))


def test_components_are_those_of_each_type():
    rows, columns = [0, 1, 1, 2, 3, 4, 5], [1, 0, 2, 1, 4, 3, 0]
    graph = sparse.csr_matrix((np.ones(7), (rows, columns)), shape=(7, 7))
    found = in_largest_component(graph, pd.Series(["x", "x", "x", "y", "y", "y", None]))
    assert found[:6].tolist() == [1, 1, 1, 1, 1, 0]
    assert np.isnan(found[6])


def test_a_graph_has_a_diversity_by_its_weights():
    graph = sparse.csr_matrix(np.array([[0, 3, 1, 0], [1, 0, 1, 0], [0, 0, 0, 2], [0, 0, 0, 0.0]]))
    found = graph_diversity(graph, ["a", "a", "b", "b"])
    np.testing.assert_allclose(found[:3], [1 / (0.75**2 + 0.25**2), 2, 1])
    assert np.isnan(found[3])


def test_graphs_of_methods_without_an_embedding_are_measured():
    points, labels = cohort(shift=0)
    table = graph_rows("bbknn", nearest_graph(points, 15), question(labels))
    assert value(table, "bbknn", "graph_lisi_kind") < 1.1
    assert 1.8 < value(table, "bbknn", "graph_lisi_batch") <= 3
    assert value(table, "bbknn", "graph_connectivity_all_cells") > 0.95
    assert "batch=b2" in set(table["stratum"])
