from __future__ import annotations

import numpy as np
import pytest

from stietime.errors import InputError
from stietime.tissue.graphs import graph


def test_radius_graph_equals_all_distances_compared():
    positions = np.random.default_rng(1).random((300, 2)) * 400
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    expected = (distances <= 30) & ~np.eye(300, dtype=bool)
    found = graph.radius_graph(positions, 30.0)
    assert np.array_equal(found.toarray().astype(bool), expected)
    assert np.array_equal(graph.n_neighbours(found), expected.sum(axis=1))
    first, second = graph.edges(found)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [
        tuple(pair) for pair in np.argwhere(np.triu(expected)).tolist()
    ]


def test_radius_is_inclusive_and_isolated_cells_stay():
    positions = np.array([[0.0, 0.0], [30.0, 0.0], [60.1, 0.0], [0.0, 0.0]])
    found = graph.radius_graph(positions, 30.0)
    assert graph.n_neighbours(found).tolist() == [2, 2, 0, 2]
    assert found.diagonal().sum() == 0
    assert set(found.data.tolist()) == {1}


def test_one_cell_is_a_graph():
    assert graph.radius_graph(np.array([[5.0, 5.0]]), 30.0).shape == (1, 1)


@pytest.mark.parametrize(
    ("positions", "word"),
    [
        (np.empty((0, 2)), "shape"),
        (np.zeros((4, 3)), "shape"),
        (np.array([[0.0, 1.0], [np.nan, 1.0]]), "1 of 2 cells have no position"),
    ],
)
def test_positions_that_cannot_be_measured_are_refused(positions, word):
    with pytest.raises(InputError, match=word):
        graph.radius_graph(positions, 30.0)


def test_tissue_area_leaves_out_holes():
    x, y = np.meshgrid(np.arange(5, 800, 10.0), np.arange(5, 800, 10.0))
    field = np.column_stack([x.ravel(), y.ravel()])
    assert len(graph.occupied_squares(field)) * 0.05**2 == pytest.approx(0.64)
    hole = (np.abs(field - 400) < 100).all(axis=1)
    assert len(graph.occupied_squares(field[~hole])) * 0.05**2 == pytest.approx(0.60)
