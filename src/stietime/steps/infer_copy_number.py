"""Step `infer-copy-number`: infer copy numbers of epithelial cells, and call those that are malignant."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.blocks import cut_blocks, read_genes
from stietime.cells.clusters.spread_draw import draw_evenly
from stietime.cells.copy_number import tables
from stietime.cells.copy_number.calls import MAX_ORDER_P, CopyNumbers, call_malignant
from stietime.cells.copy_number.profiles import Windows, make_windows, order_genes
from stietime.cells.copy_number.reference import LEFT_OUT, draw_halves, group_reference, is_epithelial
from stietime.cells.marker_sets import positions, shared_genes
from stietime.cells.normalisation import log_normalise
from stietime.errors import InputError
from stietime.h5ad_parts import read_frame
from stietime.resources import read_gene_positions
from stietime.settings import CopyNumber
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.kept_cells import pair_kept, species_of

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)

CHEMISTRY = "chemistry"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--counts", "counts of every sample (h5ad)")
    add_paths(parser, "--quality", "quality of every sample, in the same order (parquet)")
    add_path(parser, "--cell-types", "cell types of the kept cells (parquet)")
    add_settings(parser, CopyNumber)
    add_compute(parser)
    add_path(parser, "--output", "signal, correlation and call of the kept cells (parquet)")
    text = "what was found in each sample, in each chromosome arm, and along the genome (tsv)"
    metavar = ("SAMPLES", "ARMS", "PROFILE")
    parser.add_argument("--tables", type=Path, nargs=3, required=True, metavar=metavar, help=text)


class _Sample(NamedTuple):
    """One sample: which rows of its file are kept, and the lineages of these cells by name."""

    name: str
    path: Path
    keep: Mask
    lineages: pd.Series
    genes: pd.Index
    chemistry: str

    @property
    def is_epithelial(self) -> Mask:
        """Which of the kept cells are of epithelial lineages."""
        return is_epithelial(self.lineages.to_numpy(dtype=object))


class _Reference(NamedTuple):
    """Immune and stromal cells: their expression (cells x genes of `places`), names and groups."""

    expression: sparse.csr_matrix
    places: pd.DataFrame
    cells: pd.Index
    groups: NDArray[np.object_]
    n_samples: int


@dataclass
class _Cohort:
    """What all samples share; references that samples of one chemistry borrow are read once."""

    samples: list[_Sample]
    places: pd.DataFrame
    settings: CopyNumber
    max_gib: float
    borrowed: dict[str, _Reference] = field(default_factory=dict)


class _NotTestableError(Exception):
    """A sample that cannot be judged, with the reason."""


def run(arguments: argparse.Namespace) -> None:
    """Infer copy numbers, sample by sample.

    Of one sample at a time the epithelial cells are held, and of references no more than
    `copy_number.max_reference_cells` for the sample and for each chemistry; counts are read block by block.
    """
    pairs, _ = pair_kept(arguments.counts, arguments.quality)
    species = species_of([read_frame(counts, "obs", ["species"]) for counts, _ in pairs], "--counts")
    samples = _survey(pairs, arguments.cell_types)
    cohort = _Cohort(samples, read_gene_positions(species), arguments.settings, arguments.compute.block_gib)
    cells, rows, arms, profiles = zip(*(_judge(sample, cohort) for sample in samples), strict=True)
    storage.write_table(pd.concat(cells).reset_index(names=names.CELL), arguments.output)
    columns = (tables.SAMPLE_COLUMNS, tables.ARM_COLUMNS, tables.PROFILE_COLUMNS)
    for parts, order, path in zip((rows, arms, profiles), columns, arguments.tables, strict=True):
        storage.write_table(tables.stack(list(parts), order), path)


def _survey(pairs: list[tuple[Path, Path]], path: Path) -> list[_Sample]:
    """Read what is known of the kept cells of every sample."""
    types = storage.read_table(path, [names.CELL, names.LINEAGE]).set_index(names.CELL)[names.LINEAGE]
    found = []
    for counts, quality in pairs:
        keep = storage.read_table(quality, [names.KEEP])[names.KEEP].to_numpy(dtype=bool)
        obs = read_frame(counts, "obs", [names.SAMPLE, CHEMISTRY])
        cells = obs.index[keep]
        missing = cells.difference(types.index)
        if len(missing):
            what = f"{len(missing)} kept cells have no cell type, such as {missing[0]}"
            raise InputError(what, path, "delete the cell types and run again")
        genes = read_frame(counts, "var", []).index
        chemistry = str(obs[CHEMISTRY].iloc[0]) if CHEMISTRY in obs else ""
        name = str(cells[0]).partition(":")[0]
        found.append(_Sample(name, counts, keep, types.reindex(cells), genes, chemistry))
    return found


def _judge(sample: _Sample, cohort: _Cohort) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Make the rows of one sample: of its cells, of itself, of its arms and of its windows."""
    cells, own = tables.empty_cells(sample.lineages.index), sample.is_epithelial
    try:
        reference, places, windows, found = _infer(sample, cohort)
    except _NotTestableError as reason:
        log.info("%s: %s", sample.name, reason)
        groups = group_reference(sample.lineages.to_numpy(dtype=object), min_cells=1)
        row = tables.untested_row(
            sample.name, int(own.sum()), int((groups != LEFT_OUT).sum()), f"not testable: {reason}"
        )
        return cells, row, pd.DataFrame(), pd.DataFrame()
    log.info("%s: %d of %d epithelial cells called", sample.name, found.called.sum(), len(found.called))
    is_own = reference.n_samples == 1
    tables.fill_cells(cells, cells.index[own], reference.cells if is_own else cells.index[:0], found)
    note = _note(reference, found)
    row = tables.sample_row(sample.name, found, reference.groups, reference.n_samples, windows, note)
    arms = tables.arm_rows(sample.name, found, places)
    return cells, row, arms, tables.profile_rows(sample.name, found, windows)


def _infer(sample: _Sample, cohort: _Cohort) -> tuple[_Reference, pd.DataFrame, Windows, CopyNumbers]:
    """Infer the copy numbers of one sample.

    Raises
    ------
    _NotTestableError
        There are too few cells or genes.
    """
    settings = cohort.settings
    n_epithelial = int(sample.is_epithelial.sum())
    if n_epithelial < settings.min_epithelial_cells:
        msg = f"{n_epithelial} epithelial cells"
        raise _NotTestableError(msg)
    reference = _reference_of(sample, cohort)
    epithelial = _read(sample, sample.is_epithelial, reference.places, cohort.max_gib)
    normal = reference.expression
    used = np.maximum(_detection(epithelial), _detection(normal)) >= settings.min_detection
    if used.sum() < settings.min_genes:
        msg = f"{used.sum()} genes with a known position are seen in enough cells"
        raise _NotTestableError(msg)
    places = reference.places[used].reset_index(drop=True)
    windows = make_windows(places, window_genes=settings.window_genes, step_genes=settings.step_genes)
    found = call_malignant(
        epithelial[:, used],
        normal[:, used],
        reference.groups,
        draw_halves(reference.cells, reference.groups, settings.seed),
        windows,
        max_log_ratio=settings.max_log_ratio,
        false_call_rate=settings.false_call_rate,
        n_orders=settings.n_orders,
        seed=settings.seed,
    )
    return reference, places, windows, found


def _reference_of(sample: _Sample, cohort: _Cohort) -> _Reference:
    """Take the immune and stromal cells of the sample, else those of all samples of its chemistry."""
    own = _gather([sample], cohort)
    if own is not None:
        return own
    if sample.chemistry not in cohort.borrowed:
        like = [other for other in cohort.samples if other.chemistry == sample.chemistry]
        found = _gather(like, cohort)
        if found is None:
            msg = f"fewer than {cohort.settings.min_reference_cells} immune and stromal cells to compare with"
            raise _NotTestableError(msg)
        cohort.borrowed[sample.chemistry] = found
    return cohort.borrowed[sample.chemistry]


def _gather(members: list[_Sample], cohort: _Cohort) -> _Reference | None:
    """Draw and read the reference cells of some samples; None where they are too few."""
    settings = cohort.settings
    lineages = pd.concat([member.lineages for member in members])
    every = group_reference(lineages.to_numpy(dtype=object), min_cells=settings.min_cells_per_lineage)
    inside = np.flatnonzero(every != LEFT_OUT)
    if len(inside) < settings.min_reference_cells:
        return None
    owners = np.repeat(np.arange(len(members)), [len(member.lineages) for member in members])
    cells, groups = lineages.index[inside], pd.Series(every[inside])
    of_sample = pd.Series(owners[inside])
    drawn = inside[
        draw_evenly(cells, groups, of_sample, max_cells=settings.max_reference_cells, seed=settings.seed)
    ]
    shared = shared_genes([member.genes for member in members])
    places = order_genes(shared, cohort.places).places
    parts = []
    for place, member in enumerate(members):
        wanted = np.zeros(len(owners), dtype=bool)
        wanted[drawn] = True
        wanted = wanted[owners == place]
        if wanted.any():
            parts.append(_read(member, wanted, places, cohort.max_gib))
    expression = sparse.csr_matrix(sparse.vstack(parts, format="csr"))
    return _Reference(expression, places, lineages.index[drawn], every[drawn], len(members))


def _read(sample: _Sample, wanted: Mask, places: pd.DataFrame, max_gib: float) -> sparse.csr_matrix:
    """Read the log-normalised expression of some kept cells, genes in the order of the genome."""
    rows = sample.keep.copy()
    rows[sample.keep] = wanted
    columns = positions(sample.genes, pd.Index(places["symbol"], dtype=object))
    parts = []
    for block in cut_blocks(sample.path, rows, max_gib=max_gib):
        counts, cell_totals = read_genes(block, columns)
        parts.append(log_normalise(counts, cell_totals=cell_totals))
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))


def _detection(expression: sparse.csr_matrix) -> NDArray[np.float64]:
    """Share of the cells that show each gene."""
    n_cells, n_genes = expression.shape
    return cast("NDArray[np.float64]", np.bincount(expression.indices, minlength=n_genes) / n_cells)


def _note(reference: _Reference, found: CopyNumbers) -> str:
    told = []
    if found.p > MAX_ORDER_P:
        told.append("no cell is called: with genes in another order the mean profile is about as strong")
    if reference.n_samples > 1:
        told.append(
            "compared with cells of other samples too; how these were handled can pass for copy numbers"
        )
    return "; ".join(told)
