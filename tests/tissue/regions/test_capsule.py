"""A capsule is recognised where it was drawn, and not where the whole stroma is fibroblasts."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.drawn_tissue import read_drawing

from stietime.tissue.graphs import graph
from stietime.tissue.regions import capsule, regions

MIXTURES = {
    "T": {"epithelial": 0.95, "cd8_t": 0.05},
    "i": {"epithelial": 0.6, "cd8_t": 0.4},
    "c": {"fibroblast": 0.6, "endothelial": 0.3, "cd8_t": 0.1},
    "S": {"fibroblast": 0.2, "cd8_t": 0.5, "macrophage": 0.3},
    "F": {"fibroblast": 0.8, "endothelial": 0.15, "cd8_t": 0.05},
}
WALLED = """
SSSSSSSSSSSSSSSS
SSSSSSSSSSSSSSSS
SSSSSSSSSSSSSSSS
SSSSccccccccSSSS
SSSScTTTTTTcSSSS
SSSScTTTTTTcSSSS
SSSScTTTTTTcSSSS
SSSScTTTTTTcSSSS
SSSScTTTTTTcSSSS
SSSScTTTTTTcSSSS
SSSSccccccccSSSS
SSSSSSSSSSSSSSSS
SSSSSSSSSSSSSSSS
SSSSSSSSSSSSSSSS
"""


def score(drawing: str, *, seed: int = 1) -> dict:
    drawn = read_drawing(drawing, MIXTURES, seed=seed)
    types = drawn.cell_types
    around = graph.radius_graph(drawn.positions, 40)
    inside = regions.find_tumour_regions(around, (types == "epithelial").to_numpy())
    return capsule.capsule_score(
        drawn.positions,
        regions.distance_to_boundary(drawn.positions, inside, 40),
        regions.boundary_points(drawn.positions, inside, 40),
        is_barrier=types.isin(["fibroblast", "endothelial"]).to_numpy(),
        is_immune=types.isin(["cd8_t", "macrophage"]).to_numpy(),
        width_um=25,
        max_distance_um=200,
        min_coverage=0.5,
        min_enrichment=1.5,
    )


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_drawn_capsule_is_recognised_and_keeps_immune_cells_out(seed):
    row = score(WALLED, seed=seed)
    assert row["capsule"] is True
    assert row["coverage"] > 0.9
    assert row["barrier_share_at_boundary"] == pytest.approx(0.88, abs=0.08)
    assert row["barrier_share_beyond"] == pytest.approx(0.2, abs=0.12)
    assert row["confidence"] > 0.95
    assert row["log2_immune_inside"] < -2


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_stroma_that_is_all_fibroblasts_is_no_capsule(seed):
    row = score(WALLED.replace("c", "F").replace("S", "F"), seed=seed)
    assert row["capsule"] is False
    assert row["coverage"] > 0.9
    assert abs(row["log2_enrichment"]) < 0.2
    assert row["confidence"] > 0.9


@pytest.mark.parametrize("seed", range(1, 6))
def test_without_a_wall_there_is_none(seed):
    row = score(WALLED.replace("c", "S").replace("T", "i"), seed=seed)
    assert row["capsule"] is False
    assert row["coverage"] < 0.2
    assert row["log2_immune_inside"] > -1.5
    assert row["confidence"] > 0.95


def test_a_wall_on_half_of_the_boundary_is_uncertain():
    lines = WALLED.strip().splitlines()
    half = "\n".join(line[:8] + line[8:].replace("c", "S") for line in lines)
    assert score(half)["confidence"] < score(WALLED)["confidence"]


def test_what_cannot_be_judged_is_not_testable():
    assert score("\n".join(["SSSSSS"] * 6))["capsule"] is None
    assert "no boundary" in score("\n".join(["SSSSSS"] * 6))["note"]
    little = score("\n".join(["TTTTTc"] * 6))
    assert little["capsule"] is None
    assert "fewer than 30 cells" in little["note"]
    assert np.isnan(little["confidence"])
    assert tuple(little) == capsule.COLUMNS
