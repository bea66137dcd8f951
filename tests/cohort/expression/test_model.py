"""DESeq2's test of pseudobulks: against R, against PyDESeq2's own loops, and planted truth."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special
from statsmodels.genmod.families import NegativeBinomial

from stietime.cohort.expression.inference import CompiledInference
from stietime.cohort.expression.kernels import digamma
from stietime.cohort.expression.model import FEW_COUNTS, OUTLIER, compare_genes, size_factors, wald_tests
from stietime.cohort.expression.trend import fit_trend
from stietime.cohort.expression.units import Design
from stietime.cohort.testing.contrasts import NOT_SEEN, TESTED

REFERENCES = Path(__file__).parents[2] / "references" / "deseq2"


def design_of_units(units, *, paired=True):
    """Make the designs of the references by hand."""
    if not paired:
        matrix = pd.DataFrame({"intercept": 1.0, "arm": units["arm"].astype(float)})
        return Design(matrix, np.array([0.0, 1.0]), "~ arm")
    matrix = pd.get_dummies(units["part"].astype(str) + units["patient"], dtype=float)
    parts = sorted(set(units["part"]))
    for part in parts:
        matrix[f"arm{part}"] = (units["arm"] * (units["part"] == part)).astype(float)
    vector = [0.0] * (matrix.shape[1] - len(parts)) + [1.0, -1.0][: len(parts)]
    return Design(matrix, np.array(vector), "")


def draw(rng, n_pairs, n_genes, *, fold=None, depth=1.0, spread=0.4):
    """Draw pairs of sums, the first arm first: counts (units x genes) and their units."""
    base = np.exp(rng.normal(3, 1.5, n_genes))
    dispersion = 0.1 + 1 / base
    own = np.exp(rng.normal(0, spread, (n_pairs, n_genes)))
    mean = np.vstack([base * own * (np.ones(n_genes) if fold is None else fold) * depth, base * own])
    counts = rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean))
    units = pd.DataFrame({"part": 0, "patient": [f"p{i}" for i in range(n_pairs)] * 2})
    units["arm"] = np.repeat([1, 0], n_pairs)
    units.index = units.index.map(str)
    return pd.DataFrame(counts, index=units.index, columns=[f"g{i}" for i in range(n_genes)]), units


@pytest.mark.parametrize(
    ("case", "fold", "se", "log_p"),
    [("pairs", 2e-3, 6e-3, 0.25), ("groups", 1e-4, 1e-3, 0.01), ("difference", 2e-3, 5e-3, 0.07)],
)
def test_as_deseq2_in_r(case, fold, se, log_p):
    counts = pd.read_csv(REFERENCES / f"{case}_counts.tsv", sep="\t", index_col="gene").T
    units = pd.read_csv(REFERENCES / f"{case}_units.tsv", sep="\t").set_index("unit")
    expected = pd.read_csv(REFERENCES / f"{case}_results.tsv", sep="\t", index_col="gene")
    factors = pd.read_csv(REFERENCES / f"{case}_size_factors.tsv", sep="\t")["size_factor"].to_numpy()
    found, trend = wald_tests(counts, factors, design_of_units(units, paired=case != "groups"))
    assert trend == "parametric"
    assert list(found.index) == list(expected.index)
    assert (found["p"].isna() == expected["pvalue"].isna()).all()
    differs = (found["estimate"] - expected["log2FoldChange"]).abs()
    assert differs.quantile(0.99) < fold
    half = (found["ci_high"] - found["ci_low"]) / (2 * special.ndtri(0.975))
    assert (half - expected["lfcSE"]).abs().quantile(0.99) < se
    decades = (np.log10(found["p"]) - np.log10(expected["pvalue"])).abs()
    assert decades.quantile(0.99) < log_p
    assert decades.median() < 5e-4


def test_size_factors_as_r_where_genes_are_seen_well():
    counts = pd.read_csv(REFERENCES / "groups_counts.tsv", sep="\t", index_col="gene").T
    expected = pd.read_csv(REFERENCES / "groups_size_factors.tsv", sep="\t")["size_factor"].to_numpy()
    found, told = size_factors(counts.to_numpy())
    assert told == "median ratio of 240 genes"
    np.testing.assert_allclose(found, expected / np.exp(np.log(expected).mean()), rtol=0.05)


def test_size_factors_do_not_follow_chance_in_shallow_sums():
    rng = np.random.default_rng(3)
    share = np.exp(rng.normal(0, 2, 4000))
    share /= share.sum()
    depths = np.array([200_000, 200_000, 20_000, 20_000])
    counts = rng.poisson(depths[:, None] * share)
    found, told = size_factors(counts)
    assert told.startswith("median ratio")
    np.testing.assert_allclose(found[2:].mean() / found[:2].mean(), 0.1, rtol=0.03)
    # a few genes that are all of an arm do not move the others, as they would by total counts
    counts[0, :5] = 400_000
    np.testing.assert_allclose(size_factors(counts)[0][0] / size_factors(counts)[0][1], 1, rtol=0.03)
    sparse, told = size_factors(rng.poisson(0.2, (4, 300)) + np.array([[0], [0], [0], [1]]))
    assert told == "total counts"
    assert sparse[3] > 3 * sparse[0]


def test_as_pydeseq2_where_no_mean_is_below_a_half():
    from pydeseq2.default_inference import DefaultInference

    rng = np.random.default_rng(5)
    counts, units = draw(rng, 4, 60, spread=0.1)
    values, design = counts.to_numpy(float) + 20, design_of_units(units)
    matrix, factors = design.matrix.to_numpy(), np.exp(rng.normal(0, 0.2, 8))
    start = np.exp(rng.normal(-2, 1, 60))
    ours, theirs = CompiledInference(), DefaultInference(n_cpus=1)
    fits = [one.irls(values, factors, matrix, start, 0.5, 1e-8) for one in (ours, theirs)]
    for mine, other, tolerance in zip(*fits, (1e-6, 1e-5, 1e-6, 0), strict=True):
        np.testing.assert_allclose(
            np.asarray(mine, float), np.asarray(other, float), rtol=1e-5, atol=tolerance
        )
    means = fits[1][1]
    for prior in ({}, {"prior_disp_var": 0.5, "prior_reg": True}):
        options = {"min_disp": 1e-8, "max_disp": 10.0, **prior}
        mine = ours.alpha_mle(values, matrix, means, start, **options)[0]
        other = theirs.alpha_mle(values, matrix, means, start, **options)[0]
        both = (other > 1e-4) & (other < 9)
        assert both.sum() > 30
        np.testing.assert_allclose(mine[both], other[both], rtol=2e-3)
    ridge = np.diag(np.repeat(1e-6, matrix.shape[1]))
    given = (matrix, start, fits[1][0], means, ridge, design.vector, 0.0, None)
    for mine, other in zip(ours.wald_test(*given), theirs.wald_test(*given), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)


def test_dispersion_maximises_the_adjusted_likelihood():
    """By brute force over a grid, with another implementation of the likelihood."""
    rng = np.random.default_rng(6)
    counts, units = draw(rng, 5, 12)
    values, matrix = counts.to_numpy(float), design_of_units(units).matrix.to_numpy()
    means = np.maximum(rng.normal(1, 0.05, values.shape) * values.mean(axis=0), 0.5)
    found = CompiledInference().alpha_mle(values, matrix, means, np.full(12, 0.1), 1e-8, 10.0)[0]
    for gene in range(12):

        def loss(log_alpha, gene=gene):
            alpha = np.exp(log_alpha)
            family = NegativeBinomial(alpha=alpha)
            weights = means[:, gene] / (1 + alpha * means[:, gene])
            adjusted = np.linalg.slogdet(matrix.T @ (weights[:, None] * matrix))[1] / 2
            return adjusted - family.loglike(values[:, gene], means[:, gene])

        best = optimize.minimize_scalar(loss, bounds=(np.log(1e-8), np.log(10)), method="bounded")
        assert loss(np.log(found[gene])) <= best.fun + 1e-4


def test_digamma():
    for x in (1e-3, 0.4, 1.0, 5.9, 6.0, 80.0, 1e6):
        assert digamma(x) == pytest.approx(special.digamma(x), rel=1e-9)


def test_trend_of_dispersions():
    rng = np.random.default_rng(7)
    means = np.exp(rng.uniform(0, 8, 4000))
    values = (0.1 + 3 / means) * rng.gamma(5, 1 / 5, 4000)
    values[:200], values[200:300] = 1e-8, 50  # genes that say nothing, and genes far off
    fitted, coefficients = fit_trend(values, means)
    assert coefficients == pytest.approx((0.1, 3), rel=0.06)
    np.testing.assert_allclose(fitted, coefficients[0] + coefficients[1] / means)
    rising = 0.01 * means
    flat, none = fit_trend(rising, means)
    assert none is None
    assert len(set(flat)) == 1


def test_planted_fold_changes_are_found_in_their_intervals():
    rng = np.random.default_rng(8)
    fold = np.ones(600)
    fold[:30], fold[30:60] = 4.0, 0.25
    counts, units = draw(rng, 6, 600, fold=fold, depth=3.0)
    found = compare_genes(counts, design_of_units(units), units["patient"], min_counts=10, min_patients=3)
    table = found.table
    moved, truth = table.iloc[:60], np.log2(fold[:60])
    assert (moved["estimate"] * truth > 0).mean() > 0.95
    assert (moved["estimate"] / truth).median() == pytest.approx(1, abs=0.15)
    assert ((moved["ci_low"] <= truth) & (truth <= moved["ci_high"])).mean() > 0.85
    assert (moved["q"] <= 0.05).mean() > 0.5
    # a depth three times larger moves no other gene
    assert table["estimate"].iloc[60:].median() == pytest.approx(0, abs=0.1)
    assert (table["q"].iloc[60:] <= 0.05).mean() < 0.03
    again = compare_genes(
        counts, design_of_units(units), units["patient"], min_counts=10, min_patients=3, n_threads=3
    )
    pd.testing.assert_frame_equal(table, again.table)


def test_pairs_see_through_patients_and_groups_do_not():
    rng = np.random.default_rng(9)
    fold = np.where(np.arange(400) < 100, 3.0, 1.0)
    counts, units = draw(rng, 5, 400, fold=fold, spread=1.5)
    options = {"min_counts": 10, "min_patients": 3}
    paired = compare_genes(counts, design_of_units(units), units["patient"], **options).table
    groups = compare_genes(counts, design_of_units(units, paired=False), units["patient"], **options).table
    found = [(table["p"].iloc[:100] <= 0.01).sum() for table in (paired, groups)]
    assert found[0] > 2 * found[1]


def test_genes_that_cannot_be_tested_say_so():
    rng = np.random.default_rng(10)
    counts, units = draw(rng, 8, 120)
    counts["g0"], counts["g1"] = 0, 0
    counts.loc["0", "g1"] = 1
    counts["g2"] = 0
    counts.loc[["0", "8"], "g2"] = 50  # both of one patient
    counts["g3"] = 5
    counts.loc["2", "g3"] = 30_000
    table = compare_genes(
        counts, design_of_units(units, paired=False), units["patient"], min_counts=10, min_patients=3
    ).table
    assert list(table["status"].iloc[:3]) == [NOT_SEEN, FEW_COUNTS, FEW_COUNTS]
    assert table["p"].iloc[:3].isna().all()
    assert set(table["status"].iloc[4:]) <= {TESTED, FEW_COUNTS}
    assert table["q"].notna().sum() == (table["status"] == TESTED).sum()
    # with eight patients an outlier is replaced; with four it is told
    assert table.loc["g3", "status"] == TESTED
    assert table.loc["g3", "p"] > 0.05
    few = [str(i) for i in (0, 1, 2, 3, 8, 9, 10, 11)]
    design = design_of_units(units.loc[few], paired=False)
    small = compare_genes(counts.loc[few], design, units.loc[few, "patient"], min_counts=10, min_patients=3)
    assert small.table.loc["g3", "status"] == OUTLIER
    assert np.isnan(small.table.loc["g3", "p"])


def test_few_genes_have_no_trend_and_are_not_tested():
    counts, units = draw(np.random.default_rng(11), 4, 20)
    found = compare_genes(counts, design_of_units(units), units["patient"], min_counts=1, min_patients=1)
    assert set(found.table["status"]) == {FEW_COUNTS}
    assert found.trend == ""


def test_nothing_is_printed_or_warned_of(capfd):
    counts, units = draw(np.random.default_rng(12), 3, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare_genes(counts, design_of_units(units), units["patient"], min_counts=10, min_patients=3)
    assert capfd.readouterr() == ("", "")
