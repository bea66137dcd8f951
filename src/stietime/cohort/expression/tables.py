"""All genes of all types in all contrasts, patients as the unit; and the regulators among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.expression.model import FEW_COUNTS, METHOD, OUTLIER, RESULT_COLUMNS, compare_genes
from stietime.cohort.expression.regulators import find_makers
from stietime.cohort.expression.units import UNIT, Verdict, choose_units, design_of, judge_units, list_samples
from stietime.cohort.testing.contrasts import GENE_MISSING, NOT_MEASURED, NOT_SEEN, TESTED
from stietime.cohort.testing.effects import false_discovery_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stietime.cohort.design.designs import Contrast
    from stietime.cohort.expression.model import Fit
    from stietime.cohort.expression.pseudobulk import Kind, Pseudobulks

GENE_COLUMNS: Final = (
    *("contrast", names.CELL_TYPE, "level", "gene", "estimate", "ci_low", "ci_high", "p", "q", "base_mean"),
    *("n_patients", "n_pairs", "status"),
)
REGULATOR_COLUMNS: Final = (
    *("contrast", "gene", names.CELL_TYPE, "level", "share_of_expression", "makes_it", "estimate", "ci_low"),
    *("ci_high", "p", "q", "n_patients", "n_pairs", "base_mean", "method", "status", "note", "detection"),
)
TEST_COLUMNS: Final = (
    *(
        "contrast",
        "level",
        names.CELL_TYPE,
        "status",
        "note",
        "n_patients",
        "n_pairs",
        "n_samples",
        "n_cells",
    ),
    *("n_genes", "n_genes_left_out", "n_tested", "design", "size_factors", "dispersion_trend"),
)
OUTLIER_NOTE: Final = "not testable: the counts of one patient decide (Cook's distance)"


@dataclass(frozen=True)
class Options:
    """What is tested, and from how much on.

    Parameters
    ----------
    levels
        lineage, cell_type.
    min_cells
        Fewest cells of a patient's sum in an arm.
    min_counts
        Fewest counts of a gene in all sums of a test.
    min_pairs
        Fewest pairs, or patients in a group; and fewest patients that show a gene.
    min_share, min_detection
        From which on a type makes a gene.
    n_threads
        Threads; no result depends on them.
    """

    levels: Sequence[str]
    min_cells: int
    min_counts: int
    min_pairs: int
    min_share: float
    min_detection: float
    n_threads: int = 1


class Tables(NamedTuple):
    """What is written.

    Parameters
    ----------
    genes
        One row per contrast, type and gene, of the types that can be tested.
    regulators
        One row per contrast, regulator and type.
    tests
        One row per contrast and type: what its test rests on, or why there is none.
    """

    genes: pd.DataFrame
    regulators: pd.DataFrame
    tests: pd.DataFrame


class _Result(NamedTuple):
    verdict: Verdict
    facts: dict[str, Any]
    fit: Fit | None


def compare_expression(
    contrasts: Sequence[Contrast], pseudobulks: Pseudobulks, regulators: Sequence[str], options: Options
) -> Tables:
    """Test every gene in every type and contrast, and say which types make the regulators.

    Parameters
    ----------
    contrasts
        As `find_contrasts` lists them.
    pseudobulks
        Sums by sample; a sample without a cell may be missing.
    regulators
        Genes of the table of regulators.
    options
        What is tested, and from how much on.

    Returns
    -------
    Tables with the columns of `GENE_COLUMNS`, `REGULATOR_COLUMNS` and `TEST_COLUMNS`. An estimate above 0
    means higher in the first arm. `q` is Benjamini and Hochberg's: of genes within contrast and type; of
    regulators within contrast and level, over the types that make them.
    """
    kinds = [(level, name) for level in options.levels for name in pseudobulks.types(level)]
    genes, found, tests = [], [], []
    for contrast in contrasts:
        samples = list_samples(contrast)
        samples = samples[samples[names.SAMPLE].isin(list(pseudobulks.samples))]
        shared, n_left_out = _panel(pseudobulks, samples)
        absent = _absences(pseudobulks, regulators, shared)
        results: dict[frozenset[Kind], _Result] = {}
        for level, name in kinds:
            members = pseudobulks.members(level, name)
            # a cell type that is all of its lineage is tested once
            if members not in results:
                results[members] = _test_type(contrast, samples, pseudobulks, members, shared, options)
            result, keys = (
                results[members],
                {"contrast": contrast.name, "level": level, names.CELL_TYPE: name},
            )
            known = {"n_genes": len(shared), "n_genes_left_out": n_left_out}
            tests.append(keys | result.verdict._asdict() | result.facts | known)
            if result.fit is not None:
                genes.append(_gene_rows(result, keys))
            found.append(_regulator_rows(result, keys, regulators, absent, options))
        found[-len(kinds) :] = [_with_makers(found[-len(kinds) :], pseudobulks, samples, regulators, options)]
    return Tables(
        _categories(_stacked(genes, GENE_COLUMNS)),
        _with_q(_stacked(found, REGULATOR_COLUMNS)),
        pd.DataFrame(tests, columns=list(TEST_COLUMNS)),
    )


def _panel(pseudobulks: Pseudobulks, samples: pd.DataFrame) -> tuple[pd.Index, int]:
    here = list(dict.fromkeys(samples[names.SAMPLE]))
    return pseudobulks.shared_genes(here) if here else (pd.Index([], dtype=object), 0)


def _test_type(
    contrast: Contrast,
    samples: pd.DataFrame,
    pseudobulks: Pseudobulks,
    members: frozenset[Kind],
    genes: pd.Index,
    options: Options,
) -> _Result:
    """Test the genes of one type in one contrast, if its patients allow it."""
    n_cells = pseudobulks.cells(members)
    chosen = choose_units(contrast, samples, n_cells, min_cells=options.min_cells)
    verdict = judge_units(contrast, chosen, min_pairs=options.min_pairs, min_cells=options.min_cells)
    facts: dict[str, Any] = {
        "n_samples": chosen[names.SAMPLE].nunique(),
        "n_cells": int(n_cells.reindex(chosen[names.SAMPLE].unique()).sum()),
    }
    if verdict.status != TESTED:
        return _Result(verdict, facts, None)
    order = chosen.drop_duplicates(UNIT).sort_values(UNIT)[UNIT].reset_index(drop=True)
    order.index = order.index.map(str)
    design = design_of(contrast, order)
    counts = _pooled(chosen, order, pseudobulks, members, genes)
    fit = compare_genes(
        counts,
        design,
        order[names.PATIENT],
        min_counts=options.min_counts,
        min_patients=options.min_pairs,
        n_threads=options.n_threads,
    )
    facts |= {"size_factors": fit.size_factors, "dispersion_trend": fit.trend, "design": design.formula}
    facts["n_tested"] = int((fit.table["status"] == TESTED).sum())
    if not facts["n_tested"]:
        status = FEW_COUNTS if (fit.table["base_mean"] > 0).any() else NOT_SEEN
        verdict = verdict._replace(status=status, note="not testable: too few genes have enough counts")
    return _Result(verdict, facts, fit)


def _pooled(
    chosen: pd.DataFrame,
    order: pd.DataFrame,
    pseudobulks: Pseudobulks,
    members: frozenset[Kind],
    genes: pd.Index,
) -> pd.DataFrame:
    """Sum the samples of each unit, units x genes."""
    place = pd.MultiIndex.from_frame(order).get_indexer(pd.MultiIndex.from_frame(chosen[UNIT]))
    sums = pseudobulks.counts(members, list(chosen[names.SAMPLE]), genes)
    pooled = np.zeros((len(order), len(genes)), dtype=np.int64)
    np.add.at(pooled, place, sums)
    return pd.DataFrame(pooled, index=order.index, columns=genes)


def _gene_rows(result: _Result, keys: dict[str, str]) -> pd.DataFrame:
    assert result.fit is not None  # noqa: S101 - the caller asked
    numbers = {"n_patients": result.verdict.n_patients, "n_pairs": result.verdict.n_pairs}
    return result.fit.table.rename_axis("gene").reset_index().assign(**keys, **numbers)


def _regulator_rows(
    result: _Result, keys: dict[str, str], regulators: Sequence[str], absent: pd.Series, options: Options
) -> pd.DataFrame:
    """Give the rows of one type in one contrast, with the reason where a regulator is not tested."""
    verdict = result.verdict
    n = len(regulators)
    status, note = np.full((2, n), "", dtype=object)
    status[:], note[:] = verdict.status, verdict.note
    numbers: dict[str, Any] = dict.fromkeys(RESULT_COLUMNS[:-1], np.nan)
    if verdict.status == TESTED and result.fit is not None:
        table = result.fit.table.reindex(list(regulators))
        numbers = {column: table[column].to_numpy() for column in numbers}
        status = table["status"].to_numpy(dtype=object)
        told = {FEW_COUNTS: _few(options), OUTLIER: OUTLIER_NOTE, NOT_SEEN: "not testable: not one count"}
        note = np.array([told.get(word, "") for word in status], dtype=object)
    missing = (absent != "").to_numpy()
    status, note = np.where(missing, NOT_MEASURED, status), np.where(missing, absent, note)
    told_of_all = {"method": METHOD, "n_patients": verdict.n_patients, "n_pairs": verdict.n_pairs}
    rows = {"gene": list(regulators), "status": status, "note": note} | numbers | keys | told_of_all
    return pd.DataFrame(rows)


def _absences(pseudobulks: Pseudobulks, regulators: Sequence[str], shared: pd.Index) -> pd.Series:
    """Say of each regulator that not all samples of a contrast measure why it is not tested; else empty."""
    somewhere = {gene for sums in pseudobulks.samples.values() for gene in sums.detected.columns}
    missing = "not measured: the gene is missing in samples of the contrast"
    common = set(regulators) & set(shared)
    told = [
        "" if gene in common else missing if gene in somewhere else f"not measured: {GENE_MISSING}"
        for gene in regulators
    ]
    return pd.Series(told, index=list(regulators), dtype=object)


def _few(options: Options) -> str:
    return (
        f"not testable: fewer than {options.min_counts} counts, or in fewer than {options.min_pairs} patients"
    )


def _with_makers(
    rows: Sequence[pd.DataFrame],
    pseudobulks: Pseudobulks,
    samples: pd.DataFrame,
    regulators: Sequence[str],
    options: Options,
) -> pd.DataFrame:
    """Add who makes the regulators in the samples of a contrast."""
    makers = find_makers(
        pseudobulks,
        list(dict.fromkeys(samples[names.SAMPLE])),
        regulators,
        levels=options.levels,
        min_share=options.min_share,
        min_detection=options.min_detection,
    )
    return pd.concat(rows, ignore_index=True).merge(makers, on=["level", names.CELL_TYPE, "gene"], how="left")


def _with_q(table: pd.DataFrame) -> pd.DataFrame:
    """Correct the regulators within contrast and level, over the types that make them; others have no q."""
    family = table["p"].where(table["makes_it"].astype(bool))
    corrected = family.groupby([table["contrast"], table["level"]], sort=False).transform(
        lambda p: false_discovery_rates(p.to_numpy())
    )
    return table.assign(q=corrected)


def _stacked(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(parts, ignore_index=True)[list(columns)]


def _categories(table: pd.DataFrame) -> pd.DataFrame:
    """Store repeated words once: there are millions of rows in a large cohort."""
    words = ["contrast", names.CELL_TYPE, "level", "gene", "status"]
    return table.astype(dict.fromkeys(words, "category"))
