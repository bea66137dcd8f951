"""Package data: the reviews' marker sets and claims, and names of genes, each with its source."""

from __future__ import annotations

import gzip
import io
from importlib.resources import files
from typing import Literal

import pandas as pd

Species = Literal["human", "mouse"]


def _read(name: str) -> pd.DataFrame:
    path = files(__name__).joinpath(name)
    packed = path.read_bytes()
    text = gzip.decompress(packed) if name.endswith(".gz") else packed
    return pd.read_csv(io.BytesIO(text), sep="\t", keep_default_na=False, quoting=3)


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


def read_ligand_receptors(species: Species = "human") -> pd.DataFrame:
    """Read the ligands that the reviews name, each with its receptors.

    Parameters
    ----------
    species
        Chooses the gene symbols; a pair without orthologs is left out.

    Returns
    -------
    One row per pair: axis, ligand, receptor (subunits of a complex joined by `+`), named_by (claims, or the
    marker set `paracrine_range`), source, note.
    """
    table = _read("ligand_receptors.tsv")
    table = table.rename(columns={f"{side}_{species}": side for side in ("ligand", "receptor")})
    table = table[(table["ligand"] != "") & (table["receptor"] != "")]
    chosen = ["axis", "ligand", "receptor", "named_by", "source", "note"]
    return table[chosen].reset_index(drop=True)


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


def read_gene_positions(species: Species = "human") -> pd.DataFrame:
    """Read where genes lie: those that code for proteins, and long non-coding genes with a name.

    From Ensembl 95 (human, GRCh38) and GENCODE M23 (mouse, GRCm38), under their current symbols; how the
    table was made stands in `resources/README.md`.

    Parameters
    ----------
    species
        Chooses the genome.

    Returns
    -------
    One row per gene in the order of the genome: symbol, chromosome (1, 2, ... X, Y), arm (p or q; empty for
    the mouse, whose chromosomes have one), start (base pair).
    """
    table = _read("gene_positions.tsv.gz").astype({"chromosome": str})
    return table[table["species"] == species].drop(columns="species").reset_index(drop=True)
