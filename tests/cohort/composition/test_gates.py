"""PD-1+ Treg beside PD-1+ effector T cells: counted by cell, in one measure with the other gated subsets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime import names
from stietime.cohort.composition.gates import PD1_RATIO, count_gated
from stietime.cohort.design.designs import find_contrasts
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import gated_measure

PLAN = {("STIE", "before"): {}, ("TIME", "before"): {}}


def with_pd1(cells, chance, seed=1):
    """Let a share of the cells show PDCD1, by environment and by whether they are Treg."""
    rng = np.random.default_rng(seed)
    treg = cells["is_treg"].fillna(value=False).astype(bool)
    likely = [chance[key] for key in zip(cells["environment"], treg, strict=True)]
    return cells.assign(**{names.score_column("pd1_t"): (rng.random(len(cells)) < likely) * 0.4})


@pytest.fixture
def cells(draw_cohort):
    chance = {("STIE", True): 0.3, ("STIE", False): 0.3, ("TIME", True): 0.8, ("TIME", False): 0.3}
    return with_pd1(draw_cohort(PLAN, n_patients=6, n_cells=4000), chance)


def counted(cells, sets, name_samples):
    table = count_gated(cells, name_samples(cells), sets, [], min_parent_cells=10)
    return table[table["entity"] == PD1_RATIO].set_index("sample")


def test_cells_are_counted_as_a_plain_loop_counts_them(cells, sets, name_samples):
    table = counted(cells, sets, name_samples)
    for sample, part in cells.groupby("sample"):
        shows = part[names.score_column("pd1_t")] > 0
        treg = part["is_treg"] == True  # noqa: E712 - missing is not
        effector = (part["cell_type"] == "cd8_t") & ~treg
        n, both = int((shows & treg).sum()), int((shows & (treg | effector)).sum())
        assert table.loc[sample, ["n", "n_parent"]].tolist() == [n, both]
        assert table.loc[sample, "fraction"] == pytest.approx(n / both)


def test_a_planted_rise_in_the_tumour_is_found_between_patients(cells, sets, name_samples):
    samples = name_samples(cells)
    gated = count_gated(cells, samples, sets, [], min_parent_cells=10)
    (contrast,) = find_contrasts(samples, before="before", after="after", min_pairs=3)
    row = compare([contrast], [gated_measure(gated, min_parent_cells=10)], min_pairs=3).set_index("entity")
    found = row.loc[PD1_RATIO]
    assert (found["kind"], found["parent"]) == ("gated_fraction", "treg_pd1+cd8_pd1")
    rise = np.log(0.8 / 0.3)  # both arms hold as many Treg and CD8 T cells
    assert found["ci_low"] <= -rise <= found["ci_high"]
    assert found["p"] < 0.01


def test_without_calls_or_the_gene_nothing_is_counted(cells, sets, name_samples):
    assert counted(cells.drop(columns=names.score_column("pd1_t")), sets, name_samples).empty
    assert counted(cells.assign(is_treg=pd.NA), sets, name_samples).empty
    nobody = {(place, treg): 0.0 for place in ("STIE", "TIME") for treg in (True, False)}
    few = counted(with_pd1(cells, nobody), sets, name_samples)
    assert few["fraction"].isna().all()
    assert few["note"].str.contains("fewer than 10 parent cells").all()
