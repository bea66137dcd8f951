"""Ambient RNA of a sample: its profile, and its share in the counts of the cells.

RNA of lysed cells is in every droplet. As in SoupX (Young & Behjati, GigaScience 2020), marker genes in cells
that cannot express them measure it: haemoglobin in T cells, LYZ in B cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.ambient import fit as ambient_fit
from stietime.cells.ambient.evidence import (
    MIN_CELLS,
    MIN_SOURCE_CELLS,
    gather_evidence,
    lineage_codes,
    lineage_sums,
    lowest_consistent,
)
from stietime.cells.ambient.exclusive_markers import lineages_of_genes
from stietime.cells.cell_sums import totals
from stietime.cells.cell_types import ERYTHROID, LINEAGES
from stietime.cells.gene_families import in_family
from stietime.cells.gene_sums import add_up_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.ambient.evidence import Evidence
    from stietime.cells.ambient.fit import AmbientFit

    Floats = NDArray[np.float64]

EMPTY_DROPLETS: Final = "empty_droplets"
ESTIMATED: Final = "estimated"
MIN_EMPTY_COUNTS: Final = 1000  # fewer counts in empty droplets give no profile
MIN_MARKERS: Final = 3  # one gene alone may be expressed after all, and nothing would tell
MIN_FOREIGN_COUNTS: Final = 10  # expected at a contamination of a tenth, or nothing can be said
MIN_DETECTION: Final = 0.05  # of a marker by ambient RNA alone, from which a call could be faked
STRAY: Final = 0.002  # contamination that stray expression of silent genes can look like
TABLE_COLUMNS: Final = ("gene", "ambient_share", "cell_share", "log2_ratio", "marker_of", "could_fake")


@dataclass(frozen=True)
class Ambient:
    """Ambient RNA of one sample.

    Parameters
    ----------
    profile
        Share of each gene in the ambient RNA; sums to 1 (all 0 in a sample without counts).
    source
        `empty_droplets` or `estimated`, where the profile is from; "" when neither was possible and the
        profile is that of all cells.
    contamination
        Ambient counts / all counts over the cells, 0 to 1; nan when it is not estimable.
    low, high
        Its interval at 95 %.
    n_cells, n_genes
        Cells and marker genes that it is estimated from.
    note
        Why it is not estimable, or what else there is to say.
    """

    profile: Floats
    source: str
    contamination: float
    low: float
    high: float
    n_cells: int
    n_genes: int
    note: str


def estimate_ambient(
    counts: csr_matrix,
    genes: Sequence[str],
    lineages: Sequence[str] | NDArray[np.object_],
    markers: pd.DataFrame,
    *,
    empty_droplet_counts: NDArray[np.integer] | None = None,
) -> Ambient:
    """Estimate the ambient profile of a sample and the share of ambient RNA in its cells.

    A marker gene m in a lineage K that cannot express it has a Poisson count of mean
    ``droplets of K x a x share of m``, with `a` ambient counts per droplet. `a` is averaged over the
    lineages the markers are from. Left out are cells with far more foreign counts than that (doublets,
    mislabelled cells), genes in lineages that show more of them than others do, and genes that are high
    against the other markers of their lineage (expressed after all). Stray counts, that rare markers show
    as well, are taken off. The contamination is `a` x droplets / all counts.

    Parameters
    ----------
    counts
        Counts of the kept cells, cells x genes.
    genes
        Gene symbols, unique.
    lineages
        Provisional lineage of each cell; words that are no lineage, such as `unclear`, are allowed.
    markers
        The marker table: set_id, parent, direction, gene.
    empty_droplet_counts
        Counts per gene summed over empty droplets. Without them the profile is that of all cells, corrected
        where markers contradict it by more than a factor of two (red cells that are not among the cells).

    Returns
    -------
    The profile and the contamination; the result does not depend on the order of the cells.
    """
    codes = lineage_codes(lineages)
    sums = lineage_sums(counts, codes)
    profile, source, note = _first_profile(sums, empty_droplet_counts)
    known = source == EMPTY_DROPLETS
    evidence = gather_evidence(counts, genes, codes, sums, markers, profile if known else None)
    problem = _problem(evidence, codes, profile, sums)
    if problem:
        note = "; ".join(filter(None, (note, problem)))
        return Ambient(profile, source if known else "", np.nan, np.nan, np.nan, 0, 0, note)
    fit, profile = _fit(evidence, genes, codes, sums, profile, known=known)
    return _ambient(fit, codes, sums, Ambient(profile, source, 0, 0, 0, 0, 0, note))


def _first_profile(sums: Floats, empty: NDArray[np.integer] | None) -> tuple[Floats, str, str]:
    of_cells = sums.sum(axis=0) / max(sums.sum(), 1.0)
    if empty is None:
        return of_cells, ESTIMATED, ""
    n_counts = int(empty.sum())
    if n_counts < MIN_EMPTY_COUNTS:
        note = f"only {n_counts} counts in empty droplets, fewer than {MIN_EMPTY_COUNTS}: not used"
        return of_cells, ESTIMATED, note
    return np.asarray(empty, dtype=np.float64) / n_counts, EMPTY_DROPLETS, ""


def _problem(evidence: Evidence, codes: NDArray[np.intp], profile: Floats, sums: Floats) -> str:
    """Say why the contamination cannot be estimated; empty when it can."""
    n_cells = np.bincount(codes, minlength=len(LINEAGES) + 1)[:-1]
    largest = ", ".join(f"{LINEAGES[i]} {n_cells[i]}" for i in np.argsort(-n_cells)[:2] if n_cells[i])
    if not len(evidence.targets):
        return f"no lineage has {MIN_CELLS} cells (of {len(codes)}: {largest or 'none of a lineage'})"
    if not evidence.usable and int((n_cells >= MIN_SOURCE_CELLS).sum()) < 2:
        return f"one lineage only ({largest}): there is no other whose markers it cannot express"
    if not evidence.usable:
        return f"no marker gene of one lineage that another cannot express ({largest})"
    n_markers = int(evidence.silent.any(axis=0).sum())
    if n_markers < MIN_MARKERS:
        return f"only {n_markers} marker genes that other lineages cannot express, fewer than {MIN_MARKERS}"
    n_droplets = np.array([len(depth) for depth in evidence.depths])
    exposure = float((n_droplets[:, None] * evidence.silent * profile[evidence.columns]).sum())
    expected = 0.1 * sums.sum() / len(codes) * exposure
    if expected < MIN_FOREIGN_COUNTS:
        return f"too few counts: a contamination of 10 % would give {expected:.1f} foreign counts"
    return ""


def _fit(
    evidence: Evidence,
    genes: Sequence[str],
    codes: NDArray[np.intp],
    sums: Floats,
    profile: Floats,
    *,
    known: bool,
) -> tuple[AmbientFit, Floats]:
    """Fit until the ambient counts per droplet stand still; they settle in a few rounds."""
    of_markers = np.concatenate([evidence.columns, evidence.rare_columns])
    no_red_cells = np.bincount(codes, minlength=len(LINEAGES))[LINEAGES.index(ERYTHROID)] < MIN_SOURCE_CELLS
    haemoglobin = in_family(genes, "hb") & no_red_cells
    fit = ambient_fit.start(evidence)
    for _ in range(ambient_fit.MAX_ROUNDS):
        before = fit.per_droplet
        fit = ambient_fit.improve(fit, evidence, profile[of_markers], known=known)
        if not known:
            profile = np.append(fit.source_factor, 1.0) @ sums
            profile = profile / profile.sum()
            profile = _with_lost_red_cells(fit, evidence, codes, sums, profile, haemoglobin)
        if fit.n_rounds > 2 and abs(fit.per_droplet - before) <= 1e-4 * max(before, 1e-3):
            break
    return fit, profile


def _with_lost_red_cells(
    fit: AmbientFit,
    evidence: Evidence,
    codes: NDArray[np.intp],
    sums: Floats,
    profile: Floats,
    haemoglobin: NDArray[np.bool_],
) -> Floats:
    """Measure haemoglobin directly where no red cells are: all of it is ambient RNA then."""
    at = np.flatnonzero(haemoglobin)
    if not len(at):
        return profile
    n_cells = np.bincount(codes, minlength=len(LINEAGES))[evidence.targets].astype(np.float64)
    counts = sums[evidence.targets][:, at]
    droplets = np.repeat(n_cells[:, None], len(at), axis=1)
    used = lowest_consistent(counts, droplets, ambient_fit.SLACK_TARGETS)
    found, asked = (np.where(used, values, 0).sum(axis=0) for values in (counts, droplets))
    share = found / (fit.per_droplet * asked + fit.background * asked + 20)
    share *= min(1.0, 0.9 / max(share.sum(), 1e-12))
    changed = profile * (1 - share.sum()) / max(1 - profile[at].sum(), 1e-12)
    changed[at] = share
    return np.asarray(changed)


def _ambient(fit: AmbientFit, codes: NDArray[np.intp], sums: Floats, found: Ambient) -> Ambient:
    """Turn ambient counts per droplet into a share of all counts, with its interval."""
    per_droplet = np.append(fit.target_factor, 1.0)[codes]
    scale = float(per_droplet.sum() / sums.sum())
    contamination = min(fit.per_droplet * scale, 1.0)
    spread = np.exp(1.96 * fit.log_sd)
    none_seen = 3 / fit.source_exposure.sum() * scale  # upper end when no foreign count is seen
    return replace(
        found,
        contamination=contamination,
        low=float(max(contamination / spread - STRAY, 0.0)),
        high=float(min(max(contamination * spread, contamination + none_seen) + STRAY, 1.0)),
        n_cells=fit.n_cells,
        n_genes=fit.n_genes,
    )


def ambient_table(
    ambient: Ambient, counts: csr_matrix, genes: Sequence[str], markers: pd.DataFrame
) -> pd.DataFrame:
    """List the genes of the ambient RNA, and which marker calls they could fake.

    A gene of share s is seen as ambient RNA in a cell of n counts with the probability
    ``1 - exp(-contamination x n x s)``; n is the median of the cells.

    Parameters
    ----------
    ambient
        As `estimate_ambient` returns it.
    counts
        Counts of the kept cells, cells x genes.
    genes
        Gene symbols.
    markers
        The marker table: set_id, parent, direction, gene.

    Returns
    -------
    `TABLE_COLUMNS`, one row per gene with a share above 0, the largest first: cell_share is the gene's share
    in all counts of the cells, log2_ratio that of the two shares, marker_of the lineages (comma-separated)
    it is a positive marker of, could_fake words where at least `MIN_DETECTION` of the median cells would
    show it, else "".
    """
    in_cells = add_up_groups(counts, np.zeros(counts.shape[0], dtype=np.int64), 1)[0]
    in_cells /= max(in_cells.sum(), 1.0)
    depth = totals(counts)
    median = float(np.median(depth)) if len(depth) else 0.0
    order = np.argsort(-ambient.profile, kind="stable")
    order = order[ambient.profile[order] > 0]
    owners = lineages_of_genes(markers)
    joined = {gene: ",".join(name for name in LINEAGES if name in own) for gene, own in owners.items()}
    marker_of = [joined.get(str(genes[i]), "") for i in order]
    expected = np.nan_to_num(ambient.contamination) * median * ambient.profile[order]
    share, cell_share = ambient.profile[order], in_cells[order]
    ratio = np.log2(share, out=np.full(len(order), np.nan), where=cell_share > 0)
    ratio -= np.log2(cell_share, out=np.full(len(order), np.nan), where=cell_share > 0)
    words = [_could_fake(name, mean, median) for name, mean in zip(marker_of, expected, strict=True)]
    values = ([str(genes[i]) for i in order], share, cell_share, ratio, marker_of, words)
    return pd.DataFrame(dict(zip(TABLE_COLUMNS, values, strict=True)))


def _could_fake(lineages: str, expected: float, median: float) -> str:
    if not lineages or (detection := 1 - np.exp(-expected)) < MIN_DETECTION:
        return ""
    owners = lineages.replace(",", ", ")
    return f"{owners}: seen in {detection:.0%} of cells of {median:,.0f} counts (the median)"


def haemoglobin_share(profile: Floats, genes: Iterable[str]) -> float:
    """Sum the haemoglobin genes of an ambient profile.

    Parameters
    ----------
    profile
        Share of each gene.
    genes
        Gene symbols, human or mouse.
    """
    return float(np.asarray(profile)[in_family(genes, "hb")].sum())
