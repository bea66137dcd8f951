"""Verdicts on the reviews' claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime import names
from stietime.cohort import verdicts
from stietime.cohort.claims import gather_evidence, weigh
from stietime.cohort.composition import count_entities
from stietime.cohort.conflicts import conflict_groups
from stietime.cohort.contrasts import compare
from stietime.cohort.designs import find_contrasts
from stietime.cohort.expression.samples import Pseudobulk, expression_measure
from stietime.cohort.measures import composition_measure
from stietime.cohort.signatures import signature_measure
from stietime.cohort.verdicts import REASONS, Margins, equivalence_p, judge
from stietime.resources import read_claims

CLAIMS = read_claims()
MARGINS = Margins(log_odds=0.5, score=0.05, log2_fold=0.5)
STATISTICS = Path(__file__).parents[2] / "docs" / "statistics.md"


def weighed(cells, sets, name_samples, *, genes=("CXCL16", "GZMB"), fold=None, min_pairs=3, claims=CLAIMS):
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
    found = find_contrasts(samples, before="before", after="after", min_pairs=min_pairs)
    evidence = gather_evidence(compare(found, measures, min_pairs=min_pairs), composition, samples)
    return weigh(claims, evidence, alpha=0.05, margins=MARGINS).set_index("claim_id")


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
    assert table["verdict"].tolist() == [REASONS[reason][0] for reason in table["reason"]]
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
        ("T1-NSCLC-STIE-regulator-01", verdicts.PROTEIN_ONLY),  # plasma TGF-b1
        ("X0-019", verdicts.NOT_TRANSCRIPTOMIC),  # TCR repertoire
        ("X0-011", verdicts.DESIGN_NOT_SUPPORTED),  # by survival
        ("X1-005", verdicts.OTHER_TREATMENT),  # M2/M1 after radiotherapy
        ("T1-HCC-TIME-cell-01", verdicts.OTHER_CANCER),
        ("X0-116", verdicts.OTHER_CANCER),  # melanoma and RCC, printed in its note
        ("X1-046", verdicts.NO_DIRECTION),
        ("T1-NSCLC-STIE-cell-04", verdicts.DESIGN_NOT_IN_COHORT),  # Ter cells against donors
        ("X0-085", verdicts.OTHER_TREATMENT),  # after radiotherapy
        ("X0-071", verdicts.CELLS_NOT_CALLED),  # ILC3
        ("X0-067", verdicts.SET_NOT_SCORED),  # TGF-b response
        ("X0-130", verdicts.GENE_NOT_IN_DATA),  # CD38
        ("X0-098", verdicts.GENE_NOT_IN_DATA),  # IL2 was asked for and is in no sample
        ("X0-092", verdicts.SAME_DIRECTION),  # Texp up after immunotherapy
    ],
)
def test_reasons(full, claim, reason):
    assert full.loc[claim, "reason"] == reason, full.loc[claim, "detail"]


def test_compartment_is_told_from_design(sets, name_samples, draw_cohort):
    plan = {("TIME", "before"): {}, ("TIME", "after"): {}}
    table = weighed(draw_cohort(plan, n_cells=150), sets, name_samples)
    blood = table[(table["design"] == "after_vs_before") & (table["compartment"] == "STIE")]
    reasons = blood.loc[blood["context"] == "immunotherapy", "reason"]
    assert verdicts.OTHER_COMPARTMENT in set(reasons)
    assert verdicts.DESIGN_NOT_IN_COHORT not in set(reasons)
    assert (table.loc[table["design"] == "stie_vs_time", "reason"] == verdicts.DESIGN_NOT_IN_COHORT).all()


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
    assert before.loc["X1-005", "reason"] == verdicts.RATIO_NOT_COMPUTABLE
    table = weighed(with_macrophages(cells), sets, name_samples)
    assert len(table) == len(before) == 516
    row = table.loc["X1-005"]  # M2 turn into M1 after radiotherapy
    assert (row["entity_tested"], row["kind_tested"]) == ("m2_m1_ratio", "cell_fraction")
    assert row["reason"] == verdicts.SAME_DIRECTION
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
        ("up", row_with(), verdicts.SAME_DIRECTION),
        ("down", row_with(), verdicts.OPPOSITE_DIRECTION),
        ("down", row_with(estimate=-1.0), verdicts.SAME_DIRECTION),
        ("up", row_with(q=0.051), verdicts.NOT_SIGNIFICANT),
        ("up", row_with(q=0.05), verdicts.SAME_DIRECTION),
        ("unchanged", row_with(), verdicts.CHANGED),
        ("unchanged", row_with(estimate=0.1, se=0.5, q=0.8), verdicts.NOT_EQUIVALENT),
        ("unchanged", row_with(estimate=0.1, se=0.05, q=0.8), verdicts.EQUIVALENT),
        ("unchanged", row_with(estimate=0.1, se=0.02, q=0.01), verdicts.EQUIVALENT),  # small but certain
        ("up", row_with(q=np.nan, status="too few patients"), verdicts.TOO_FEW_PATIENTS),
        ("unchanged", row_with(q=np.nan, status="not seen"), verdicts.NOT_SEEN),
        ("up", row_with(q=np.nan, status="not measured"), verdicts.NOT_MEASURED),
        ("up", row_with(q=np.nan, status="no variance"), verdicts.NO_VARIANCE),
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
    for reason, (verdict, _) in REASONS.items():
        assert f"| {verdict} | {reason} |" in text, reason
