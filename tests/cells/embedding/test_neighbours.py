import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from scipy.spatial.distance import cdist

from stietime.cells.embedding.neighbours import (
    RECALL,
    approximate_neighbours,
    memberships,
    nearest_neighbours,
    neighbour_graph,
)


def points(n, dimensions=10, seed=0, n_groups=4):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 8, (n_groups, dimensions))
    return (centres[np.arange(n) % n_groups] + rng.normal(size=(n, dimensions))).astype(np.float32)


def graph_of(data, k, **options):
    return neighbour_graph(data, k, **options).weights


def joined(indices):
    """Which cells are joined when every cell is joined to its neighbours."""
    n, k = indices.shape
    matrix = np.zeros((n, n), dtype=bool)
    matrix[np.repeat(np.arange(n), k), indices.ravel()] = True
    return matrix | matrix.T


def test_exact_neighbours_agree_with_all_distances():
    data = points(200)
    found = nearest_neighbours(data, 7)
    distances = cdist(data, data)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(found.indices, np.argsort(distances, axis=1)[:, :7])
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :7], rtol=1e-3)


def test_wanted_rows_only():
    data, rows = points(100), np.array([3, 90, 5])
    np.testing.assert_array_equal(
        nearest_neighbours(data, 4, rows=rows).indices, nearest_neighbours(data, 4).indices[rows]
    )


def test_duplicates_never_name_the_cell_itself():
    data = np.vstack([np.zeros((30, 3)), points(20, 3)]).astype(np.float32)
    found = nearest_neighbours(data, 5)
    assert (found.indices != np.arange(50)[:, None]).all()
    assert found.indices.shape == (50, 5)


def test_one_cell_is_refused():
    with pytest.raises(ValueError, match="at least 2 cells, found 1"):
        nearest_neighbours(points(1), 3)


@pytest.mark.parametrize("n", [100, 5000])
def test_the_graph_joins_every_cell_to_its_nearest_with_weights_between_0_and_1(n):
    data = points(n)
    graph = graph_of(data, 15)
    np.testing.assert_array_equal(graph.toarray() > 0, joined(nearest_neighbours(data, 15).indices))
    assert abs(graph - graph.T).max() < 1e-6
    assert graph.diagonal().sum() == 0
    assert graph.max() <= 1
    nearest = nearest_neighbours(data, 1).indices[:, 0]
    np.testing.assert_allclose(graph[np.arange(n), nearest], 1, atol=1e-6)  # UMAP's local connectivity


@pytest.mark.parametrize("n", [2, 3, 5, 15, 16, 17])
def test_fewer_cells_than_neighbours_are_joined_to_all_others(n):
    found = nearest_neighbours(points(n), 15)
    assert found.indices.shape == (n, min(15, n - 1))
    graph = graph_of(points(n), 15)
    np.testing.assert_array_equal(graph.toarray() > 0, joined(found.indices))


def test_the_weights_are_those_of_scanpy():
    data = points(1000)
    cells = ad.AnnData(shape=(1000, 0), obsm={"embedding": data})
    sc.pp.neighbors(cells, n_neighbors=16, use_rep="embedding", transformer="sklearn")
    graph = neighbour_graph(data, 15)
    assert graph.weights.dtype == np.float32
    assert graph.recall == 1
    assert abs(graph.weights - cells.obsp["connectivities"]).max() < 1e-6


def test_the_weights_of_a_cell_sum_to_the_logarithm_of_its_neighbours():
    distances = nearest_neighbours(points(400), 15).distances
    weights = memberships(distances)
    np.testing.assert_allclose(weights.sum(axis=1), np.log2(16), atol=1e-4)
    assert (weights[:, 0] == 1).all()
    assert (np.diff(weights, axis=1) <= 0).all()


def test_duplicates_have_a_graph():
    for data in (np.zeros((40, 3)), np.vstack([np.zeros((30, 3)), points(20, 3)])):
        graph = graph_of(data.astype(np.float32), 5)
        assert np.isfinite(graph.data).all()
        assert (graph.getnnz(axis=1) >= 5).all()


def test_the_approximate_search_finds_nearly_all_and_tells_how_many():
    data = points(8000, n_groups=6)
    exact = nearest_neighbours(data, 15)
    found, recall = approximate_neighbours(data, 15)
    assert (found.indices != np.arange(8000)[:, None]).all()
    shared = [len(np.intersect1d(*pair)) for pair in zip(found.indices, exact.indices, strict=True)]
    assert np.mean(shared) / 15 == pytest.approx(recall, abs=0.01)
    assert recall >= RECALL
    same = found.indices == exact.indices
    np.testing.assert_allclose(found.distances[same], exact.distances[same], rtol=1e-4)
    graph = neighbour_graph(data, 15, exact_up_to=4096)
    assert graph.recall == recall
    assert np.mean(graph.weights[np.repeat(np.arange(8000), 15), exact.indices.ravel()] > 0) >= recall - 0.01


def test_threads_do_not_change_the_approximate_search():
    data = points(8000)
    one, two = (approximate_neighbours(data, 15, seed=3, n_threads=n)[0] for n in (1, 2))
    np.testing.assert_array_equal(one.indices, two.indices)
    np.testing.assert_array_equal(one.distances, two.distances)


def test_other_cells_find_their_neighbours_among_the_points():
    data, queries = points(5000), points(300, seed=1)
    found, _ = approximate_neighbours(data, 10, queries=queries)
    distances = cdist(queries, data)
    np.testing.assert_allclose(found.distances, np.take_along_axis(distances, found.indices, 1), rtol=1e-4)
    tenth = np.sort(distances, axis=1)[:, [9]] * 1.0001
    assert (found.distances <= tenth).mean() > 0.95


def test_every_cell_has_its_neighbours_where_lists_are_short():
    rng = np.random.default_rng(0)
    lonely = np.concatenate([rng.normal(size=(3000, 2)), [[1e4, 0], [0, 1e4], [1e4, 1e4]]])
    found, _ = approximate_neighbours(lonely.astype(np.float32), 200)
    assert (found.indices >= 0).all()
    assert all(len(set(row)) == 200 for row in found.indices[-3:].tolist())
    np.testing.assert_allclose(
        found.distances[-3:], nearest_neighbours(lonely, 200).distances[-3:], rtol=1e-4
    )


def test_all_cells_at_one_place_can_be_searched():
    found, recall = approximate_neighbours(np.zeros((5000, 4), dtype=np.float32), 15)
    assert recall == 1
    assert (found.distances == 0).all()


def test_one_cell_cannot_be_searched():
    with pytest.raises(ValueError, match="at least 2 cells, found 1"):
        approximate_neighbours(points(1), 3)
