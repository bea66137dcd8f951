"""Measure enrichment, co-occurrence, regions and architecture of one section."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.errors import InputError
from stietime.settings import Spatial
from stietime.steps.arguments import add_path, add_settings
from stietime.tissue.graphs import graph, neighbour_graphs
from stietime.tissue.pairs import co_occurrence, label_tests, neighbourhoods, ratio_intervals, stratified
from stietime.tissue.regions import architecture, compartments, regions

if TYPE_CHECKING:
    import argparse

    import anndata as ad
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

LOG = logging.getLogger(__name__)
GIVEN_CELL_TYPE = "given_cell_type"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts.h5ad of the section, with positions in micrometres")
    add_path(parser, "--cell-types", "cell_types.parquet of the section")
    add_settings(parser, Spatial)
    add_path(parser, "--neighbourhoods", "table of neighbourhood enrichment to write (TSV)")
    add_path(parser, "--co-occurrence", "table of co-occurrence by distance to write (TSV)")
    add_path(parser, "--architecture", "table of the section's architecture to write (TSV, one row)")
    add_path(parser, "--spots", "table of every cell's place to write (parquet)")


def run(arguments: argparse.Namespace) -> None:
    """Read a section with its cell types and write what its arrangement says."""
    settings: Spatial = arguments.settings
    cells = storage.read_cells(arguments.counts, arguments.cell_types)
    obs = cast("pd.DataFrame", cells.obs)
    positions = positions_of(cells, arguments.counts)
    lineage, cell_type = labels_of(obs, arguments.cell_types)
    fields, distances = fields_of(obs, settings, arguments.counts), distances_of(settings)
    together = co_occurrence.co_occurrence(
        positions, cell_type, distances, fields=fields, n_threads=arguments.threads
    )
    spots, row = _structure(positions, lineage, cell_type, settings)
    near, enriched = _enrichment(positions, cell_type, spots["region"], fields, arguments)
    degree = graph.n_neighbours(near)
    row |= {"n_isolated": int((degree == 0).sum())}
    storage.write_table(enriched, arguments.neighbourhoods)
    storage.write_table(together, arguments.co_occurrence)
    storage.write_table(_architecture_row(obs, row), arguments.architecture)
    storage.write_table(storage.cell_table(obs.index, **spots, n_neighbours=degree), arguments.spots)
    tested = int(enriched["z"].notna().sum())
    LOG.info("%d of %d pairs of types tested; %d cells isolated", tested, len(enriched), row["n_isolated"])
    LOG.info("class %s; Keren 2018 %s", row["class_phenotype"] or "-", row["class_keren"] or "-")


def _enrichment(
    positions: NDArray[np.float64],
    cell_type: pd.Series,
    region: NDArray[np.object_],
    fields: NDArray[np.int64] | None,
    arguments: argparse.Namespace,
) -> tuple[csr_array, pd.DataFrame]:
    """Connect the cells and test which types are neighbours."""
    settings: Spatial = arguments.settings
    how = neighbour_graphs.Neighbours(
        settings.graph, settings.radius_um, settings.n_nearest, settings.n_rings, settings.max_edge_um
    )
    near = how.connect(positions, fields, arguments.threads)
    strata, levels = [], None
    if settings.condition_on != "density":
        strata.append(pd.factorize(region, use_na_sentinel=False)[0])
    if settings.condition_on != "region":
        around = graph.n_neighbours(
            near if settings.graph == "radius" else graph.radius_graph(positions, settings.radius_um)
        )
        strata.append(stratified.density_strata(around, settings.n_density_levels))
    if settings.condition_on != "none":
        levels = np.unique(np.column_stack(strata), axis=0, return_inverse=True)[1].astype(np.int64)
    blocks = ratio_intervals.tissue_blocks(positions, 2 * settings.radius_um, fields)
    draws = label_tests.Draws(settings.n_draws, settings.seed, arguments.threads)
    found = neighbourhoods.enrichment(
        near, cell_type, how.reach_um, blocks=blocks, strata=levels, draws=draws
    )
    return near, found


def distances_of(settings: Spatial) -> NDArray[np.float64]:
    """Return the distances of the profiles, micrometres."""
    return np.linspace(0, settings.max_distance_um, settings.n_distances + 1)[1:]


def fields_of(obs: pd.DataFrame, settings: Spatial, where: object) -> NDArray[np.int64] | None:
    """Read the fields of view that a column of the input names; None where no column is named.

    Parameters
    ----------
    obs
        Cells of the section.
    settings
        The settings of the step.
    where
        The file, for the error.

    Raises
    ------
    InputError
        The section has no such column.
    """
    if not settings.field_column:
        return None
    column = f"{names.SOURCE_PREFIX}{settings.field_column}"
    if column not in obs.columns:
        what = f"the section has no column {settings.field_column!r}, which spatial.field_column names"
        raise InputError(what, where, "name a column of the input, or leave the option empty")
    return pd.factorize(obs[column].astype(str))[0].astype(np.int64)


def positions_of(cells: ad.AnnData, where: object) -> NDArray[np.float64]:
    """Return the positions of the cells of a section, micrometres.

    Parameters
    ----------
    cells
        Cells of the section.
    where
        The file, for the error.

    Raises
    ------
    InputError
        The section has no positions.
    """
    if names.SPATIAL_SLOT not in cells.obsm:
        what = f"the section has no positions (obsm slot {names.SPATIAL_SLOT!r})"
        raise InputError(what, where, "make it with the step `ingest-section`")
    return np.asarray(cells.obsm[names.SPATIAL_SLOT], dtype=float)


def labels_of(obs: pd.DataFrame, where: object) -> tuple[pd.Series, pd.Series]:
    """Return the lineages and the types of the cells of a section; what is missing is unknown.

    Parameters
    ----------
    obs
        Cells of the section.
    where
        The file, for the error.

    Raises
    ------
    InputError
        The table has no such columns.
    """
    missing = [name for name in (names.LINEAGE, names.CELL_TYPE) if name not in obs.columns]
    if missing:
        what = f"the table lacks the columns {', '.join(missing)}"
        raise InputError(what, where, "make it with the step `map-cells`")
    lineage, cell_type = (
        obs[name].astype(object).fillna(names.UNKNOWN).astype(str)
        for name in (names.LINEAGE, names.CELL_TYPE)
    )
    return lineage, cell_type


def _structure(
    positions: NDArray[np.float64], lineage: pd.Series, cell_type: pd.Series, settings: Spatial
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Find regions and classes: columns of the cells' table, and the measures of the section."""
    tumour, immune = compartments.is_tumour(lineage, cell_type), compartments.is_immune(lineage, cell_type)
    around = graph.radius_graph(positions, settings.region_radius_um)
    inside = regions.find_tumour_regions(
        around, tumour, min_share=settings.min_tumour_share, min_cells=settings.min_region_cells
    )
    distance = regions.distance_to_boundary(positions, inside, settings.region_radius_um)
    spots = {
        "x_um": positions[:, 0],
        "y_um": positions[:, 1],
        names.LINEAGE: lineage.to_numpy(dtype=object),
        names.CELL_TYPE: cell_type.to_numpy(dtype=object),
        "region": regions.name_regions(inside, distance, settings.boundary_um),
        "distance_to_boundary_um": distance,
    }
    contacts = graph.radius_graph(positions, settings.contact_um)
    measures = architecture.measure(positions, contacts, is_tumour=tumour, is_immune=immune, inside=inside)
    row = _classes(measures, settings)
    n_unknown = int((cell_type == names.UNKNOWN).sum())
    if n_unknown:
        notes = [row["note"], f"{n_unknown} of {len(cell_type)} cells have no known type"]
        row["note"] = "; ".join(note for note in notes if note)
    return spots, row


def _classes(measures: architecture.Measures, settings: Spatial) -> dict[str, Any]:
    keren = architecture.keren_class(
        measures,
        cold_below_per_mm2=settings.cold_below_immune_per_mm2,
        mixed_above=settings.mixed_above,
    )
    phenotype = architecture.immune_phenotype(
        measures, infiltrated_above=settings.infiltrated_above, desert_below=settings.desert_below
    )
    notes = [keren.note, phenotype.note]
    if not np.isfinite(measures.mixing.value):
        notes.append("no two immune cells touch: the mixing score has no value")
    chosen = keren if settings.class_scheme == "keren" else phenotype
    return {
        "class": chosen.name,
        "class_keren": keren.name,
        "class_phenotype": phenotype.name,
        "mixing_score": measures.mixing.value if np.isfinite(measures.mixing.value) else np.nan,
        "n_tumour_immune_contacts": int(measures.mixing.above.sum()),
        "n_immune_immune_contacts": int(measures.mixing.below.sum()),
        "infiltration": measures.infiltration.value,
        "immune_share": measures.immune_share.value,
        "immune_per_mm2": measures.immune_density.value,
        "n_tumour": measures.n_tumour,
        "n_immune": measures.n_immune,
        "n_inside": measures.n_inside,
        "confidence": chosen.confidence,
        "confidence_keren": keren.confidence,
        "confidence_phenotype": phenotype.confidence,
        "area_mm2": measures.area_mm2,
        "n_cells": measures.n_cells,
        "note": "; ".join(note for note in notes if note),
    }


def _architecture_row(obs: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """Put what the sample sheet says of the section before what was measured.

    A further column of the sheet that is called like a measure is kept as `sheet_<name>`.
    """
    added = {GIVEN_CELL_TYPE, names.LINEAGE, names.CELL_TYPE, names.CONFIDENCE, names.SAMPLE}
    added |= set(names.MEASURED_AT_INGEST)
    sheet = [
        column
        for column in obs.columns
        if not column.startswith(names.SOURCE_PREFIX)
        and column not in added
        and len(obs[column].unique()) == 1
    ]
    told = {f"sheet_{name}" if name in row else name: obs[name].iloc[0] for name in sheet}
    measured = {**row, "note": row["note"]}
    return pd.DataFrame([{"section": obs[names.SAMPLE].iloc[0], **told, **measured}])
