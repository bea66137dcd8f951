"""Observed over expected numbers of cells: the chi-square test, planted preferences, and Zhang 2018."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, ttest_1samp

from stietime.cohort.composition.composition import count_entities
from stietime.cohort.composition.tissue_preference import COLUMNS, MEAN, POOLED, tissue_preference

OPTIONS = {"before": "before", "after": "after", "min_parent_cells": 10, "min_patients": 3}


@pytest.fixture(scope="module")
def composition(draw_cohort, name_samples, sets):
    """Six patients with blood, tumour and normal tissue; CD8 T cells three times denser in the tumour."""
    fractions = [0.2, 0.05, 0.08, 0.06, 0.15, 0.1, 0.04, 0.02, 0.1, 0.1]
    dense = fractions.copy()
    dense[1] = 0.15
    plan = {
        ("STIE", "before"): {"fractions": fractions},
        ("TIME", "before"): {"fractions": dense},
        ("normal", "before"): {"fractions": fractions},
    }
    cells = draw_cohort(plan, n_patients=6, n_cells=800)
    return count_entities(cells, name_samples(cells), sets, min_parent_cells=10), cells


def rows_of(table, entity, patient):
    return table[(table["entity"] == entity) & (table["patient"] == patient)].set_index("environment")


def test_expectations_are_those_of_the_chi_square_test(composition):
    counted, cells = composition
    table = tissue_preference(counted, **OPTIONS)
    assert list(table.columns) == list(COLUMNS)
    of_lineage = table[table["level"] == "lineage"]
    for patient, chosen in (("p2", cells[cells["patient"] == "p2"]), (POOLED, cells)):
        crossed = pd.crosstab(chosen["lineage"], chosen["environment"])
        expected = pd.DataFrame(
            chi2_contingency(crossed).expected_freq, index=crossed.index, columns=crossed.columns
        )
        found = of_lineage[of_lineage["patient"] == patient]
        wide = found.set_index(["entity", "environment"])
        for entity in crossed.index:
            for environment in crossed.columns:
                row = wide.loc[(entity, environment)]
                assert row["observed"] == crossed.loc[entity, environment]
                assert row["expected"] == pytest.approx(expected.loc[entity, environment])
                assert row["roe"] == pytest.approx(
                    crossed.loc[entity, environment] / expected.loc[entity, environment]
                )


def test_the_mean_of_patients_is_a_t_interval_of_their_logs_and_finds_what_was_planted(composition):
    table = tissue_preference(composition[0], **OPTIONS)
    each = table[(table["entity"] == "cd8_t_of_immune") & table["patient"].str.match(r"p\d")]
    for environment, rows in each.groupby("environment"):
        logs = np.log2((rows["observed"] + 0.5) / (rows["expected"] + 0.5))
        interval = ttest_1samp(logs, 0).confidence_interval(0.95)
        row = rows_of(table, "cd8_t_of_immune", MEAN).loc[environment]
        assert (row["log2_roe"], row["ci_low"], row["ci_high"]) == pytest.approx(
            (logs.mean(), interval.low, interval.high)
        )
        assert row["roe"] == pytest.approx(2 ** logs.mean())
        assert row["n_patients"] == 6
    found = rows_of(table, "cd8_t_of_immune", MEAN)
    assert found.loc["TIME", "ci_low"] > 0
    assert found.loc["STIE", "ci_high"] < 0
    steady = rows_of(table, "nk_of_immune", MEAN)
    assert ((steady["ci_low"] < 0.1) & (steady["ci_high"] > -0.2)).all()


def test_states_are_expected_within_their_parent(composition):
    table = tissue_preference(composition[0], **OPTIONS)
    row = rows_of(table, "texp", "p1").loc["TIME"]
    counts = composition[0].query("entity == 'texp' and patient == 'p1'").set_index("environment")
    expected = counts.loc["TIME", "n_parent"] * counts["n"].sum() / counts["n_parent"].sum()
    assert (row["parent"], row["expected"]) == ("cd8_t", pytest.approx(expected))


def test_moments_are_apart_and_one_environment_or_donors_prefer_nothing(draw_cohort, name_samples, sets):
    plan = {("STIE", "before"): {}, ("TIME", "before"): {}, ("STIE", "after"): {}, ("TIME", "week 1"): {}}
    cells = draw_cohort(plan, n_patients=3)
    donor = draw_cohort({("STIE", "before"): {}}, n_patients=1, cancer="healthy")
    donor = donor.assign(patient="d1", sample="d1_blood")
    both = pd.concat([cells, donor], ignore_index=True)
    counted = count_entities(both, name_samples(both), sets, min_parent_cells=10)
    table = tissue_preference(counted, **OPTIONS)
    assert set(table["moment"]) == {"baseline"}
    assert set(table["patient"]) == {MEAN, POOLED, "p0", "p1", "p2"}


def test_too_few_patients_or_expected_cells_have_no_interval_and_say_why(composition):
    counted = composition[0]
    two = tissue_preference(counted[counted["patient"].isin(["p0", "p1"])], **OPTIONS)
    row = rows_of(two, "cd8_t_of_immune", MEAN).loc["TIME"]
    assert np.isnan(row["ci_low"])
    assert row["note"] == "2 patients with 5 expected cells, 3 needed for an interval"
    rare = counted.assign(n=counted["n"].where(counted["entity"] != "nk_of_immune", 0))
    rare.loc[(rare["entity"] == "nk_of_immune") & (rare["patient"] == "p0"), "n"] = 2
    table = tissue_preference(rare, **OPTIONS)
    assert (rows_of(table, "nk_of_immune", MEAN)["note"] == "no patient with 5 expected cells").all()
    assert rows_of(table, "nk_of_immune", "p0")["note"].str.startswith("fewer than 5").all()
    assert rows_of(table, "nk_of_immune", "p1").empty  # without a cell there is nothing to expect


def test_excluded_samples_and_small_parents_count_for_nothing(draw_cohort, name_samples, sets):
    cells = draw_cohort({("STIE", "before"): {}, ("TIME", "before"): {}}, n_patients=4, n_cells=60)
    samples = name_samples(cells)
    counted = count_entities(
        cells[cells["sample"] != "p0_TIME_before"],
        samples,
        sets,
        min_parent_cells=10,
        excluded={"p0_TIME_before": "bad"},
    )
    table = tissue_preference(counted, **OPTIONS)
    assert "p0" not in set(table["patient"])
    assert rows_of(table, "texp", "p1").empty  # nine or so CD8 T cells


@pytest.mark.data
def test_clusters_of_zhang_2018_prefer_the_tissues_that_the_authors_tell(data_dir):
    path = data_dir / "zhang2018_crc_tcell_labels_blood_normal_tumor" / "example.cloneDat.Zhang2018.txt"
    cells = pd.read_csv(path, sep="\t")
    place = {"P": "STIE", "T": "TIME", "N": "normal"}
    cells["environment"] = cells["loc"].map(place)
    cells["sample"] = cells["patient"] + cells["loc"]
    wide = pd.crosstab(cells["sample"], cells["majorCluster"]).reset_index()
    n = wide.melt(id_vars="sample", value_name="n")
    sheet = cells.drop_duplicates("sample")[["sample", "patient", "environment", "stype"]]
    rows = n.rename(columns={"majorCluster": "entity"}).merge(sheet.drop(columns="stype"), on="sample")
    rows["parent"] = "t_cell"
    rows["n_parent"] = rows.groupby("sample")["n"].transform("sum")
    rows = rows.assign(level="cell_type", note="", timepoint="before", treatment="", donor=False)
    table = tissue_preference(rows, **OPTIONS)
    crossed = pd.crosstab(cells["majorCluster"], cells["environment"])
    expected = chi2_contingency(crossed).expected_freq
    pooled = table[table["patient"] == POOLED].pivot_table(
        index="entity", columns="environment", values="roe"
    )
    assert cells.groupby("patient")["loc"].nunique().min() > 1  # all patients are in the pool
    np.testing.assert_allclose(pooled.to_numpy(), (crossed / expected).to_numpy(), rtol=1e-12)
    means = table[table["patient"] == MEAN].set_index(["entity", "environment"])
    tumour = means.xs("TIME", level="environment")
    blood = means.xs("STIE", level="environment")
    enriched = tumour[tumour.index.str.contains("LAYN|CTLA4")]
    assert len(enriched) >= 2
    assert (enriched["ci_low"] > 0).all()
    assert (blood.loc[blood.index.str.contains("CX3CR1"), "ci_low"] > 0).all()
