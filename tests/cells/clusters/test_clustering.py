import random

import anndata as ad
import igraph
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from stietime.cells.clusters.clustering import column_of, find_clusters
from stietime.cells.embedding.neighbours import neighbour_graph


def planted_groups(sizes):
    """Cells in as many groups as there are sizes, and their graph."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    data = rng.normal(0, 8, (len(sizes), 8))[groups] + rng.normal(size=(len(groups), 8))
    return groups, neighbour_graph(data.astype(np.float32), 15).weights


@pytest.fixture(scope="module")
def planted():
    """Four groups, not in the order of their sizes."""
    return planted_groups([25, 200, 50, 100])


def test_planted_groups_are_found_and_named_by_size(planted):
    groups, graph = planted
    found = find_clusters(graph, [0.1])["leiden_0.1"]
    assert adjusted_rand_score(groups, found) == 1
    assert found.value_counts().to_dict() == {"0": 200, "1": 100, "2": 50, "3": 25}
    assert pd.api.types.is_string_dtype(found) or found.map(type).eq(str).all()


def test_same_seed_same_clusters_whatever_the_state_of_random(planted):
    graph = planted[1]
    random.seed(1)
    one = find_clusters(graph, [1.0, 3.0], seed=5)
    random.seed(2)
    pd.testing.assert_frame_equal(one, find_clusters(graph, [1.0, 3.0], seed=5))


def test_each_resolution_is_as_if_it_were_alone(planted):
    graph = planted[1]
    together = find_clusters(graph, [0.5, 1.0, 2.0])
    assert together.columns.tolist() == ["leiden_0.5", "leiden_1", "leiden_2"]
    pd.testing.assert_series_equal(together["leiden_2"], find_clusters(graph, [2.0])["leiden_2"])
    assert together["leiden_2"].nunique() >= together["leiden_0.5"].nunique()


def test_planted_groups_are_found_above_4096_cells():
    groups, graph = planted_groups([3000, 500, 1500])
    assert adjusted_rand_score(groups, find_clusters(graph, [0.02])["leiden_0.02"]) > 0.99


def modularity(graph, clusters):
    """Newman's modularity, from its definition."""
    weights, same = graph.toarray(), np.equal.outer(clusters, clusters)
    degrees, total = weights.sum(axis=0), weights.sum()
    return ((weights - np.outer(degrees, degrees) / total) * same).sum() / total


def test_clusters_have_at_least_the_modularity_of_the_planted_groups(planted):
    groups, graph = planted
    found = find_clusters(graph, [1.0])["leiden_1"].to_numpy()
    assert modularity(graph, found) > modularity(graph, groups)


def test_of_equal_clusters_the_one_with_the_earliest_cell_comes_first():
    pairs = sparse.csr_matrix(np.kron(np.eye(4)[[2, 3, 0, 1]], np.ones((2, 2))), dtype=np.float32)
    assert find_clusters(pairs, [1.0])["leiden_1"].tolist() == list("00110011")


def test_cells_without_neighbours_are_clusters_of_their_own():
    found = find_clusters(sparse.csr_matrix((3, 3)), [1.0])["leiden_1"]
    assert found.tolist() == ["0", "1", "2"]


def test_a_graph_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        find_clusters(sparse.csr_matrix((3, 2)), [1.0])


def test_the_modularity_is_that_of_scanpy(planted):
    graph = planted[1]
    cells = ad.AnnData(obsp={"weights": graph}, shape=graph.shape)
    sc.tl.leiden(cells, 1.0, obsp="weights", flavor="igraph", n_iterations=2, directed=False)
    ours = find_clusters(graph, [1.0])["leiden_1"].to_numpy()
    theirs = cells.obs["leiden"].to_numpy(dtype=object)
    assert modularity(graph, ours) == pytest.approx(modularity(graph, theirs), abs=0.01)


def test_the_random_numbers_of_igraph_are_given_back(planted):
    find_clusters(planted[1], [1.0])
    drawn = []
    for _ in range(2):
        random.seed(4)
        drawn.append(igraph.Graph.Erdos_Renyi(n=30, m=60).get_edgelist())
    assert drawn[0] == drawn[1]


def test_columns_are_named_plainly():
    assert [column_of(value) for value in (0.5, 1.0, 1.25)] == ["leiden_0.5", "leiden_1", "leiden_1.25"]
