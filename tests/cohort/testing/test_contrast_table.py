"""The table of contrasts: planted effects, small cohorts, nulls, and real patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime.cohort.composition.composition import count_entities
from stietime.cohort.design.designs import Contrast, find_contrasts
from stietime.cohort.testing.contrasts import COLUMNS, compare
from stietime.cohort.testing.measures import CELL_FRACTION, GENE_EXPRESSION, Measure, composition_measure
from stietime.cohort.testing.signatures import signature_measure

MORE_TEXP = {"states": {"texp": 0.75, "treg": 0.2}}


def table_of(cells, sets, name_samples, min_pairs=3, **names):
    samples = name_samples(cells, **names)
    composition = count_entities(cells, samples, sets, min_parent_cells=10)
    measures = [
        composition_measure(composition, min_parent_cells=10),
        signature_measure(cells, samples, sets, min_parent_cells=10),
    ]
    found = find_contrasts(samples, before="before", after="after", min_pairs=min_pairs)
    table = compare(found, measures, min_pairs=min_pairs)
    return table.set_index(["contrast", "kind", "entity"]).sort_index()


def test_planted_effects_come_back_with_sign_and_interval(sets, name_samples, draw_cohort):
    plan = {
        ("STIE", "before"): {"states": {"texp": 0.1}},
        ("TIME", "before"): {"states": {"texp": 0.6}, "score_shift": 0.1},
        ("TIME", "after"): {"states": {"texp": 0.8}},
    }
    table = table_of(draw_cohort(plan, n_patients=6, n_cells=500), sets, name_samples)
    row = table.loc[("stie_vs_time", CELL_FRACTION, "texp")]
    truth = np.log(0.1 / 0.9) - np.log(0.6 / 0.4)
    assert row["ci_low"] < truth < row["ci_high"] < 0
    assert row["q"] <= 0.05
    assert (row["n_patients"], row["n_pairs"], row["status"], row["note"]) == (6, 6, "tested", "")
    assert row["mean_second"] == pytest.approx(0.6, abs=0.08)
    assert table.loc[("after_vs_before:TIME", CELL_FRACTION, "texp"), "estimate"] > 0.5
    score = table.loc[("stie_vs_time", "signature", "cd8_gzmb")]
    assert score["estimate"] == pytest.approx(-0.1, abs=0.02)
    assert score["p_exact"] == 2 / 2**6


def test_nothing_planted_is_rarely_found(sets, name_samples, draw_cohort):
    plan = {("STIE", "before"): {}, ("TIME", "before"): {}}
    found = 0
    for seed in range(10):
        table = table_of(draw_cohort(plan, n_cells=200, seed=seed), sets, name_samples)
        family = table.loc[("stie_vs_time", CELL_FRACTION)]
        found += (family["q"] <= 0.05).any()
    assert found <= 2


def test_the_sign_is_that_of_the_first_named(sets, name_samples, draw_cohort):
    blood = draw_cohort({("STIE", "before"): MORE_TEXP}, n_patients=3)
    donors = draw_cohort({("STIE", ""): {}}, n_patients=3, seed=2, cancer="healthy", treatment="")
    donors["patient"], donors["sample"] = "d" + donors["patient"], "d" + donors["sample"]
    normal = draw_cohort(
        {("normal", ""): {}, ("TIME", "before"): MORE_TEXP}, n_patients=3, seed=3, treatment=""
    )
    table = table_of(pd.concat([blood, donors, normal]), sets, name_samples)
    for name in ("patient_vs_donor_blood", "time_vs_normal"):
        assert table.loc[(name, CELL_FRACTION, "texp"), "estimate"] > 1
    row = table.loc[("patient_vs_donor_blood", CELL_FRACTION, "texp")]
    assert (row["n_patients"], row["n_pairs"]) == (6, 0)
    assert row["method"].startswith("moderated Welch")
    assert table.loc[("time_vs_normal", CELL_FRACTION, "texp"), "n_pairs"] == 3


def test_two_pairs_have_an_estimate_and_no_p(sets, name_samples, draw_cohort):
    plan = {("STIE", "before"): {}, ("TIME", "before"): MORE_TEXP}
    row = table_of(draw_cohort(plan, n_patients=2), sets, name_samples).loc[
        ("stie_vs_time", CELL_FRACTION, "texp")
    ]
    assert row["note"] == "not testable: 2 pairs, 3 needed"
    assert row["estimate"] < 0
    assert np.isnan([row["p"], row["q"], row["ci_low"], row["p_exact"]]).all()


def test_environments_of_different_patients_make_no_pair(sets, name_samples, draw_cohort):
    blood = draw_cohort({("STIE", "before"): {}}, n_patients=2)
    tumour = draw_cohort({("TIME", "before"): {}}, n_patients=2)
    tumour["patient"], tumour["sample"] = "t" + tumour["patient"], "t" + tumour["sample"]
    row = table_of(pd.concat([blood, tumour]), sets, name_samples).loc[("stie_vs_time", CELL_FRACTION, "nk")]
    assert (row["n_pairs"], row["note"]) == (0, "not measured: no patient has both samples")


def test_what_cannot_be_measured_keeps_its_row_and_says_why(sets, name_samples, draw_cohort):
    no_cd8 = {"fractions": (0.3, 0, 0.08, 0.06, 0.15, 0, 0.04, 0.02, 0.1, 0.1)}
    plan = {("STIE", "before"): no_cd8, ("TIME", "before"): {"states": {"pmn_mdsc": 0.5, "treg": 0}}}
    cells = draw_cohort(plan)
    cells["is_treg"] = False
    table = table_of(cells, sets, name_samples).loc[("stie_vs_time", CELL_FRACTION)]
    row = table.loc["texp"]
    assert (
        row["note"]
        == "not measured: no patient with samples on both sides has 10 captured cells of the parent cd8_t"
    )
    assert np.isnan([row["estimate"], row["p"]]).all()
    assert table.loc["neutrophil", "status"] == "not measured"  # lost in the blood, not zero
    row = table.loc["treg"]
    assert (row["status"], row["note"]) == ("not seen", "not testable: not one cell in 4 pairs")
    assert np.isnan(row["estimate"])


def test_the_note_states_the_smallest_exact_p_and_who_is_missing(sets, name_samples, draw_cohort):
    cells = draw_cohort({("STIE", "before"): {}, ("TIME", "before"): {}}, n_patients=4)
    few = (cells["sample"] == "p0_STIE_before") & (cells["cell_type"] == "cd8_t")
    cells = cells[~few]
    row = table_of(cells, sets, name_samples).loc[("stie_vs_time", CELL_FRACTION, "texp")]
    assert row["n_pairs"] == 3
    assert row["note"] == "smallest exact p with 3 pairs is 0.25; not measured in 1 further patient"


def test_patients_in_both_unpaired_groups_are_counted_once(sets, name_samples, draw_cohort):
    plan = {("TIME", "before"): {}, ("normal", "before"): {}}
    cells = draw_cohort(plan, n_patients=5)
    cells = cells[~cells["sample"].isin(["p0_TIME_before", "p1_normal_before", "p2_normal_before"])]
    row = table_of(cells, sets, name_samples).loc[("time_vs_normal", CELL_FRACTION, "texp")]
    assert (row["n_pairs"], row["n_first"], row["n_second"], row["n_patients"]) == (0, 4, 3, 5)
    assert "2 patients in both groups" in row["note"]


def test_q_is_within_contrast_and_kind(sets, name_samples, draw_cohort):
    plan = {("STIE", "before"): {}, ("TIME", "before"): MORE_TEXP, ("TIME", "after"): {}}
    table = table_of(draw_cohort(plan), sets, name_samples)
    for _, family in table.groupby(level=["contrast", "kind"]):
        tested = family.dropna(subset="p")
        np.testing.assert_allclose(tested["q"], stats.false_discovery_control(tested["p"]))


def test_genes_that_are_absent_or_silent_are_not_zero():
    samples = ["a1", "b1", "a2", "b2", "a3", "b3"]
    numerator = pd.DataFrame(
        {"UP": [90, 10, 95, 9, 80, 12], "SILENT": 0, "GONE": 0}, index=samples, dtype=float
    )
    denominator = pd.DataFrame(1e5, index=samples, columns=numerator.columns)
    denominator["GONE"] = 0
    first, second = (pd.Series([1, 2, 3], index=samples[i::2]) for i in (0, 1))
    contrast = Contrast("c", "stie_vs_time", "", first, second, paired=True)
    measure = Measure(GENE_EXPRESSION, numerator, denominator, 1.0)
    table = compare([contrast], [measure], min_pairs=3).set_index("entity")
    assert table.loc["UP", "estimate"] == pytest.approx(np.log2([90 / 10, 95 / 9, 80 / 12]).mean(), abs=0.2)
    assert table.loc["SILENT", "note"] == "not testable: not one count in 3 pairs"
    assert table.loc["GONE", "note"] == "not measured: the gene is in no sample"
    assert table.loc["SILENT":, ["estimate", "p"]].isna().all(axis=None)


def test_no_contrast_gives_an_empty_table_with_all_columns():
    assert list(compare([], [], min_pairs=3).columns) == list(COLUMNS)


def null_p_values(rng, *, n_pairs, depths, n_draws):
    """Fractions of 17 types that differ between patients and samples, never between environments."""
    base = np.array([25, 15, 10, 10, 8, 8, 6, 5, 4, 3, 2, 1.5, 1, 0.8, 0.4, 0.2, 0.1])
    base /= base.sum()
    tables = []
    for _ in range(n_draws):
        patients = rng.dirichlet(base * 120, n_pairs)
        counts = []
        for depth in depths:
            total = np.round(depth * np.exp(rng.normal(0, 0.5, n_pairs))).astype(int) + 20
            chances = [rng.dirichlet(p * 60 + 1e-9) for p in patients]
            counts.append(np.stack([rng.multinomial(n, p) for n, p in zip(total, chances, strict=True)]))
        rows = np.concatenate(counts).astype(float)
        index = [f"{side}{i}" for side in "ab" for i in range(n_pairs)]
        numerator = pd.DataFrame(rows, index=index)
        denominator = pd.DataFrame(np.repeat(rows.sum(1, keepdims=True), len(base), axis=1), index=index)
        arms = [pd.Series(range(n_pairs), index=index[k * n_pairs : (k + 1) * n_pairs]) for k in (0, 1)]
        contrast = Contrast("c", "stie_vs_time", "", *arms, paired=True)
        tables.append(compare([contrast], [Measure(CELL_FRACTION, numerator, denominator, 10)], min_pairs=3))
    return pd.concat(tables)


@pytest.mark.parametrize("depths", [(500, 500), (2000, 200)])
def test_type_one_error_is_near_its_level_at_equal_and_unequal_depth(depths):
    table = null_p_values(np.random.default_rng(11), n_pairs=5, depths=depths, n_draws=120)
    p = table["p"].dropna()
    assert len(p) > 1500
    assert 0.03 <= (p <= 0.05).mean() <= 0.065
    rates = table.dropna(subset="p").groupby("entity")["p"].agg(lambda values: (values <= 0.05).mean())
    # a fixed half count reaches 0.6 and more for the rare types at unequal depth
    assert rates.max() <= 0.16
    assert table["p_exact"].min() == 2 / 2**5


@pytest.mark.data
def test_exhausted_and_regulatory_t_cells_are_tumour_enriched_in_twelve_patients(data_dir):
    path = data_dir / "zhang2018_crc_tcell_labels_blood_normal_tumor" / "example.cloneDat.Zhang2018.txt"
    cells = pd.read_csv(path, sep="\t")
    cells["sample"] = cells["patient"] + cells["loc"]
    counts = pd.crosstab(cells["sample"], cells["majorCluster"]).astype(float)
    totals = pd.crosstab(cells["sample"], cells["stype"]).astype(float)
    parent = pd.DataFrame({name: totals[name.split("_")[0]] for name in counts.columns})
    patients = cells.drop_duplicates("sample").set_index("sample")
    arms = [patients.loc[patients["loc"] == loc, "patient"] for loc in ("P", "T")]
    contrast = Contrast("stie_vs_time", "stie_vs_time", "", *arms, paired=True)
    table = compare([contrast], [Measure(CELL_FRACTION, counts, parent, 10)], min_pairs=3).set_index("entity")
    enriched = table[table.index.str.contains("LAYN|CTLA4")]
    assert len(enriched) >= 2
    assert (enriched["estimate"] < 0).all()
    assert (enriched["q"] <= 0.05).all()
    assert (enriched["n_pairs"] >= 10).all()
    naive = table[table.index.str.contains("LEF1|TCF7|CX3CR1|GNLY")]
    assert (naive["estimate"] > 0).sum() >= 3


def test_the_error_of_counting_is_that_of_draws():
    rng, n, share, depth = np.random.default_rng(2), 400, 0.2, 300
    names_of = [f"p{i}" for i in range(n)]
    samples = [f"{name}_{arm}" for arm in ("a", "b") for name in names_of]
    counts = pd.DataFrame({"x": rng.binomial(depth, share, 2 * n).astype(float)}, index=samples)
    patients = pd.Series(names_of * 2, index=samples)
    contrast = Contrast("c", "stie_vs_time", "", patients[:n], patients[n:], paired=True)
    row = compare([contrast], [Measure(CELL_FRACTION, counts, counts * 0 + depth, 10)], min_pairs=3).iloc[0]
    assert row["counting_se"] == pytest.approx(np.sqrt(2 / (depth * share * (1 - share)) / n), rel=0.02)
    assert row["counting_se"] == pytest.approx(row["se"], rel=0.1)  # nothing else makes these differ
