"""The numbers of a section that are compared between patients, from the tables of its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.cohort.testing.section_contrasts import VALUE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Value = tuple[str, str, float]  # kind, entity, value
ARCHITECTURE: Final = ("mixing_score", "infiltration", "immune_share", "immune_per_mm2")
DISTANCES_UM: Final = (50.0, 100.0, 200.0)
OF_SPOTS: Final = " (spots)"
TLS: Final = "tls"


def section_values(architecture: Path) -> pd.DataFrame:
    """Collect what was measured in one section: one row per number.

    Kinds: architecture, tls_per_mm2, infiltration (share of the cells inside tumour regions), enrichment,
    co_occurrence (log2, at 50, 100 and 200 um), proximity (log2 of median over expected distance, all cells
    as background), interaction (log2 observed over expected). Those of spots are kinds of their own: shares
    of RNA and numbers of cells are not compared. What is not testable in a section has no row.

    Parameters
    ----------
    architecture
        Its `architecture.tsv`; the other tables lie beside it, as far as they were made.
    """
    row = storage.read_table(architecture, ["section"]).iloc[0]
    folder = architecture.parent
    is_spots = _path(folder, "proportions").is_file()
    found = [*_architecture(row), *_structures(folder, row), *_pairs(folder), *_near(folder)]
    found += [*_interactions(folder), *_inside(folder)]
    table = pd.DataFrame(found, columns=list(VALUE_COLUMNS[1:]))
    if is_spots:
        table["kind"] += OF_SPOTS
    table.insert(0, "section", str(row["section"]))
    return table


def niche_values(path: Path) -> pd.DataFrame:
    """Read the shares of the niches in all sections as values of the kind niche_share."""
    shares = storage.read_table(path, ["section", "niche", "share"])
    entity = "niche " + shares["niche"].astype(str)
    return pd.DataFrame(
        {"section": shares["section"], "kind": "niche_share", "entity": entity, "value": shares["share"]}
    )


def _path(folder: Path, output: str) -> Path:
    return folder / names.OUTPUT_PATHS[output].rpartition("/")[2]


def _table(folder: Path, output: str) -> pd.DataFrame:
    path = _path(folder, output)
    return storage.read_table(path) if path.is_file() else pd.DataFrame()


def _architecture(row: pd.Series) -> Iterator[Value]:
    for name in ARCHITECTURE:
        if name in row.index and pd.notna(row[name]):
            yield "architecture", name, float(row[name])


def _structures(folder: Path, row: pd.Series) -> Iterator[Value]:
    path = _path(folder, "structures")
    if path.is_file() and float(row.get("area_mm2", 0)) > 0:
        found = storage.read_table(path, ["kind"])
        yield "tls_per_mm2", "tertiary lymphoid structures", (found["kind"] == TLS).sum() / row["area_mm2"]


def _pairs(folder: Path) -> Iterator[Value]:
    for row in _records(folder, "neighbourhoods"):
        if names.UNKNOWN not in (row["type_a"], row["type_b"]) and np.isfinite(row["log2_ratio"]):
            yield "enrichment", f"{row['type_a']} - {row['type_b']}", row["log2_ratio"]
    for row in _records(folder, "co_occurrence"):
        is_known = names.UNKNOWN not in (row["type_a"], row["type_b"])
        if is_known and row["distance_um"] in DISTANCES_UM and row["ratio"] > 0:
            entity = f"{row['type_a']} - {row['type_b']} at {row['distance_um']:g} um"
            yield "co_occurrence", entity, float(np.log2(row["ratio"]))


def _near(folder: Path) -> Iterator[Value]:
    for row in _records(folder, "proximity"):
        if row["background"] == "all cells" and row["median_um"] > 0 and row["expected_um"] > 0:
            ratio = float(np.log2(row["median_um"] / row["expected_um"]))
            yield "proximity", f"{row['from']} to {row['to']}", ratio


def _interactions(folder: Path) -> Iterator[Value]:
    for row in _records(folder, "interactions"):
        if row["status"] == "tested" and np.isfinite(row["log2_ratio"]):
            genes = f"{row['ligand']} - {row['receptor']}"
            yield "interaction", f"{genes}, {row['type_a']} to {row['type_b']}", row["log2_ratio"]


def _inside(folder: Path) -> Iterator[Value]:
    profile = _table(folder, "infiltration")
    if len(profile):
        inside = profile[(profile["to_um"] <= 0) & profile["level"].isin(("lineage", "state"))]
        for entity, part in inside.groupby("entity", sort=False):
            if part["n_cells"].sum() and entity != names.UNKNOWN:
                yield "infiltration", str(entity), float(part["n"].sum() / part["n_cells"].sum())


def _records(folder: Path, output: str) -> list[dict[Any, Any]]:
    return _table(folder, output).to_dict("records")
