"""T-cell receptors that files of cells hold themselves, in columns of obs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime.errors import InputError, raise_all
from stietime.inputs.receptors import BARCODE, CHAIN_COLUMNS, MISSING, Receptors, v_gene_of
from stietime.inputs.subset import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

# scirpy's names, old and new: VJ is the alpha chain, VDJ the beta chain, two of each
CHAIN: Final = re.compile(r"(?:IR_)?(VJ_[12]|VDJ_[12])_(.+)")
FIELDS: Final = {
    "locus": ("locus",),
    "v_gene": ("v_gene", "v_call"),
    "cdr3_nt": ("cdr3_nt", "junction"),
    "cdr3_aa": ("cdr3", "junction_aa"),
    "n_molecules": ("expr", "umi_count", "duplicate_count", "consensus_count"),
}
MULTIPLET_COLUMNS: Final = ("multi_chain", "IR_multi_chain")
# Cell Ranger numbers the clonotypes of every sample from 1
PER_SAMPLE_NAME: Final = re.compile(r"clonotype_?\d+")


def chains_of_cells(obs: pd.DataFrame, where: object) -> tuple[Receptors, pd.Index]:
    """Take the chains out of the columns that scirpy writes.

    Parameters
    ----------
    obs
        One row per cell, columns under the file's own names.
    where
        The file, for messages.

    Returns
    -------
    The chains, and the cells that scirpy found to hold more than two of a kind.

    Raises
    ------
    InputError
        The columns are missing: all of them are told.
    """
    slots: dict[str, dict[str, str]] = {}
    for column in map(str, obs.columns):
        if match := CHAIN.fullmatch(column):
            slots.setdefault(match[1], {})[match[2]] = column
    chosen = {slot: _fields(there) for slot, there in slots.items()}
    _check_slots(chosen, obs, where)
    parts = [_chains_of_slot(obs, fields) for fields in chosen.values()]
    chains = pd.concat(parts, ignore_index=True)[list(CHAIN_COLUMNS)]
    column = next((name for name in MULTIPLET_COLUMNS if name in obs), "")
    is_multiplet = (
        as_text(obs[column]).str.lower().eq("true") if column else pd.Series(data=False, index=obs.index)
    )
    return Receptors(chains, None, "scirpy columns"), pd.Index(
        obs.index[is_multiplet.to_numpy()], dtype=object
    )


def _fields(there: Mapping[str, str]) -> dict[str, str]:
    return {
        field: next((there[name] for name in names if name in there), "") for field, names in FIELDS.items()
    }


def _check_slots(chosen: Mapping[str, Mapping[str, str]], obs: pd.DataFrame, where: object) -> None:
    errors = []
    fix = "set clones.chains_in_cells to false, or give the receptors in the column `receptors` of the sheet"
    for slot in ("VJ_1", "VDJ_1"):
        fields = chosen.get(slot, {})
        lacking = [name for name in ("locus", "v_gene", "cdr3_nt", "cdr3_aa") if not fields.get(name)]
        if "cdr3_nt" not in lacking or "cdr3_aa" not in lacking:
            lacking = [name for name in lacking if not name.startswith("cdr3")]
        if lacking:
            wanted = ", ".join(f"{slot}_{FIELDS[name][0]}" for name in lacking)
            what = f"the cells lack the columns {wanted}; they have {', '.join(map(str, obs.columns[:20]))}"
            errors.append(InputError(what, where, fix))
    raise_all(errors)


def _chains_of_slot(obs: pd.DataFrame, fields: Mapping[str, str]) -> pd.DataFrame:
    empty = pd.Series("", index=obs.index, dtype=object)
    texts = {field: as_text(obs[column]) if column else empty for field, column in fields.items()}
    texts = {field: text.where(~text.str.lower().isin(MISSING), "") for field, text in texts.items()}
    frame = pd.DataFrame(texts).assign(**{BARCODE: obs.index.to_numpy(dtype=object)})
    has_chain = (frame["locus"] != "") & ((frame["cdr3_nt"] != "") | (frame["cdr3_aa"] != ""))
    frame = frame[has_chain].reset_index(drop=True)
    frame["locus"] = frame["locus"].str.upper()
    frame["v_gene"] = frame["v_gene"].map(v_gene_of)
    frame["n_molecules"] = pd.to_numeric(frame["n_molecules"], errors="coerce").fillna(0.0)
    return frame


def clones_of_cells(obs: pd.DataFrame, column: str, where: object) -> Receptors:
    """Take the clones out of a column of the cells.

    Raises
    ------
    InputError
        The column is missing.
    """
    if column not in obs:
        what = f"the cells lack the column {column}; they have {', '.join(map(str, obs.columns[:20]))}"
        raise InputError(what, where, "mend clones.clone_column")
    texts = as_text(obs[column])
    known = texts[~texts.str.lower().isin(MISSING)]
    return Receptors(
        None, pd.Series(known.to_numpy(dtype=object), index=known.index, name="clone"), "clone column"
    )


def require_names_of_patients(clones: pd.Series, where: object) -> None:
    """Refuse clone names that count within one sample, as Cell Ranger's do.

    Raises
    ------
    InputError
        All names are such numbers: clonotype1 of two samples are not the same clone.
    """
    if len(clones) and clones.map(lambda name: PER_SAMPLE_NAME.fullmatch(str(name)) is not None).all():
        what = f"the clones are numbered within their sample, such as {clones.iloc[0]}"
        fix = "leave clones.clone_column empty: clones of all samples are then made from the chains"
        raise InputError(what, where, fix)
