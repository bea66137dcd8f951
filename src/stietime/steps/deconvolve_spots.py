"""Step `deconvolve-spots`: say which cell types the spots of a section consist of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse, stats

from stietime import names, storage
from stietime.cells.cell_types import LINEAGES, SETS, WITHIN_LINEAGE, lineage_of_given
from stietime.errors import InputError
from stietime.resources import read_markers
from stietime.settings import Spatial
from stietime.steps.annotate import KeptCells, log_types, read_all
from stietime.steps.arguments import add_path, add_settings
from stietime.steps.kept_cells import species_of
from stietime.steps.map_cells import kept_cells
from stietime.tissue.spots.deconvolution import Mixture, deconvolve
from stietime.tissue.spots.marker_profiles import profiles_from_markers
from stietime.tissue.spots.reference_profiles import Reference, reference_profiles

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

MIXED = "mixed"
MOSTLY = 0.5  # share of a spot's RNA from which it is called by one type
FEWEST_TYPES, FEWEST_GENES = 2, 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of the section (h5ad)")
    text = "quality of the section (parquet); without it every spot is deconvolved"
    parser.add_argument("--quality", type=Path, metavar="FILE", help=text)
    text = "profiles of cell types (parquet); without them they are learned from marker sets"
    parser.add_argument("--profiles", type=Path, nargs="?", metavar="FILE", help=text)
    add_settings(parser, Spatial)
    add_path(parser, "--cell-types", "dominant type of each spot to write (parquet)")
    add_path(parser, "--proportions", "shares of the types in each spot to write (parquet)")


def run(arguments: argparse.Namespace) -> None:
    """Deconvolve the kept spots.

    Raises
    ------
    InputError
        Spots and profiles share too few genes, or too few types have a profile.
    """
    section = read_all(arguments.counts)
    keep = kept_cells(section, arguments.quality)
    kept = sparse.csr_matrix(section.counts[np.flatnonzero(keep)])
    settings: Spatial = arguments.settings
    if arguments.profiles:
        sums = storage.read_table(arguments.profiles, ["cell_type", names.PATIENT, "gene", "counts"])
        reference = reference_profiles(sums, min_cells=settings.min_cells_of_profile)
        left_out = sorted(set(sums["cell_type"]) - set(reference.types))
        if left_out:
            log.warning("too few cells for a profile, not looked for: %s", ", ".join(left_out))
    else:
        reference = _by_markers(section, kept)
    _check(reference, section, arguments.profiles or arguments.counts)
    scale = settings.scale_genes and arguments.profiles is not None
    mixture = deconvolve(kept, section.genes, reference, scale_genes=scale)
    shares = _proportions(mixture, keep)
    storage.write_table(storage.cell_table(section.obs.index, **shares), arguments.proportions)
    types = _dominant(mixture, keep, _parents(section))
    storage.write_table(storage.cell_table(section.obs.index, **types), arguments.cell_types)
    told = len(mixture.genes), len(mixture.types), mixture.dispersion, np.std(np.log(mixture.efficiency))
    log.info("%d genes, %d types; dispersion %.3g; spread of the genes' log efficiencies %.2f", *told)
    log_types(pd.DataFrame(types))


def _by_markers(section: KeptCells, kept: sparse.csr_matrix) -> Reference:
    """Learn profiles of the lineages from their marker sets."""
    markers = read_markers(species_of([section.obs], section.path))
    positive = markers[markers["direction"] == "positive"].groupby("set_id")["gene"].agg(list)
    genes: dict[str, list[str]] = {lineage: [] for lineage in LINEAGES}
    for set_id, (_, lineage) in SETS.items():
        if set_id not in WITHIN_LINEAGE:
            genes[lineage] += positive.get(set_id, [])
    log.warning("no annotated cells: profiles are learned from marker sets, and cell numbers are not told")
    return profiles_from_markers(kept, section.genes, genes)


def _check(reference: Reference, section: KeptCells, where: object) -> None:
    n_shared = len(section.genes.intersection(reference.genes))
    if len(reference.types) < FEWEST_TYPES or n_shared < FEWEST_GENES:
        what = f"{len(reference.types)} types have a profile and {n_shared} of its genes are in the section"
        fix = "annotate more cells of the same species, or leave the profiles out"
        raise InputError(what, where, fix)


def _proportions(mixture: Mixture, keep: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Set shares, errors and cell shares of all spots as columns; those that are not kept are missing."""
    parts = {
        "molecules": mixture.molecules,
        "share": mixture.shares,
        "error": mixture.standard_errors,
        "cells": mixture.cell_shares,
    }
    found = {"n_counts_used": _spread(mixture.n_counts, keep)}
    for part, values in parts.items():
        if np.isfinite(values).any():
            columns = {f"{part}_{t}": values[:, k] for k, t in enumerate(mixture.types)}
            found |= {name: _spread(column, keep) for name, column in columns.items()}
    return found


def _spread(values: NDArray[np.float64], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Put the values of the kept spots among all."""
    whole = np.full(len(keep), np.nan)
    whole[keep] = values
    return whole


def _parents(section: KeptCells) -> pd.Series:
    markers = read_markers(species_of([section.obs], section.path))
    return markers.groupby("set_id")["parent"].first()


def _dominant(
    mixture: Mixture, keep: NDArray[np.bool_], parents: pd.Series
) -> dict[str, NDArray[np.generic]]:
    """Call each spot by the type that has at least half of its RNA, else mixed.

    The confidence is the probability that the first type's share is above the second's, by their errors.
    """
    shares = np.nan_to_num(mixture.shares, nan=0.0)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :2]
    (first, second), (e1, e2) = (
        np.take_along_axis(values, order, axis=1).T for values in (shares, mixture.standard_errors)
    )
    sure = stats.norm.cdf((first - second) / np.maximum(np.hypot(e1, e2), 1e-9))
    top = mixture.types.to_numpy(dtype=object)[order[:, 0]]
    found = np.where(first >= MOSTLY, top, np.where(first > 0, MIXED, names.UNKNOWN)).astype(object)
    lineage = {name: lineage_of_given(str(name), parents) for name in set(top)} | {MIXED: MIXED}
    kinds = np.full(len(keep), names.UNKNOWN, dtype=object)
    kinds[keep] = found
    confidence = np.zeros(len(keep))
    confidence[keep] = np.where(first > 0, sure, 0.0)
    own = [lineage.get(kind, names.UNKNOWN) for kind in kinds]
    # a type above the lineages, such as myeloid, stands for itself
    own = [kind if name == names.UNKNOWN else name for kind, name in zip(kinds, own, strict=True)]
    return {
        names.LINEAGE: np.array(own, dtype=object),
        names.CELL_TYPE: kinds,
        names.CONFIDENCE: confidence,
    }
