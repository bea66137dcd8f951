"""Values per patient: counts of samples pooled by patient, then brought to the scale of the test."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from stietime.cohort.composition.composition import (
    LEVEL_CELL_TYPE,
    LEVEL_GATED,
    LEVEL_LINEAGE,
    NOT_CAPTURED,
    of_immune,
)
from stietime.cohort.composition.hierarchy import ALL, IMMUNE
from stietime.cohort.composition.log_odds import rarefied_log_odds

if TYPE_CHECKING:
    import pandas as pd

    from stietime.cohort.design.designs import Contrast
from stietime.cohort.testing.effects import mean_of_patients

Matrix = NDArray[np.float64]

CELL_FRACTION: Final = "cell_fraction"
GATED_FRACTION: Final = "gated_fraction"
GENE_EXPRESSION: Final = "gene_expression"
SIGNATURE: Final = "signature"
FRACTIONS: Final = (CELL_FRACTION, GATED_FRACTION)


@dataclass(frozen=True)
class Measure:
    """Numbers that are summed over the samples of a patient before anything is divided.

    Parameters
    ----------
    kind
        `cell_fraction`, `gated_fraction`, `gene_expression` or `signature`.
    numerator
        Samples x entities: cells of the entity; counts of the gene; sum of the scores.
    denominator
        Samples x entities: cells of the parent; counts of all genes; cells that have a score. 0 where
        the sample cannot measure the entity.
    min_denominator
        A patient with less in an arm has no value there.
    parents
        The parent of each entity, for display.
    parts
        Of a parent: disjoint entities that make it up.
    own_part
        Of an entity: the part of its parent that it is, or belongs to.
    """

    kind: str
    numerator: pd.DataFrame
    denominator: pd.DataFrame
    min_denominator: float
    parents: dict[str, str] = field(default_factory=dict)
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    own_part: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Arms:
    """Values of the two arms of one contrast.

    Parameters
    ----------
    first, second
        Patients x entities on the scale of the test, nan where not measured. If paired, row i of both is
        the same patient.
    natural_first, natural_second
        The same on the natural scale: fraction, mean score, log2 counts per million.
    seen
        Whether any cell or count of the entity was seen in a patient that was measured.
    n_in_both
        Number of patients with a value in both arms.
    sampling_variances
        Mean over the patients of either arm of the variance that counting alone gives, per entity; nothing
        for signatures.
    """

    first: Matrix
    second: Matrix
    natural_first: Matrix
    natural_second: Matrix
    seen: NDArray[np.bool_]
    n_in_both: NDArray[np.int64]
    sampling_variances: tuple[Matrix, Matrix] | None


def composition_measure(composition: pd.DataFrame, *, min_parent_cells: int) -> Measure:
    """Make the measure of cell fractions from the table of `count_entities`.

    Cell types that are their own lineage are left out, since they are tested as lineage. Excluded samples,
    which have no numbers, measure nothing. Gated subsets are a measure of their own.
    """
    composition = composition[composition["level"] != LEVEL_GATED]
    own = (composition["level"] == LEVEL_CELL_TYPE) & (composition["entity"] == composition["parent"])
    rows = composition[~own]
    # authors' types may bear the name of a state that is called: the call is tested
    rows = rows[~rows.duplicated(["sample", "entity"], keep="last")]
    measure = _counts_measure(CELL_FRACTION, rows, min_parent_cells)
    order = list(measure.numerator.columns)
    parts, own_part = _parts(composition.drop_duplicates(["entity", "level"]), order)
    return replace(measure, parts=parts, own_part=own_part)


def gated_measure(gated: pd.DataFrame, *, min_parent_cells: int) -> Measure:
    """Make the measure of subsets among immune cells from the table of `count_gated`."""
    return _counts_measure(GATED_FRACTION, gated, min_parent_cells)


def _counts_measure(kind: str, rows: pd.DataFrame, min_parent_cells: int) -> Measure:
    captured = ~rows["note"].fillna("").str.startswith(NOT_CAPTURED)
    rows = rows.assign(n_parent=rows["n_parent"].where(captured, 0))
    order = list(dict.fromkeys(rows["entity"]))
    wide = rows.set_index(["sample", "entity"])[["n", "n_parent"]].astype(float).fillna(0.0)
    counts, totals = (wide[column].unstack()[order] for column in wide.columns)  # noqa: PD010 - no aggregation
    parents = dict(zip(rows["entity"], rows["parent"], strict=True))
    return Measure(kind, counts, totals, min_parent_cells, parents)


def _parts(entities: pd.DataFrame, order: list[str]) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Find the lineages of all cells and of immune cells, and the lineage that each type belongs to."""
    lineages = list(entities.loc[entities["level"] == LEVEL_LINEAGE, "entity"])
    immune = {of_immune(lineage): lineage for lineage in lineages if of_immune(lineage) in order}
    parts = {ALL: tuple(lineages), IMMUNE: tuple(immune)}
    own = dict(zip(parts[ALL] + parts[IMMUNE], parts[ALL] + parts[IMMUNE], strict=True))
    types = entities[(entities["level"] == LEVEL_CELL_TYPE) & entities["parent"].isin(lineages)]
    for kind, lineage in zip(types["entity"], types["parent"], strict=True):
        if of_immune(lineage) in immune:
            own.setdefault(of_immune(kind), of_immune(lineage))
    return parts, own


def log2_cpm(count: Matrix, library: Matrix, reference: Matrix) -> Matrix:
    """Give log2 counts per million, the half count scaled to a reference depth.

    log2((c + r/2) / (L + r) * 1e6) with r = L / reference: a gene that is absent is equal at any depth.

    Parameters
    ----------
    count, library
        Counts of the gene and of all genes.
    reference
        Counts of the shallower side of the comparison.
    """
    ratio = library / reference
    return np.asarray(np.log2((count + 0.5 * ratio) / (library + ratio) * 1e6))


def pool(frame: pd.DataFrame, arm: pd.Series) -> pd.DataFrame:
    """Sum the samples of an arm by patient.

    Parameters
    ----------
    frame
        Samples x entities.
    arm
        The patient of each sample (the index).
    """
    return frame.reindex(arm.index, fill_value=0).groupby(arm.to_numpy()).sum()


def arms(measure: Measure, contrast: Contrast) -> Arms:
    """Pool the samples of a contrast by patient and bring them to the scale of the test.

    Parameters
    ----------
    measure
        What is compared.
    contrast
        Which samples form the arms; if paired, only patients in both are used.
    """
    if contrast.minus is not None:
        return _differences(measure, contrast, contrast.minus)
    sides = [contrast.first, contrast.second]
    if contrast.paired:
        sides = [side[side.isin(contrast.patients)] for side in sides]
    tops = [pool(measure.numerator, side) for side in sides]
    depths = [_measured(pool(measure.denominator, side), measure) for side in sides]
    if contrast.paired:
        both = depths[0].notna() & depths[1].notna()
        depths = [depth.where(both) for depth in depths]
    n_in_both = (depths[0].notna() & depths[1].notna()).sum(axis=0).to_numpy()
    seen = sum(
        (top.where(depth.notna(), 0).abs().sum(axis=0) for top, depth in zip(tops, depths, strict=True))
    )
    references = _references([depth.to_numpy() for depth in depths], paired=contrast.paired)
    pairs = [(top.to_numpy(), depth.to_numpy()) for top, depth in zip(tops, depths, strict=True)]
    first, second = (
        _scaled(measure.kind, top, depth, reference)
        for (top, depth), reference in zip(pairs, references, strict=True)
    )
    natural_first, natural_second = (_natural(measure.kind, top, depth) for top, depth in pairs)
    was_seen = (np.asarray(seen) > 0) | (measure.kind == SIGNATURE)
    counting = None
    if measure.kind != SIGNATURE:
        first_part, second_part = (
            _counting_variance(measure.kind, top, depth, reference)
            for (top, depth), reference in zip(pairs, references, strict=True)
        )
        counting = (first_part, second_part)
    return Arms(first, second, natural_first, natural_second, was_seen, n_in_both, counting)


def _differences(measure: Measure, contrast: Contrast, minus: Contrast) -> Arms:
    """Take the differences within patients of two contrasts as the values of two arms."""
    inner = [replace(contrast, minus=None, paired=True), minus]
    if contrast.paired:
        inner = [
            replace(one, first=_of(one.first, contrast), second=_of(one.second, contrast)) for one in inner
        ]
    one, other = (arms(measure, part) for part in inner)
    first, second = one.first - one.second, other.first - other.second
    both = np.zeros(first.shape[1], dtype=np.int64)
    if contrast.paired:
        both = (~np.isnan(first) & ~np.isnan(second)).sum(axis=0)
    counting = None
    if one.sampling_variances is not None and other.sampling_variances is not None:
        counting = (np.sum(one.sampling_variances, axis=0), np.sum(other.sampling_variances, axis=0))
    naturals = (one.natural_first - one.natural_second, other.natural_first - other.natural_second)
    return Arms(first, second, *naturals, one.seen | other.seen, both, counting)


def _of(arm: pd.Series, contrast: Contrast) -> pd.Series:
    return arm[arm.isin(contrast.patients)]


def _counting_variance(kind: str, top: Matrix, depth: Matrix, reference: Matrix) -> Matrix:
    """Average the variance of the log by counting: 1/n, and for odds also 1/(N - n) (delta method)."""
    half = 0.5 * depth / reference
    each = 1 / (top + half)
    if kind in FRACTIONS:
        each += 1 / (depth - top + half)
    return mean_of_patients(each)


def _measured(depth: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    return depth.where((depth >= measure.min_denominator) & (depth > 0))


def _references(depths: list[Matrix], *, paired: bool) -> list[Matrix]:
    """Depth of the shallower side: within each pair, or by the medians of two groups."""
    if paired:
        smaller = np.fmin(depths[0], depths[1])
        return [smaller, smaller]
    medians = [_median(depth) for depth in depths]
    smaller = np.fmin(medians[0], medians[1])
    return [np.broadcast_to(smaller, depth.shape) for depth in depths]


def _median(depth: Matrix) -> Matrix:
    known = ~np.isnan(depth).all(axis=0)
    result = np.full(depth.shape[1], np.nan)
    if known.any():
        result[known] = np.nanmedian(depth[:, known], axis=0)
    return result


def _scaled(kind: str, top: Matrix, depth: Matrix, reference: Matrix) -> Matrix:
    if kind in FRACTIONS:
        return rarefied_log_odds(top, depth, reference)
    if kind == GENE_EXPRESSION:
        return log2_cpm(top, depth, reference)
    return np.asarray(top / depth)


def _natural(kind: str, top: Matrix, depth: Matrix) -> Matrix:
    if kind == GENE_EXPRESSION:
        return log2_cpm(top, depth, np.full_like(depth, 1e6))
    return np.asarray(top / depth)
