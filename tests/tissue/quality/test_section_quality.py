"""Quality of sections: what is measured, and planted bad cells on a panel of 300 genes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import binom

from stietime.resources import read_markers
from stietime.simulate.section import simulate_section
from stietime.tissue.quality.section_cuts import SectionLimits, find_section_cuts
from stietime.tissue.quality.section_quality import (
    REASONS,
    area_problem,
    find_section_reasons,
    measure_section,
    section_cut_table,
)

N_PROBES = 20
# what is planted, each in cells of its own
PLANTED = {"no_counts": 6, "low_counts": 10, "large_area": 15, "high_negative": 25, "giant": 10}


def panel_section(kind: str, seed: int, n_cells: int = 1500):
    """A simulated section on a panel of 300 genes with areas and control probes, and what is planted."""
    rng = np.random.default_rng(seed)
    section = simulate_section(kind, n_cells, seed)
    genes = [gene for gene in dict.fromkeys(read_markers()["gene"]) if gene in section.var_names][:300]
    counts = section[:, genes].X.toarray()
    area = np.exp(rng.normal(np.log(120), 0.35, n_cells))
    planted = np.full(n_cells, "", dtype=object)
    free = rng.permutation(np.flatnonzero(counts.sum(axis=1) >= 20))
    for name, n in PLANTED.items():
        planted[free[:n]], free = name, free[n:]
    counts[planted == "no_counts"] = 0
    for cell in np.flatnonzero(planted == "low_counts"):
        counts[cell] = rng.multinomial(rng.integers(1, 4), counts[cell] / counts[cell].sum())
    for cell in np.flatnonzero(planted == "large_area"):  # a segment over a void: two cells and no more
        counts[cell] += counts[rng.choice(free)]
        area[cell] = rng.uniform(2000, 6000)
    for cell in np.flatnonzero(planted == "giant"):  # a giant cell is as full of RNA as others
        area[cell] = rng.uniform(2000, 4000)
        counts[cell] = rng.poisson(counts[cell] * area[cell] / 120)
    total = counts.sum(axis=1)
    negative = rng.binomial(total, 0.004)
    noisy = planted == "high_negative"
    negative[noisy] = rng.poisson(0.35 * total[noisy]) + 5
    return section, genes, counts, area, negative, planted


def judge(counts, genes, limits=None, n_negative_probes=0, **measured):
    limits = limits or SectionLimits()
    metrics = measure_section(sparse.csr_matrix(counts), genes, **measured)
    cuts = find_section_cuts(metrics, limits, n_genes=len(genes), n_negative_probes=n_negative_probes)
    reasons = find_section_reasons(metrics, cuts, limits)
    return metrics, section_cut_table(cuts, reasons).set_index("metric"), reasons


@pytest.mark.parametrize(("kind", "seed"), [("infiltrated", 1), ("excluded", 2), ("desert", 3)])
def test_planted_cells_are_dropped_for_their_reason_and_good_ones_are_kept(kind, seed):
    section, genes, counts, area, negative, planted = panel_section(kind, seed)
    _, cuts, reasons = judge(
        counts, genes, area_um2=area, negative_counts=negative, n_negative_probes=N_PROBES
    )
    for name in ("no_counts", "low_counts", "high_negative"):
        assert (reasons[planted == name] == name).all(), name
    # a segment that holds two cells rich in RNA may be as full as others
    assert (reasons[planted == "large_area"] == "large_area").mean() >= 0.85
    assert (reasons[planted == "giant"] == "kept").all()
    good = planted == ""
    assert (reasons[good] == "kept").mean() > 0.99
    lineage = section.obs["true_lineage"].to_numpy()
    for name in set(lineage[good]):
        mine = good & (lineage == name)
        if mine.sum() >= 30:  # no lineage pays for having little RNA
            assert (reasons[mine] != "kept").mean() <= 0.03, name
    assert cuts["n_removed"].sum() == (reasons != "kept").sum()
    assert 5 <= cuts.loc["n_counts", "lower"] <= 20


def test_metrics_are_those_counted_by_hand():
    rng = np.random.default_rng(4)
    genes = [*(f"MT-ND{i}" for i in range(1, 6)), *(f"G{i}" for i in range(7))]
    counts = rng.poisson(1.5, (30, 12))
    counts[3] = 0
    area, nucleus, negative = rng.uniform(50, 200, 30), rng.uniform(10, 40, 30), rng.poisson(1, 30)
    area[7] = np.nan
    found = measure_section(
        sparse.csc_matrix(counts), genes, area_um2=area, nucleus_area_um2=nucleus, negative_counts=negative
    )
    for i, row in found.iterrows():
        total = counts[i].sum()
        assert (row["n_counts"], row["n_genes"]) == (total, (counts[i] > 0).sum())
        expected = {
            "pct_negative": 100 * negative[i] / (total + negative[i]) if total + negative[i] else np.nan,
            "counts_per_100um2": 100 * total / area[i],
            "nucleus_ratio": nucleus[i] / area[i],
            "pct_mito": 100 * counts[i, :5].sum() / total if total else np.nan,
        }
        np.testing.assert_allclose(row[list(expected)].to_numpy(), list(expected.values()))
    few = measure_section(sparse.csr_matrix(counts[:, 1:]), genes[1:])
    assert few["pct_mito"].isna().all()  # four mitochondrial genes are not the mitochondrial share
    assert few[["area_um2", "counts_per_100um2", "pct_negative", "nucleus_ratio"]].isna().all(axis=None)


def test_cell_types_without_counts_are_all_kept_and_nothing_is_measured():
    metrics, cuts, reasons = judge(np.zeros((80, 0), dtype=int), [])
    assert metrics.isna().all(axis=None)
    assert (reasons == "kept").all()
    assert cuts["note"].str.startswith("not measured: ").all()
    assert "cell types and no counts" in cuts.loc["pct_mito", "note"]
    area = np.full(80, 100.0)
    area[0] = 1e6
    metrics, cuts, reasons = judge(np.zeros((80, 0), dtype=int), [], area_um2=area)
    assert (reasons == "kept").all()
    assert "never a filter without counts" in cuts.loc["area_um2", "note"]
    assert np.isnan(cuts.loc["area_um2", "upper"])


def test_the_bound_of_counts_is_that_of_a_panel_or_of_all_genes():
    rng = np.random.default_rng(0)
    counts = rng.poisson(2000, (200, 3))
    counts[:2] = 9, 0, 0
    counts[2:4] = 40, 40, 0
    metrics = measure_section(sparse.csr_matrix(counts), ["a", "b", "c"])
    for n_genes, lower, dropped in ((300, 20, 2), (18_000, 150, 4)):
        cuts = find_section_cuts(metrics, SectionLimits(), n_genes=n_genes)
        assert cuts[1].lower == lower
        assert (find_section_reasons(metrics, cuts, SectionLimits()) == "low_counts").sum() == dropped


def test_a_sparse_method_is_not_emptied():
    counts = np.random.default_rng(0).poisson(0.02, (2000, 150))  # three counts per cell
    _, cuts, reasons = judge(counts, [f"G{i}" for i in range(150)])
    assert set(reasons) == {"kept", "no_counts"}
    assert (reasons == "no_counts").sum() == (counts.sum(axis=1) == 0).sum()
    assert "cut at 5 not applied" in cuts.loc["n_counts", "note"]
    # and when the adaptive cut takes too many, the floor still stands
    counts = np.zeros((200, 2), dtype=int)
    counts[:, 0] = np.where(np.arange(200) < 24, 12, 1000)
    counts[:3, 0] = 2
    _, cuts, reasons = judge(
        counts + np.eye(200, 2, dtype=int), ["a", "b"], SectionLimits(max_outlier_fraction=0.1)
    )
    assert cuts.loc["n_counts", "lower"] == 5
    assert (reasons == "low_counts").sum() == 3


def test_in_a_small_section_only_the_fixed_floor_holds():
    counts = np.full((40, 4), 100)
    counts[0], counts[1] = (1, 1, 1, 1), (2, 2, 2, 2)
    area = np.full(40, 100.0)
    area[2:5] = 4900, 5100, 5100
    counts[4] *= 50
    _, cuts, reasons = judge(counts, list("abcd"), area_um2=area)
    assert "only the fixed floor" in cuts.loc["n_counts", "note"]
    assert reasons[:6].tolist() == ["low_counts", "kept", "kept", "large_area", "kept", "kept"]


@pytest.mark.parametrize("rate", [0.001, 0.03, 0.15])
def test_control_probes_are_judged_against_the_section(rate):
    rng = np.random.default_rng(5)
    n = 3000
    total = rng.integers(5, 400, n)
    negative = rng.binomial(total, rate)
    worst = np.arange(n) < 30
    total[worst] = 100
    negative[worst] = 45
    counts = (total - negative)[:, None]
    _, cuts, reasons = judge(counts, ["G"], negative_counts=negative, n_negative_probes=N_PROBES)
    assert (reasons[worst] == "high_negative").all()
    # of cells as noisy as their section hardly any is dropped, however high its share
    assert (reasons[~worst] == "high_negative").mean() < 0.002
    assert f"one of {N_PROBES} control probes" in cuts.loc["pct_negative", "note"]


def test_few_counts_never_show_noise():
    negative = np.zeros(500, dtype=int)
    negative[:50] = 1
    negative[50:60] = 2
    _, _, reasons = judge(np.full((500, 1), 6), ["G"], negative_counts=negative)
    assert (reasons == "kept").all()  # one of seven and two of eight are no evidence
    negative[0] = 12
    assert binom.sf(11, 18, 70 / 3000) < 1e-12
    _, _, reasons = judge(np.full((500, 1), 6), ["G"], negative_counts=negative)
    assert np.flatnonzero(reasons == "high_negative").tolist() == [0]


def test_areas_in_another_unit_are_found_by_the_section_they_are_in():
    rng = np.random.default_rng(6)
    positions = rng.uniform(0, 500, (1500, 2))  # 167 um2 for each cell
    area = rng.uniform(80, 220, 1500)
    assert area_problem(area, positions) == ""
    assert "add up to" in area_problem(area, positions * 0.3)
    assert "add up to" in area_problem(area / 0.12**2, positions)
    assert "not in square micrometres" in area_problem(area * 0.12**2, positions)
    assert area_problem(np.where(np.arange(1500) < 60, area, np.nan), positions * 0.3) == ""  # too few
    assert area_problem(area, np.column_stack([positions[:, 0], np.zeros(1500)])) == ""  # a line has no hull


def test_results_do_not_depend_on_the_order_of_cells():
    _, genes, counts, area, negative, _ = panel_section("excluded", 7, 600)
    order = np.random.default_rng(0).permutation(600)
    _, cuts, reasons = judge(counts, genes, area_um2=area, negative_counts=negative)
    _, again, shuffled = judge(counts[order], genes, area_um2=area[order], negative_counts=negative[order])
    assert (reasons[order] == shuffled).all()
    pd.testing.assert_frame_equal(cuts, again)
    assert set(reasons) <= {"kept", *REASONS}


@pytest.mark.parametrize("n", [1, 2, 15])
def test_tiny_sections_run(n):
    _, cuts, reasons = judge(
        np.full((n, 1), 30), ["G"], area_um2=np.full(n, 90.0), negative_counts=np.zeros(n)
    )
    assert (reasons == "kept").all()
    assert cuts.loc["n_counts", "n_cells"] == n
