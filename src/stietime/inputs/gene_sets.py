"""Gene sets of the user's own, beside those of the reviews: GMT files, and tables like the marker table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime.errors import InputError, raise_all

if TYPE_CHECKING:
    from pathlib import Path

DIRECTIONS: Final = ("positive", "negative")
_FIX_ENDING: Final = "give a GMT file (name ending in .gmt) or a table with set_id and gene (.tsv)"


def add_gene_sets(markers: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Put the sets of a file behind those of the marker table.

    Parameters
    ----------
    markers
        The marker table: set_id, label, level, parent, direction, gene, weight, source, confidence, note.
    path
        A GMT file (set, description, genes; tab-separated), or a tab-separated table with the columns set_id
        and gene, and if wanted direction (positive, negative), weight (above 0), label and parent (a set of
        either).

    Returns
    -------
    A longer marker table; sets of the file are of the level `user`.

    Raises
    ------
    InputError
        The file is missing, is neither, or rows of it cannot be used: all of them at once.
    """
    if not path.is_file():
        message = "the gene sets do not exist"
        raise InputError(message, path, "mend the path in states.gene_sets")
    readers = {".gmt": _read_gmt, ".tsv": _read_table, ".txt": _read_table}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        what = f"the file ends in {path.suffix or 'nothing'}"
        raise InputError(what, path, _FIX_ENDING)
    found = reader(path)
    _check_names(found, markers, path)
    label = found.get("label", pd.Series("", index=found.index))
    label = label.where(label != "", found["set_id"])
    known = {"level": "user", "source": path.name, "confidence": "", "note": ""}
    return pd.concat([markers, found.assign(label=label, **known)[list(markers.columns)]], ignore_index=True)


def _read_gmt(path: Path) -> pd.DataFrame:
    rows, errors = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fields = [field.strip() for field in line.split("\t")]
        genes = [gene for gene in fields[2:] if gene]
        if not line.strip():
            continue
        if not fields[0] or not genes:
            what = f"{line[:60]!r} has {len(fields)} fields" if fields[0] else "the set has no name"
            fix = "give name, description and genes, by tabs"
            errors.append(InputError(what, f"{path}, row {number}", fix))
            continue
        rows += [(fields[0], gene, number) for gene in genes]
    raise_all(errors)
    table = pd.DataFrame(rows, columns=["set_id", "gene", "row"])
    return _without_repeats(table.assign(direction=DIRECTIONS[0], weight=1.0, parent=""), path)


def _read_table(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, comment=None)
    missing = [column for column in ("set_id", "gene") if column not in table.columns]
    if missing:
        what = f"the table lacks the columns {', '.join(missing)}"
        raise InputError(what, path, "give the columns set_id and gene, by tabs")
    table = table.apply(lambda column: column.str.strip())
    table["row"] = range(2, len(table) + 2)
    for column, value in (("direction", DIRECTIONS[0]), ("weight", "1"), ("parent", "")):
        given = table.get(column, pd.Series("", index=table.index))
        table[column] = given.where(given != "", value)
    weights = pd.to_numeric(table["weight"], errors="coerce")
    checks = {
        "set_id": (table["set_id"] == "", "every row needs a name of its set"),
        "gene": (table["gene"] == "", "every row needs a gene"),
        "direction": (~table["direction"].isin(DIRECTIONS), f"write {' or '.join(DIRECTIONS)}, or nothing"),
        "weight": (~(weights > 0), "write a number above 0, or nothing"),
    }
    raise_all(
        [
            InputError(f"{value!r} is no {column}", f"{path}, row {row}, column {column}", fix)
            for column, (bad, fix) in checks.items()
            for value, row in zip(table.loc[bad, column], table.loc[bad, "row"], strict=True)
        ]
    )
    return _without_repeats(table.assign(weight=weights), path)


def _without_repeats(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Refuse a gene that stands in a set in both directions; one that is repeated counts once."""
    table = table.drop_duplicates(["set_id", "gene", "direction"])
    twice = table[table.duplicated(["set_id", "gene"])]
    raise_all(
        [
            InputError(
                f"{row.gene} is in {row.set_id} as positive and as negative gene",
                f"{path}, row {row.row}",
                "keep one of the two",
            )
            for row in twice.itertuples()
        ]
    )
    if table.empty:
        message = "the file holds no gene set"
        raise InputError(message, path, "give at least one set, or leave states.gene_sets empty")
    return table


def _check_names(found: pd.DataFrame, markers: pd.DataFrame, path: Path) -> None:
    """Refuse sets that the reviews have too, and parents that are no set."""
    own, known = found.drop_duplicates("set_id"), set(markers["set_id"])
    errors = [
        InputError(f"{row.set_id} is a set of the reviews", f"{path}, row {row.row}", "give it another name")
        for row in own[own["set_id"].isin(known)].itertuples()
    ]
    parents = found[(found["parent"] != "") & ~found["parent"].isin(known | set(own["set_id"]))]
    errors += [
        InputError(f"the parent {row.parent} is no set", f"{path}, row {row.row}", "name a set, or nothing")
        for row in parents.itertuples()
    ]
    raise_all(errors)
