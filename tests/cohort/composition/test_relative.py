"""Fractions beside the cells that moved least: one lineage that grows does not make the others shrink."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.cohort.composition.composition import count_entities
from stietime.cohort.composition.relative import shorth
from stietime.cohort.design.designs import find_contrasts
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import composition_measure

FRACTIONS = np.array((0.2, 0.15, 0.08, 0.06, 0.25, 0.1, 0.04, 0.02, 0.1, 0.1))


def table_of(cells, sets, name_samples):
    samples = name_samples(cells)
    composition = count_entities(cells, samples, sets, min_parent_cells=10)
    contrasts = find_contrasts(samples, before="before", after="after", min_pairs=3)
    table = compare(contrasts, [composition_measure(composition, min_parent_cells=10)], min_pairs=3)
    return table[table["contrast"] == "after_vs_before:TIME"].set_index("entity")


def grown(place, factor, draw_cohort, **options):
    after = FRACTIONS.copy()
    after[place] *= factor
    plan = {
        ("TIME", "before"): {"fractions": list(FRACTIONS)},
        ("TIME", "after"): {"fractions": list(after)},
    }
    return draw_cohort(plan, n_patients=8, n_cells=2000, **options)


LINEAGES = ["t_cell", "nk", "b_cell", "dc", "erythroid", "epithelial", "neutrophil", "pdc"]


def test_a_lineage_that_grows_three_fold_makes_no_other_shrink(sets, name_samples, draw_cohort):
    table = table_of(grown(4, 3.0, draw_cohort), sets, name_samples)
    others = table.loc[LINEAGES]
    assert ((others["estimate"] < 0) & (others["q"] <= 0.05)).sum() >= 5
    assert not (others["q_relative"] <= 0.05).any()
    assert others["estimate_relative"].abs().max() < 0.2
    row = table.loc["monocyte"]
    assert row["relative_low"] < np.log(3) < row["relative_high"]
    assert row["q_relative"] <= 0.05
    assert "monocyte" not in row["reference"]
    immune = table.loc["cd4_t_of_immune"]
    assert immune["q"] <= 0.05
    assert immune["q_relative"] > 0.05
    assert "t_cell_of_immune" not in immune["reference"]
    np.testing.assert_allclose(table["bias"], table["estimate"] - table["estimate_relative"])


def test_without_growth_both_columns_agree(sets, name_samples, draw_cohort):
    table = table_of(grown(4, 1.0, draw_cohort, seed=4), sets, name_samples).loc[LINEAGES]
    assert table["bias"].abs().max() < 0.15


def test_states_and_groups_that_hold_a_part_have_no_reference(sets, name_samples, draw_cohort):
    table = table_of(grown(4, 3.0, draw_cohort), sets, name_samples)
    for entity in ("texp", "nlr", "immune", "lymphocyte_of_immune"):
        assert table.loc[entity, "reference"] == ""
        assert np.isnan(table.loc[entity, ["estimate_relative", "q_relative", "bias"]].astype(float)).all()
    assert table.loc["texp", "q"] <= 1


def test_the_log_ratio_is_that_of_the_pooled_counts(sets, name_samples, draw_cohort):
    cells = grown(4, 3.0, draw_cohort)
    table = table_of(cells, sets, name_samples)
    row = table.loc["b_cell"]
    counts = pd.crosstab(cells["sample"], cells["lineage"])
    reference = counts[row["reference"].split(", ")].sum(axis=1)
    logs = np.log(counts["b_cell"] / reference)
    after = logs.index.str.endswith("after")
    assert row["estimate_relative"] == pytest.approx(logs[after].mean() - logs[~after].mean(), abs=0.01)


def test_the_shorth_is_the_closest_half():
    values = np.array([5.0, 0.1, 0.0, 9.0, 0.2, -4.0, 0.15])
    assert set(shorth(values)) == {1, 2, 4, 6}
    assert len(shorth(np.arange(4.0))) == 3
