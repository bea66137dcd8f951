"""The figures of clones: real labels with a published answer, and planted sharing."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import statistics_clones


@pytest.mark.data
def test_zhang_exhausted_and_regulatory_cells_are_more_frequent_in_the_tumour(data_dir, monkeypatch):
    name = "zhang2018_crc_tcell_labels_blood_normal_tumor"
    monkeypatch.setattr(statistics_clones, "ZHANG", data_dir / name / "example.cloneDat.Zhang2018.txt")
    tested = statistics_clones.tumour_against_blood(statistics_clones.read_zhang())
    for kind in (statistics_clones.EXHAUSTED, statistics_clones.TREG):
        assert tested[kind]["q"] <= 0.05
        assert tested[kind]["ci_high"] < 0  # below 0: higher in the tumour
        assert tested[kind]["n_pairs"] >= 11
    assert tested[statistics_clones.EFFECTOR]["ci_low"] > 0


def test_simulated_clones_keep_to_a_place_as_planted():
    rng = np.random.default_rng(1)
    for keeps, most in ((0.0, 0.3), (1.0, 1.0)):
        cells = statistics_clones.draw_cohort(rng, keeps=keeps, n_patients=4)
        several = cells.groupby(["patient", "clone"]).filter(lambda own: len(own) > 3)
        alone = several.groupby(["patient", "clone"])["environment"].nunique() == 1
        assert alone.mean() == 1 if keeps == 1 else alone.mean() < most


def test_missing_data_are_a_figure_that_is_not_met(tmp_path, monkeypatch):
    monkeypatch.setattr(statistics_clones, "ZHANG", tmp_path / "none.txt")
    monkeypatch.setattr(statistics_clones, "N_QUICK", 1)
    found = statistics_clones.figures(quick=True)
    assert len(found) == 3
    assert not found[0].met
