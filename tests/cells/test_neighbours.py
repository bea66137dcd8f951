import numpy as np
import pytest
from scipy.spatial.distance import cdist

from stietime.cells.neighbours import CONNECTIVITIES, lay_out, nearest_neighbours, neighbour_graph


def points(n, dimensions=10, seed=0, n_groups=4):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 8, (n_groups, dimensions))
    return (centres[np.arange(n) % n_groups] + rng.normal(size=(n, dimensions))).astype(np.float32)


def graph_of(data, k, **options):
    return neighbour_graph(data, k, **options).obsp[CONNECTIVITIES]


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


@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")  # scanpy's own diagonal
def test_duplicates_have_a_graph_and_a_drawing():
    data = np.vstack([np.zeros((30, 3)), points(20, 3)]).astype(np.float32)
    cells = neighbour_graph(data, 5)
    assert np.isfinite(cells.obsp[CONNECTIVITIES].data).all()
    assert np.isfinite(lay_out(cells)).all()


def test_the_approximate_search_finds_nearly_all_above_4096_cells():
    data = points(5000, n_groups=6)
    exact = nearest_neighbours(data, 15).indices
    found = graph_of(data, 15, exact_up_to=4096)
    assert found.shape == (5000, 5000)
    assert np.mean(found[np.repeat(np.arange(5000), 15), exact.ravel()] > 0) > 0.95
    assert (found != graph_of(data, 15, exact_up_to=4096)).nnz == 0


def test_layout_keeps_groups_apart_and_repeats():
    data = points(200)
    drawn = lay_out(neighbour_graph(data, 15), seed=3)
    np.testing.assert_array_equal(drawn, lay_out(neighbour_graph(data, 15), seed=3))
    assert drawn.shape == (200, 2)
    assert np.isfinite(drawn).all()
    groups = np.arange(200) % 4
    nearest = nearest_neighbours(drawn, 5).indices
    assert (groups[nearest] == groups[:, None]).mean() > 0.98


def test_three_cells_can_be_drawn():
    drawn = lay_out(neighbour_graph(points(3, n_groups=3), 15))
    assert drawn.shape == (3, 2)
    assert np.isfinite(drawn).all()
