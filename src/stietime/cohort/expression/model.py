"""DESeq2's test of genes between pseudobulks (PyDESeq2, with compiled estimates)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime.cohort.expression.trend import fit_trend
from stietime.cohort.testing.contrasts import NOT_SEEN, TESTED
from stietime.cohort.testing.effects import false_discovery_rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cohort.expression.units import Design

# what became of a gene, beside the words of `contrasts`
FEW_COUNTS: Final = "too few counts"
OUTLIER: Final = "outlier"

METHOD: Final = "DESeq2 Wald test of pseudobulks (PyDESeq2)"
NORMAL_975: Final = 1.959963984540054
# size factors rest on genes of at least this many expected counts in every unit, if there are as many
EXPECTED_COUNTS: Final = 5.0
MIN_REFERENCE_GENES: Final = 50
MIN_GENES: Final = 30  # a trend of dispersions needs genes
RESULT_COLUMNS: Final = ("estimate", "ci_low", "ci_high", "p", "q", "base_mean", "status")


class Fit(NamedTuple):
    """The test of the genes of one type in one contrast.

    Parameters
    ----------
    table
        Genes as index: estimate (log2 fold change), ci_low, ci_high, p, q, base_mean, status.
    size_factors
        What the depths of the units were judged by.
    trend
        How the dispersion was taken to follow the mean: parametric, or mean; empty where nothing was tested.
    """

    table: pd.DataFrame
    size_factors: str
    trend: str


def size_factors(counts: NDArray[np.integer]) -> tuple[NDArray[np.float64], str]:
    """Judge the depths of units by the median of ratios, of genes that are seen well in all of them.

    DESeq2 takes the genes without a zero; in shallow sums these are the genes that were high there by chance,
    which makes the depth look larger than it is. Here genes are chosen by the counts that are expected by
    their share in all units, at least 5 in every unit. Where fewer than 50 genes are, total counts serve.

    Parameters
    ----------
    counts
        Units x genes.

    Returns
    -------
    Factors of geometric mean 1, and what they rest on.

    References
    ----------
    Anders and Huber 2010, Genome Biol 11:R106.
    """
    depths = counts.sum(axis=1).astype(float)
    share = counts.sum(axis=0) / max(depths.sum(), 1.0)
    chosen = share * depths.min() >= EXPECTED_COUNTS
    if chosen.sum() >= MIN_REFERENCE_GENES:
        logs = np.log(counts[:, chosen] + 0.5)
        logs = np.median(logs - logs.mean(axis=0), axis=1)
        told = f"median ratio of {int(chosen.sum())} genes"
    else:
        logs, told = np.log(depths), "total counts"
    return np.exp(logs - logs.mean()), told


def compare_genes(
    counts: pd.DataFrame,
    design: Design,
    patients: pd.Series,
    *,
    min_counts: int,
    min_patients: int,
    n_threads: int = 1,
) -> Fit:
    """Test every gene.

    Parameters
    ----------
    counts
        Units x genes, whole numbers.
    design
        As `design_of` makes it.
    patients
        The patient of each unit.
    min_counts
        A gene with fewer counts in all units together is not tested.
    min_patients
        Nor is one that fewer patients show.
    n_threads
        Threads; no result depends on them.

    References
    ----------
    Love, Huber and Anders 2014, Genome Biol 15:550. Muzellec et al. 2023, Bioinformatics 39:btad547.
    """
    values = counts.to_numpy(dtype=np.int64)
    factors, told = size_factors(values)
    total = values.sum(axis=0)
    shown = pd.DataFrame(values > 0).groupby(patients.to_numpy()).any().sum(axis=0).to_numpy()
    enough = (total >= min_counts) & (shown >= min_patients)
    base = (values / factors[:, None]).mean(axis=0)
    table = pd.DataFrame(dict.fromkeys(RESULT_COLUMNS[:-2], np.nan), index=counts.columns)
    table["base_mean"] = base
    table["status"] = np.select([total == 0, ~enough], [NOT_SEEN, FEW_COUNTS], TESTED)
    if enough.sum() < MIN_GENES:
        return Fit(table.assign(status=np.where(total == 0, NOT_SEEN, FEW_COUNTS)), told, "")
    found, trend = wald_tests(counts.loc[:, enough], factors, design, n_threads=n_threads)
    table.loc[enough, list(found.columns)] = found.to_numpy()
    table.loc[enough & table["p"].isna().to_numpy(), "status"] = OUTLIER
    table["q"] = false_discovery_rates(table["p"].to_numpy())
    return Fit(table[list(RESULT_COLUMNS)], told, trend)


def wald_tests(
    counts: pd.DataFrame, factors: NDArray[np.float64], design: Design, *, n_threads: int = 1
) -> tuple[pd.DataFrame, str]:
    """Run PyDESeq2 from the size factors on: dispersions, outliers, coefficients, Wald tests.

    Parameters
    ----------
    counts
        Units x genes; every gene has a count.
    factors
        Size factor of each unit.
    design, n_threads
        As for `compare_genes`.

    Returns
    -------
    Genes x (estimate and interval as log2 fold changes, p; nan where Cook's distance shows an outlier), and
    parametric or mean: the trend of the dispersions.
    """
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    from stietime.cohort.expression.inference import CompiledInference

    inference: Any = CompiledInference(n_threads)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        data: Any = DeseqDataSet(
            counts=counts,
            metadata=pd.DataFrame(index=counts.index),
            design=design.matrix,
            inference=inference,
            quiet=True,
        )
        data.obs["size_factors"] = factors
        data.layers["normed_counts"] = data.X / factors[:, None]
        data.var["_normed_means"] = data.layers["normed_counts"].mean(axis=0)
        data.fit_genewise_dispersions()
        own = data.var["genewise_dispersions"].to_numpy(dtype=float)
        data.var["fitted_dispersions"], coefficients = fit_trend(own, data.var["_normed_means"].to_numpy())
        data.uns |= _trend_of(data.var["fitted_dispersions"], coefficients)
        data.fit_dispersion_prior()
        data.fit_MAP_dispersions()
        data.fit_LFC()
        data.calculate_cooks()
        data.refit()
        stats: Any = DeseqStats(
            data, contrast=design.vector, independent_filter=False, inference=inference, quiet=True
        )
        stats.summary()
    results = stats.results_df
    estimate, se = results["log2FoldChange"], results["lfcSE"]
    found = pd.DataFrame(
        {
            "estimate": estimate,
            "ci_low": estimate - NORMAL_975 * se,
            "ci_high": estimate + NORMAL_975 * se,
            "p": results["pvalue"],
        }
    )
    return found, str(data.uns["disp_function_type"])


def _trend_of(fitted: pd.Series, coefficients: tuple[float, float] | None) -> dict[str, Any]:
    """Describe a trend in the words of PyDESeq2, which asks for it again where it replaces outliers."""
    if coefficients is None:
        return {"disp_function_type": "mean", "mean_disp": float(fitted.iloc[0])}
    return {"disp_function_type": "parametric", "trend_coeffs": pd.Series(coefficients, index=["a0", "a1"])}
