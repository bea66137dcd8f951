"""Step `describe-spots`: measure regions, scores, lymphoid hot spots, neighbouring types, variable genes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.cells.marker_sets import match_marker_sets
from stietime.cells.scores.signatures import Method, score_signatures
from stietime.errors import InputError
from stietime.resources import read_markers
from stietime.settings import Spatial, States, Structures
from stietime.steps.arguments import add_path, add_settings
from stietime.steps.kept_cells import species_of
from stietime.tissue.graphs.graph import n_neighbours, radius_graph
from stietime.tissue.regions.architecture import Call, immune_phenotype
from stietime.tissue.regions.compartments import IMMUNE_LINEAGES, TUMOUR_LINEAGES
from stietime.tissue.regions.regions import distance_to_boundary, name_regions
from stietime.tissue.regions.spot_regions import (
    RINGS,
    spot_measures,
    tumour_score,
    tumour_spots,
    with_neighbours,
)
from stietime.tissue.spots.spatial_autocorrelation import moran_of_genes, pairs_of_shares
from stietime.tissue.structures.lymphoid_spots import Hotspots, hotspot_table, lymphoid_hotspots

if TYPE_CHECKING:
    import argparse

    import anndata as ad
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Floats = NDArray[np.float64]

log = logging.getLogger(__name__)

MIN_SPOTS_OF_GENE = 0.05  # of the spots: a gene in fewer says nothing of space
# mononuclear cells that pathologists count as infiltrate (Salgado et al. 2015, Annals of Oncology 26, 259)
NO_KEREN = "spots: what counts is shares, and the mixing score of Keren 2018 needs cells"
SIGNATURE = "tls"  # the marker set of tertiary lymphoid structures
B_CELLS, T_CELLS, DENDRITIC = ("b_cell",), ("t_cell", "cd4_t", "cd8_t", "treg"), ("dc", "pdc")
LYMPHOID = ("t_cell", "nk", "b_cell", "plasma", "lymphocyte")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of the section (h5ad), whose positions are spots")
    add_path(parser, "--proportions", "shares of the types in each spot (parquet)")
    add_settings(parser, Spatial)
    add_settings(parser, States, "--states")
    add_settings(parser, Structures, "--structures")
    add_path(parser, "--pairs", "table of types in neighbouring spots to write (TSV)")
    add_path(parser, "--spots", "place, region and infiltrate of each spot to write (parquet)")
    add_path(parser, "--architecture", "table of the section's architecture to write (TSV, one row)")
    add_path(parser, "--scores", "scores of marker sets of each spot to write (parquet)")
    add_path(parser, "--hotspots", "table of lymphoid hot spots to write (TSV)")
    add_path(parser, "--genes", "table of spatially variable genes to write (TSV)")


def run(arguments: argparse.Namespace) -> None:
    """Measure the section.

    Raises
    ------
    InputError
        The section is one of cells, or its proportions are not of its spots.
    """
    section = storage.read_cells(arguments.counts)
    facts = section.uns.get("ingest", {})
    if "spot_pitch_um" not in facts:
        what = "the section does not say how far apart its spots are"
        raise InputError(what, arguments.counts, "set resolution to spot in its row of the sample sheet")
    pitch = float(facts["spot_pitch_um"])
    obs = cast("pd.DataFrame", section.obs)
    table = storage.read_table(arguments.proportions, [names.CELL])
    parts = storage.join_strictly(obs[[]], table, arguments.proportions)
    kept = np.flatnonzero(np.isfinite(parts["n_counts_used"].to_numpy(dtype=np.float64)))
    section, positions = section[kept], np.asarray(section.obsm[names.SPATIAL_SLOT], dtype=np.float64)[kept]
    near = radius_graph(positions, RINGS * pitch)
    index, parts = obs.index[kept], parts.iloc[kept]
    settings: Spatial = arguments.settings
    storage.write_table(pairs_of_shares(*_shares(parts), near), arguments.pairs)
    regions = _regions(parts, near, positions, settings, pitch)
    scores = _scores(section, arguments.states)
    storage.write_table(storage.cell_table(index, **scores), arguments.scores)
    lymphoid = _lymphoid(parts, regions, scores)
    hot = _hotspots(near, lymphoid, arguments.structures)
    storage.write_table(hotspot_table(hot, lymphoid, pitch), arguments.hotspots)
    told_of = {"hotspot": hot.number, "z_signature": hot.z_signature, "z_lymphoid": hot.z_lymphoid}
    storage.write_table(storage.cell_table(index, **regions, **told_of), arguments.spots)
    row = _architecture(regions, settings, pitch) | {"n_isolated": int((n_neighbours(near) == 0).sum())}
    row |= {"n_hotspots": np.nan if hot.note else hot.n}
    row["note"] = "; ".join(note for note in (row["note"], hot.note) if note)
    storage.write_table(_architecture_row(obs, row), arguments.architecture)
    genes = _genes(section, near)
    storage.write_table(genes, arguments.genes)
    n_inside, n_genes = int((regions["region"] == "tumour").sum()), int((genes["q"] < 0.05).sum())
    told = (len(kept), n_inside, n_genes, len(genes), row["n_isolated"])
    log.info("%d spots, %d in tumour regions; %d of %d genes vary in space; %d spots alone", *told)
    log.info("%s", hot.note or f"{hot.n} lymphoid hot spots of {(hot.number > 0).sum()} spots")


def _shares(parts: pd.DataFrame) -> tuple[Floats, list[str]]:
    columns = [name for name in parts.columns if name.startswith("share_")]
    types = [name.removeprefix("share_") for name in columns]
    return parts[columns].to_numpy(dtype=np.float64), types


def _sum(parts: pd.DataFrame, kind: str, types: object) -> Floats:
    """Sum what the spots have of some types; the order of the types does not matter."""
    columns = [f"{kind}_{name}" for name in cast("list[str]", types) if f"{kind}_{name}" in parts.columns]
    return parts[columns].sum(axis=1, skipna=False).to_numpy(dtype=np.float64)


def _regions(
    parts: pd.DataFrame, near: csr_array, positions: Floats, settings: Spatial, pitch: float
) -> dict[str, NDArray[Any]]:
    """Find regions and infiltrates by the shares of the spots and their rings."""
    types = _shares(parts)[1]
    score = tumour_score(near, _sum(parts, "molecules", TUMOUR_LINEAGES), _sum(parts, "molecules", types))
    inside = tumour_spots(near, score, min_score=settings.min_tumour_share)
    distance = distance_to_boundary(positions, inside, RINGS * pitch)
    immune, lymphoid = (_sum(parts, "share", sorted(kinds)) for kinds in (IMMUNE_LINEAGES, LYMPHOID))
    kind = "cells" if any(name.startswith("cells_") for name in parts.columns) else "share"
    return {
        "x_um": positions[:, 0],
        "y_um": positions[:, 1],
        "region": name_regions(inside, distance, max(settings.boundary_um, pitch / 2)),
        "region_inside": inside,
        "tumour_score": score,
        "distance_to_boundary_um": distance,
        "immune_share": immune,
        "lymphoid_share": lymphoid,
        "immune_share_around": with_neighbours(near, immune),
        "lymphoid_share_around": with_neighbours(near, lymphoid),
        "immune_cells": _sum(parts, kind, sorted(IMMUNE_LINEAGES)),
        "tumour_cells": _sum(parts, kind, sorted(TUMOUR_LINEAGES)),
        "n_neighbours": n_neighbours(near),
    }


def _lymphoid(
    parts: pd.DataFrame, regions: dict[str, NDArray[Any]], scores: dict[str, NDArray[np.float32]]
) -> pd.DataFrame:
    """Gather what lymphoid hot spots are found and described by; what is not known is missing."""
    known = _shares(parts)[1]
    kinds = {"b_share": B_CELLS, "t_share": T_CELLS, "dc_share": DENDRITIC}
    missing = np.full(len(parts), np.nan)
    shares = {
        name: _sum(parts, "share", types) if set(types) & set(known) else missing
        for name, types in kinds.items()
    }
    signature = scores.get(names.score_column(SIGNATURE), missing).astype(np.float64)
    places = {name: regions[name] for name in ("x_um", "y_um", "distance_to_boundary_um")}
    return pd.DataFrame({**places, **shares, "signature": signature})


def _hotspots(near: csr_array, spots: pd.DataFrame, settings: Structures) -> Hotspots:
    b, t, signature = (spots[name].to_numpy(dtype=float) for name in ("b_share", "t_share", "signature"))
    return lymphoid_hotspots(near, b, t, signature, min_share=settings.min_spot_share)


def _architecture(regions: dict[str, NDArray[Any]], settings: Spatial, pitch: float) -> dict[str, Any]:
    """Call the section desert, excluded or infiltrated by the shares of immune cells; Keren's needs cells."""
    places = np.column_stack([regions["x_um"], regions["y_um"]])
    inside = regions["region_inside"]
    shares = {"immune": regions["immune_cells"], "tumour": regions["tumour_cells"]}
    measures = spot_measures(places, **shares, inside=inside, pitch_um=pitch)
    call = immune_phenotype(
        measures, infiltrated_above=settings.infiltrated_above, desert_below=settings.desert_below
    )
    chosen = call if settings.class_scheme != "keren" else Call("", note=NO_KEREN)
    return {
        "class": chosen.name,
        "class_keren": "",
        "class_phenotype": call.name,
        "mixing_score": np.nan,
        "infiltration": measures.infiltration.value,
        "immune_share": measures.immune_share.value,
        "n_tumour": measures.n_tumour,
        "n_immune": measures.n_immune,
        "n_inside": measures.n_inside,
        "confidence": chosen.confidence,
        "confidence_keren": np.nan,
        "confidence_phenotype": call.confidence,
        "area_mm2": measures.area_mm2,
        "n_cells": measures.n_cells,
        "note": "; ".join(note for note in (call.note, NO_KEREN) if note),
    }


def _architecture_row(obs: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """Put what the sample sheet says of the section before what was measured."""
    own = [name for name in obs.columns if not name.startswith(names.SOURCE_PREFIX) and name != names.SAMPLE]
    sheet = {name: obs[name].iloc[0] for name in own if len(obs[name].unique()) == 1}
    told = {f"sheet_{name}" if name in row else name: value for name, value in sheet.items()}
    return pd.DataFrame([{"section": obs[names.SAMPLE].iloc[0], **told, **row}])


def _scores(section: ad.AnnData, settings: States) -> dict[str, NDArray[np.float32]]:
    """Score the marker sets by ranks within each spot, as in cells."""
    genes = pd.Index(section.var_names.astype(object))
    species = species_of([cast("pd.DataFrame", section.obs)], "--counts")
    sets = match_marker_sets(read_markers(species), genes)
    method = Method(max_rank=min(settings.max_rank, len(genes)))
    found = score_signatures(
        sparse.csr_matrix(section.X), genes, sets, method, min_coverage=settings.min_coverage
    )
    return {names.score_column(str(name)): found[name].to_numpy() for name in found.columns}


def _genes(section: ad.AnnData, near: csr_array) -> pd.DataFrame:
    counts = sparse.csc_matrix(section.X)
    shown = np.flatnonzero(np.diff(counts.indptr) >= MIN_SPOTS_OF_GENE * section.n_obs)
    genes = section.var_names.to_numpy(dtype=object)[shown]
    return moran_of_genes(sparse.csr_matrix(counts[:, shown]), genes.tolist(), near)
