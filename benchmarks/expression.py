"""Genes between patients: level, power and coverage of the pseudobulk test, agreement with R, and speed.

`make benchmark-expression` takes about five minutes on one core and writes
`benchmarks/results/expression.tsv`, `expression.json` and the table of `docs/expression.md`. With `QUICK=1`
it takes half a minute and writes to `results/benchmarks/` only.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.pages import table_page
from benchmarks.parts import Benchmark
from benchmarks.record import Figure
from stietime.cohort.expression.model import compare_genes, wald_tests
from stietime.cohort.expression.units import Design
from stietime.cohort.testing.effects import false_discovery_rates, group_effects, paired_effects
from stietime.cohort.testing.measures import log2_cpm

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PACKAGES: Final = ("stietime", "pydeseq2", "numpy", "scipy", "pandas")
HERE: Final = Path(__file__).parent
REFERENCES: Final = HERE.parent / "tests" / "references" / "deseq2"
N_GENES: Final = 500
N_COHORTS, N_QUICK = 12, 1
SEED: Final = 1
ALPHA: Final = 0.05
FOLD: Final = 3.0
MOVED: Final = 50  # genes, half of them up
LEVEL_TARGET: Final = (0.03, 0.06)
COVERAGE_TARGET: Final = (0.93, 0.97)
OURS, PYDESEQ2, MODERATED = "ours", "PyDESeq2 as it comes", "moderated t of log2 CPM"


class Case(NamedTuple):
    """A design: pairs, or two groups of as many patients; the first arm may be shallower.

    PyDESeq2's own loops are slow, and are run in some cases only.
    """

    name: str
    n: int
    paired: bool
    depth: float
    slow_peer: bool = False


CASES: Final = (
    Case("4 pairs", 4, paired=True, depth=1.0, slow_peer=True),
    Case("6 pairs", 6, paired=True, depth=1.0),
    Case("10 pairs", 10, paired=True, depth=1.0),
    Case("6 pairs, first arm of a tenth of the depth", 6, paired=True, depth=0.1, slow_peer=True),
    Case("6 against 6 patients", 6, paired=False, depth=1.0),
)


class Cohort(NamedTuple):
    """Counts (units x genes, the first arm first), their patients, the design, and the planted log2 folds."""

    counts: pd.DataFrame
    patients: pd.Series
    design: Design
    truth: NDArray[np.float64]


def draw(rng: np.random.Generator, case: Case, *, fold: float = 1.0, n_genes: int = N_GENES) -> Cohort:
    """Draw sums of counts: negative binomial, with levels of the patients' own and unequal depths.

    Dispersions lie around 0.1 + 2 / mean with a log standard deviation of 0.5; patients differ by one of 0.5,
    depths by one of 0.5.
    """
    base = np.exp(rng.normal(3.5, 1.5, n_genes))
    dispersion = (0.1 + 2 / base) * np.exp(rng.normal(0, 0.5, n_genes))
    n_people = case.n if case.paired else 2 * case.n
    own = np.exp(rng.normal(0, 0.5 if case.paired else 0.0, (n_people, n_genes)))
    own = np.vstack([own, own]) if case.paired else own
    truth = np.zeros(n_genes)
    truth[:MOVED] = np.log2(fold) * np.tile([1, -1], MOVED // 2)
    depth = np.exp(rng.normal(0, 0.5, 2 * case.n)) * np.repeat([case.depth, 1.0], case.n)
    arm = np.repeat([1.0, 0.0], case.n)
    mean = base * own * 2 ** (arm[:, None] * truth) * depth[:, None]
    counts = rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean))
    patients = pd.Series(
        [f"p{i % n_people}" for i in range(2 * case.n)], index=[f"u{i}" for i in range(2 * case.n)]
    )
    if case.paired:
        matrix = pd.get_dummies(patients, dtype=float).assign(arm=arm)
    else:
        matrix = pd.DataFrame({"intercept": 1.0, "arm": arm}, index=patients.index)
    vector = np.zeros(matrix.shape[1])
    vector[-1] = 1
    genes = [f"g{i}" for i in range(n_genes)]
    return Cohort(pd.DataFrame(counts, patients.index, genes), patients, Design(matrix, vector, ""), truth)


def ours(cohort: Cohort) -> pd.DataFrame:
    """Test as the step does."""
    return compare_genes(cohort.counts, cohort.design, cohort.patients, min_counts=10, min_patients=3).table


def pydeseq2(cohort: Cohort) -> pd.DataFrame:
    """Test with PyDESeq2's own loops and size factors, the same genes."""
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    tested = ours(cohort)["status"] == "tested"
    counts = cohort.counts.loc[:, tested.to_numpy()]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {"design": cohort.design.matrix, "quiet": True, "n_cpus": 1}
        data: Any = DeseqDataSet(counts=counts, metadata=pd.DataFrame(index=counts.index), **options)
        data.deseq2()
        stats: Any = DeseqStats(
            data, contrast=cohort.design.vector, independent_filter=False, quiet=True, n_cpus=1
        )
        stats.summary()
    found = stats.results_df
    estimate, half = found["log2FoldChange"], 1.959963984540054 * found["lfcSE"]
    table = pd.DataFrame({"estimate": estimate, "ci_low": estimate - half, "ci_high": estimate + half})
    return table.assign(p=found["pvalue"], q=found["padj"]).reindex(cohort.counts.columns)


def moderated(cohort: Cohort) -> pd.DataFrame:
    """Test log2 counts per million by the moderated t that `compare` uses, on the same genes."""
    tested = (ours(cohort)["status"] == "tested").to_numpy()
    values = cohort.counts.to_numpy(dtype=float)
    n = len(values) // 2
    depth = np.broadcast_to(values.sum(axis=1, keepdims=True), values.shape)
    reference = np.broadcast_to(np.minimum(depth[:n], depth[n:]), (n, values.shape[1]))
    first, second = (
        log2_cpm(values[part], depth[part], reference) for part in (slice(None, n), slice(n, None))
    )
    paired = cohort.patients.duplicated().any()
    effects = (
        paired_effects(first, second, testable=tested, min_pairs=3)
        if paired
        else group_effects(first, second, testable=tested, min_group=3)
    )
    low, high = effects.interval()
    table = {"estimate": effects.estimate, "ci_low": low, "ci_high": high, "p": effects.p}
    return pd.DataFrame(table, index=cohort.counts.columns).assign(q=false_discovery_rates(effects.p))


METHODS: Final[dict[str, Callable[[Cohort], pd.DataFrame]]] = {
    OURS: ours,
    PYDESEQ2: pydeseq2,
    MODERATED: moderated,
}


def _methods(case: Case) -> list[str]:
    return [name for name in METHODS if name != PYDESEQ2 or case.slow_peer]


def level(case: Case, n_cohorts: int) -> list[Figure]:
    """Measure how often something is found where nothing differs."""
    rng = np.random.default_rng(SEED)
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in _methods(case)}
    for _ in range(n_cohorts):
        cohort = draw(rng, case)
        for name, tables in found.items():
            tables.append(METHODS[name](cohort))
    p = {name: np.concatenate([table["p"].dropna() for table in tables]) for name, tables in found.items()}
    low, high = LEVEL_TARGET
    out = []
    for limit, target in ((ALPHA, f"{low} to {high}"), (0.001, "")):
        shares = {name: float((values <= limit).mean()) for name, values in p.items()}
        met = low <= shares[OURS] <= high if target else None
        out += _beside(
            case.name, f"share of p <= {limit:g}, nothing differs", shares, target, met, len(p[OURS])
        )
    share = {
        name: float(np.mean([(table["q"] <= ALPHA).mean() for table in tables]))
        for name, tables in found.items()
    }
    return out + _beside(
        case.name, "share of genes with q <= 0.05, nothing differs", share, "", None, len(p[OURS])
    )


def power(case: Case, n_cohorts: int) -> list[Figure]:
    """Measure power, the share of false discoveries, and the coverage of intervals, with genes moved."""
    rng = np.random.default_rng(SEED + 1)
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in _methods(case)}
    for _ in range(n_cohorts):
        cohort = draw(rng, case, fold=FOLD)
        for name, rows in found.items():
            table = METHODS[name](cohort)
            hit = (table["q"] <= ALPHA).to_numpy()
            false = hit[MOVED:].sum() / max(int(hit.sum()), 1)
            inside = (table["ci_low"] <= cohort.truth) & (cohort.truth <= table["ci_high"])
            rows.append((hit[:MOVED].mean(), float(false), float(inside[table["p"].notna()].mean())))
    means = {name: np.mean(measured, axis=0) for name, measured in found.items()}
    metrics = (
        (f"power: q <= 0.05 of {MOVED} genes moved by {FOLD:g}", "", None),
        ("share of false discoveries at q <= 0.05", f"<= {ALPHA}", means[OURS][1] <= ALPHA),
        (
            "coverage of 95 % intervals",
            "0.93 to 0.97",
            COVERAGE_TARGET[0] <= means[OURS][2] <= COVERAGE_TARGET[1],
        ),
    )
    return [
        figure
        for place, (metric, target, met) in enumerate(metrics)
        for figure in _beside(
            case.name,
            metric,
            {name: float(row[place]) for name, row in means.items()},
            target,
            met,
            n_cohorts,
        )
    ]


def _beside(
    case: str,
    metric: str,
    values: dict[str, float],
    target: str,
    met: bool | None,  # noqa: FBT001 - a figure without a target has none
    n: int,
) -> list[Figure]:
    told = None if met is None else bool(met)
    return [
        Figure(case, metric, values[OURS], values[peer], peer, target, told, n, SEED)
        for peer in values
        if peer != OURS
    ]


def against_r() -> list[Figure]:
    """Measure how far p-values lie from those of R's DESeq2, on the frozen references."""
    out = []
    for case in ("pairs", "groups", "difference"):
        counts = pd.read_csv(REFERENCES / f"{case}_counts.tsv", sep="\t", index_col="gene").T
        units = pd.read_csv(REFERENCES / f"{case}_units.tsv", sep="\t").set_index("unit")
        expected = pd.read_csv(REFERENCES / f"{case}_results.tsv", sep="\t", index_col="gene")["pvalue"]
        factors = pd.read_csv(REFERENCES / f"{case}_size_factors.tsv", sep="\t")["size_factor"].to_numpy()
        design = _design(units, case)
        cohort = Cohort(counts, units["patient"], design, np.zeros(counts.shape[1]))
        found = {OURS: wald_tests(counts, factors, design)[0]["p"], PYDESEQ2: pydeseq2(cohort)["p"]}
        apart = {
            name: (np.log10(p.reindex(expected.index)) - np.log10(expected)).abs()
            for name, p in found.items()
        }
        for word, value in (("median", 0.5), ("99 % quantile", 0.99)):
            values = {name: float(gaps.quantile(value)) for name, gaps in apart.items()}
            out += _beside(
                f"R's DESeq2 1.38.3: {case}", f"{word} of |log10 p - R's|", values, "", None, len(expected)
            )
    return out


def _design(units: pd.DataFrame, case: str) -> Design:
    arm = units["arm"].astype(float)
    if case == "groups":
        return Design(pd.DataFrame({"intercept": 1.0, "arm": arm}), np.array([0.0, 1.0]), "")
    matrix = pd.get_dummies(units["part"].astype(str) + units["patient"], dtype=float)
    for part in sorted(set(units["part"])):
        matrix[f"arm{part}"] = arm * (units["part"] == part)
    ends = [1.0] if case == "pairs" else [1.0, -1.0]
    return Design(matrix, np.array([0.0] * (matrix.shape[1] - len(ends)) + ends), "")


def speed(*, quick: bool) -> list[Figure]:
    """Time one test of many genes, CPU seconds."""
    n_genes = 300 if quick else 2000
    cohort = draw(np.random.default_rng(SEED), CASES[0], n_genes=n_genes)
    ours(cohort)  # compiles
    seconds = {}
    for name in (OURS, PYDESEQ2, MODERATED):
        start = time.process_time()
        METHODS[name](cohort)
        seconds[name] = time.process_time() - start
    return _beside(f"4 pairs, {n_genes} genes", "CPU seconds of one test", seconds, "", None, n_genes)


def figures(*, quick: bool) -> list[Figure]:
    """Measure level, power and coverage, agreement with R, and speed.

    Parameters
    ----------
    quick
        One cohort a case.
    """
    n_cohorts = N_QUICK if quick else N_COHORTS
    of_cases = [figure for case in CASES for part in (level, power) for figure in part(case, n_cohorts)]
    return [*of_cases, *against_r(), *speed(quick=quick)]


document: Final = table_page("expression", ["ratio", "seed"])
BENCHMARK: Final = Benchmark("expression", {"genes": figures}, PACKAGES, {"expression": document})


if __name__ == "__main__":
    BENCHMARK.run(__doc__ or "")
