"""The reviews' regulators: which genes they are, and which cells make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stietime.cohort.expression.pseudobulk import Pseudobulks

TESTABLE: Final = ("gene_expression", "protein_or_metabolite_only")
REGULATOR: Final = "regulator"


def regulator_genes(claims: pd.DataFrame, markers: pd.DataFrame) -> list[str]:
    """List the genes that the reviews claim something of, or call regulators.

    Parameters
    ----------
    claims
        The claims: `entity_id` and `testable`. Taken are those of genes, and those of proteins and
        metabolites, whose mRNA is a proxy; where the entity is a marker set, its positive genes.
    markers
        The marker sets: `set_id`, `level`, `direction`, `gene`. Taken are the positive genes of the sets of
        level regulator.

    Returns
    -------
    Genes in alphabetical order, without repeats.
    """
    positive = markers[markers["direction"] == "positive"]
    claimed = claims.loc[claims["testable"].isin(TESTABLE), "entity_id"]
    sets = positive["set_id"].isin(claimed) | (positive["level"] == REGULATOR)
    genes = set(claimed[~claimed.isin(markers["set_id"])]) | set(positive.loc[sets, "gene"])
    return sorted(genes - {""})


def find_makers(
    pseudobulks: Pseudobulks,
    samples: Sequence[str],
    genes: Sequence[str],
    *,
    levels: Sequence[str],
    min_share: float,
    min_detection: float,
) -> pd.DataFrame:
    """Say which lineages and cell types make a gene in some samples.

    A type makes a gene when at least `min_share` of the gene's counts in these samples are in its cells, and
    at least `min_detection` of its cells show one: the first leaves out those who hardly contribute, the
    second those whose counts may be ambient RNA. Samples that do not measure a gene do not count for it.

    Parameters
    ----------
    pseudobulks
        Sums by sample.
    samples
        Names of the samples.
    genes
        Genes to judge.
    levels
        lineage, cell_type.
    min_share, min_detection
        Shares, 0 to 1.

    Returns
    -------
    One row per level, cell type and gene: level, cell_type, gene, share_of_expression and detection (nan
    where no sample has a count, or a cell), makes_it.
    """
    whole = [_totals(pseudobulks, name, genes) for name in samples]
    by_kind = pd.concat(whole) if whole else pd.DataFrame()
    tables = []
    for level in levels:
        kinds = by_kind.groupby(["gene", level], sort=True)[["counts", "detected", "cells"]]
        sums = kinds.sum()
        every = sums["counts"].groupby(level="gene").transform("sum")
        table = pd.DataFrame(
            {
                "share_of_expression": sums["counts"] / every.where(every > 0),
                "detection": sums["detected"] / sums["cells"].where(sums["cells"] > 0),
            }
        )
        wanted = pd.MultiIndex.from_product([list(genes), pseudobulks.types(level)], names=["gene", level])
        tables.append(table.reindex(wanted).reset_index(names=["gene", names.CELL_TYPE]).assign(level=level))
    found = pd.concat(tables, ignore_index=True)
    share, detection = found["share_of_expression"], found["detection"]
    return found.assign(makes_it=(share >= min_share) & (detection >= min_detection))


def _totals(pseudobulks: Pseudobulks, sample: str, genes: Sequence[str]) -> pd.DataFrame:
    """Give counts, cells with one and all cells: a row per kind of cell and gene that the sample measures."""
    sums = pseudobulks.samples[sample]
    known = [gene for gene in genes if gene in sums.detected.columns]
    places = sums.genes.get_indexer(pd.Index(known, dtype=object))
    n = len(known)
    return pd.DataFrame(
        {
            "gene": np.tile(np.array(known, dtype=object), len(sums.kinds)),
            names.LINEAGE: np.repeat([kind[0] for kind in sums.kinds], n),
            names.CELL_TYPE: np.repeat([kind[1] for kind in sums.kinds], n),
            "counts": sums.counts[:, places].ravel().astype(float),
            "detected": sums.detected[known].to_numpy(dtype=float).ravel(),
            "cells": np.repeat(sums.n_cells, n),
        }
    )
