import numpy as np
import pytest
from scipy import sparse

from stietime.cells.embedding.balanced_neighbours import _trimmed, balanced_graph, balanced_neighbours
from stietime.cells.embedding.graph_metrics import graph_diversity
from stietime.cells.embedding.neighbours import neighbour_graph


def planted(n=300, shift=6.0, seed=0):
    """Two types in two batches that lie apart, and a third batch of four cells."""
    rng = np.random.default_rng(seed)
    types, batches = rng.choice(["x", "y"], n), rng.choice(["a", "b"], n)
    batches[:4] = "c"
    points = rng.normal(size=(n, 5))
    points[:, 0] += 12 * (types == "y")
    points[:, 1] += shift * (batches == "b")
    return points.astype(np.float32), types, batches


def test_neighbours_are_the_nearest_of_every_batch():
    points, _, batches = planted()
    found, recall = balanced_neighbours(points, batches, 5)
    assert recall == 1
    assert found.indices.shape == (300, 5 + 5 + 4 - 1)
    distances = np.linalg.norm(points[:, None].astype(float) - points[None], axis=2)
    for cell in range(300):
        expected = [
            rows[np.argsort(distances[cell, rows], kind="stable")[:5]]
            for rows in (np.flatnonzero(batches == batch) for batch in "abc")
        ]
        assert set(found.indices[cell]) == set(np.concatenate(expected)) - {cell}
    np.testing.assert_allclose(
        found.distances, np.take_along_axis(distances, found.indices, axis=1), atol=2e-3
    )
    assert (np.diff(found.distances, axis=1) >= 0).all()


def test_one_batch_gives_the_plain_graph_of_neighbours():
    points, _, _ = planted()
    ours = balanced_graph(points, ["a"] * 300, 15)
    assert abs(ours.weights - neighbour_graph(points, 14).weights).max() < 1e-5


def test_the_graph_joins_batches_and_keeps_types_apart():
    points, types, batches = planted()
    graph = balanced_graph(points, batches).weights
    assert graph.dtype == np.float32
    assert abs(graph - graph.T).max() == 0
    assert graph.diagonal().max() == 0
    plain = balanced_graph(points, ["a"] * 300, 9).weights
    mixed, unmixed = (np.nanmedian(graph_diversity(g, batches)) for g in (graph, plain))
    assert unmixed < 1.1
    assert mixed > 1.4
    assert np.nanmedian(graph_diversity(graph[4:][:, 4:], types[4:])) < 1.4


def test_a_cell_keeps_its_heaviest_edges():
    hub = np.zeros((6, 6))
    hub[0, 1:] = hub[1:, 0] = [0.9, 0.8, 0.7, 0.6, 0.5]
    hub[4, 5] = hub[5, 4] = 0.4
    found = _trimmed(sparse.csr_matrix(hub), 3).toarray()
    assert found[0].tolist() == [0, 0.9, 0.8, 0.7, 0, 0]
    assert found[4].tolist() == [0, 0, 0, 0, 0, 0.4]
    np.testing.assert_array_equal(found, found.T)


def test_large_batches_are_searched_approximately():
    points, _, batches = planted(n=6000)
    exact, _ = balanced_neighbours(points, batches, 5)
    found, recall = balanced_neighbours(points, batches, 5, exact_up_to=1000)
    same = [
        len(set(a) & set(b)) / exact.indices.shape[1]
        for a, b in zip(found.indices, exact.indices, strict=True)
    ]
    assert 0.95 < np.mean(same) <= 1
    assert 0.95 < recall <= 1
    one, two = (balanced_neighbours(points, batches, 5, exact_up_to=1000, n_threads=n)[0] for n in (1, 2))
    np.testing.assert_array_equal(one.indices, two.indices)


def test_duplicates_do_not_join_a_cell_to_itself():
    points = np.repeat(np.random.default_rng(0).normal(size=(4, 3)), 10, axis=0).astype(np.float32)
    assert balanced_neighbours(points, ["a", "b"] * 20)[0].indices.shape == (40, 5)
    assert balanced_graph(points, ["a", "b"] * 20).weights.diagonal().max() == 0


@pytest.mark.parametrize("batches", [["a", None] * 5, ["a"] * 9])
def test_missing_batches_are_refused(batches):
    with pytest.raises(ValueError, match="one batch for each of 10 cells"):
        balanced_neighbours(np.zeros((10, 2), dtype=np.float32), batches)
