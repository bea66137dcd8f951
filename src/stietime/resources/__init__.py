"""Package data: the reviews' marker sets and claims, and names of genes, each with its source."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

import pandas as pd

Species = Literal["human", "mouse"]


def _read(name: str) -> pd.DataFrame:
    path = files(__name__).joinpath(name)
    with path.open("r", encoding="utf-8") as handle:
        return pd.read_csv(handle, sep="\t", keep_default_na=False, quoting=3)


def read_markers(species: Species = "human") -> pd.DataFrame:
    """Read the marker sets of the reviews.

    Parameters
    ----------
    species
        Chooses the gene symbols; genes without an ortholog are left out.

    Returns
    -------
    One row per set and gene: set_id, label, level, parent, direction (positive, negative), gene, weight,
    source, confidence, note.
    """
    table = _read("markers.tsv")
    table = table.rename(columns={f"gene_{species}": "gene"})
    table = table[table["gene"] != ""]
    return table.drop(columns=[c for c in table.columns if c.startswith("gene_")]).reset_index(drop=True)


def read_claims() -> pd.DataFrame:
    """Read the 516 claims of the reviews, one row each, in the order of the tables."""
    return _read("claims.tsv")


def read_gene_aliases(species: Species = "human") -> dict[str, str]:
    """Read the former names of genes, each with the current symbol.

    Only names that lead to one gene and are no other gene's symbol are listed: all former names and synonyms
    of the genes in the marker sets and claims, and of other genes those that public count matrices use. From
    HGNC (April 2022) and MGI (July 2025).

    Parameters
    ----------
    species
        Chooses the nomenclature.
    """
    table = _read("gene_aliases.tsv")
    table = table[table["species"] == species]
    return dict(zip(table["alias"], table["symbol"], strict=True))
