"""Tumour regions of spots: planted discs are found, and none where nothing is planted."""

import numpy as np
import pytest

from stietime.tissue.graphs.graph import radius_graph
from stietime.tissue.regions.architecture import immune_phenotype
from stietime.tissue.regions.spot_regions import spot_measures, tumour_score, tumour_spots, with_neighbours

PITCH = 100.0


def tissue():
    """A grid of 20 x 20 spots with a disc of tumour, fat with little RNA on the right, stroma elsewhere."""
    positions = np.array([[x * PITCH, y * PITCH] for x in range(20) for y in range(20)])
    tumour = np.linalg.norm(positions - [600, 900], axis=1) <= 400
    fat = positions[:, 0] >= 1500
    total = np.where(fat, 40.0, 2000.0)
    # leaked tumour molecules are half of the little that fat has
    share = np.where(tumour, 0.8, np.where(fat, 0.5, 0.1))
    return positions, tumour, fat, total, share


def test_a_planted_tumour_is_found_and_fat_is_not():
    positions, tumour, fat, total, share = tissue()
    graph = radius_graph(positions, 1.5 * PITCH)
    score = tumour_score(graph, share * total, total)
    inside = tumour_spots(graph, score)
    assert np.mean(inside == tumour) > 0.95
    assert not inside[fat].any()
    assert score[tumour].mean() > 0.75
    assert score[~tumour].mean() < 0.35


def test_no_tumour_no_region():
    positions, *_ = tissue()
    graph = radius_graph(positions, 1.5 * PITCH)
    none = tumour_score(graph, np.zeros(400), np.full(400, 1000.0))
    assert not tumour_spots(graph, none).any()


def test_a_single_spot_is_no_region():
    positions, *_ = tissue()
    graph = radius_graph(positions, 0.5 * PITCH)  # no neighbours
    molecules = np.zeros(400)
    molecules[210] = 900.0
    score = tumour_score(graph, molecules, np.full(400, 1000.0))
    assert score[210] > 0.9
    assert not tumour_spots(graph, score, min_spots=3).any()
    assert tumour_spots(graph, score, min_spots=1).sum() == 1


def test_missing_spots_count_for_none():
    positions, *_ = tissue()
    graph = radius_graph(positions, 1.5 * PITCH)
    values = np.ones(400)
    values[10] = np.nan
    assert np.allclose(with_neighbours(graph, values), 1.0)


@pytest.mark.parametrize(
    ("inner", "outer", "name"),
    [(0.3, 0.1, "infiltrated"), (0.02, 0.3, "excluded"), (0.01, 0.02, "desert")],
)
def test_classes_by_shares(inner, outer, name):
    positions, tumour, _, _, share = tissue()
    immune = np.where(tumour, inner, outer)
    measures = spot_measures(positions, immune=immune, tumour=share, inside=tumour, pitch_um=PITCH)
    call = immune_phenotype(measures, infiltrated_above=0.1, desert_below=0.05)
    assert call.name == name
    assert call.confidence > 0.9
    assert measures.infiltration.value == pytest.approx(inner)
    assert measures.area_mm2 == pytest.approx(4.0)
