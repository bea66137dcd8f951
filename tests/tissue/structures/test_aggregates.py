"""Lymphoid structures planted in drawn tissues are found, and none where none is planted."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.drawn_tissue import read_drawing

from stietime.tissue.graphs import graph
from stietime.tissue.structures import aggregates

MIXTURES = {
    "T": {"epithelial": 0.9, "cd8_t": 0.05, "macrophage": 0.05},
    "S": {"fibroblast": 0.75, "cd4_t": 0.12, "b_cell": 0.08, "dc": 0.05},
    "B": {"b_cell": 0.8, "cd4_t": 0.15, "dc": 0.05},
    "z": {"cd4_t": 0.75, "b_cell": 0.1, "dc": 0.15},
    "b": {"b_cell": 0.9, "fibroblast": 0.1},
    "F": {"fibroblast": 0.97, "macrophage": 0.03},
}
ONE = """
SSSSSSSSSSSSSS
SSSSSSSSSSSSSS
SSSSzzzzSSSSSS
SSSSzBBzSSSSSS
SSSSzBBzSSSSSS
SSSSzzzzSSTTTT
SSSSSSSSSSTTTT
SSSSSSSSSSTTTT
"""
DEFINITION = aggregates.Definition()


def found_in(drawing: str, mixtures=MIXTURES, *, seed: int = 1, dc: bool = True):
    drawn = read_drawing(drawing, mixtures, seed=seed)
    types = drawn.cell_types
    near = graph.radius_graph(drawn.positions, 30)
    cells = aggregates.Lymphoid(
        (types == "b_cell").to_numpy(),
        types.isin(["cd4_t", "cd8_t"]).to_numpy(),
        ((types == "dc") & dc).to_numpy(dtype=bool),
    )
    found = aggregates.find_aggregates(drawn.positions, near, cells.b, DEFINITION)
    table = aggregates.describe_aggregates(
        drawn.positions, near, cells, found, DEFINITION, distance_um=np.full(len(types), np.nan)
    )
    return drawn, found, table


@pytest.mark.parametrize("seed", range(1, 11))
def test_a_planted_structure_is_found_where_it_was_drawn(seed):
    drawn, found, table = found_in(ONE, seed=seed)
    assert len(table) == 1
    row = table.iloc[0]
    assert row["kind"] == aggregates.TLS
    assert (row["x_um"], row["y_um"]) == pytest.approx((300, 200), abs=15)
    planted = drawn.letters == "B"
    assert (planted & (found.core == 0)).sum() / (planted | (found.core == 0)).sum() > 0.6
    assert row["b_share"] >= 0.7
    assert row["area_mm2"] == pytest.approx(0.0085, rel=0.35)
    assert row["confidence"] >= 0.9
    assert row["n_t"] > 100
    # the rim takes in the T-cell zone but for its corners, and ends within it
    assert (found.rim[drawn.letters == "z"] == 0).mean() > 0.55
    assert (found.rim[drawn.letters == "T"] == -1).all()


@pytest.mark.parametrize("b_share", [0.05, 0.2, 0.45, 0.7, 0.95])
def test_b_cells_mixed_evenly_make_no_structure(b_share):
    rest = 1 - b_share
    mixtures = {"S": {"b_cell": b_share, "cd4_t": rest / 2, "fibroblast": rest / 4, "dc": rest / 4}}
    for seed in range(5):
        _, found, table = found_in("\n".join(["S" * 12] * 12), mixtures, seed=seed)
        assert found.n == 0
        assert table.empty
        assert list(table.columns) == list(aggregates.COLUMNS)


def test_t_cells_alone_make_no_structure():
    _, found, _ = found_in(ONE.replace("B", "z"))
    assert found.n == 0


def test_an_aggregate_without_t_cells_is_not_a_lymphoid_structure():
    drawing = ONE.replace("z", "F").replace("B", "b").replace("S", "F")
    _, _, table = found_in(drawing)
    assert table["kind"].tolist() == [aggregates.B_AGGREGATE]
    assert table["n_t"].iloc[0] < DEFINITION.min_t_cells


def test_a_section_whose_platform_shows_no_dendritic_cells_is_not_asked_for_them():
    _, _, table = found_in(ONE, dc=False)
    assert table["kind"].tolist() == [aggregates.TLS]
    assert "not asked for" in table["note"].iloc[0]


def test_dendritic_cells_elsewhere_do_not_make_a_lymphoid_structure():
    mixtures = {
        **MIXTURES,
        "B": {"b_cell": 0.8, "cd4_t": 0.2},
        "z": {"cd4_t": 0.9, "b_cell": 0.1},
        "S": {"fibroblast": 0.95, "cd4_t": 0.05},
        "T": {"epithelial": 0.9, "dc": 0.1},
    }
    drawing = ONE.replace("TTTT", "SSSS").replace("SSSSSSSSSSSSSS\n", "SSSSSSSSSSSSTT\n", 1)
    _, _, table = found_in(drawing, mixtures)
    assert table["kind"].tolist() == [aggregates.B_AGGREGATE]


def test_two_structures_are_told_apart_the_larger_first():
    drawing = """
SSSSSSSSSSSSSSSSSS
SzzzzzSSSSSSzzzzSS
SzBBBzSSSSSSzBBzSS
SzBBBzSSSSSSzBBzSS
SzzzzzSSSSSSzzzzSS
SSSSSSSSSSSSSSSSSS
"""
    drawn, found, table = found_in(drawing)
    assert len(table) == 2
    assert table["n_b"].is_monotonic_decreasing
    assert table["x_um"].tolist() == pytest.approx([175, 700], abs=20)
    assert set(found.rim[drawn.positions[:, 0] < 400]) == {-1, 0}


def test_a_section_without_b_cells_has_none():
    _, found, table = found_in("\n".join(["TTTT"] * 4))
    assert found.n == 0
    assert table.empty


def test_an_aggregate_at_the_limit_is_less_sure_than_a_large_one():
    small = "\n".join(["S" * 8] * 3 + ["SSSSBSSS", "SSSSBSSS"] + ["S" * 8] * 3)
    mixtures = {**MIXTURES, "S": {"fibroblast": 0.9, "cd4_t": 0.1}, "B": {"b_cell": 1.0}}
    _, _, near_limit = found_in(small, mixtures)
    _, _, large = found_in(ONE, mixtures)
    assert len(near_limit) <= 1
    if len(near_limit):
        assert near_limit["confidence"].iloc[0] < large["confidence"].iloc[0]
    assert large["confidence"].iloc[0] == 1
