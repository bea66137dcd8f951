"""Tissue area and infiltration profiles on drawn tissues whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.drawn_tissue import read_drawing

from stietime.errors import InputError
from stietime.tissue.graphs import graph
from stietime.tissue.regions import area, infiltration, regions

MIXTURES = {
    "T": {"epithelial": 1.0},
    "i": {"cd8_t": 0.5, "epithelial": 0.5},
    "S": {"fibroblast": 0.8, "cd8_t": 0.2},
}
HALVES = "\n".join(["TTTTTTSSSSSS"] * 12)
EDGES = infiltration.bin_edges(100, 20)


def profile_of(drawing: str, *, seed: int = 1):
    drawn = read_drawing(drawing, MIXTURES, seed=seed)
    around = graph.radius_graph(drawn.positions, 40)
    inside = regions.find_tumour_regions(around, (drawn.cell_types == "epithelial").to_numpy())
    boundary = regions.boundary_points(drawn.positions, inside, 40)
    distance = regions.distance_to_boundary(drawn.positions, inside, 40)
    grid = area.tissue_grid(drawn.positions)
    tissue = infiltration.tissue_by_distance(grid, drawn.positions, inside, boundary, EDGES)
    groups = {("lineage", name): (drawn.cell_types == name).to_numpy() for name in ("cd8_t", "epithelial")}
    return infiltration.infiltration_profile(distance, groups, EDGES, tissue), drawn, distance


def test_the_area_of_a_drawing_is_found_without_its_hole():
    text = "\n".join(["SSSSSS"] * 2 + ["SS  SS"] * 2 + ["SSSSSS"] * 2)
    drawn = read_drawing(text, MIXTURES)
    assert area.tissue_grid(drawn.positions).area_mm2 == pytest.approx(32 * 0.0025, rel=0.06)


def test_sparse_cells_cover_their_tissue_and_it_ends_at_the_edge():
    drawn = read_drawing("\n".join(["SSSSSS"] * 6), MIXTURES, pitch_um=25, jitter_um=4)
    assert area.tissue_grid(drawn.positions).area_mm2 == pytest.approx(0.09, rel=0.12)


def test_a_huge_section_gets_a_coarser_grid():
    corners = np.array([[0.0, 0.0], [90_000.0, 900.0]])
    assert area.tissue_grid(corners).pixel_um == 10
    grid = area.tissue_grid(corners * [1, 40])
    assert grid.pixel_um == 20
    assert len(grid.centres) == 2


def test_a_missing_position_is_bad_input():
    with pytest.raises(InputError, match="no position"):
        area.tissue_grid(np.array([[0.0, np.nan]]))


def test_densities_are_those_drawn_at_every_distance():
    profile, _, _ = profile_of(HALVES)
    t_cells = profile[profile["entity"] == "cd8_t"].set_index("from_um")
    # one cell for each 10 x 10 um: 10,000 per mm2
    assert (t_cells.loc[[-100, -80, -60, -40], "per_mm2"] < 150).all()
    assert t_cells.loc[[20, 40, 60, 80], "per_mm2"].between(1300, 2900).all()
    assert t_cells.loc[[20, 40, 60, 80], "share"].between(0.1, 0.3).all()
    both = profile.groupby("from_um")["n"].sum()
    assert (both <= t_cells["n_cells"]).all()


def test_density_does_not_fall_where_the_section_ends():
    """A strip of stroma 50 um wide: farther bins hold no tissue, so no density; nearer ones as ever."""
    drawing = "\n".join(["TTTTTTS"] * 10)
    profile, _, _ = profile_of(drawing)
    t_cells = profile[profile["entity"] == "cd8_t"].set_index("from_um")
    assert t_cells.loc[20, "per_mm2"] == pytest.approx(2000, rel=0.35)
    assert np.isnan(t_cells.loc[80, "per_mm2"])
    assert t_cells.loc[80, "note"] == "no cell in the bin"


def test_cells_of_the_bins_are_those_of_a_plain_count():
    profile, drawn, distance = profile_of(HALVES, seed=3)
    chosen = (drawn.cell_types == "cd8_t").to_numpy() & (distance >= 40) & (distance < 60)
    row = profile[(profile["entity"] == "cd8_t") & (profile["from_um"] == 40)].iloc[0]
    assert row["n"] == chosen.sum()
    assert row["n_cells"] == ((distance >= 40) & (distance < 60)).sum()


def test_boundary_distances_of_a_drawing_are_within_5_um():
    profile, drawn, distance = profile_of(HALVES)
    truth = drawn.positions[:, 0] - 300
    assert np.abs(distance - truth)[np.abs(truth) < 150].mean() < 5
    assert len(profile) == 2 * (len(EDGES) - 1)
