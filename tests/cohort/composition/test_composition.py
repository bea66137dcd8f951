"""Counts and fractions of cells per sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.cohort.composition.composition import count_entities

SHEET = {"patient": "p1", "environment": "STIE", "timepoint": "", "tissue": "blood"}


def cells_of(kinds, **sheet):
    """Make cells from (lineage, cell_type, states...) and how many of them."""
    rows = []
    for (lineage, kind, *states), n in kinds.items():
        row = {**SHEET, "sample": "s1", **sheet, "lineage": lineage, "cell_type": kind}
        row |= {f"is_{s}": s in states for s in ("texp", "treg", "m_mdsc", "pmn_mdsc", "ter_cell")}
        rows += [row] * n
    return pd.DataFrame(rows)


def counted(cells, sets, name_samples, extra=None, min_parent_cells=10):
    samples = name_samples(cells)
    if extra is not None:
        samples = pd.concat([samples, name_samples(extra)])
    table = count_entities(cells, samples, sets, min_parent_cells=min_parent_cells)
    return table.set_index(["sample", "level", "entity"]).sort_index()


KINDS = {
    ("t_cell", "cd8_t"): 30,
    ("t_cell", "cd8_t", "texp"): 10,
    ("t_cell", "cd4_t"): 15,
    ("t_cell", "cd4_t", "treg"): 5,
    ("nk", "nk"): 20,
    ("dc", "cdc1"): 4,
    ("pdc", "pdc"): 6,
    ("neutrophil", "neutrophil", "pmn_mdsc"): 2,
    ("neutrophil", "neutrophil"): 18,
    ("erythroid", "erythroid", "ter_cell"): 5,
    ("erythroid", "erythroid"): 15,
    ("epithelial", "epithelial"): 70,
}


@pytest.mark.parametrize(
    ("level", "entity", "parent", "n", "n_parent"),
    [
        ("lineage", "t_cell", "all", 60, 200),
        ("lineage", "dc", "all", 4, 200),
        ("cell_type", "cd8_t", "t_cell", 40, 60),
        ("cell_type", "nk", "nk", 20, 20),
        ("state", "texp", "cd8_t", 10, 40),
        ("state", "treg", "cd4_t", 5, 20),
        ("state", "pmn_mdsc", "neutrophil", 2, 20),
        ("state", "ter_cell", "all", 5, 200),
        ("composite", "immune", "all", 110, 200),
        ("composite", "cd3neg_immune", "immune", 50, 110),
        ("composite", "mdsc", "myeloid", 2, 30),
        ("of_immune", "cd8_t_of_immune", "immune", 40, 110),
        ("of_immune", "lymphocyte_of_immune", "immune", 80, 110),
        ("of_immune", "dc_of_immune", "immune", 10, 110),  # with pDC, as the reviews count them
        ("ratio", "nlr", "neutrophil+lymphocyte", 20, 100),
        ("ratio", "cd4_cd8_ratio", "cd4_t+cd8_t", 20, 60),
    ],
)
def test_counts_and_parents(sets, name_samples, level, entity, parent, n, n_parent):
    row = counted(cells_of(KINDS), sets, name_samples).loc[("s1", level, entity)]
    assert (row["parent"], row["n"], row["n_parent"]) == (parent, n, n_parent)
    assert row["fraction"] == pytest.approx(n / n_parent)
    assert row["patient"] == "p1"


def test_lineages_sum_to_all_cells(sets, name_samples):
    table = counted(cells_of(KINDS), sets, name_samples)
    assert table.loc[("s1", "lineage"), "n"].sum() == 200
    assert table.loc[("s1", "lineage"), "fraction"].sum() == pytest.approx(1)
    assert table.loc[("s1", "cell_type"), "n"].sum() == 200


def test_absent_is_zero_and_not_measured_is_empty(sets, name_samples):
    other = cells_of({("t_cell", "cd4_t"): 50, ("nk", "nk"): 9}, sample="s2", patient="p2")
    table = counted(pd.concat([cells_of(KINDS), other]), sets, name_samples)
    row = table.loc[("s2", "cell_type", "cd8_t")]
    assert (row["n"], row["n_parent"], row["fraction"]) == (0, 50, 0)
    row = table.loc[("s2", "state", "texp")]
    assert (row["n"], row["n_parent"], row["note"]) == (0, 0, "fewer than 10 parent cells")
    assert np.isnan(row["fraction"])
    assert len(table.loc["s1"]) == len(table.loc["s2"])


def test_a_sample_that_kept_no_cell_has_rows_without_fractions(sets, name_samples):
    empty = pd.DataFrame([{**SHEET, "sample": "s9", "patient": "p9", "environment": "TIME"}])
    table = counted(cells_of(KINDS), sets, name_samples, extra=empty).loc["s9"]
    assert (table["n_parent"] == 0).all()
    assert table["fraction"].isna().all()


def test_an_excluded_sample_has_rows_without_numbers_and_the_reason(sets, name_samples):
    other = pd.DataFrame([{**SHEET, "sample": "s9", "patient": "p9", "environment": "TIME"}])
    cells = cells_of(KINDS)
    samples = pd.concat([name_samples(cells), name_samples(other)])
    table = count_entities(cells, samples, sets, min_parent_cells=10, excluded={"s9": "keeps 3 cells"})
    rows = table[table["sample"] == "s9"]
    assert rows[["n", "n_parent", "fraction"]].isna().all(axis=None)
    assert set(rows["note"]) == {"sample excluded: keeps 3 cells"}
    assert set(rows["environment"]) == {"TIME"}
    plain = count_entities(cells, name_samples(cells), sets, min_parent_cells=10)
    ours = table[table["sample"] == "s1"].reset_index(drop=True)
    assert rows["entity"].tolist() == plain["entity"].tolist()
    pd.testing.assert_frame_equal(ours, plain, check_dtype=False)


def test_granulocytes_are_not_zero_where_they_are_lost(sets, name_samples):
    tumour = {"sample": "t1", "environment": "TIME", "tissue": "lung"}
    blood = {key: n for key, n in KINDS.items() if key[0] != "neutrophil"}
    cells = pd.concat([cells_of(blood), cells_of(KINDS, **tumour)])
    table = counted(cells, sets, name_samples)
    lost = table.loc[("s1", "lineage", "neutrophil")]
    assert (lost["n"], lost["note"]) == (0, "not captured: no neutrophil in any STIE sample")
    assert np.isnan(lost["fraction"])
    assert table.loc[("t1", "lineage", "neutrophil"), "fraction"] == pytest.approx(0.1)
    # a few neutrophils that slipped into PBMC say nothing of the blood
    cells = pd.concat([cells_of(KINDS, tissue="PBMC"), cells_of(KINDS, **tumour)])
    lost = counted(cells, sets, name_samples).loc[("s1", "ratio", "nlr")]
    assert (lost["n"], lost["note"]) == (20, "not captured: PBMC hold no neutrophil")
    assert np.isnan(lost["fraction"])


def test_neutrophils_without_a_single_mdsc_are_a_true_zero(sets, name_samples):
    kinds = {key: n for key, n in KINDS.items() if "pmn_mdsc" not in key}
    cells = pd.concat([cells_of(kinds), cells_of(KINDS, sample="t1", environment="TIME")])
    row = counted(cells, sets, name_samples).loc[("s1", "state", "pmn_mdsc")]
    assert (row["n"], row["n_parent"], row["fraction"]) == (0, 18, 0)


def test_the_parent_of_a_call_holds_every_called_cell(sets, name_samples):
    kinds = {
        ("monocyte", "mono_cd14"): 20,
        ("monocyte", "monocyte", "m_mdsc"): 5,
        ("monocyte", "monocyte"): 5,
    }
    row = counted(cells_of(kinds), sets, name_samples).loc[("s1", "state", "m_mdsc")]
    assert (row["parent"], row["n"], row["n_parent"]) == ("monocyte", 5, 30)


def test_a_lineage_that_was_not_seen_stays_the_parent(sets, name_samples):
    kinds = {("monocyte", "mono_cd14"): 20, ("dc", "dc"): 20}
    row = counted(cells_of(kinds), sets, name_samples).loc[("s1", "state", "pmn_mdsc")]
    assert (row["parent"], row["n_parent"]) == ("neutrophil", 0)
    assert np.isnan(row["fraction"])


def test_unresolved_types_take_the_lineage_as_parent(sets, name_samples):
    row = counted(cells_of({("t_cell", "t_cell"): 20}), sets, name_samples).loc[("s1", "state", "texp")]
    assert (row["parent"], row["n"], row["n_parent"]) == ("t_cell", 0, 20)


def test_agrees_with_pandas_counting(sets, name_samples, draw_cohort):
    cells = draw_cohort({("STIE", "before"): {}, ("TIME", "before"): {}}, n_patients=2)
    table = counted(cells, sets, name_samples)
    for sample, rows in cells.groupby("sample"):
        for kind, n in rows["cell_type"].value_counts().items():
            lineage = rows.loc[rows["cell_type"] == kind, "lineage"].iloc[0]
            row = table.loc[(sample, "cell_type", kind)]
            assert (row["n"], row["n_parent"]) == (n, (rows["lineage"] == lineage).sum())
        inside = rows[rows["cell_type"] == "cd8_t"]
        assert table.loc[(sample, "state", "texp"), "fraction"] == pytest.approx(inside["is_texp"].mean())


def test_cells_of_both_opposed_states_are_counted_apart(sets, name_samples):
    kinds = ["macrophage"] * 100
    cells = pd.DataFrame({"cell": range(100), "sample": "s1", "patient": "p1", "environment": "TIME"})
    cells = cells.assign(lineage=kinds, cell_type=kinds, timepoint="", tissue="lung")
    number = np.arange(100)
    cells = cells.assign(is_m1_macrophage=number < 30, is_m2_macrophage=(number >= 20) & (number < 60))
    table = counted(cells, sets, name_samples)
    expected = {
        ("state", "m1_macrophage"): (30, 100),
        ("state", "m2_macrophage"): (40, 100),
        ("composite", "m1_m2_mixed"): (10, 100),
        ("ratio", "m2_m1_ratio"): (30, 50),
    }
    for (level, entity), numbers in expected.items():
        assert tuple(table.loc[("s1", level, entity), ["n", "n_parent"]]) == numbers
    assert "n1_n2_mixed" not in table.index.get_level_values("entity")
