from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import median_abs_deviation, norm

from stietime.cells.gene_families import in_family
from stietime.cells.quality.cuts import Limits, find_cuts
from stietime.cells.quality.measures import REASONS, cut_table, find_reasons, measure

LIMITS = Limits()


def planted(n, genes, n_counts, mito=4.0, hb=0.0):
    """Metrics of n cells around the given medians, a spread of 30 % in counts and genes."""
    rng = np.random.default_rng(n + genes)
    return pd.DataFrame(
        {
            "n_genes": (genes * rng.lognormal(0, 0.2, n)).astype(int),
            "n_counts": (n_counts * rng.lognormal(0, 0.3, n)).astype(int),
            "pct_mito": np.abs(rng.normal(mito, mito / 4, n)),
            "pct_ribo": rng.normal(20, 4, n),
            "pct_hb": np.full(n, hb),
        }
    )


def judged(*groups, limits=LIMITS, doublets=None):
    """Cuts, and the reasons of each group."""
    metrics = pd.concat(groups, ignore_index=True)
    cuts = find_cuts(metrics, limits)
    reasons = find_reasons(metrics, cuts, limits, doublets=doublets)
    ends = np.cumsum([len(group) for group in groups])[:-1]
    return {cut.metric: cut for cut in cuts}, np.split(reasons, ends)


def share_kept(reasons):
    return (reasons == "kept").mean()


LYMPHOCYTES = planted(400, 1100, 3000)


@pytest.mark.parametrize(
    ("family", "members", "others"),
    [
        ("mito", ["MT-CO1", "mt-Nd1"], ["MTOR", "MT1X", "MTRNR2L12"]),
        ("ribo", ["RPS4Y1", "RPL13A", "RPLP0", "RPSA", "Rpl22l1", "RPL36AL"], ["RPS6KA1", "RPL", "RPSAP58"]),
        ("hb", ["HBA1", "HBB", "HBG2", "HBQ1", "Hba-a1", "Hbb-bs"], ["HBEGF", "HBP1", "HBS1L", "HBXIP"]),
        (
            "receptor_segment",
            ["TRAV12-1", "TRBJ2-7", "IGKV3-20", "IGHD1-1"],
            ["TRAC", "TRBC1", "IGHA1"],
        ),
        ("stress", ["FOS", "Fosb", "JUN", "HSPA1A", "Dnajb1"], ["FOSL1", "JUNOS", "HSPA13", "CCL3", "SOCS3"]),
    ],
)
def test_gene_families_are_told_from_their_namesakes(family, members, others):
    assert in_family(members, family).all()
    assert not in_family(others, family).any()


def test_measures_counts_genes_and_shares():
    genes = ["CD3E", "MT-CO1", "RPL3", "HBB", "HBEGF"]
    counts = sparse.csr_matrix(np.array([[4, 1, 2, 3, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 5]]))
    found = measure(counts, genes)
    assert found["n_counts"].tolist() == [10, 0, 5]
    assert found["n_genes"].tolist() == [4, 0, 1]
    assert found["pct_mito"].tolist() == [10, 0, 0]
    assert found["pct_ribo"].tolist() == [20, 0, 0]
    assert found["pct_hb"].tolist() == [30, 0, 0]


def test_measures_the_most_counted_genes_complexity_and_dissociation_stress():
    genes = ["FOS", "HSPA1A", *(f"GENE{place}" for place in range(28))]
    many = np.r_[10, 10, np.full(17, 5), np.full(10, 1), 0]  # 29 genes, 115 counts
    few = np.r_[30, 0, np.full(3, 10), np.zeros(25, dtype=int)]
    tiny = np.r_[np.full(9, 1), np.zeros(21, dtype=int)]
    found = measure(sparse.csr_matrix(np.vstack([many, few, tiny])), genes)
    np.testing.assert_allclose(found["pct_stress"], [100 * 20 / 115, 50, 100 * 2 / 9])
    np.testing.assert_allclose(found["pct_top_genes"], [100 * 106 / 115, np.nan, np.nan])
    np.testing.assert_allclose(
        found["complexity"], [np.log10(29) / np.log10(115), np.log10(4) / np.log10(60), np.nan]
    )
    assert found["pct_intronic"].isna().all()
    given = measure(sparse.csr_matrix(many[None]), genes, pct_intronic=np.array([12.5]))
    assert given["pct_intronic"].tolist() == [12.5]


def test_the_most_counted_genes_agree_with_scanpy():
    sc = pytest.importorskip("scanpy")
    counts = np.random.default_rng(2).negative_binomial(0.4, 0.1, (40, 120))
    cells = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    theirs, _ = sc.pp.calculate_qc_metrics(cells, percent_top=[20])
    ours = measure(sparse.csr_matrix(counts), [f"GENE{place}" for place in range(120)])
    np.testing.assert_allclose(ours["pct_top_genes"], theirs["pct_counts_in_top_20_genes"], rtol=1e-5)


def test_stored_zeros_are_not_genes():
    stored = sparse.csr_matrix((np.array([3, 0, 2]), np.array([0, 1, 2]), np.array([0, 3])), shape=(1, 3))
    assert measure(stored, ["A", "B", "C"])["n_genes"].tolist() == [2]


def test_without_mitochondrial_genes_nothing_is_measured_or_dropped():
    found = measure(sparse.csr_matrix(np.full((60, 40), 3)), [f"GENE{place}" for place in range(40)])
    assert found["pct_mito"].isna().all()
    cuts, (reasons,) = judged(found)
    assert cuts["pct_mito"].note.startswith("not measured")
    assert set(reasons) == {"kept"}


def test_cuts_are_medians_and_mads_as_scipy_has_them():
    cuts, _ = judged(LYMPHOCYTES)
    logs = np.log1p(LYMPHOCYTES["n_counts"])
    spread = median_abs_deviation(logs, scale="normal")
    np.testing.assert_allclose(cuts["n_counts"].upper, np.expm1(np.median(logs) + 5 * spread), rtol=1e-4)
    mito = LYMPHOCYTES["pct_mito"]
    # dying cells raise the upper half only, so that the spread is that of the lower one
    below = np.median(mito) - mito[mito <= np.median(mito)]
    mito_cut = np.median(mito) + 5 * np.median(below) / norm.ppf(0.75)
    assert mito_cut > 7
    np.testing.assert_allclose(cuts["pct_mito"].upper, mito_cut, rtol=1e-3)


def test_dying_cells_are_dropped_and_the_mito_cut_stays_between_floor_and_ceiling():
    cuts, (alive, dying) = judged(LYMPHOCYTES, planted(30, 300, 900, mito=45))
    assert share_kept(alive) > 0.99
    assert set(dying) == {"high_mito"}
    assert 7 <= cuts["pct_mito"].upper <= 50
    stressed = planted(300, 1500, 5000, mito=45)
    assert judged(stressed)[0]["pct_mito"].upper == 50
    quiet = LYMPHOCYTES.assign(pct_mito=0.1)
    assert judged(quiet)[0]["pct_mito"].upper == 7


def test_cells_of_little_rna_stay():
    neutrophils = planted(60, 280, 500, mito=1)
    platelets = planted(10, 180, 300, mito=2)
    red_cells = planted(20, 40, 1200, mito=0.2, hb=90)
    ter_cells = planted(20, 900, 4000, mito=3, hb=25)
    _, groups = judged(LYMPHOCYTES, neutrophils, platelets, red_cells, ter_cells)
    assert [share_kept(group) for group in groups[1:]] == [1, 1, 1, 1]


def test_red_cells_of_very_few_genes_are_not_empty():
    red_cells = planted(20, 12, 600, mito=0.1, hb=95)
    debris = planted(20, 12, 600, mito=0.1, hb=0)
    _, (_, red, empty) = judged(LYMPHOCYTES, red_cells, debris)
    assert share_kept(red) == 1
    assert set(empty) == {"empty"}


def test_outliers_are_dropped_and_a_population_is_not():
    large = planted(20, 9000, 90_000)
    _, (_, reasons) = judged(LYMPHOCYTES, large)
    assert set(reasons) == {"high_counts"}
    many = planted(100, 9000, 90_000)
    cuts, (_, reasons) = judged(LYMPHOCYTES, many)
    assert share_kept(reasons) == 1
    assert "not applied: 100 cells" in cuts["n_counts"].note


def test_a_lower_cut_that_would_take_a_population_is_lifted_and_says_so():
    low = planted(100, 60, 80)
    limits = replace(LIMITS, n_mads_counts=3, n_mads_genes=3)
    cuts, (_, reasons) = judged(LYMPHOCYTES, low, limits=limits)
    assert (reasons != "low_counts").all()
    assert "lower cut" in cuts["n_counts"].note
    few_cuts, (_, few) = judged(LYMPHOCYTES, low[:20], limits=limits)
    assert set(few[low[:20]["n_counts"] >= 50]) <= {"low_counts", "low_genes"}
    assert not few_cuts["n_counts"].note


def test_tiny_samples_have_only_fixed_limits():
    tiny = planted(8, 900, 2000)
    tiny.loc[0, ["n_counts", "n_genes"]] = [60_000, 8000]
    tiny.loc[1, "pct_mito"] = 60
    cuts, (reasons,) = judged(tiny)
    assert reasons.tolist() == ["kept", "high_mito", *["kept"] * 6]
    assert "8 cells, fewer than 50" in cuts["n_counts"].note
    assert "only the fixed ceiling" in cuts["pct_mito"].note


def test_equal_values_give_no_cut():
    same = LYMPHOCYTES.assign(n_counts=1000)
    same.loc[:10, "n_counts"] = 100_000
    cuts, (reasons,) = judged(same)
    assert "same value" in cuts["n_counts"].note
    assert "high_counts" not in reasons


def test_a_cell_has_one_reason_the_first_of_the_order():
    worst = planted(2, 3, 5, mito=90).assign(n_genes=[3, 9000], n_counts=[5, 90_000])
    _, (_, reasons) = judged(LYMPHOCYTES, worst, doublets=np.array([False] * 400 + [True] * 2))
    assert reasons.tolist() == ["empty", "high_counts"]
    assert REASONS.index("empty") < REASONS.index("high_counts") < REASONS.index("high_mito")


def test_every_dropped_cell_is_counted_once_in_the_table():
    groups = (LYMPHOCYTES, planted(20, 9000, 90_000), planted(30, 300, 900, mito=45), planted(9, 5, 20))
    metrics = pd.concat(groups, ignore_index=True)
    cuts = find_cuts(metrics, LIMITS)
    reasons = find_reasons(metrics, cuts, LIMITS)
    table = cut_table("s1", cuts, reasons)
    assert table["n_removed"].sum() == (reasons != "kept").sum() > 50
    haemoglobin = table.set_index("metric").loc["pct_hb"]
    assert (haemoglobin["n_removed"], haemoglobin["note"]) == (0, "measured, never a filter")


def test_cells_of_an_excluded_sample_are_counted_once():
    cuts = find_cuts(LYMPHOCYTES, LIMITS)
    reasons = find_reasons(LYMPHOCYTES, cuts, LIMITS)
    excluded = np.where(reasons == "kept", "sample_excluded", reasons).astype(object)
    table = cut_table("s1", cuts, excluded)
    assert table["n_removed"].sum() == len(LYMPHOCYTES)
    row = table[table["metric"] == "sample"].iloc[0]
    assert row["n_removed"] == (reasons == "kept").sum()
    assert "excluded" in row["note"]
    assert REASONS[-1] == "sample_excluded"
    assert set(cut_table("s1", cuts, reasons)["metric"]).isdisjoint({"sample"})


def test_no_cell_at_all_is_no_crash():
    cuts, (reasons,) = judged(planted(60, 5, 10))
    assert set(reasons) == {"empty"}
    assert cuts["pct_mito"].note == "no cells"


@pytest.fixture(scope="module")
def zilionis(data_dir):
    return ad.read_h5ad(data_dir / "zilionis_nsclc_blood_tumor_300" / "zilionis300_counts_recovered.h5ad")


@pytest.mark.data
def test_mitochondrial_share_agrees_with_the_published_one(zilionis):
    found = measure(sparse.csr_matrix(zilionis.X), zilionis.var_names)["pct_mito"]
    published = zilionis.obs["Percent.counts.from.mitochondrial.genes"]
    assert np.corrcoef(found, published)[0, 1] > 0.999


@pytest.mark.data
@pytest.mark.parametrize("grouping", [["Patient", "Tissue"], ["Tissue"], ["Library"]])
def test_every_neutrophil_the_authors_kept_is_kept(zilionis, grouping):
    metrics = measure(sparse.csr_matrix(zilionis.X), zilionis.var_names)
    keys = [zilionis.obs[name].astype(str).to_numpy() for name in grouping]
    kept = np.zeros(len(metrics), dtype=bool)
    for rows in metrics.groupby(keys).indices.values():
        sample = metrics.iloc[rows]
        kept[rows] = find_reasons(sample, find_cuts(sample, LIMITS), LIMITS) == "kept"
    neutrophils = zilionis.obs["Major.cell.type"].isin(["bNeutrophils", "tNeutrophils"]).to_numpy()
    assert neutrophils.sum() == 16
    assert kept[neutrophils].all()
    assert kept.mean() > 0.97
