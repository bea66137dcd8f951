"""Assemble the cohort into one h5ad, in the slots that scverse tools and CELLxGENE expect."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.blocks import count_entries, cut_blocks, read_genes
from stietime.cells.cell_ontology import ONTOLOGY_TERMS
from stietime.errors import InputError
from stietime.h5ad_parts import read_frame
from stietime.steps.arguments import add_compute, add_optional_paths, add_path, add_paths

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import anndata as ad
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.settings import Compute

log = logging.getLogger(__name__)

CORRECTED_LAYER: Final = "ambient_corrected"
SLOTS: Final = {"pca": names.PCA_SLOT, "harmony": names.HARMONY_SLOT, "umap": names.UMAP_SLOT}
ORGANISMS: Final = {"human": ("Homo sapiens", "NCBITaxon:9606"), "mouse": ("Mus musculus", "NCBITaxon:10090")}
# our columns under the names of the CELLxGENE schema; where ours is already called so, it stays
CELLXGENE_NAMES: Final = {"donor_id": names.PATIENT, "assay": "chemistry", "disease": "cancer"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--counts", "counts.h5ad of every sample")
    add_path(parser, "--cells", "cells.parquet of the cohort")
    add_path(parser, "--embedding", "embedding.parquet of the cohort")
    corrected = "ambient_corrected.h5ad of every sample, for a layer of that name"
    add_optional_paths(parser, "--ambient-corrected", corrected)
    add_compute(parser)
    add_path(parser, "--output", "cohort.h5ad to write")


def run(arguments: argparse.Namespace) -> None:
    """Write the cohort: its tables first, then its matrices block by block.

    Raises
    ------
    InputError
        A cell has no counts or no embedding, or no gene is measured in every sample.
    """
    cells = storage.read_table(arguments.cells, [names.CELL, names.SAMPLE, names.PATIENT])
    embedding = storage.read_table(arguments.embedding, [names.CELL])
    order = pd.Index(cells[names.CELL], dtype=object)
    samples = _find_samples(arguments.counts, order)
    genes = _shared_genes(samples)
    corrected = _find_samples(arguments.ambient_corrected, order) if arguments.ambient_corrected else []
    _check_genes(corrected, genes)
    cohort = assemble(cells, embedding, genes, where=arguments.embedding)
    left_out = {sample.name: sample.genes[~sample.genes.isin(genes)].to_numpy() for sample in samples}
    cohort.uns["genes_left_out"] = {sample: lost for sample, lost in left_out.items() if len(lost)}
    compute: Compute = arguments.compute
    with storage.atomic_path(arguments.output) as partial:
        storage.write_cells(cohort, partial)
        for found, read in ((samples, _counts), (corrected, _corrected)):
            blocks = read(found, genes, compute.block_gib)
            storage.append_cells(partial, blocks, n_entries=sum(count_entries(s.path) for s in found))
    log.info("%d cells x %d genes of %d samples", *cohort.shape, len(samples))
    n_lost = sum(len(lost) for lost in left_out.values())
    log.info("%d genes left out of a sample because another sample does not measure them", n_lost)


class _Sample(NamedTuple):
    """The cells of one file that are in the cohort: `keep` of the file's, and their rows in the cohort."""

    name: str
    path: Path
    genes: pd.Index
    keep: NDArray[np.bool_]
    places: NDArray[np.intp]

    def columns(self, genes: pd.Index) -> NDArray[np.intp]:
        """Say where genes stand in the file; -1 for one that is not there."""
        return np.asarray(self.genes.get_indexer(genes))


def _find_samples(paths: Sequence[Path], order: pd.Index) -> list[_Sample]:
    """Find the cells of the cohort in the files; a file without any is left out.

    Raises
    ------
    InputError
        A cell is in none of the files or in two, or the cells of a file do not stand together in the cohort.
    """
    samples = []
    for path in paths:
        cells = read_frame(path, "obs", []).index
        places = np.asarray(order.get_indexer(cells))
        keep = places >= 0
        if keep.any():
            name = str(cells[keep][0]).partition(":")[0]  # a barcode may hold a colon, a sample never does
            samples.append(_Sample(name, path, read_frame(path, "var", []).index, keep, places[keep]))
        else:
            log.warning("%s: no cell is kept, the sample is not in the cohort's file", path)
    _check_cells(samples, order, ", ".join(map(str, paths)))
    return samples


def _check_cells(samples: list[_Sample], order: pd.Index, where: str) -> None:
    n_found = np.zeros(len(order), dtype=int)
    for sample in samples:
        np.add.at(n_found, sample.places, 1)
    missing, twice = order[n_found == 0], order[n_found > 1]
    if len(missing):
        msg = f"{len(missing)} cells have no counts, such as {missing[0]}"
        raise InputError(msg, where, "give the counts of every sample")
    if len(twice):
        msg = f"{len(twice)} cells stand twice in the counts, such as {twice[0]}"
        raise InputError(msg, where, "give the counts of every sample once")
    for sample in samples:
        if np.ptp(sample.places) >= len(sample.places):
            msg = f"cells of other samples stand among those of {sample.name} in the table of cells"
            raise InputError(msg, sample.path, "run the step `collect-cells` again")


def _shared_genes(samples: Sequence[_Sample]) -> pd.Index:
    """List the genes that every sample measures, in the order of the first sample.

    A gene that some sample does not measure is left out: filled up with zeros it would look measured and
    absent. What each sample loses is listed in `uns["genes_left_out"]`.

    Raises
    ------
    InputError
        There is no such gene.
    """
    common = set(samples[0].genes).intersection(*(sample.genes for sample in samples[1:]))
    genes = samples[0].genes[samples[0].genes.isin(common)]
    if not len(genes):
        msg, where = "no gene is measured in every sample", ", ".join(str(sample.path) for sample in samples)
        raise InputError(msg, where, "leave out samples of another panel or species")
    return genes


def _check_genes(samples: Sequence[_Sample], genes: pd.Index) -> None:
    for sample in samples:
        lacking = genes[sample.columns(genes) < 0]
        if len(lacking):
            msg = f"{len(lacking)} genes of the counts are missing, such as {lacking[0]}"
            fix = "delete the file and run again, so that it is made from the counts"
            raise InputError(msg, sample.path, fix)


def assemble(cells: pd.DataFrame, embedding: pd.DataFrame, genes: pd.Index, *, where: object) -> ad.AnnData:
    """Put annotation and embedding of a cohort together, without its matrices.

    Parameters
    ----------
    cells
        One row per kept cell, as `collect-cells` writes it; its order is kept.
    embedding
        One row per kept cell: pca_*, harmony_*, umap_*.
    genes
        Genes that every sample measures.
    where
        The file of the embedding, for messages.

    Returns
    -------
    Cells x genes: `obs`; `obsm`: X_pca, X_pca_harmony, X_umap; `uns["<column>_colors"]`.

    Raises
    ------
    InputError
        The embedding is of other cells.
    """
    import anndata as ad

    obs = cells.set_index(names.CELL)
    placed = storage.join_strictly(obs[[]], embedding, where)
    cohort = ad.AnnData(obs=describe(obs), var=pd.DataFrame(index=genes))
    for prefix, slot in SLOTS.items():
        columns = [column for column in placed.columns if column.startswith(f"{prefix}_")]
        if columns:
            cohort.obsm[slot] = placed[columns].to_numpy(dtype=np.float32)
    cohort.uns["X_is"] = "log1p of counts scaled to 10,000 per cell; Harmony corrected the embedding only"
    _add_colours(cohort)
    return cohort


def _counts(samples: Sequence[_Sample], genes: pd.Index, max_gib: float) -> Iterator[dict[str, csr_matrix]]:
    """Read the counts of all cells, and take logarithms over the genes that are kept."""
    from stietime.cells.normalisation import log_normalise

    for counts in _rows(samples, genes, max_gib):
        whole = counts.astype(np.int32, copy=False)
        yield {"X": log_normalise(whole), f"layers/{names.COUNTS_LAYER}": whole}


def _corrected(
    samples: Sequence[_Sample], genes: pd.Index, max_gib: float
) -> Iterator[dict[str, csr_matrix]]:
    """Read what the correction for ambient RNA left of the counts."""
    for values in _rows(samples, genes, max_gib):
        yield {f"layers/{CORRECTED_LAYER}": values.astype(np.float32, copy=False)}


def _rows(samples: Sequence[_Sample], genes: pd.Index, max_gib: float) -> Iterator[csr_matrix]:
    """Read the cells of all samples in the order of the cohort, some at a time."""
    from scipy import sparse

    for sample in sorted(samples, key=lambda sample: sample.places.min()):
        blocks = cut_blocks(sample.path, sample.keep, max_gib=max_gib)
        parts = (read_genes(block, sample.columns(genes))[0] for block in blocks)
        if (np.diff(sample.places) > 0).all():
            yield from parts
        else:  # the file has another order than the cohort, so its cells have to be there together
            yield sparse.vstack(list(parts), format="csr")[np.argsort(sample.places)]


def describe(obs: pd.DataFrame) -> pd.DataFrame:
    """Add columns by the names of the CELLxGENE schema; ours stay beside them.

    Parameters
    ----------
    obs
        One row per cell, columns as in `cells.parquet`.

    Returns
    -------
    The same rows with donor_id, assay, disease, organism, cell_type_label, the ontology terms that are known
    (`unknown` elsewhere) and suspension_type.
    """
    from stietime.report.labels import label

    described = obs.copy(deep=False)
    for column in obs.select_dtypes("category").columns:
        described[column] = obs[column].astype(object)
    for theirs, ours in CELLXGENE_NAMES.items():
        if ours in obs.columns and theirs not in obs.columns:
            described[theirs] = described[ours]
    if "species" in obs.columns:
        described["organism"] = described["species"].map({key: name for key, (name, _) in ORGANISMS.items()})
        terms = {key: term for key, (_, term) in ORGANISMS.items()}
        described["organism_ontology_term_id"] = described["species"].map(terms)
    if names.CELL_TYPE in obs.columns:
        kinds = obs[names.CELL_TYPE].astype(str)
        described["cell_type_label"] = kinds.map({kind: label(kind) for kind in kinds.unique()})
        described["cell_type_ontology_term_id"] = kinds.map(ONTOLOGY_TERMS).fillna(names.UNKNOWN)
    described["suspension_type"] = "cell"
    return _categories(described)


def _categories(obs: pd.DataFrame) -> pd.DataFrame:
    """Turn text into categories, empty text into missing ones as the file format wants them."""
    for column in obs.columns:
        if pd.api.types.is_string_dtype(obs[column]):
            obs[column] = obs[column].astype(object).replace("", None).astype("category")
    return obs


def _add_colours(cohort: ad.AnnData) -> None:
    from stietime.figures.style import ENVIRONMENT_COLOURS, LINEAGE_COLOURS, colours_of

    known = {names.ENVIRONMENT: ENVIRONMENT_COLOURS, names.LINEAGE: LINEAGE_COLOURS}
    for column in (names.ENVIRONMENT, names.LINEAGE, names.CELL_TYPE, names.CLUSTER, "batch"):
        if column in cohort.obs.columns:
            values: Iterable[str] = cohort.obs[column].astype("category").cat.categories
            colours = colours_of(map(str, values), known.get(column))
            cohort.uns[f"{column}_colors"] = np.array(list(colours.values()), dtype=object)
