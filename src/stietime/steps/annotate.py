"""Step `annotate`: give every kept cell a lineage and a cell type."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.blocks import Block, Blocks, plan_blocks, read_genes
from stietime.cells.cell_types import lineage_of_given
from stietime.cells.marker_sets import positions, shared_genes
from stietime.cells.types.annotation import annotate_cells, lineage_genes, lineages_without_genes
from stietime.cells.types.classify import MarkerCounts
from stietime.errors import InputError
from stietime.h5ad_parts import read_frame
from stietime.resources import Species, read_markers
from stietime.settings import Annotation
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.kept_cells import kept_ids, pair_kept, species_of
from stietime.steps.model_types import by_model, open_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

GIVEN = "given_cell_type"
GIVEN_BY_AUTHORS = "given"


@dataclass(frozen=True)
class KeptCells:
    """Cells of one section: their counts (cells x genes), labels and genes."""

    path: Path
    counts: sparse.csr_matrix
    obs: pd.DataFrame
    genes: pd.Index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--counts", "counts of every sample (h5ad)")
    add_paths(parser, "--quality", "quality of every sample, in the same order (parquet)")
    add_path(parser, "--clusters", "clusters of the kept cells (parquet)")
    text = "weights between neighbours, rows as in the clusters (npz); without, no cell leans on neighbours"
    parser.add_argument("--graph", type=Path, metavar="FILE", help=text)
    add_settings(parser, Annotation)
    add_compute(parser)
    add_path(parser, "--output", "cell types of the kept cells (parquet)")


def run(arguments: argparse.Namespace) -> None:
    """Annotate the kept cells of all samples together.

    Counts are read block by block, once. What stays in memory of all cells are the counts of marker genes.
    """
    settings: Annotation = arguments.settings
    pairs, _ = pair_kept(arguments.counts, arguments.quality)
    cells = pd.Index(np.concatenate([kept_ids(*pair) for pair in pairs]), dtype=object)
    labels = {counts: read_frame(counts, "obs", [GIVEN, "species"]) for counts, _ in pairs}
    species = species_of(list(labels.values()), "--counts")
    panels = {counts: read_frame(counts, "var", []).index for counts, _ in pairs}
    blocks = plan_blocks(pairs, max_gib=arguments.compute.block_gib)
    over = Blocks(blocks, arguments.compute.dask_scheduler, arguments.threads)
    if settings.method == GIVEN_BY_AUTHORS:
        given = [by_given(_kept_only(labels[counts], quality), species, counts) for counts, quality in pairs]
        types = pd.concat(given)
    else:
        data = _gather(over, panels, species)
        around = _surroundings_of(cells, arguments.clusters, arguments.graph)
        types = by_markers(data, species, settings, *around, n_threads=arguments.threads)
    if settings.takes_over:
        shared = shared_genes(panels.values())
        found = by_model(over, panels, open_model(settings, species, shared), settings)
        # what the markers say stands beside it, so that a disagreement shows
        types = found.assign(marker_lineage=types[names.LINEAGE], marker_cell_type=types[names.CELL_TYPE])
    types.insert(0, names.CELL, cells.to_numpy(dtype=object))
    storage.write_table(types, arguments.output)
    log_types(types)


def _kept_only(labels: pd.DataFrame, quality: Path) -> pd.DataFrame:
    return labels[storage.read_table(quality, [names.KEEP])[names.KEEP].to_numpy(dtype=bool)]


def read_all(counts: Path) -> KeptCells:
    """Read all cells of a section."""
    cells = storage.read_cells(counts)
    genes = pd.Index(cells.var_names.astype(object))
    matrix = sparse.csr_matrix(cells.X if cells.X is not None else cells.shape)
    return KeptCells(counts, matrix, cast("pd.DataFrame", cells.obs), genes)


def _gather(over: Blocks, panels: dict[Path, pd.Index], species: Species) -> MarkerCounts:
    """Read the marker genes of all kept cells; genes that a sample lacks are left out of all."""
    markers = read_markers(species)
    known = [set(lineage_genes(markers, panel)) for panel in panels.values()]
    shared = set.intersection(*known)
    genes = pd.Index([gene for gene in next(iter(panels.values())) if gene in shared], dtype=object)
    n_lost = len(set.union(*known)) - len(genes)
    if n_lost:
        log.warning("%d marker genes are not in every sample and are not used", n_lost)
    columns = {path: positions(panel, genes) for path, panel in panels.items()}
    parts = list(over.map(partial(_genes_of_block, columns), over.blocks))
    counts = sparse.vstack([counts for counts, _ in parts], format="csr")
    return MarkerCounts(sparse.csr_matrix(counts), genes, np.concatenate([totals for _, totals in parts]))


def _genes_of_block(
    columns: dict[Path, NDArray[np.intp]], block: Block
) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    return read_genes(block, columns[block.path])


def _surroundings_of(
    cells: pd.Index, path: Path, graph_path: Path | None
) -> tuple[list[str], sparse.csr_matrix | None]:
    """Read the cluster of each cell, and the weights between neighbours if there are any."""
    table = storage.read_table(path, [names.CELL, names.CLUSTER])[[names.CELL, names.CLUSTER]]
    joined = storage.join_strictly(pd.DataFrame(index=cells), table, path)
    # the cells of a cluster share its name, of which there would be a million otherwise
    clusters = joined[names.CLUSTER].astype(str).astype("category").astype(object).tolist()
    if graph_path is None:
        return clusters, None
    graph = storage.read_graph(graph_path, len(table))
    rows = pd.Index(table[names.CELL]).get_indexer(cells)
    return clusters, graph if (np.diff(rows) == 1).all() else sparse.csr_matrix(graph[rows][:, rows])


def by_markers(
    data: MarkerCounts,
    species: Species,
    settings: Annotation,
    clusters: Sequence[str] | None = None,
    graph: sparse.csr_matrix | None = None,
    *,
    n_threads: int = 1,
) -> pd.DataFrame:
    """Annotate by marker sets; see `annotate_cells`."""
    markers = read_markers(species)
    log.info("%d cells, %d marker genes", data.counts.shape[0], len(data.genes))
    unseen = lineages_without_genes(markers, data.genes)
    if unseen:
        log.warning("too few marker genes to tell %s; such cells become unknown or wrong", ", ".join(unseen))
    return annotate_cells(
        data,
        markers,
        clusters,
        graph,
        min_margin=settings.min_margin,
        min_confidence=settings.min_confidence,
        neighbour_weight=settings.neighbour_weight,
        cluster_weight=settings.cluster_weight,
        n_threads=n_threads,
    )


def by_given(obs: pd.DataFrame, species: Species, where: object) -> pd.DataFrame:
    """Take over the types that the file's authors gave.

    Raises
    ------
    InputError
        The cells have no given types.
    """
    if GIVEN not in obs.columns:
        msg = "annotation.method is given, but the cells have no given types"
        fix = "name the column with the authors' types in inputs.cell_type_column, or use method markers"
        raise InputError(msg, where, fix)
    markers = read_markers(species)
    parents = markers.groupby("set_id")["parent"].first()
    given = obs[GIVEN].astype(str).to_numpy(dtype=object)
    lineages = {kind: lineage_of_given(kind, parents) for kind in set(given)}
    known = given != names.UNKNOWN
    return pd.DataFrame(
        {
            names.LINEAGE: [lineages[kind] for kind in given],
            names.LINEAGE_CONFIDENCE: known.astype(float),
            names.CELL_TYPE: given,
            names.CONFIDENCE: known.astype(float),
            "runner_up": "",
            "evidence": "",
        }
    )


def log_types(types: pd.DataFrame) -> None:
    """Log how many cells each lineage has."""
    counts = types[names.LINEAGE].value_counts()
    log.info("%s", ", ".join(f"{lineage} {n}" for lineage, n in counts.items()))
