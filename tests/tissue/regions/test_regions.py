from __future__ import annotations

import numpy as np
import pytest

from stietime.tissue.graphs import graph
from stietime.tissue.regions import regions


def disc(seed: int, radius: float, immune_share: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A round tumour, 6,400 cells per mm2: positions, distance to the edge, which are tumour cells."""
    rng = np.random.default_rng(seed)
    step = 12.5
    x, y = np.meshgrid(np.arange(0, 600, step), np.arange(0, 600, step))
    positions = np.column_stack([x.ravel(), y.ravel()]) + rng.normal(0, 2, (x.size, 2))
    beyond = np.linalg.norm(positions - 300, axis=1) - radius
    return positions, beyond, (beyond < 0) & (rng.random(x.size) >= immune_share)


def inside_of(positions: np.ndarray, is_tumour: np.ndarray) -> np.ndarray:
    return regions.find_tumour_regions(graph.radius_graph(positions, 40.0), is_tumour)


@pytest.mark.parametrize("radius", [80, 130, 200])
def test_the_edge_of_a_solid_tumour_is_found_within_5_um(radius):
    positions, beyond, is_tumour = disc(1, radius)
    inside = inside_of(positions, is_tumour)
    assert np.array_equal(inside[np.abs(beyond) > 8], beyond[np.abs(beyond) > 8] < 0)
    distance = regions.distance_to_boundary(positions, inside, 40.0)
    error = distance - beyond
    assert np.abs(error).mean() < 5
    assert abs(error.mean()) < 3


@pytest.mark.parametrize("immune_share", [0.3, 0.6])
def test_a_tumour_full_of_immune_cells_is_a_region(immune_share):
    positions, beyond, is_tumour = disc(2, 200, immune_share)
    inside = inside_of(positions, is_tumour)
    assert (inside == (beyond < 0)).mean() > 0.95
    # immune cells in the tumour are inside too
    assert inside[(beyond < -20) & ~is_tumour].mean() > 0.95


def test_immune_cells_at_the_edge_stay_outside():
    positions, beyond, is_tumour = disc(3, 150)
    inside = inside_of(positions, is_tumour)
    assert not inside[(beyond > 8) & (beyond < 40)].any()


def test_stray_tumour_cells_make_no_region():
    positions, _, _ = disc(4, 100)
    stray = np.random.default_rng(4).random(len(positions)) < 0.02
    assert not inside_of(positions, stray).any()
    group = np.linalg.norm(positions - 300, axis=1) < 20
    assert 0 < group.sum() < 10
    assert not inside_of(positions, group).any()
    assert not inside_of(positions, np.zeros(len(positions), dtype=bool)).any()


def test_regions_are_named_by_distance():
    positions, beyond, is_tumour = disc(5, 150)
    inside = inside_of(positions, is_tumour)
    distance = regions.distance_to_boundary(positions, inside, 40.0)
    names = regions.name_regions(inside, distance, 25.0)
    assert set(names[beyond < -40]) == {"tumour"}
    assert set(names[beyond > 40]) == {"stroma"}
    assert set(names[np.abs(beyond) < 12]) == {"boundary"}
    assert (np.sign(distance) == np.where(inside, -1, 1)).all()


def test_without_an_outside_there_is_no_boundary():
    positions, _, _ = disc(6, 100)
    inside = inside_of(positions, np.ones(len(positions), dtype=bool))
    distance = regions.distance_to_boundary(positions, inside, 40.0)
    assert inside.all()
    assert np.isnan(distance).all()
    assert set(regions.name_regions(inside, distance, 25.0)) == {"tumour"}


def test_without_a_tumour_region_nothing_is_named():
    nothing = np.zeros(5, dtype=bool)
    assert set(regions.name_regions(nothing, np.full(5, np.nan), 25.0)) == {None}


def test_no_boundary_is_drawn_across_a_gap_without_tissue():
    positions = np.array([[0.0, 0.0], [10.0, 0.0], [200.0, 0.0], [210.0, 0.0]])
    inside = np.array([True, True, False, False])
    assert len(regions.boundary_points(positions, inside, 40.0)) == 0
    assert regions.boundary_points(positions, inside, 250.0).tolist() == [[105.0, 0.0]]
