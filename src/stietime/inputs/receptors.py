"""T-cell receptors from files: AIRR rearrangements, Cell Ranger's contigs, tables of clones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime.errors import InputError, raise_all

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BARCODE: Final = "barcode"
CLONE: Final = "clone"
CHAIN_COLUMNS: Final = (BARCODE, "locus", "v_gene", "cdr3_nt", "cdr3_aa", "n_molecules")
CELL_COLUMNS: Final = ("cell_id", "barcode", "cell")
MAX_ROWS_NAMED: Final = 30
TRUE: Final = frozenset({"true", "t", "1", "yes"})
MISSING: Final = frozenset({"", "none", "nan", "na"})

# our column: the columns that may hold it, best first
AIRR: Final = {
    BARCODE: ("cell_id",),
    "locus": ("locus",),
    "v_gene": ("v_call",),
    "cdr3_nt": ("junction", "cdr3"),
    "cdr3_aa": ("junction_aa", "cdr3_aa"),
    "n_molecules": ("umi_count", "duplicate_count", "consensus_count"),
    "productive": ("productive",),
    "id": ("sequence_id",),
}
TENX: Final = {
    BARCODE: ("barcode",),
    "locus": ("chain",),
    "v_gene": ("v_gene",),
    "cdr3_nt": ("cdr3_nt",),
    "cdr3_aa": ("cdr3",),
    "n_molecules": ("umis", "reads"),
    "productive": ("productive",),
    "id": ("contig_id",),
}
NOT_NEEDED: Final = ("n_molecules", "id")
# rows of Cell Ranger's that are no chain of a cell: columns that must be true where they are there
TENX_FILTERS: Final = ("is_cell", "high_confidence")


@dataclass(frozen=True)
class Receptors:
    """What a receptor file holds.

    Parameters
    ----------
    chains
        One row per productive chain with `CHAIN_COLUMNS`, or nothing where the file names clones itself.
    clones
        The clone of each barcode (the index), or nothing where the file holds chains.
    kind
        `AIRR`, `10x` or `clone table`.
    n_left_out
        Rows that are no productive chain of a cell.
    """

    chains: pd.DataFrame | None
    clones: pd.Series | None
    kind: str
    n_left_out: int = 0

    @property
    def barcodes(self) -> pd.Index:
        """The cells of the file, each once."""
        if self.clones is not None:
            return self.clones.index
        return pd.Index([] if self.chains is None else self.chains[BARCODE].unique(), dtype=object)

    def renamed(self, barcodes: Mapping[str, str]) -> Receptors:
        """Give the same receptors under other barcodes.

        Parameters
        ----------
        barcodes
            The new name of every barcode.
        """
        if self.clones is not None:
            return replace(self, clones=self.clones.rename(index=dict(barcodes)))
        chains = (
            None
            if self.chains is None
            else self.chains.assign(**{BARCODE: self.chains[BARCODE].map(barcodes)})
        )
        return replace(self, chains=chains)


def read_receptors(path: Path, clone_column: str = "") -> Receptors:
    """Read a receptor file; what it is shows by its columns.

    Parameters
    ----------
    path
        An AIRR rearrangement table (.tsv), Cell Ranger's `filtered_contig_annotations.csv`, or a table with a
        cell (`cell_id`, `barcode` or `cell`) and the clone column; also with .gz.
    clone_column
        Column that names clones; empty to make them from chains.

    Raises
    ------
    InputError
        The file is none of them, or rows of it cannot be used: all kinds of bad row at once.
    """
    table = _read_table(path)
    if clone_column:
        return Receptors(None, clones_of(table, clone_column, path), "clone table")
    for kind, columns in (("AIRR", AIRR), ("10x", TENX)):
        if all(set(names) & set(table.columns) for names in _needed(columns)):
            return _read_chains(table, columns, kind, path)
    fix = "give AIRR rearrangements, Cell Ranger's filtered_contig_annotations.csv, or clones.clone_column"
    likeness = max((AIRR, TENX), key=lambda known: len(_present(known, table)))
    lacking = [" or ".join(names) for names in _needed(likeness) if not set(names) & set(table.columns)]
    what = f"the table lacks the columns {', '.join(lacking)}; it has {', '.join(table.columns)}"
    raise InputError(what, path, fix)


def _needed(columns: dict[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [names for name, names in columns.items() if name not in NOT_NEEDED]


def _present(columns: dict[str, tuple[str, ...]], table: pd.DataFrame) -> list[str]:
    return [name for name, names in columns.items() if set(names) & set(table.columns)]


def _read_table(path: Path) -> pd.DataFrame:
    """Read all of a table as text."""
    if not path.is_file():
        what = "the receptor file does not exist"
        raise InputError(what, path, "mend the column `receptors` of the sample sheet")
    delimiter = "," if ".csv" in path.suffixes else "\t"
    try:
        table = pd.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError) as error:
        what = f"the file cannot be read as a table: {error}"
        raise InputError(
            what, path, "name it .csv for commas or .tsv for tabs, or download it again"
        ) from None
    if table.empty:
        what = "the table has a header but no rows"
        raise InputError(what, path, "give the receptors of the sample, or leave `receptors` empty")
    return pd.DataFrame({name: table[name].str.strip() for name in table.columns})


def _read_chains(
    table: pd.DataFrame, columns: dict[str, tuple[str, ...]], kind: str, path: Path
) -> Receptors:
    chosen = {name: next((c for c in names if c in table), "") for name, names in columns.items()}
    found = pd.DataFrame({name: table[c] if c else "" for name, c in chosen.items()})
    for column in TENX_FILTERS if kind == "10x" else ():
        if column in table:
            found = found[table.loc[found.index, column].str.lower().isin(TRUE)]
    productive = found["productive"].str.lower().isin(TRUE)
    n_left_out = len(table) - int(productive.sum())
    used = found[productive].copy()
    _check_chains(used, path, has_ids=bool(chosen["id"]))
    used["n_molecules"] = pd.to_numeric(used["n_molecules"].replace("", "0")).astype(float)
    used["locus"] = used["locus"].str.upper()
    used["v_gene"] = used["v_gene"].map(v_gene_of)
    return Receptors(used[list(CHAIN_COLUMNS)].reset_index(drop=True), None, kind, n_left_out)


def v_gene_of(call: str) -> str:
    """Take the gene out of a call such as `TRBV6-2*01,TRBV6-3*01`: the first, without its allele."""
    return call.partition(",")[0].partition("*")[0].strip()


def _check_chains(chains: pd.DataFrame, path: Path, *, has_ids: bool) -> None:
    """Tell every kind of bad row among the productive chains, with its rows."""
    numbers = pd.to_numeric(chains["n_molecules"].replace("", "0"), errors="coerce")
    no_sequence = chains["cdr3_nt"].str.lower().isin(MISSING) & chains["cdr3_aa"].str.lower().isin(MISSING)
    twice = chains["id"].duplicated(keep=False) if has_ids else chains.duplicated(keep=False)
    checks = {
        "no cell": (chains[BARCODE].str.lower().isin(MISSING), "give every chain its cell"),
        "no locus": (chains["locus"].str.lower().isin(MISSING), "give every chain its locus, such as TRA"),
        "a productive chain without CDR3": (no_sequence, "give its sequence, or mark it as not productive"),
        "a count that is no number": (numbers.isna() | (numbers < 0), "give numbers of molecules or reads"),
        "a chain that stands twice": (twice, "give every chain once"),
    }
    raise_all([_rows_error(what, bad, path, fix) for what, (bad, fix) in checks.items() if bad.any()])


def _rows_error(what: str, bad: pd.Series, path: Path, fix: str) -> InputError:
    """Name the rows of a kind of mistake, counted from 1 with the header."""
    rows = [int(number) + 2 for number in bad.index[bad]]
    named = ", ".join(map(str, rows[:MAX_ROWS_NAMED])) + (", ..." if len(rows) > MAX_ROWS_NAMED else "")
    return InputError(f"{len(rows)} row{'s' * (len(rows) > 1)} with {what}", f"{path}, rows {named}", fix)


def clones_of(table: pd.DataFrame, column: str, where: object) -> pd.Series:
    """Take the clone of each cell from a table of receptors.

    Parameters
    ----------
    table
        One row per cell, or several that agree, as text: a cell and its clone; an empty clone is none.
    column
        Column of the clones.
    where
        The file, for messages.

    Returns
    -------
    Clones by barcode, cells without one left out.

    Raises
    ------
    InputError
        A column is missing, or cells have several clones: all of them at once.
    """
    cell = next((name for name in CELL_COLUMNS if name in table), "")
    lacking = [
        name for name, there in ((" or ".join(CELL_COLUMNS), cell), (column, column in table)) if not there
    ]
    if lacking:
        what = f"the table lacks the columns {', '.join(lacking)}; it has {', '.join(table.columns)}"
        raise InputError(
            what, where, "mend clones.clone_column, or the column `receptors` of the sample sheet"
        )
    known = table[~table[column].str.lower().isin(MISSING)]
    pairs = known[[cell, column]].drop_duplicates()
    torn = pairs.loc[pairs[cell].duplicated(keep=False), cell].unique()
    raise_all(
        [
            InputError(
                f"the cell {name} has the clones {', '.join(sorted(pairs.loc[pairs[cell] == name, column]))}",
                where,
                "give every cell one clone",
            )
            for name in torn
        ]
    )
    return pd.Series(
        pairs[column].to_numpy(dtype=object), index=pd.Index(pairs[cell], dtype=object), name=CLONE
    )
