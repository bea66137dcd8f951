"""Test ligands and receptors of near cells, or spots, of one section."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.resources import read_ligand_receptors
from stietime.settings import Interactions, Spatial
from stietime.steps.annotate import KeptCells, read_all
from stietime.steps.arguments import add_path, add_settings
from stietime.steps.find_neighbourhoods import fields_of
from stietime.steps.kept_cells import species_of
from stietime.tissue.graphs.graph import n_neighbours, radius_graph
from stietime.tissue.interactions.cells import interactions, untestable
from stietime.tissue.interactions.clear import clear
from stietime.tissue.interactions.pairs_of_genes import GenePair, expression_of, gene_pairs
from stietime.tissue.interactions.profiles import PROFILE_COLUMNS, chosen_rows, profiles
from stietime.tissue.interactions.section import Senders, Tissue, permuted_within
from stietime.tissue.interactions.spots import Spots, spot_interactions
from stietime.tissue.pairs.ratio_intervals import tissue_blocks
from stietime.tissue.pairs.stratified import density_strata

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from numpy.typing import NDArray

LOG = logging.getLogger(__name__)
DENSITY_UM: Final = 30.0  # of levels of local density, as in the graph's default
CLEAR: Final = 0.05  # q of the rows whose profiles are written
SHARE: Final = "share_"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of the section (h5ad)")
    add_path(parser, "--spots", "places, types and regions of the section's cells, or spots (parquet)")
    text = "shares of the types in each spot (parquet), of a section of spots"
    parser.add_argument("--proportions", type=Path, nargs="?", metavar="FILE", help=text)
    add_settings(parser, Interactions)
    add_settings(parser, Spatial, "--spatial")
    add_path(parser, "--output", "table of ligands and receptors to write (TSV)")
    add_path(parser, "--profiles", "table of the clear ones by distance to write (TSV)")


def run(arguments: argparse.Namespace) -> None:
    """Read the section and write which ligands lie near their receptors, beyond where the types lie."""
    section = read_all(arguments.counts)
    pairs = gene_pairs(read_ligand_receptors(species_of([section.obs], section.path)), section.genes)
    table, by_distance = (_of_spots if arguments.proportions else _of_cells)(section, pairs, arguments)
    storage.write_table(table, arguments.output)
    storage.write_table(by_distance, arguments.profiles)
    told = (sum(bool(pair.missing) for pair in pairs), len(pairs))
    LOG.info("%d of %d pairs of ligand and receptor have a gene that is not on the panel", *told)
    LOG.info(
        "%d of %d rows tested, %d clear", table["p"].notna().sum(), len(table), clear(table, CLEAR).sum()
    )


def _expression(section: KeptCells, rows: NDArray[np.intp]) -> Callable[[str], NDArray[np.float64]]:
    """Give the expression of genes in some of the cells; each gene is computed when it is asked for."""
    counts = sparse.csc_matrix(section.counts[rows])
    totals = np.asarray(section.counts[rows].sum(axis=1), dtype=np.float64).ravel()
    return lambda name: expression_of(counts, section.genes, totals, name)


def _totals(section: KeptCells, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.asarray(section.counts[rows].sum(axis=1), dtype=np.float64).ravel()


def _strata(spots: pd.DataFrame, positions: NDArray[np.float64], settings: Interactions) -> NDArray[np.int64]:
    """Give the strata that expression is permuted within beside type and depth."""
    parts = [np.zeros(len(spots), dtype=np.int64)]
    if settings.condition_on in ("region", "region_and_density"):
        parts.append(pd.factorize(spots["region"], use_na_sentinel=False)[0])
    if settings.condition_on in ("density", "region_and_density"):
        around = n_neighbours(radius_graph(positions, DENSITY_UM))
        parts.append(density_strata(around, settings.n_density_levels))
    return np.unique(np.column_stack(parts), axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _of_cells(
    section: KeptCells, pairs: list[GenePair], arguments: argparse.Namespace
) -> tuple[pd.DataFrame, pd.DataFrame]:
    settings: Interactions = arguments.settings
    columns = [names.CELL, "x_um", "y_um", names.CELL_TYPE, "region"]
    table = storage.read_table(arguments.spots, columns)[columns]
    spots = storage.join_strictly(section.obs[[]], table, arguments.spots)
    known = np.flatnonzero((spots[names.CELL_TYPE] != names.UNKNOWN).to_numpy())
    LOG.info("%d of %d cells are of unknown type and take no part", len(spots) - len(known), len(spots))
    if not len(known) or all(pair.missing for pair in pairs):
        return _nothing(pairs, "no cell of known type" if not len(known) else "")
    fields = fields_of(section.obs, arguments.spatial, section.path)
    spots, fields = spots.iloc[known], None if fields is None else fields[known]
    positions = spots[["x_um", "y_um"]].to_numpy(dtype=float)
    codes, types = pd.factorize(spots[names.CELL_TYPE].astype(str), sort=True)
    strata = _strata(spots, positions, settings)
    totals = _totals(section, known)
    levels = permuted_within(codes.astype(np.int64), len(types), strata, totals, settings.n_depth_levels)
    blocks = tissue_blocks(positions, settings.max_distance_um, fields)
    if fields is not None:  # far apart, so that nothing is counted across fields
        positions = (
            positions + [2 * (float(np.ptp(positions)) + settings.max_distance_um), 0] * fields[:, None]
        )
    tissue = Tissue(positions, list(types), levels, blocks, fields)
    how = Senders(
        settings.max_distance_um, settings.min_cells, settings.n_draws, settings.seed, arguments.threads
    )
    expression = _expression(section, known)
    found = interactions(tissue, pairs, expression, how)
    ends = np.append(
        np.arange(settings.bin_um, settings.max_distance_um, settings.bin_um), how.max_distance_um
    )
    return found, profiles(tissue, chosen_rows(found, CLEAR), expression, ends, how)


def _of_spots(
    section: KeptCells, pairs: list[GenePair], arguments: argparse.Namespace
) -> tuple[pd.DataFrame, pd.DataFrame]:
    settings: Interactions = arguments.settings
    columns = [names.CELL, "x_um", "y_um", "region"]
    places = storage.read_table(arguments.spots, columns)[columns].set_index(names.CELL)
    kept = section.obs.index.get_indexer(places.index)
    parts = storage.join_strictly(
        section.obs[[]], storage.read_table(arguments.proportions, [names.CELL]), arguments.proportions
    )
    shares = parts[[name for name in parts.columns if name.startswith(SHARE)]].to_numpy(dtype=float)[kept]
    positions = places[["x_um", "y_um"]].to_numpy(dtype=float)
    region = pd.factorize(places["region"], use_na_sentinel=False)[0].astype(np.int64)
    strata = region if settings.condition_on != "none" else np.zeros_like(region)
    blocks = tissue_blocks(positions, settings.max_distance_um)
    spots = Spots(positions, shares, _totals(section, kept), strata, blocks)
    found = spot_interactions(
        spots,
        pairs,
        _expression(section, kept),
        max_distance_um=settings.max_distance_um,
        min_spots=settings.min_cells,
    )
    return found, pd.DataFrame(columns=list(PROFILE_COLUMNS))


def _nothing(pairs: list[GenePair], why: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Say of every pair why it is not testable."""
    table = untestable(pairs)
    if why:
        table["note"] = table["note"].where(table["note"] != "", f"not testable: {why}")
    return table, pd.DataFrame(columns=list(PROFILE_COLUMNS))
