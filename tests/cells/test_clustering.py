import random

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from stietime.cells.clustering import column_of, find_clusters
from stietime.cells.neighbours import connectivities, nearest_neighbours


@pytest.fixture(scope="module")
def planted():
    """Four groups of 200, 100, 50 and 25 cells, and their graph."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), [25, 200, 50, 100])
    data = rng.normal(0, 8, (4, 8))[groups] + rng.normal(size=(375, 8))
    return groups, connectivities(nearest_neighbours(data.astype(np.float32), 15))


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


def test_agrees_with_scanpy(planted):
    sc = pytest.importorskip("scanpy")
    graph = planted[1]
    cells = sc.AnnData(sparse.csr_matrix((graph.shape[0], 1)))
    options = {"flavor": "igraph", "n_iterations": 2, "directed": False, "adjacency": graph}
    sc.tl.leiden(cells, resolution=0.3, **options)
    assert adjusted_rand_score(cells.obs["leiden"], find_clusters(graph, [0.3])["leiden_0.3"]) > 0.95


def test_cells_without_neighbours_are_clusters_of_their_own():
    found = find_clusters(sparse.csr_matrix((3, 3)), [1.0])["leiden_1"]
    assert found.tolist() == ["0", "1", "2"]


def test_a_graph_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="3 x 2"):
        find_clusters(sparse.csr_matrix((3, 2)), [1.0])


def test_columns_are_named_plainly():
    assert [column_of(value) for value in (0.5, 1.0, 1.25)] == ["leiden_0.5", "leiden_1", "leiden_1.25"]
