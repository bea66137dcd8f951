"""Step `make-profiles`: sum the counts of each cell type and patient, for the deconvolution of spots."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.errors import InputError
from stietime.inputs.read import ReadingOptions
from stietime.inputs.type_models import read_labelled
from stietime.resources import read_gene_aliases
from stietime.settings import Annotation, expand_path
from stietime.steps.arguments import add_optional_paths, add_path, add_settings
from stietime.steps.model_types import known_types

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

COLUMNS = ("cell_type", names.PATIENT, "gene", "counts", "n_cells", "n_counts")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_optional_paths(parser, "--counts", "counts of annotated cells (h5ad), any number")
    add_optional_paths(parser, "--cell-types", "their cell types (parquet), any number")
    add_settings(parser, Annotation)
    add_path(parser, "--output", "sums by cell type, patient and gene to write (parquet)")


def run(arguments: argparse.Namespace) -> None:
    """Sum the annotated cells of the cohort; without any, those of the reference of the settings.

    Raises
    ------
    InputError
        There are neither annotated cells nor a reference, or no cell has a known type.
    """
    settings: Annotation = arguments.settings
    if arguments.counts:
        types = storage.stack_tables(arguments.cell_types, [names.CELL, names.LINEAGE]).set_index(names.CELL)
        sums = [_sums_of_file(path, types[names.LINEAGE]) for path in arguments.counts]
    elif settings.method == "reference":
        sums = [_sums_of_reference(settings)]
    else:
        what = "there are no annotated cells and no reference to make profiles of"
        raise InputError(what, "--counts", "give counts and cell types, or set annotation.reference")
    table = pd.concat(sums, ignore_index=True)
    if table.empty:
        msg = "no cell has a known type"
        raise InputError(msg, arguments.output, "look at the report of the cell types")
    keys = ["cell_type", names.PATIENT]
    # a patient has several samples: the sums of a type are those of all
    table = table.groupby([*keys, "gene"], as_index=False, sort=True).agg({"counts": "sum"})
    whole = pd.concat(sums).drop_duplicates([*keys, "n_cells", "n_counts", "sample_of"])
    totals = whole.groupby(keys, as_index=False)[["n_cells", "n_counts"]].sum()
    table = table.merge(totals, on=keys)[list(COLUMNS)]
    storage.write_table(table, arguments.output)
    cells = totals.groupby("cell_type")["n_cells"].sum()
    log.info("%s", ", ".join(f"{name} {n}" for name, n in cells.items()))


def _sums_of_file(path: Path, types: pd.Series) -> pd.DataFrame:
    """Sum the cells of a file that have a known type."""
    cells = storage.read_cells(path)
    obs = cast("pd.DataFrame", cells.obs)
    kind = types.reindex(obs.index).astype(object).fillna(names.UNKNOWN).to_numpy(dtype=object)
    patients = obs[names.PATIENT].astype(str).to_numpy(dtype=object)
    genes = pd.Index(cells.var_names.astype(object))
    return _sums(sparse.csr_matrix(cells.X), genes, kind, patients).assign(sample_of=str(path))


def _sums_of_reference(settings: Annotation) -> pd.DataFrame:
    """Sum the labelled cells of the reference, which counts as one patient."""
    path = expand_path(settings.reference)
    options = ReadingOptions(
        aliases=read_gene_aliases("human"),
        cell_type_column=settings.reference_column,
        cell_type_names=settings.label_names,
        known_cell_types=known_types("human"),
    )
    cells = read_labelled(path, options)
    labels = np.asarray(cells.labels, dtype=object)
    patients = np.full(len(labels), "reference", dtype=object)
    return _sums(cells.counts, cells.genes, labels, patients).assign(sample_of=str(path))


def _sums(
    counts: sparse.csr_matrix, genes: pd.Index, kind: NDArray[np.object_], patients: NDArray[np.object_]
) -> pd.DataFrame:
    """Sum over the cells of each type and patient; genes without counts are left out."""
    found = []
    pairs = pd.DataFrame({"kind": kind, "patient": patients})[kind != names.UNKNOWN]
    for name, patient in pairs.drop_duplicates().itertuples(index=False):
        rows = np.flatnonzero((kind == name) & (patients == patient))
        summed = np.asarray(counts[rows].sum(axis=0), dtype=np.int64).ravel()
        seen = np.flatnonzero(summed)
        facts = {"cell_type": name, names.PATIENT: patient, "n_cells": len(rows), "n_counts": summed.sum()}
        found.append(pd.DataFrame({"gene": genes[seen], "counts": summed[seen]}).assign(**facts))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(COLUMNS))
