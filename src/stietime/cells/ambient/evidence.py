"""Counts of marker genes in cells that cannot express them: what tells how much ambient RNA there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import betainc

from stietime.cells.ambient.exclusive_markers import exclusive_markers
from stietime.cells.cell_sums import totals
from stietime.cells.cell_types import LINEAGES
from stietime.cells.gene_sums import add_up_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

MIN_CELLS: Final = 20  # of a lineage in which the markers of others are counted
MIN_SOURCE_CELLS: Final = 5  # of a lineage whose markers are counted in others
MIN_SHARE: Final = 3e-5  # a rarer gene says more of stray expression than of ambient RNA


@dataclass(frozen=True)
class Evidence:
    """Counts of marker genes in lineages that cannot express them.

    Parameters
    ----------
    columns
        Positions of the marker genes among all genes.
    source
        Position in `cell_types.LINEAGES` of the lineage that most RNA of each marker is from.
    targets
        Positions in `cell_types.LINEAGES` of the lineages in which markers of others are counted.
    silent
        Targets x markers: the target cannot express the gene.
    cells
        For each target, counts of its cells x markers.
    foreign
        For each target, counts of its cells x lineages, summed over the markers that the target cannot
        express and whose source the lineage is.
    depths
        For each target, counts of its cells over all genes.
    rare
        Targets x further markers, too rare to measure ambient RNA by: counts, nan where not silent.
    rare_columns
        Their positions among all genes.
    share_variance
        For each lineage, variance of the log of its part in the profile: 1 / its cells; 0 in a profile that
        is measured.
    """

    columns: NDArray[np.intp]
    source: NDArray[np.intp]
    targets: NDArray[np.intp]
    silent: Bools
    cells: tuple[sparse.csr_matrix, ...]
    foreign: tuple[Floats, ...]
    depths: tuple[Floats, ...]
    rare: Floats
    rare_columns: NDArray[np.intp]
    share_variance: Floats

    @property
    def usable(self) -> bool:
        """Whether any marker is counted in any lineage."""
        return bool(self.silent.any())


def lineage_codes(lineages: Sequence[str] | NDArray[np.object_]) -> NDArray[np.intp]:
    """Give the position of each cell's lineage in `cell_types.LINEAGES`, their number for any other word."""
    codes = pd.Index(LINEAGES, dtype=object).get_indexer(pd.Index(np.asarray(lineages, dtype=object)))
    return np.where(codes < 0, len(LINEAGES), codes)


def lineage_sums(counts: sparse.csr_matrix, codes: NDArray[np.intp]) -> Floats:
    """Sum the counts of each lineage.

    Returns
    -------
    Lineages + 1 (cells of no lineage) x genes.
    """
    return add_up_groups(counts, codes, len(LINEAGES) + 1)


def gather_evidence(
    counts: sparse.csr_matrix,
    genes: Sequence[str],
    codes: NDArray[np.intp],
    sums: Floats,
    markers: pd.DataFrame,
    profile: Floats | None,
) -> Evidence:
    """Count marker genes in the lineages that cannot express them.

    Parameters
    ----------
    counts
        Kept cells x genes.
    genes
        Gene symbols.
    codes, sums
        As `lineage_codes` and `lineage_sums` return them.
    markers
        The marker table.
    profile
        The ambient profile when it is known; without it only markers of lineages among the cells count, as
        nothing else tells how much of the ambient RNA they make up.
    """
    found = exclusive_markers(markers, genes)
    n_cells = np.bincount(codes, minlength=len(LINEAGES) + 1)[:-1]
    targets = np.flatnonzero(n_cells >= MIN_CELLS)
    present = found.owners & (n_cells >= MIN_SOURCE_CELLS)[:, None]
    mass = np.where(present, sums[:-1][:, found.columns] + 1e-9, 0)
    from_cells = mass.any(axis=0) if profile is None else np.ones(len(found.columns), dtype=bool)
    source = np.where(mass.any(axis=0), mass.argmax(axis=0), found.owners.argmax(axis=0))
    share = sums.sum(axis=0) / max(sums.sum(), 1) if profile is None else profile
    common = (share[found.columns] >= MIN_SHARE) & from_cells
    rare = (share[found.columns] < MIN_SHARE) & from_cells
    of_markers = sparse.csr_matrix(counts[:, found.columns])
    cells = [of_markers[codes == target] for target in targets]
    rare_sums = np.array([np.asarray(part[:, rare].sum(axis=0)).ravel() for part in cells], dtype=np.float64)
    rare_sums = rare_sums.reshape(len(targets), int(rare.sum()))
    depth = totals(counts)
    silent, of_common = found.silent[targets][:, common], tuple(part[:, common] for part in cells)
    of_source = np.arange(len(LINEAGES)) == source[common][:, None]
    return Evidence(
        columns=found.columns[common],
        source=source[common],
        targets=targets,
        silent=silent,
        cells=of_common,
        foreign=tuple(
            np.asarray(part @ (of_source & own[:, None]).astype(np.float64))
            for part, own in zip(of_common, silent, strict=True)
        ),
        depths=tuple(depth[codes == target] for target in targets),
        rare=np.where(found.silent[targets][:, rare], rare_sums, np.nan),
        rare_columns=found.columns[rare],
        share_variance=1 / np.maximum(n_cells, 1) if profile is None else np.zeros(len(n_cells)),
    )


def is_above(counts: Floats, expected: Floats, dispersion: float, p: float) -> Bools:
    """Test whether counts are higher than a negative binomial with the expected mean allows.

    Parameters
    ----------
    counts
        Counts, which need not be whole.
    expected
        Their means.
    dispersion
        Variance = mean + dispersion * mean^2.
    p
        Level: P(X >= counts) below it is above.
    """
    size = 1 / dispersion
    mean = np.maximum(expected, 1e-9)
    x = np.maximum(counts, 1e-9)
    return np.asarray((counts > 0) & (betainc(x, size, mean / (mean + size)) < p))


def lowest_consistent(counts: Floats, exposure: Floats, slack: float) -> Bools:
    """Choose, gene by gene, the targets that agree on the lowest rate of the gene.

    Expression of its own only adds to a target's rate, so targets join from the lowest rate upward, until
    one is higher than `slack` times the rate so far allows; a third of the exposure joins in any case.

    Parameters
    ----------
    counts
        Targets x genes.
    exposure
        Targets x genes; 0 where the gene is not asked of the target.
    slack
        Factor between rates that is not held against a target.

    Returns
    -------
    Targets x genes.
    """
    n_targets, n_genes = counts.shape
    rate = np.where(exposure > 0, counts / np.where(exposure > 0, exposure, 1), np.inf)
    order = np.argsort(rate, axis=0, kind="stable")
    x, e = (np.take_along_axis(values, order, axis=0) for values in (counts, exposure))
    third = e.sum(axis=0) / 3
    chosen = np.zeros(counts.shape, dtype=bool)
    open_ = np.ones(n_genes, dtype=bool)
    sum_x, sum_e = np.zeros(n_genes), np.zeros(n_genes)
    for row in range(n_targets):
        expected = slack * np.maximum(sum_x, 0.5) / np.maximum(sum_e, 1e-12) * e[row]
        open_ &= (e[row] > 0) & ((sum_e < third) | ~is_above(x[row], expected, 0.1, 0.05))
        chosen[row] = open_
        sum_x += np.where(open_, x[row], 0)
        sum_e += np.where(open_, e[row], 0)
    result = np.zeros_like(chosen)
    np.put_along_axis(result, order, chosen, axis=0)
    return result
