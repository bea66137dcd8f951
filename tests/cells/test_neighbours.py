import numpy as np
import pytest
from scipy.spatial.distance import cdist

from stietime.cells.neighbours import connectivities, lay_out, nearest_neighbours


def points(n, dimensions=10, seed=0, n_groups=4):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 8, (n_groups, dimensions))
    return (centres[np.arange(n) % n_groups] + rng.normal(size=(n, dimensions))).astype(np.float32)


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


@pytest.mark.parametrize("n", [2, 5])
def test_fewer_cells_than_neighbours(n):
    found = nearest_neighbours(points(n), 15)
    assert found.indices.shape == (n, n - 1)
    graph = connectivities(found)
    assert np.isfinite(graph.data).all()


def test_one_cell_is_refused():
    with pytest.raises(ValueError, match="at least 2 cells, found 1"):
        nearest_neighbours(points(1), 3)


def test_the_approximate_search_finds_nearly_all_above_4096_cells():
    data = points(5000, n_groups=6)
    exact = nearest_neighbours(data, 15)
    found = nearest_neighbours(data, 15, exact_up_to=4096)
    shared = [len(set(one) & set(other)) for one, other in zip(exact.indices, found.indices, strict=True)]
    assert np.mean(shared) / 15 > 0.95
    again = nearest_neighbours(data, 15, exact_up_to=4096)
    np.testing.assert_array_equal(found.indices, again.indices)
    assert connectivities(found).shape == (5000, 5000)


@pytest.mark.parametrize("n", [60, 300])
def test_connectivities_agree_with_umap(n):
    umap_ = pytest.importorskip("umap.umap_")
    data = points(n)
    found = nearest_neighbours(data, 14)
    rows = np.arange(n)[:, None]
    indices = np.hstack([rows, found.indices])
    distances = np.hstack([np.zeros((n, 1)), found.distances]).astype(np.float32)
    options = {"n_neighbors": 15, "random_state": np.random.RandomState(0), "metric": "euclidean"}
    theirs, _, _ = umap_.fuzzy_simplicial_set(data, knn_indices=indices, knn_dists=distances, **options)
    ours = connectivities(found)
    np.testing.assert_allclose(ours.toarray(), theirs.toarray(), atol=1e-3)
    assert abs(ours - ours.T).max() < 1e-6
    assert ours.diagonal().sum() == 0


def test_layout_keeps_groups_apart_and_repeats():
    data = points(200)
    graph = connectivities(nearest_neighbours(data, 15))
    drawn = lay_out(graph, data, seed=3)
    np.testing.assert_array_equal(drawn, lay_out(graph, data, seed=3))
    assert drawn.shape == (200, 2)
    assert np.isfinite(drawn).all()
    groups = np.arange(200) % 4
    nearest = nearest_neighbours(drawn, 5).indices
    assert (groups[nearest] == groups[:, None]).mean() > 0.98


def test_three_cells_can_be_drawn():
    data = points(3, n_groups=3)
    drawn = lay_out(connectivities(nearest_neighbours(data, 15)), data)
    assert np.isfinite(drawn).all()
