"""Current gene symbols, each once, from whatever names a file uses."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

ENSEMBL = re.compile(r"ENS[A-Z]*G\d{6,}(\.\d+)?")
GENOME = re.compile(r"(GRCh3[78]|hg(?:19|38)|GRCm3[89]|mm(?:9|10|39))_+")
NUMBERED = re.compile(r"(?P<gene>.+)(?P<mark>[-.])(?P<n>[1-9]\d?)")
SEGMENT = re.compile(r"(IG[HKL]|TR[ABDG]|TCR[ABDG]|MIR|KRTAP)", re.IGNORECASE)  # numbered by nature
# what panels of in-situ methods measure beside genes; R writes `-` or `.` where the maker writes `_`
CONTROL_PROBES = re.compile(
    r"(NegControlProbe|NegControlCodeword|UnassignedCodeword|DeprecatedCodeword|antisense|Intergenic_Region)"
    r"[_.-].+"  # Xenium
    r"|BLANK[_.-]?\d+|Blank[_.-]?\d+"  # Xenium, MERSCOPE
    r"|(Negative|NegPrb|SystemControl|FalseCode)[_.-]?\d+"  # CosMx
)
CONTROL_TYPES = frozenset(
    {
        *("negative control probe", "negative control codeword", "unassigned codeword"),
        *("deprecated codeword", "blank codeword", "genomic control"),
    }
)
TYPE_COLUMNS = ("feature_types", "feature_type")
SYMBOL_COLUMNS = (
    "feature_name",
    "gene_symbols",
    "gene_symbol",
    "gene_name",
    "gene_names",
    "symbol",
    "symbols",
    "hgnc_symbol",
    "mgi_symbol",
    "external_gene_name",
    "gene_short_name",
    "gene",
    "name",
)
MIN_NAMES_FOR_SPECIES = 20  # fewer names do not tell the species
HUMAN_STYLE = re.compile(r"[A-Z][A-Z0-9-]{2,}")
MOUSE_STYLE = re.compile(r"[A-Z][a-z][a-z0-9-]+")


@dataclass(frozen=True)
class GeneNames:
    """The current symbol of every gene of a file, and what it took.

    Parameters
    ----------
    symbols
        One symbol per gene of the file; a symbol may stand more than once.
    n_renamed
        Number of genes that had an old name.
    n_without_symbol
        Number of genes known only by an id.
    is_control
        Which of them are control probes of a panel and no genes; they keep the file's names.
    """

    symbols: NDArray[np.object_]
    n_renamed: int
    n_without_symbol: int
    is_control: NDArray[np.bool_]


def is_control_probe(var: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which features of a panel are controls that no gene answers to.

    Negative probes, codewords without a gene and antisense or intergenic probes are told by the names that
    10x (Xenium), NanoString (CosMx) and Vizgen (MERSCOPE) give them, or by the column `feature_types`.

    Parameters
    ----------
    var
        One row per feature, the file's names as index.

    Returns
    -------
    One boolean per feature.
    """
    named = [CONTROL_PROBES.fullmatch(str(name).strip()) is not None for name in var.index]
    found = np.array(named, dtype=bool)
    for column in TYPE_COLUMNS:
        if column in var.columns:
            found |= var[column].astype(str).str.lower().isin(CONTROL_TYPES).to_numpy(dtype=bool)
    return found


def current_symbols(
    var: pd.DataFrame,
    aliases: Mapping[str, str],
    where: object,
    *,
    species: str = "human",
    max_missing_fraction: float = 0.5,
) -> GeneNames:
    """Find the current symbol of every gene.

    Ids take the symbol of a column that holds symbols; the version of an Ensembl id and the name of the
    genome before a symbol are removed, and so is the number that tells genes of one name apart; an old name
    is replaced only when the current symbol is not in the file itself. Control probes of panels keep their
    names and count as no genes.

    Parameters
    ----------
    var
        One row per gene, the file's names as index.
    aliases
        Old names, each with the current symbol.
    where
        The file, for messages.
    species
        human or mouse.
    max_missing_fraction
        Largest share of genes that may be without a symbol.

    Raises
    ------
    InputError
        Too many genes have no symbol, the symbols are those of the other species, or there are only control
        probes.
    """
    is_control = is_control_probe(var)
    if is_control.all() and len(var):
        what = "the file holds control probes only and no genes"
        raise InputError(what, where, "give the whole matrix of the panel")
    genes = _genes_of(var.loc[~is_control], aliases, where, species, max_missing_fraction)
    symbols = var.index.to_numpy(dtype=object).copy()
    symbols[~is_control] = genes.symbols
    return replace(genes, symbols=symbols, is_control=is_control)


def _genes_of(
    var: pd.DataFrame, aliases: Mapping[str, str], where: object, species: str, max_missing_fraction: float
) -> GeneNames:
    found = _without_number(_symbols_in(var))
    present = set(found)
    renamed = [aliases.get(name, name) if aliases.get(name) not in present else name for name in found]
    n_missing = sum(map(_lacks_symbol, renamed))
    if n_missing > max_missing_fraction * len(renamed):
        what = (
            f"{n_missing} of {len(renamed)} genes have an id but no symbol, such as {var.index[0]};"
            f" columns of the genes: {', '.join(map(str, var.columns)) or 'none'}"
        )
        fix = "add a column gene_symbols to the genes, or raise inputs.max_genes_missing_symbol_fraction"
        raise InputError(what, where, fix)
    _check_species(renamed, species, where)
    n_renamed = sum(old != new for old, new in zip(found, renamed, strict=True))
    return GeneNames(np.array(renamed, dtype=object), n_renamed, n_missing, np.zeros(len(var), dtype=bool))


def _lacks_symbol(name: str) -> bool:
    return not name or name.isdigit() or ENSEMBL.fullmatch(name) is not None


def _symbols_in(var: pd.DataFrame) -> list[str]:
    """Take the file's names, or where they are ids the symbols of a column."""
    index = [str(name).strip() for name in var.index]
    lacking = [_lacks_symbol(name) for name in index]
    lower = {str(column).lower(): column for column in var.columns}
    column = next((lower[name] for name in SYMBOL_COLUMNS if name in lower), None)
    if column is not None and any(lacking):
        given = ["" if pd.isna(name) else str(name).strip() for name in var[column]]
        index = [
            other or name if lacks else name for name, other, lacks in zip(index, given, lacking, strict=True)
        ]
    index = [name.partition(".")[0] if ENSEMBL.fullmatch(name) else name for name in index]
    return _without_genome(index)


def _without_genome(symbols: list[str]) -> list[str]:
    """Remove the genome that CellRanger writes before symbols, when it is the same everywhere."""
    first = GENOME.match(symbols[0]) if symbols else None
    if first is None or not all(name.startswith(first[0]) for name in symbols):
        return symbols
    return [name.removeprefix(first[0]) for name in symbols]


def _without_number(symbols: list[str]) -> list[str]:
    """Undo what other tools do to genes that stand twice: MATR3-1 or MATR3.1 beside MATR3 is MATR3."""
    present = set(symbols)
    return [_plain(name, present) for name in symbols]


def _plain(name: str, present: set[str]) -> str:
    match = NUMBERED.fullmatch(name)
    if match is None or match["gene"] not in present or SEGMENT.match(name):
        return name
    before = (f"{match['gene']}{match['mark']}{n}" for n in range(1, int(match["n"])))
    return match["gene"] if all(other in present for other in before) else name


def _check_species(symbols: Iterable[str], species: str, where: object) -> None:
    """Tell human symbols (CD3E) from mouse symbols (Cd3e) by their capitals."""
    styles = Counter(
        "human" if HUMAN_STYLE.fullmatch(name) else "mouse" if MOUSE_STYLE.fullmatch(name) else ""
        for name in symbols
        if not _lacks_symbol(name)
    )
    other = "mouse" if species == "human" else "human"
    if styles[species] + styles[other] >= MIN_NAMES_FOR_SPECIES and styles[other] > styles[species]:
        what = f"{styles[other]} gene symbols look like {other} and {styles[species]} like {species}"
        raise InputError(what, where, f"write {other} in the column `species` of the sample sheet")


def merge_genes(
    counts: sparse.csr_matrix, symbols: NDArray[np.object_]
) -> tuple[sparse.csr_matrix, NDArray[np.object_]]:
    """Sum the genes that share a symbol.

    Parameters
    ----------
    counts
        Cells x genes.
    symbols
        One per gene.

    Returns
    -------
    Cells x unique genes, and the unique symbols in the order they first stand.
    """
    codes, unique = pd.factorize(symbols)
    if len(unique) == len(symbols):
        return counts, symbols
    ones = np.ones(len(codes), dtype=counts.dtype)
    gather = sparse.csr_matrix((ones, (np.arange(len(codes)), codes)), shape=(len(codes), len(unique)))
    merged = sparse.csr_matrix(counts @ gather)
    merged.sort_indices()
    return merged, np.asarray(unique, dtype=object)
