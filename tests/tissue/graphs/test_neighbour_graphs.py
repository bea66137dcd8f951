from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from stietime.errors import InputError
from stietime.tissue.graphs import graph
from stietime.tissue.graphs.neighbour_graphs import Neighbours, delaunay_graph, grid_graph, nearest_graph


def cells(n: int = 300) -> np.ndarray:
    return np.random.default_rng(1).random((n, 2)) * 300


def pairs(found) -> set[tuple[int, int]]:
    return set(zip(*graph.edges(found), strict=True))


def test_nearest_cells_are_neighbours_when_either_names_the_other():
    positions = cells()
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    named = {(i, j) for i in range(300) for j in np.argsort(apart[i])[:4] if apart[i, j] <= 20}
    assert pairs(nearest_graph(positions, 4, 20.0)) == {tuple(sorted(pair)) for pair in named}


def test_delaunay_edges_are_cut_at_the_longest():
    positions = cells()
    every = {
        tuple(sorted(p))
        for s in Delaunay(positions).simplices
        for p in ((s[0], s[1]), (s[1], s[2]), (s[0], s[2]))
    }
    short = {(a, b) for a, b in every if np.linalg.norm(positions[a] - positions[b]) <= 25}
    assert 0 < len(short) < len(every)
    assert pairs(delaunay_graph(positions, 25.0)) == short


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([[0.0, 0.0]], set()),
        ([[0.0, 0.0], [5.0, 0.0]], {(0, 1)}),
        ([[0.0, 0.0], [5.0, 0.0], [10.0, 0.0]], {(0, 1), (1, 2)}),
        # two cells at one place are neighbours, and of the same others
        ([[0.0, 0.0], [5.0, 0.0], [0.0, 0.0], [99.0, 9.0]], {(0, 1), (0, 2), (1, 2)}),
    ],
)
def test_delaunay_of_few_cells_on_a_line_or_at_one_place(positions, expected):
    assert pairs(delaunay_graph(np.array(positions), 20.0)) == expected


@pytest.mark.parametrize(("kind", "first", "second"), [("hexagons", 6, 18), ("squares", 4, 12)])
def test_rings_of_a_grid(kind, first, second):
    row, column = (part.ravel() for part in np.mgrid[0:15, 0:15])
    if kind == "hexagons":
        positions = np.column_stack([(column + 0.5 * (row % 2)) * 100, row * 100 * 3**0.5 / 2])
    else:
        positions = np.column_stack([column, row]) * 200.0
    positions += np.random.default_rng(2).normal(0, 2, positions.shape)
    middle = 7 * 15 + 7
    assert graph.n_neighbours(grid_graph(positions))[middle] == first
    assert graph.n_neighbours(grid_graph(positions, 2))[middle] == second


@pytest.mark.parametrize("kind", ["radius", "nearest", "delaunay", "grid"])
def test_nothing_crosses_fields_and_lonely_cells_stay(kind):
    some = np.stack(np.meshgrid(np.arange(15), np.arange(15)), axis=-1).reshape(-1, 2) * 20.0
    positions = np.concatenate([some if kind == "grid" else cells(), [[5000.0, 5000.0]]])
    fields = (positions[:, 0] > 150).astype(np.int64)
    how = Neighbours(kind, radius_um=30.0, max_edge_um=30.0)
    whole, found = how.connect(positions), how.connect(positions, fields)
    first, second = graph.edges(whole)
    assert (fields[first] != fields[second]).any()
    first, second = graph.edges(found)
    assert len(first)
    assert (fields[first] == fields[second]).all()
    assert graph.n_neighbours(found)[-1] == 0
    assert abs(found - found.T).nnz == 0
    assert found.diagonal().sum() == 0
    alone = how.connect(positions[fields == 0])
    assert abs(found[fields == 0][:, fields == 0] - alone).nnz == 0


def test_other_kinds_are_refused():
    with pytest.raises(InputError, match="voronoi"):
        Neighbours("voronoi").connect(cells())
