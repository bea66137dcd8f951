"""Assemble the cohort into one h5ad, in the slots that scverse tools and CELLxGENE expect."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.errors import InputError
from stietime.steps.arguments import add_optional_paths, add_path, add_paths

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import anndata as ad
    from scipy.sparse import csr_matrix

log = logging.getLogger(__name__)

CORRECTED_LAYER: Final = "ambient_corrected"
SLOTS: Final = {"pca": names.PCA_SLOT, "harmony": names.HARMONY_SLOT, "umap": names.UMAP_SLOT}
ORGANISMS: Final = {"human": ("Homo sapiens", "NCBITaxon:9606"), "mouse": ("Mus musculus", "NCBITaxon:10090")}
# our columns under the names of the CELLxGENE schema; where ours is already called so, it stays
CELLXGENE_NAMES: Final = {"donor_id": names.PATIENT, "assay": "chemistry", "disease": "cancer"}
ONTOLOGY_TERMS: Final = {
    "t_cell": "CL:0000084",
    "cd4_t": "CL:0000624",
    "cd8_t": "CL:0000625",
    "gamma_delta_t": "CL:0000798",
    "nk": "CL:0000623",
    "b_cell": "CL:0000236",
    "plasma": "CL:0000786",
    "monocyte": "CL:0000576",
    "mono_cd14": "CL:0000860",
    "mono_cd16": "CL:0000875",
    "macrophage": "CL:0000235",
    "dc": "CL:0000451",
    "cdc1": "CL:0002394",
    "cdc2": "CL:0002399",
    "pdc": "CL:0000784",
    "neutrophil": "CL:0000775",
    "mast": "CL:0000097",
    "basophil": "CL:0000767",
    "eosinophil": "CL:0000771",
    "platelet": "CL:0000233",
    "erythroid": "CL:0000764",
    "epithelial": "CL:0000066",
    "fibroblast": "CL:0000057",
    "pericyte": "CL:0000669",
    "endothelial": "CL:0000115",
    "hepatocyte": "CL:0000182",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--counts", "counts.h5ad of every sample")
    add_path(parser, "--cells", "cells.parquet of the cohort")
    add_path(parser, "--embedding", "embedding.parquet of the cohort")
    corrected = "ambient_corrected.h5ad of every sample, for a layer of that name"
    add_optional_paths(parser, "--ambient-corrected", corrected)
    add_path(parser, "--output", "cohort.h5ad to write")


def run(arguments: argparse.Namespace) -> None:
    """Read every sample and table and write the cohort."""
    cells = storage.read_table(arguments.cells, [names.CELL, names.SAMPLE, names.PATIENT])
    embedding = storage.read_table(arguments.embedding, [names.CELL])
    cohort = assemble(arguments.counts, cells, embedding, where=arguments.embedding)
    if arguments.ambient_corrected:
        genes = list(cohort.var_names)
        cohort.layers[CORRECTED_LAYER] = corrected_layer(arguments.ambient_corrected, cohort.obs_names, genes)
    storage.write_cells(cohort, arguments.output)
    left_out = sum(len(genes) for genes in cohort.uns["genes_left_out"].values())
    log.info("%d cells x %d genes of %d samples", *cohort.shape, cells[names.SAMPLE].nunique())
    log.info("%d genes left out of a sample because another sample does not measure them", left_out)


def assemble(
    paths: Sequence[Path], cells: pd.DataFrame, embedding: pd.DataFrame, *, where: object
) -> ad.AnnData:
    """Put counts, annotation and embedding of a cohort together.

    A gene that some sample does not measure is left out: filled up with zeros it would look measured and
    absent. What each sample loses is listed in `uns["genes_left_out"]`.

    Parameters
    ----------
    paths
        `counts.h5ad` of every sample.
    cells
        One row per kept cell, as `collect-cells` writes it; its order is kept.
    embedding
        One row per kept cell: pca_*, harmony_*, umap_*.
    where
        The file of the embedding, for messages.

    Returns
    -------
    Cells x genes. `X`: log1p of counts scaled to 10,000 per cell over the genes that are kept (float32);
    `layers["counts"]`: counts (int32); `obsm`: X_pca, X_pca_harmony, X_umap; `uns["<column>_colors"]`.

    Raises
    ------
    InputError
        A cell has no counts or no embedding, or no gene is measured in every sample.
    """
    import anndata as ad

    from stietime.cells.normalisation import log_normalise

    obs = cells.set_index(names.CELL)
    placed = storage.join_strictly(obs[[]], embedding, where)
    counts, genes, left_out = stack_counts(paths, obs.index)
    cohort = ad.AnnData(X=log_normalise(counts), obs=describe(obs), var=pd.DataFrame(index=pd.Index(genes)))
    cohort.layers[names.COUNTS_LAYER] = counts
    for prefix, slot in SLOTS.items():
        columns = [column for column in placed.columns if column.startswith(f"{prefix}_")]
        if columns:
            cohort.obsm[slot] = placed[columns].to_numpy(dtype=np.float32)
    cohort.uns["genes_left_out"] = left_out
    cohort.uns["X_is"] = "log1p of counts scaled to 10,000 per cell; Harmony corrected the embedding only"
    _add_colours(cohort)
    return cohort


def stack_counts(
    paths: Sequence[Path], order: pd.Index
) -> tuple[csr_matrix, list[str], dict[str, np.ndarray[Any, Any]]]:
    """Stack the counts of the kept cells over the genes that every sample measures.

    Parameters
    ----------
    paths
        `counts.h5ad` of every sample.
    order
        Ids of the kept cells, in the order of the result.

    Returns
    -------
    Counts (cells x genes, int32), the genes in the order of the first sample, and for each sample that loses
    genes which ones.

    Raises
    ------
    InputError
        A cell has no counts, or no gene is measured in every sample.
    """
    samples = []
    for path in paths:
        part = _kept_part(path, order)
        if part.n_obs:
            samples.append(part)
        else:
            log.warning("%s: no cell is kept, the sample is not in the cohort's file", path)
    if not samples:
        msg = "no kept cell is in the counts"
        raise InputError(msg, ", ".join(map(str, paths)), "run the chain again from the step `ingest`")
    common = set(samples[0].var_names).intersection(*(part.var_names for part in samples[1:]))
    genes = [gene for gene in samples[0].var_names if gene in common]
    if not genes:
        msg = "no gene is measured in every sample"
        raise InputError(msg, ", ".join(map(str, paths)), "leave out samples of another panel or species")
    left_out = {
        _sample_of(part): part.var_names[~part.var_names.isin(common)].to_numpy(dtype=object)
        for part in samples
    }
    counts = _stacked(samples, genes, order, paths).astype(np.int32)
    return counts, genes, {sample: lost for sample, lost in left_out.items() if len(lost)}


def corrected_layer(paths: Sequence[Path], order: pd.Index, genes: list[str]) -> csr_matrix:
    """Stack the values that the correction for ambient RNA left.

    Parameters
    ----------
    paths
        `ambient_corrected.h5ad` of every sample.
    order
        Ids of the kept cells, in the order of the result.
    genes
        Genes that every sample measures.

    Returns
    -------
    Cells x genes, float32.

    Raises
    ------
    InputError
        A cell or a gene is in none of the files.
    """
    samples = []
    for path in paths:
        part = _kept_part(path, order)
        lacking = pd.Index(genes).difference(part.var_names)
        samples.append(part)
        if part.n_obs and len(lacking):
            msg = f"{len(lacking)} genes of the counts are missing, such as {lacking[0]}"
            raise InputError(msg, path, "delete the file and run again, so that it is made from the counts")
    return _stacked([part for part in samples if part.n_obs], genes, order, paths).astype(np.float32)


def _stacked(
    samples: list[ad.AnnData], genes: list[str], order: pd.Index, paths: Sequence[Path]
) -> csr_matrix:
    """Stack matrices over the same genes, and put the cells in order."""
    from scipy import sparse

    found = pd.Index([name for part in samples for name in part.obs_names])
    missing = order.difference(found)
    if len(missing):
        msg = f"{len(missing)} cells have no counts, such as {missing[0]}"
        raise InputError(msg, ", ".join(map(str, paths)), "give the counts of every sample")
    stacked = sparse.vstack([sparse.csr_matrix(part[:, genes].X) for part in samples], format="csr")
    return stacked[found.get_indexer(order)]


def _kept_part(path: Path, order: pd.Index) -> ad.AnnData:
    cells = storage.read_cells(path)
    return cells[cells.obs_names.isin(order)].copy()


def _sample_of(cells: ad.AnnData) -> str:
    return str(cells.obs_names[0]).partition(":")[0]  # a barcode may hold a colon, a sample never does


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

    described = obs.copy()
    for theirs, ours in CELLXGENE_NAMES.items():
        if ours in obs.columns and theirs not in obs.columns:
            described[theirs] = obs[ours]
    if "species" in obs.columns:
        described["organism"] = obs["species"].map({key: name for key, (name, _) in ORGANISMS.items()})
        terms = {key: term for key, (_, term) in ORGANISMS.items()}
        described["organism_ontology_term_id"] = obs["species"].map(terms)
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
