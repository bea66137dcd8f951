"""Cell types by a model of CellTypist or a labelled reference: the part of annotate that uses either."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.blocks import Block, Blocks, read_genes
from stietime.cells.cell_types import lineage_of_given
from stietime.cells.marker_sets import positions
from stietime.cells.normalisation import log_normalise
from stietime.cells.types.type_model import TypeModel, learn_model, types_of
from stietime.errors import InputError
from stietime.inputs.read import ReadingOptions
from stietime.inputs.type_models import read_celltypist, read_labelled, translate
from stietime.resources import Species, read_gene_aliases, read_markers
from stietime.settings import expand_path

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.settings import Annotation

log = logging.getLogger(__name__)

CELLTYPIST: Final = "celltypist"


class NamedModel:
    """A model with the type and lineage of each of its labels.

    Parameters
    ----------
    model
        The model.
    types
        Type of each label.
    species
        Whose marker table gives the lineages.
    """

    def __init__(self, model: TypeModel, types: list[str], species: Species) -> None:
        parents = read_markers(species).groupby("set_id")["parent"].first()
        self.model, self.types = model, types
        self.lineages = [lineage_of_given(kind, parents) for kind in types]


def known_types(species: Species) -> set[str]:
    """Name the types that labels can be given: the sets of the marker table, and unknown."""
    return {*read_markers(species)["set_id"], names.UNKNOWN}


def open_model(settings: Annotation, species: Species, genes: Collection[str]) -> NamedModel:
    """Read the model, or learn it from the reference, for the genes of the data.

    Parameters
    ----------
    settings
        The group `annotation` of the configuration.
    species
        human or mouse.
    genes
        Genes that all samples have.

    Raises
    ------
    InputError
        A file is missing or cannot be used, a label has no name here, or hardly a gene is shared.
    """
    path = expand_path(settings.taken_from)
    aliases = read_gene_aliases(species)
    try:
        if settings.method == CELLTYPIST:
            found = TypeModel(*read_celltypist(path))
            types = translate(found.labels, settings.label_names, known_types(species), path)
            renamed = pd.Index([aliases.get(gene, gene) for gene in found.genes], dtype=object)
            model = found.renamed(renamed).restricted(list(genes))
            log.info("%s: %d labels, %d of %d genes", path, len(types), len(model.genes), len(found.genes))
        else:
            model = _learned(path, settings, species, genes, aliases)
            types = list(model.labels)
    except ValueError as error:
        fix = "use a model or reference of the same species, whose genes are those of the data"
        raise InputError(str(error), path, fix) from None
    return NamedModel(model, types, species)


def _learned(
    path: Path, settings: Annotation, species: Species, genes: Collection[str], aliases: Mapping[str, str]
) -> TypeModel:
    options = ReadingOptions(
        species=species,
        aliases=aliases,
        cell_type_column=settings.reference_column,
        cell_type_names=settings.label_names,
        known_cell_types=known_types(species),
    )
    cells = read_labelled(path, options)
    expression = log_normalise(cells.counts)
    shared = cells.genes[cells.genes.isin(list(genes))]
    model = learn_model(
        expression[:, positions(cells.genes, shared)], shared, cells.labels, seed=settings.seed
    )
    left_out = sorted(set(cells.labels) - set(model.labels))
    if left_out:
        log.warning("too few cells of the reference are %s; these are not found", ", ".join(left_out))
    log.info("%s: %d labels, %d genes", path, len(model.labels), len(model.genes))
    return model


def by_model(
    over: Blocks, panels: Mapping[Path, pd.Index], model: NamedModel, settings: Annotation
) -> pd.DataFrame:
    """Annotate by a model, block by block.

    Parameters
    ----------
    over
        The kept cells of all samples.
    panels
        Genes of each file.
    model
        The model.
    settings
        The group `annotation` of the configuration.
    """
    columns = {path: positions(panel, model.model.genes) for path, panel in panels.items()}
    found = over.map(partial(_types_of_block, columns, model, settings.min_confidence), over.blocks)
    return pd.concat(list(found), ignore_index=True)


def _types_of_block(
    columns: dict[Path, NDArray[np.intp]], model: NamedModel, min_confidence: float, block: Block
) -> pd.DataFrame:
    return types_by(model, *read_genes(block, columns[block.path]), min_confidence)


def types_by(
    model: NamedModel, counts: csr_matrix, totals: NDArray[np.float64], min_confidence: float
) -> pd.DataFrame:
    """Annotate cells by a model.

    Parameters
    ----------
    model
        The model.
    counts
        Cells x the genes of the model.
    totals
        Counts of each cell over all genes.
    min_confidence
        A cell whose best label is less probable is unknown.

    Returns
    -------
    One row per cell: lineage, lineage_confidence, cell_type, cell_type_confidence, runner_up, evidence (the
    label of the model).
    """
    probabilities = model.model.probabilities(log_normalise(counts, cell_totals=totals))
    table = types_of(probabilities, model.types, model.lineages, min_confidence, names.UNKNOWN)
    labels = np.asarray(model.model.labels, dtype=object)
    return table.assign(evidence=labels[probabilities.argmax(axis=1)])
