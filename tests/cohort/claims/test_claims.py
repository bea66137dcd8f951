"""Verdicts on the reviews' claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime import names
from stietime.cohort.claims import reasons
from stietime.cohort.claims.claims import weigh
from stietime.cohort.claims.conflicts import conflict_groups
from stietime.cohort.claims.evidence import Answer, gather_evidence
from stietime.cohort.claims.patient_groups import RESPONSE, UNANSWERED
from stietime.cohort.claims.reasons import CLASSES, REASONS
from stietime.cohort.claims.verdicts import Margins, equivalence_p, judge, power_for
from stietime.cohort.composition.composition import count_entities
from stietime.cohort.composition.gates import count_gated
from stietime.cohort.design.designs import Contrast, find_contrasts
from stietime.cohort.expression.samples import Pseudobulk, expression_measure
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import composition_measure, gated_measure
from stietime.cohort.testing.signatures import signature_measure
from stietime.resources import read_claims

CLAIMS = read_claims()
MARGINS = Margins(log_odds=0.5, score=0.05, log2_fold=0.5)
STATISTICS = Path(__file__).parents[3] / "docs" / "statistics.md"


def weighed(
    cells, sets, name_samples, *, genes=("CXCL16", "GZMB"), fold=None, further=(), answers=(), other=False
):
    """Weigh the claims against made-up cells; `fold` maps a gene to its ratio in tumour over elsewhere."""
    samples = name_samples(cells)
    composition = count_entities(cells, samples, sets, min_parent_cells=10)
    rng = np.random.default_rng(0)
    bulks = {}
    for sample, environment in samples["environment"].items():
        factors = [(fold or {}).get(gene, 1.0) if environment == "TIME" else 1.0 for gene in genes]
        counts = pd.Series(rng.poisson(np.array(factors) * 200), index=list(genes), dtype=float)
        bulks[sample] = Pseudobulk(counts, 1e6, 100)
    measures = [
        composition_measure(composition, min_parent_cells=10),
        signature_measure(cells, samples, sets, min_parent_cells=10),
        expression_measure(bulks, [*genes, "IL2"], min_parent_cells=10),
    ]
    wanted = CLAIMS.loc[CLAIMS["testable"] == "cell_fraction", "entity_id"].unique()
    gated = count_gated(cells, samples, sets, wanted, min_parent_cells=10)
    measures.insert(1, gated_measure(gated, min_parent_cells=10))
    found = find_contrasts(samples, before="before", after="after", min_pairs=3)
    found += [make(samples) for make in further]
    evidence = gather_evidence(compare(found, measures, min_pairs=3), composition, samples, answers=answers)
    table = weigh(CLAIMS, evidence, alpha=0.05, margins=MARGINS, of_other_cancers=other)
    return table.set_index("claim_id")


BLOOD = {("STIE", "before"): {}}
FULL = {(e, t): {} for e in ("STIE", "TIME") for t in ("before", "after")}


@pytest.fixture(scope="module")
def full(sets, name_samples, draw_cohort):
    plan = {
        **FULL,
        ("STIE", "before"): {
            "states": {"texp": 0.1},
            "fractions": (0.2, 0.3, 0.08, 0.06, 0.15, 0.1, 0.04, 0.02, 0.1, 0.1),
        },
        ("TIME", "after"): {"states": {"texp": 0.8}},
    }
    cells = draw_cohort(plan, n_patients=6, n_cells=500)
    normal = draw_cohort({("normal", ""): {}}, n_patients=6, seed=5, n_cells=500, treatment="")
    return weighed(pd.concat([cells, normal]), sets, name_samples, fold={"GZMB": 0.2})


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (FULL, {}),
        (FULL, {"n_patients": 1}),
        (FULL, {"treatment": "radiotherapy", "cancer": "HCC"}),
        (FULL, {"treatment": "CAR-T", "cancer": "melanoma"}),
        (FULL, {"cancer": ""}),
        (FULL, {"species": "mouse"}),
        (BLOOD, {}),
        ({("TIME", "before"): {}, ("normal", "before"): {}}, {"cancer": "NPC"}),
    ],
    ids=[
        "full",
        "one patient",
        "HCC radiotherapy",
        "melanoma",
        "no cancer named",
        "mouse",
        "blood only",
        "NPC normal",
    ],
)
def test_every_claim_has_one_verdict_with_a_listed_reason(sets, name_samples, draw_cohort, plan, options):
    table = weighed(draw_cohort(plan, n_cells=150, **options), sets, name_samples)
    assert table.index.tolist() == CLAIMS["claim_id"].tolist()
    assert len(table) == 516
    assert set(table["reason"]) <= set(REASONS)
    assert table["verdict"].tolist() == [REASONS[reason].verdict for reason in table["reason"]]
    assert table["why"].tolist() == [REASONS[reason].why for reason in table["reason"]]
    assert not table["verdict"].isna().any()
    tested = table["verdict"] != names.NOT_TESTABLE
    assert table.loc[tested, ["estimate", "ci_low", "ci_high", "p", "q"]].notna().all(axis=None)
    assert (table.loc[tested, "n_patients"] >= 3).all()
    assert table.loc[~tested, "p"].isna().all()
    if options.get("n_patients") == 1 or options.get("species") == "mouse" or plan is BLOOD:
        assert not tested.any()
    elif not options:
        assert tested.sum() >= 10


def test_the_reviews_columns_are_kept(full):
    kept = CLAIMS.set_index("claim_id")
    pd.testing.assert_frame_equal(full[kept.columns], kept)


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("T1-NSCLC-STIE-regulator-01", reasons.PROTEIN_ONLY),  # plasma TGF-b1
        ("X0-019", reasons.NOT_TRANSCRIPTOMIC),  # TCR repertoire
        ("X0-011", reasons.NEEDS_PROGNOSIS),  # by survival
        ("X0-106", reasons.NEEDS_TREATMENT_ARMS),  # radiotherapy and PD-1 inhibitor against radiotherapy
        ("X0-001", reasons.NEEDS_TUMOUR_GROUPS),  # hot against cold
        ("X0-120", reasons.COMPARES_CELLS),  # Texp against other CD8+ T cells
        ("X0-005", reasons.COMPARES_REGIONS),  # centre against margin
        ("X0-119", reasons.DESIGN_NOT_IN_COHORT),  # responders
        ("X1-005", reasons.OTHER_TREATMENT),  # M2/M1 after radiotherapy
        ("T1-HCC-TIME-cell-01", reasons.OTHER_CANCER),
        ("X0-116", reasons.OTHER_CANCER),  # melanoma and RCC, printed in its note
        ("X1-046", reasons.NO_DIRECTION),
        ("T1-NSCLC-STIE-cell-04", reasons.DESIGN_NOT_IN_COHORT),  # Ter cells against donors
        ("X0-085", reasons.OTHER_TREATMENT),  # after radiotherapy
        ("X0-071", reasons.CELLS_NOT_CALLED),  # ILC3
        ("X0-067", reasons.SET_NOT_SCORED),  # TGF-b response
        ("X0-130", reasons.GENE_NOT_IN_DATA),  # CD38
        ("X0-098", reasons.GENE_NOT_IN_DATA),  # IL2 was asked for and is in no sample
        ("X0-092", reasons.SAME_DIRECTION),  # Texp up after immunotherapy
    ],
)
def test_reasons(full, claim, reason):
    assert full.loc[claim, "reason"] == reason, full.loc[claim, "detail"]


def test_compartment_is_told_from_design(sets, name_samples, draw_cohort):
    plan = {("TIME", "before"): {}, ("TIME", "after"): {}}
    table = weighed(draw_cohort(plan, n_cells=150), sets, name_samples)
    blood = table[(table["design"] == "after_vs_before") & (table["compartment"] == "STIE")]
    found = set(blood.loc[blood["context"] == "immunotherapy", "reason"])
    assert reasons.OTHER_COMPARTMENT in found
    assert reasons.DESIGN_NOT_IN_COHORT not in found
    paired = table[(table["design"] == "stie_vs_time") & (table["reason"] != reasons.OTHER_CANCER)]
    assert set(paired["reason"]) == {reasons.NO_ENVIRONMENT}
    assert paired["detail"].str.contains("no sample of STIE").all()


def with_macrophages(cells, seed=0):
    """Make monocytes macrophages, more M1 and fewer M2 after treatment, some of them both."""
    rng, found = np.random.default_rng(seed), cells["cell_type"] == "mono_cd14"
    after = cells["timepoint"] == "after"
    is_m1 = found & (rng.random(len(cells)) < np.where(after, 0.5, 0.1))
    is_m2 = found & (rng.random(len(cells)) < np.where(after, 0.1, 0.5))
    types = {name: cells[name].mask(found, "macrophage") for name in ("lineage", "cell_type")}
    return cells.assign(**types, is_m1_macrophage=is_m1, is_m2_macrophage=is_m2)


def test_claims_on_m1_and_m2_are_tested_once_they_are_called(sets, name_samples, draw_cohort):
    plan = {("TIME", "before"): {}, ("TIME", "after"): {}}
    cells = draw_cohort(plan, n_patients=6, n_cells=600, treatment="radiotherapy")
    before = weighed(cells, sets, name_samples)
    assert before.loc["X1-005", "reason"] == reasons.RATIO_NOT_COMPUTABLE
    table = weighed(with_macrophages(cells), sets, name_samples)
    assert len(table) == len(before) == 516
    row = table.loc["X1-005"]  # M2 turn into M1 after radiotherapy
    assert (row["entity_tested"], row["kind_tested"]) == ("m2_m1_ratio", "cell_fraction")
    assert row["reason"] == reasons.SAME_DIRECTION
    of_m2 = table[(table["entity_id"] == "m2_macrophage") & (table["entity_tested"] != "")]
    assert set(of_m2["kind_tested"]) == {"cell_fraction"}


def test_states_types_and_proxies_are_found(full):
    assert full.loc["X0-092", ["entity_tested", "contrast"]].tolist() == ["texp", "after_vs_before:TIME"]
    row = full.loc["T1-NSCLC-STIE-cell-01"]  # granzyme B+ CD8+ T cells have no call
    assert (row["entity_tested"], row["kind_tested"]) == ("cd8_gzmb", "signature")
    assert "no call for it: mean score in cd8_t" in row["detail"]
    types = full[(full["design"] == "stie_vs_time") & (full["entity_id"] == "neutrophil")]
    assert types["entity_tested"].tolist() == ["neutrophil_of_immune"]
    gene = full[(full["design"] == "time_vs_normal") & (full["entity_id"] == "GZMB")]
    assert gene["verdict"].tolist() == [names.SUPPORTED]  # claimed down, planted down


def test_opposite_effects_contradict(full):
    rows = full[(full["verdict"] == names.CONTRADICTED) & (full["direction"] == "up")]
    assert (rows["estimate"] < 0).all()
    rows = full[(full["verdict"] == names.SUPPORTED) & (full["direction"] == "down")]
    assert len(rows)
    assert (rows["ci_high"] < 0).all()


def test_a_claim_of_one_cancer_is_weighed_in_that_cancer_only(sets, name_samples, draw_cohort):
    lung = draw_cohort({("TIME", "before"): {}, ("TIME", "after"): {"states": {"texp": 0.9}}}, n_patients=4)
    liver = draw_cohort(
        {("TIME", "before"): {"states": {"texp": 0.9}}, ("TIME", "after"): {}}, seed=2, cancer="HCC"
    )
    liver["patient"], liver["sample"] = "h" + liver["patient"], "h" + liver["sample"]
    table = weighed(pd.concat([lung, liver]), sets, name_samples)
    row = table.loc["X0-092"]
    assert (row["contrast"], row["verdict"]) == ("after_vs_before:TIME;cancer=NSCLC", names.SUPPORTED)
    pan = table[(table["cancer"] == "pan_cancer") & (table["contrast"] != "")]
    assert set(pan["contrast"]) == {"after_vs_before:TIME"}
    assert (pan["n_patients"] == 8).any()


def row_with(estimate=1.0, se=0.2, q=0.01, df=6.0, status="tested"):
    return {"estimate": estimate, "se": se, "df": df, "q": q, "status": status}


@pytest.mark.parametrize(
    ("direction", "row", "reason"),
    [
        ("up", row_with(), reasons.SAME_DIRECTION),
        ("down", row_with(), reasons.OPPOSITE_DIRECTION),
        ("down", row_with(estimate=-1.0), reasons.SAME_DIRECTION),
        ("up", row_with(q=0.051), reasons.NOT_SIGNIFICANT),
        ("up", row_with(q=0.05), reasons.SAME_DIRECTION),
        ("up", row_with(estimate=0.05, se=0.1, q=0.8), reasons.WITHIN_MARGIN),
        ("unchanged", row_with(), reasons.CHANGED),
        ("unchanged", row_with(estimate=0.1, se=0.5, q=0.8), reasons.NOT_EQUIVALENT),
        ("unchanged", row_with(estimate=0.1, se=0.05, q=0.8), reasons.EQUIVALENT),
        ("unchanged", row_with(estimate=0.1, se=0.02, q=0.01), reasons.EQUIVALENT),  # small but certain
        ("up", row_with(q=np.nan, status="too few patients"), reasons.TOO_FEW_PATIENTS),
        ("unchanged", row_with(q=np.nan, status="not seen"), reasons.NOT_SEEN),
        ("up", row_with(q=np.nan, status="not measured"), reasons.NOT_MEASURED),
        ("up", row_with(q=np.nan, status="no variance"), reasons.NO_VARIANCE),
    ],
)
def test_judgement(direction, row, reason):
    assert judge(direction, row, alpha=0.05, margin=0.5) == reason


def test_equivalence_equals_two_t_tests_of_scipy():
    values = np.random.default_rng(1).normal(0.1, 0.3, 9)
    se = stats.sem(values)
    lower = stats.ttest_1samp(values, -0.5, alternative="greater").pvalue
    upper = stats.ttest_1samp(values, 0.5, alternative="less").pvalue
    assert equivalence_p(values.mean(), se, 8.0, 0.5) == pytest.approx(max(lower, upper), rel=1e-9)
    normal = max(stats.norm.sf((values.mean() + 0.5) / se), stats.norm.cdf((values.mean() - 0.5) / se))
    assert equivalence_p(values.mean(), se, np.inf, 0.5) == pytest.approx(normal, rel=1e-6)


def test_power_is_that_of_statsmodels_and_of_draws():
    row = row_with(estimate=0.1, se=0.25, df=8.0)
    shows = power_for("up", row, alpha=0.05, margin=0.5)
    by_hand = stats.nct.sf(stats.t.ppf(0.975, 8), 8, 0.5 / 0.25)
    assert shows.power == pytest.approx(by_hand, rel=1e-6)
    assert shows.p_equivalence == pytest.approx(equivalence_p(0.1, 0.25, 8.0, 0.5))
    # nine patients with a known spread: how often are nine draws of no effect found equivalent?
    draws = np.random.default_rng(3).normal(0, 0.6, (20_000, 9))
    se = 0.6 / 3
    means = draws.mean(axis=1)
    equivalent = [equivalence_p(mean, se, np.inf, 0.5) <= 0.05 for mean in means[:2000]]
    planned = power_for("unchanged", row_with(estimate=0.0, se=se, df=np.inf), alpha=0.05, margin=0.5)
    assert planned.power == pytest.approx(np.mean(equivalent), abs=0.03)
    assert power_for("unchanged", row_with(se=0.5), alpha=0.05, margin=0.5).power == 0
    assert np.isnan(power_for("up", row_with(se=np.nan), alpha=0.05, margin=0.5).power)


def test_agreement_of_patients_without_a_cell_shows_no_equivalence():
    agreed = row_with(estimate=0.0, se=0.05, q=0.9)
    assert judge("unchanged", agreed, alpha=0.05, margin=0.5) == reasons.EQUIVALENT
    few = {**agreed, "counting_se": 1.0}  # as with 0 of 2 cells on either side of five patients
    assert judge("unchanged", few, alpha=0.05, margin=0.5) == reasons.NOT_EQUIVALENT
    assert judge("up", few, alpha=0.05, margin=0.5) == reasons.NOT_SIGNIFICANT
    assert power_for("up", few, alpha=0.05, margin=0.5).power < 0.1
    assert power_for("up", few, alpha=0.05, margin=0.5).detectable > 2.5
    many = {**agreed, "counting_se": 0.01}
    assert power_for("up", many, alpha=0.05, margin=0.5) == power_for("up", agreed, alpha=0.05, margin=0.5)


def test_what_a_test_could_show_stands_in_every_weighed_row(full):
    weighed_rows = full[full["verdict"] != names.NOT_TESTABLE]
    columns = ["power", "detectable", "equivalence_margin", "p_equivalence"]
    assert weighed_rows[columns].notna().all(axis=None)
    assert weighed_rows["power"].between(0, 1).all()
    paired = weighed_rows["design"] == "stie_vs_time"
    assert (weighed_rows.loc[paired, "n_pairs"] == 6).all()
    assert set(weighed_rows["equivalence_margin"]) <= {0.5, 0.05}
    assert full.loc[full["verdict"] == names.NOT_TESTABLE, "why"].isin(CLASSES).all()
    assert full.loc[full["reason"] == reasons.EQUIVALENT, "verdict"].isin([names.EQUIVALENT]).all()


def response_of(environment, treatment):
    """Give a function that makes the contrast of responders (even patients) against the others."""

    def make(samples):
        rows = samples[(samples["environment"] == environment) & (samples["timepoint"] == "before")]
        responds = rows["patient"].str[1:].astype(int) % 2 == 0
        arms = rows.loc[responds, "patient"], rows.loc[~responds, "patient"]
        name = f"responder_vs_non:{environment}"
        return Contrast(
            name, "responder_vs_non", environment, *arms, paired=False, cancer="NSCLC", treatment=treatment
        )

    return make


def with_response(draw_cohort, seed=1):
    """Draw tumours, those of even patients with more Texp."""
    parts = []
    for patient in range(8):
        share = 0.7 if patient % 2 == 0 else 0.2
        plan = {("TIME", "before"): {"states": {"texp": share}}, ("STIE", "before"): {}}
        part = draw_cohort(plan, n_patients=1, n_cells=500, seed=seed + patient)
        parts.append(part.assign(patient=f"p{patient}", sample=f"p{patient}_" + part["environment"]))
    return pd.concat(parts, ignore_index=True)


def test_claims_on_response_are_weighed_by_responders_against_others(sets, name_samples, draw_cohort):
    cells = with_response(draw_cohort)
    made = [response_of(where, "immunotherapy") for where in ("TIME", "STIE")]
    table = weighed(cells, sets, name_samples, further=made, other=True)
    row = table.loc["X0-119"]  # responders: precursor exhausted CD8+ T cells
    assert (row["contrast"], row["reason"]) == ("responder_vs_non:TIME", reasons.SAME_DIRECTION)
    assert (row["expected"], row["n_patients"], row["n_pairs"]) == ("up", 8, 0)
    turned = table.loc["X0-018"]  # non-responders: CD8+ T cells down, so up in responders
    assert (turned["direction"], turned["expected"]) == ("down", "up")
    assert turned["contrast"] == "responder_vs_non:STIE"
    assert table.loc["X0-122", "reason"] == reasons.DESIGN_NOT_IN_COHORT  # an early increase is a change
    assert table.loc["X0-122", "detail"] == "change_responder_vs_non"
    alone = weighed(cells, sets, name_samples, further=[response_of("TIME", "radiotherapy")])
    assert alone.loc["X0-119", "reason"] == reasons.OTHER_TREATMENT


@pytest.mark.parametrize("fields", [("in",), ("in", "out"), ("out",), ()], ids=str)
def test_claims_on_irradiated_tumours_rest_on_lesions_in_the_field(sets, name_samples, draw_cohort, fields):
    cells = draw_cohort(FULL, n_patients=4)

    def of_field(field):
        def make(samples):
            patients = samples["patient"]
            late, early = ((samples["timepoint"] == when) for when in ("after", "before"))
            tumour = samples["environment"] == "TIME"
            arms = patients[tumour & late], patients[tumour & early]
            name = f"after_vs_before:TIME;rt_field={field}"
            parts = {"paired": True, "cancer": "NSCLC", "treatment": "radiotherapy"}
            return Contrast(name, "after_vs_before_by_field", "TIME", *arms, **parts)

        return make

    table = weighed(cells, sets, name_samples, further=[of_field(field) for field in fields])
    about = table[(table["context"] == "radiotherapy") & (table["cancer"] == "NSCLC")]
    tumour = about[(about["compartment"] == "TIME") & (about["design"] == "after_vs_before")]
    used = set(tumour["contrast"]) - {""}
    if "in" in fields:
        assert used == {"after_vs_before:TIME;rt_field=in"}
    elif fields:  # unirradiated lesions tell nothing of irradiated ones
        assert not used
        assert reasons.DESIGN_NOT_IN_COHORT in set(tumour["reason"])
    else:
        assert not any("rt_field" in contrast for contrast in used)


def test_every_reference_arm_between_patients_has_a_rule():
    arms = set(CLAIMS.loc[CLAIMS["design"] == "between_patients", "reference_arm"])
    assert arms == {*RESPONSE, *UNANSWERED}


def test_a_claim_of_another_cancer_is_weighed_only_when_asked(sets, name_samples, draw_cohort):
    cells = draw_cohort(FULL, n_patients=4)
    kept = weighed(cells, sets, name_samples)
    assert (kept.loc[kept["cancer"].isin(["HCC", "NPC"]), "verdict"] == names.NOT_TESTABLE).all()
    assert (kept["other_cancer"] == "").all()
    asked = weighed(cells, sets, name_samples, other=True)
    moved = asked[asked["other_cancer"] != ""]
    assert set(moved["other_cancer"]) == {"NSCLC"}
    assert "HCC" in set(moved["cancer"])
    assert moved["detail"].str.contains("weighed in NSCLC").all()
    same = kept["cancer"].isin(["NSCLC", "pan_cancer"])
    pd.testing.assert_series_equal(kept.loc[same, "verdict"], asked.loc[same, "verdict"])


def test_a_contrast_of_the_configuration_answers_what_it_is_said_to(sets, name_samples, draw_cohort):
    cells = draw_cohort(FULL, n_patients=4)

    def own(samples):
        patients = samples["patient"]
        late, early = ((samples["timepoint"] == when) for when in ("after", "before"))
        tumour = samples["environment"] == "TIME"
        arms = patients[tumour & late], patients[tumour & early]
        return Contrast("my_contrast", "configured", "TIME", *arms, paired=True, cancer="NSCLC", treatment="")

    silent = weighed(cells, sets, name_samples, further=[own])
    assert "my_contrast" not in set(silent["contrast"])
    answer = Answer("my_contrast", "after_vs_before", "TIME", "radiotherapy", claims=("X1-035",))
    table = weighed(cells, sets, name_samples, further=[own], answers=[answer])
    after = table[(table["contrast"] == "my_contrast") & (table["design"] == "after_vs_before")]
    assert set(after["context"]) == {"radiotherapy"}
    assert set(after["compartment"]) == {"TIME"}
    assert table.loc["X1-035", "contrast"] == "my_contrast"  # 22 Gy and LDRT against 22 Gy: named
    assert table.loc["X1-036", "reason"] == reasons.NEEDS_TREATMENT_ARMS  # not named
    missing = Answer("nowhere", claims=("X1-035",))
    assert (
        weighed(cells, sets, name_samples, answers=[missing]).loc["X1-035", "detail"].startswith("no samples")
    )


def test_a_subset_of_a_rare_parent_is_counted_among_immune_cells(sets, name_samples, draw_cohort):
    few = {"fractions": (0.4, 0.01, 0.08, 0.06, 0.15, 0.1, 0.04, 0.02, 0.07, 0.07)}  # 1 % CD8+ T cells
    cells = draw_cohort({("STIE", "before"): few, ("TIME", "before"): {}}, n_patients=4)
    row = weighed(cells, sets, name_samples).loc["T1-NSCLC-STIE-cell-01"]  # granzyme B+ CD8+ T cells
    assert (row["kind_tested"], row["entity_tested"]) == ("gated_fraction", "cd8_gzmb_of_immune")
    assert "among immune cells (a score above 0), which moves with its parent too" in row["detail"]
    assert row["n_patients"] == 4
    assert row["estimate"] < -1  # fewer CD8+ T cells in blood
    one = weighed(
        draw_cohort({("STIE", "before"): few, ("TIME", "before"): {}}, n_patients=1), sets, name_samples
    )
    assert (one["verdict"] == names.NOT_TESTABLE).all()


def test_regulators_say_in_which_cells_a_gene_moves(sets, name_samples, draw_cohort, full):
    gene = full[(full["design"] == "time_vs_normal") & (full["entity_id"] == "GZMB")].iloc[0]
    regulators = pd.DataFrame(
        {
            "contrast": gene["contrast"],
            "gene": "GZMB",
            "cell_type": ["cd8_t", "nk", "epithelial", "cd4_t"],
            "makes_it": [True, True, False, True],
            "estimate": [-1.0, 0.2, -3.0, np.nan],
            "q": [0.01, 0.6, 0.001, np.nan],
            "n_patients": [6, 6, 6, 0],
        }
    )
    claim = CLAIMS[(CLAIMS["design"] == "time_vs_normal") & (CLAIMS["entity_id"] == "GZMB")].iloc[[0]]
    row = {"kind": "gene_expression", "entity": "GZMB", "status": "tested", "estimate": -2.0, "ci_low": -3.0}
    row |= {"ci_high": -1.0, "p": 0.001, "q": 0.01, "se": 0.3, "df": 8.0, "n_patients": 6, "n_pairs": 6}
    offer = {"contrast": gene["contrast"], "design": "time_vs_normal", "environment": "", "treatment": ""}
    contrasts = pd.DataFrame([{**row, **offer, "cancer": "NSCLC", "note": "", "parent": "", "detectable": 1}])
    samples = pd.DataFrame({"species": "human", "cancer": "NSCLC", "environment": ["TIME", "normal"]})
    composition = pd.DataFrame({"entity": ["x"], "level": ["lineage"]})
    evidence = gather_evidence(contrasts, composition, samples, regulators=regulators)
    found = weigh(claim, evidence, alpha=0.05, margins=MARGINS).iloc[0]
    assert found["reason"] == reasons.SAME_DIRECTION
    assert "of 2 cell types that make it: down in cd8_t (q 0.01, 6 patients)" in found["detail"]


@pytest.mark.parametrize(
    ("entity", "claims"),
    [
        ("GFRA3", {"T2-NSCLC-TIME-regulator-09", "X0-054"}),
        ("immune", {"X1-017", "X0-142"}),
        ("m2_macrophage", {"T2-NSCLC-TIME-cell-05", "X1-005"}),
    ],
)
def test_contradictions_of_the_reviews_share_a_group(entity, claims):
    groups = conflict_groups(CLAIMS)
    name = f"after_vs_before/radiotherapy/TIME/{entity}"
    assert set(CLAIMS.loc[groups == name, "claim_id"]) == claims


def test_conflicts_listed_by_the_tables_are_found_and_cancers_do_not_conflict():
    grouped = CLAIMS.assign(group=conflict_groups(CLAIMS))
    for environment, n in (("STIE", 2), ("TIME", 3)):
        name = f"after_vs_before/chemo_targeted_combined/{environment}/cd8_t"
        rows = grouped[
            (grouped["group"] == name) & (grouped["table"] == "4") & (grouped["cancer"] == "NSCLC")
        ]
        assert rows["direction"].nunique() == n
    name = "after_vs_before/radiotherapy/TIME/CXCL16"
    assert set(grouped.loc[grouped["group"] == name, "direction"]) == {"up", "unchanged"}
    for lymphocyte in ("cd8_t", "cd4_t", "nk", "b_cell"):
        rows = grouped[grouped["group"] == f"after_vs_before/radiotherapy/STIE/{lymphocyte}"]
        assert set(rows["direction"]) == {"up", "down"}
    two_cancers = pd.DataFrame(
        {
            "claim_id": ["a", "b"],
            "cancer": ["HCC", "NPC"],
            "direction": ["up", "down"],
            **dict.fromkeys(["context", "compartment", "design", "entity_id", "reference_arm"], "x"),
        }
    )
    assert conflict_groups(two_cancers).tolist() == ["", ""]
    assert conflict_groups(two_cancers.assign(cancer="HCC")).tolist() == ["x/x/x/x"] * 2


def test_every_reason_is_documented():
    text = STATISTICS.read_text()
    lines = [line for line in text.splitlines() if line.startswith(tuple(f"| {v} |" for v in names.VERDICTS))]
    assert lines == [
        f"| {given.verdict} | {reason} | {given.why} | {given.meaning} |" for reason, given in REASONS.items()
    ]
    assert {given.why for given in REASONS.values()} == {"", *CLASSES}
    for name, meaning in CLASSES.items():
        assert f"| {name} | {meaning} |" in text, name
    for given in REASONS.values():
        assert (given.why == "") == (given.verdict != names.NOT_TESTABLE)
