"""The table of clonotypes and its tests between patients: planted sharing, replacement, what cannot be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.cohort.clonotypes.contrasts import COLUMNS as CONTRAST_COLUMNS
from stietime.cohort.clonotypes.contrasts import clone_contrasts
from stietime.cohort.clonotypes.kinds import FOLLOWED, OTHER_LINEAGE, follow
from stietime.cohort.clonotypes.rows import COLUMNS
from stietime.cohort.clonotypes.table import clone_sizes, clonotype_table


def sampled(cells):
    return cells[["patient", "environment", "timepoint"]].drop_duplicates()


def value_of(table, index, **where):
    rows = table[table["index"] == index]
    for column, wanted in where.items():
        rows = rows[rows[column] == wanted]
    assert len(rows) == 1, rows
    return rows.iloc[0]


@pytest.mark.parametrize("planted", [0, 5, 30])
def test_planted_sharing_is_recovered(draw_clones, planted):
    cells = draw_clones(planted)
    table = clonotype_table(cells, sampled(cells), min_cells=10)
    assert list(table.columns) == list(COLUMNS)
    assert value_of(table, "shared_clones", entity="all")["value"] == planted
    found = value_of(table, "sharing", entity="all")
    tumour = cells[cells["environment"] == "TIME"]
    assert found["value"] == pytest.approx(tumour["clone"].str.startswith("shared").mean())
    clones = value_of(table, "sharing_of_clones", entity="all")
    assert clones["ci_low"] <= planted / (planted + 60) <= clones["ci_high"]


def test_clones_that_keep_to_one_place_share_less_than_chance(draw_clones):
    """Clones of several cells in one place each: chance would share them, they are not shared."""
    parts = []
    for number in range(6):
        cells = draw_clones(3, seed=number, patient=f"p{number}", n_private=20)
        private = cells[~cells["clone"].str.startswith("shared")]
        parts += [cells, private, private]
    cells = pd.concat(parts, ignore_index=True)
    table = clonotype_table(cells, sampled(cells), min_cells=10)
    row = value_of(table, "shared_clones", entity="all", patient="p0")
    assert row["value"] < row["expected"] - 3 * row["expected_sd"]
    tested = clone_contrasts(table, min_pairs=3)
    assert list(tested.columns) == list(CONTRAST_COLUMNS)
    row = tested.query("contrast == 'observed_vs_chance' and entity == 'all'").iloc[0]
    assert row["ci_high"] < 0
    assert row["p"] < 0.01
    assert row["n_patients"] == 6


def treated_patient(n_new_from_blood, n_new, n_old, seed=1):
    """A tumour before and after: old clones stay, new ones come, some of them seen in the blood before."""
    rng = np.random.default_rng(seed)
    old = [f"old{i}" for i in range(30)]
    new = [f"new{i}" for i in range(n_new)]
    rows = [("STIE", "before", f"blood{i}") for i in range(40)]
    rows += [("STIE", "before", clone) for clone in new[:n_new_from_blood]]
    rows += [("TIME", "before", clone) for clone in old for _ in range(4)]
    rows += [("TIME", "after", str(clone)) for clone in rng.choice(old, n_old)]
    rows += [("TIME", "after", clone) for clone in new for _ in range(3)]
    cells = pd.DataFrame(rows, columns=["environment", "timepoint", "clone"])
    return cells.assign(patient="p1", kind="a", status=FOLLOWED)


def test_clonal_replacement_and_where_new_clones_come_from():
    cells = treated_patient(6, 20, 40)
    table = clonotype_table(cells, sampled(cells), min_cells=10)
    replaced = value_of(table, "replacement", entity="all")
    assert replaced["value"] == pytest.approx(60 / 100)
    assert replaced["expected"] < 0.3
    assert value_of(table, "new_from_blood", entity="all")["value"] == pytest.approx(6 / 20)
    clones = value_of(table, "new_from_blood_of_clones", entity="all")
    assert (clones["value"], clones["n_clones"]) == (pytest.approx(0.3), 20)
    assert clones["ci_low"] < 0.3 < clones["ci_high"]
    assert value_of(table, "replacement", entity="a")["value"] == pytest.approx(0.6)


def test_nothing_new_leaves_the_origin_untold_and_says_so():
    cells = treated_patient(0, 0, 40)
    table = clonotype_table(cells, sampled(cells), min_cells=10)
    assert value_of(table, "replacement", entity="all")["value"] == 0
    row = value_of(table, "new_from_blood", entity="all")
    assert np.isnan(row["value"])
    assert row["note"] == "not testable: no clone is new"


def test_a_patient_without_the_pieces_is_not_testable_and_never_zero(draw_clones):
    cells = draw_clones(5)
    shallow = cells[(cells["environment"] == "TIME") | (np.arange(len(cells)) < 3)]
    only_sheet = sampled(cells).assign(patient="p2")
    table = clonotype_table(shallow, pd.concat([sampled(cells), only_sheet]), min_cells=10)
    untested = table[table["note"] != ""]
    assert untested["value"].isna().all()
    assert table[table["value"].isna()]["note"].str.startswith("not testable: ").all()
    few = value_of(table, "sharing", entity="all", patient="p1")
    assert "3 cells with a clone in STIE, 10 needed" in few["note"]
    assert "0 cells with a clone" in value_of(table, "morisita_horn", patient="p2")["note"]
    tested = clone_contrasts(table, min_pairs=3)
    assert tested["p"].isna().all()
    assert tested["note"].str.startswith("not testable").all()


def test_types_are_tested_against_the_other_types_of_their_patients():
    rng = np.random.default_rng(3)
    rows = []
    for number in range(8):
        for place in ("STIE", "TIME"):
            rows += [
                (f"p{number}", place, "expanded", f"big{i}")
                for i in range(3)
                for _ in range(rng.integers(6, 14))
            ]
            rows += [(f"p{number}", place, "expanded", f"{place}_lone{i}") for i in range(6)]
            for kind in ("u", "v", "w"):
                chosen = rng.integers(0, 1000, 30)
                rows += [(f"p{number}", place, kind, f"{place}{kind}{c}") for c in chosen]
    cells = pd.DataFrame(rows, columns=["patient", "environment", "kind", "clone"])
    cells = cells.assign(timepoint="", status=FOLLOWED)
    tested = clone_contrasts(clonotype_table(cells, sampled(cells), min_cells=10), min_pairs=3)
    for index in ("expansion", "migration", "sharing"):
        own = tested[(tested["contrast"] == "type_vs_other_types") & (tested["index"] == index)]
        own = own.set_index("entity")
        assert own.loc["expanded", "ci_low"] > 0
        assert own.loc["expanded", "q"] <= 0.05
        assert (own.loc[["u", "v", "w"], "estimate"] < 0).all()


def test_after_and_before_are_compared_at_the_same_depth():
    parts = [treated_patient(2, 15, 40, seed=n).assign(patient=f"p{n}") for n in range(4)]
    cells = pd.concat(parts, ignore_index=True)
    table = clonotype_table(cells, sampled(cells), min_cells=10)
    depths = table[table["index"] == "gini_matched"].groupby("patient")["n"].agg(["min", "max"])
    assert (depths["min"] == depths["max"]).all()
    tested = clone_contrasts(table, min_pairs=3).set_index(["contrast", "index"])
    assert tested.loc[("after_vs_before:TIME", "gini_matched"), "n_patients"] == 4


def test_cells_are_followed_by_state_and_other_lineages_are_told():
    cells = pd.DataFrame(
        {
            "cell": list("abcde"), "sample": "s", "patient": "p", "environment": "TIME",
            "lineage": ["t_cell", "t_cell", "b_cell", "unknown", "t_cell"],
            "cell_type": ["cd8_t", "cd8_t", "b_cell", "unknown", "cd4_t"],
            "is_texp": [True, False, None, None, None], "is_treg": [None, None, None, None, True],
        }
    )  # fmt: skip
    clones = pd.DataFrame({"cell": list("abcdz"), "clone": ["1", "", "2", "3", "4"], "status": "pair"})
    found = follow(cells, clones).set_index("cell")
    assert found["status"].to_dict() == {"a": FOLLOWED, "b": "pair", "c": OTHER_LINEAGE, "d": FOLLOWED}
    assert found["kind"].to_dict() == {"a": "texp", "b": "cd8_t", "c": "b_cell", "d": "unknown"}
    sizes = clone_sizes(found.reset_index())
    assert sizes["n"].sum() == 2
    assert list(sizes.columns) == ["patient", "clone", "environment", "timepoint", "entity", "n"]


@pytest.mark.data
def test_zhang_layn_exhausted_cells_are_expanded_and_bound_to_the_tumour(zhang):
    tested = clone_contrasts(clonotype_table(zhang, sampled(zhang), min_cells=10), min_pairs=3)
    own = tested[tested["contrast"] == "type_vs_other_types"].set_index(["index", "entity"])
    for index in ("expansion", "migration"):
        row = own.loc[(index, "CD8_C03-CX3CR1")]
        assert row["ci_low"] > 0
        assert row["q"] <= 0.05
    assert own.loc["migration", "estimate"].idxmax() == "CD8_C03-CX3CR1"
    assert own.loc[("expansion", "CD8_C07-LAYN"), "q"] <= 0.05
    assert own.loc[("expansion", "CD8_C07-LAYN"), "ci_low"] > 0
    assert own.loc[("sharing", "CD8_C07-LAYN"), "q"] <= 0.05
    assert own.loc[("sharing", "CD8_C07-LAYN"), "ci_high"] < 0
