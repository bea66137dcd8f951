import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cells.balanced_neighbours import (
    _trimmed,
    balanced_graph,
    balanced_neighbours,
    nearest_exactly,
)
from stietime.cells.graph_metrics import graph_diversity
from stietime.cells.neighbours import neighbour_graph


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
    found = balanced_neighbours(points, batches, 5)
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
    ours = balanced_graph(balanced_neighbours(points, ["a"] * 300, 15))
    assert abs(ours - neighbour_graph(points, 14).weights).max() < 1e-5


def test_the_graph_joins_batches_and_keeps_types_apart():
    points, types, batches = planted()
    graph = balanced_graph(balanced_neighbours(points, batches))
    assert graph.dtype == np.float32
    assert abs(graph - graph.T).max() == 0
    assert graph.diagonal().max() == 0
    plain = balanced_graph(balanced_neighbours(points, ["a"] * 300, 9))
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


def test_another_search_can_be_given():
    points, _, batches = planted()
    asked = []

    def search(among, queries, k):
        asked.append((len(among), len(queries), k))
        return nearest_exactly(among, queries, k)

    found = balanced_neighbours(points, batches, 5, search=search)
    np.testing.assert_array_equal(found.indices, balanced_neighbours(points, batches, 5).indices)
    assert asked == [(n, 300, min(5, n)) for n in pd.Series(batches).value_counts().sort_index()]


def test_duplicates_do_not_join_a_cell_to_itself():
    points = np.repeat(np.random.default_rng(0).normal(size=(4, 3)), 10, axis=0).astype(np.float32)
    found = balanced_neighbours(points, ["a", "b"] * 20)
    assert found.indices.shape == (40, 5)
    assert balanced_graph(found).diagonal().max() == 0


@pytest.mark.parametrize("batches", [["a", None] * 5, ["a"] * 9])
def test_missing_batches_are_refused(batches):
    with pytest.raises(ValueError, match="one batch for each of 10 cells"):
        balanced_neighbours(np.zeros((10, 2), dtype=np.float32), batches)
