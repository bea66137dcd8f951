"""Find lymphoid structures, a capsule, infiltration profiles and proximity in one section."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.settings import Spatial, Structures
from stietime.steps.arguments import add_path, add_settings
from stietime.tissue.graphs import graph
from stietime.tissue.pairs import proximity
from stietime.tissue.regions import area, capsule, compartments, infiltration, regions
from stietime.tissue.structures import aggregates

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

LOG = logging.getLogger(__name__)
TUMOUR: Final = "tumour"
VESSEL: Final = "vessel"
# the states whose places the reviews ask for, each with the cells that stand for it where it is not called
STATE_OR_PARENT: Final = {
    "texp": "cd8_t",
    "treg": "cd4_t",
    "m_mdsc": "monocyte",
    "pmn_mdsc": "neutrophil",
    "spp1_macrophage": "macrophage",
}
BARRIER: Final = ("fibroblast", "pericyte", "endothelial")
SPOT_COLUMNS: Final = (
    *(names.CELL, "x_um", "y_um", names.LINEAGE, names.CELL_TYPE, "region", "distance_to_boundary_um"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--spots", "spots.parquet of the section, with places, types and regions")
    text = (
        "states of the section's cells (parquet, is_<state>); without it types of these names, else parents"
    )
    parser.add_argument("--states", type=Path, metavar="FILE", help=text)
    add_settings(parser, Structures)
    add_settings(parser, Spatial, "--spatial")
    add_path(parser, "--infiltration", "table of densities by distance to the boundary to write (TSV)")
    add_path(parser, "--structures", "table of aggregates of B cells to write (TSV)")
    add_path(parser, "--capsule", "table of the capsule to write (TSV, one row)")
    add_path(parser, "--proximity", "table of nearest distances to write (TSV)")
    add_path(parser, "--cells", "table of every cell's structure to write (parquet)")


@dataclass(frozen=True)
class _Place:
    """A section as the methods need it: positions, types, side and boundary of tumour regions, states."""

    cells: pd.DataFrame
    positions: NDArray[np.float64]
    inside: NDArray[np.bool_]
    boundary: NDArray[np.float64]
    states: dict[str, NDArray[np.bool_]]

    @property
    def distance_um(self) -> NDArray[np.float64]:
        """Signed distance of every cell to the boundary, negative inside; may be missing."""
        return self.cells["distance_to_boundary_um"].to_numpy(dtype=float)

    def of(self, *kinds: str) -> NDArray[np.bool_]:
        """Say which cells are of one of these lineages or types."""
        either = self.cells[names.LINEAGE].isin(kinds) | self.cells[names.CELL_TYPE].isin(kinds)
        return either.to_numpy(dtype=bool)


def run(arguments: argparse.Namespace) -> None:
    """Read the places of a section's cells and write its structures."""
    settings: Structures = arguments.settings
    place = _read(arguments.spots, arguments.states, arguments.spatial)
    table, cells = _aggregates(place, settings, arguments.spatial)
    walled = _capsule(place, settings, arguments.spatial)
    storage.write_table(_infiltration(place, settings, arguments.spatial), arguments.infiltration)
    storage.write_table(table, arguments.structures)
    storage.write_table(walled, arguments.capsule)
    storage.write_table(_proximity(place, arguments.spatial), arguments.proximity)
    storage.write_table(cells, arguments.cells)
    n_tls = int((table["kind"] == aggregates.TLS).sum())
    LOG.info("%d aggregates of B cells, %d of them tertiary lymphoid structures", len(table), n_tls)
    LOG.info("capsule: %s", walled["capsule"].iloc[0])


def _read(spots: Path, states: Path | None, spatial: Spatial) -> _Place:
    cells = storage.read_table(spots, SPOT_COLUMNS)[list(SPOT_COLUMNS)]
    for column in (names.LINEAGE, names.CELL_TYPE):
        cells[column] = cells[column].astype(object).fillna(names.UNKNOWN).astype(str)
    positions = cells[["x_um", "y_um"]].to_numpy(dtype=float)
    distance = cells["distance_to_boundary_um"].to_numpy(dtype=float)
    inside = np.where(np.isfinite(distance), distance < 0, (cells["region"] == regions.TUMOUR).to_numpy())
    boundary = regions.boundary_points(positions, inside, spatial.region_radius_um)
    called = _called(cells, states) if states else {}
    return _Place(cells, positions, inside.astype(bool), boundary, called)


def _called(cells: pd.DataFrame, states: Path) -> dict[str, NDArray[np.bool_]]:
    """Read the states of the section's cells; one that is missing for all is not testable and left out."""
    obs = cells[[]].set_axis(pd.Index(cells[names.CELL].astype(str)), axis=0)
    joined = storage.join_strictly(obs, storage.read_table(states, [names.CELL]), states)
    columns = {state: names.call_column(state) for state in STATE_OR_PARENT}
    return {
        state: joined[column].fillna(value=False).to_numpy(dtype=bool)
        for state, column in columns.items()
        if column in joined.columns and joined[column].notna().any()
    }


def _aggregates(place: _Place, settings: Structures, spatial: Spatial) -> tuple[pd.DataFrame, pd.DataFrame]:
    near = graph.radius_graph(place.positions, spatial.radius_um)
    lymphoid = aggregates.Lymphoid(place.of("b_cell"), place.of("t_cell", "cd4_t", "cd8_t"), place.of("dc"))
    definition = aggregates.Definition(
        settings.min_b_share, settings.min_b_cells, settings.min_t_cells, settings.rim_um
    )
    found = aggregates.find_aggregates(place.positions, near, lymphoid.b, definition)
    table = aggregates.describe_aggregates(
        place.positions, near, lymphoid, found, definition, distance_um=place.distance_um, seed=settings.seed
    )
    names_of = np.array([*table["structure"], ""], dtype=object)
    is_tls = np.array([*(table["kind"] == aggregates.TLS), False], dtype=bool)
    part = np.where(found.core >= 0, "core", np.where(found.rim >= 0, "rim", "")).astype(object)
    cells = {"structure": names_of[found.rim], "structure_part": part, "in_tls": is_tls[found.rim]}
    return table, storage.cell_table(pd.Index(place.cells[names.CELL]), **cells)


def _capsule(place: _Place, settings: Structures, spatial: Spatial) -> pd.DataFrame:
    row = capsule.capsule_score(
        place.positions,
        place.distance_um,
        place.boundary,
        is_barrier=place.of(*BARRIER),
        is_immune=compartments.is_immune(place.cells[names.LINEAGE], place.cells[names.CELL_TYPE]),
        width_um=spatial.boundary_um,
        max_distance_um=spatial.max_distance_um,
        min_coverage=settings.capsule_coverage,
        min_enrichment=settings.capsule_enrichment,
    )
    return pd.DataFrame([row])[list(capsule.COLUMNS)]


def _infiltration(place: _Place, settings: Structures, spatial: Spatial) -> pd.DataFrame:
    if not len(place.boundary):
        LOG.info("no infiltration profile: %s", infiltration.NO_BOUNDARY)
        return pd.DataFrame(columns=list(infiltration.COLUMNS))
    lineage, cell_type = place.cells[names.LINEAGE], place.cells[names.CELL_TYPE]
    groups: dict[tuple[str, str], NDArray[np.bool_]] = {
        ("compartment", TUMOUR): compartments.is_tumour(lineage, cell_type),
        ("compartment", "immune"): compartments.is_immune(lineage, cell_type),
    }
    groups |= {("lineage", name): (lineage == name).to_numpy() for name in sorted(lineage.unique())}
    groups |= {("cell_type", name): (cell_type == name).to_numpy() for name in sorted(cell_type.unique())}
    groups |= {("state", name): members for name, members in place.states.items()}
    edges = infiltration.bin_edges(spatial.max_distance_um, settings.bin_um)
    grid = area.tissue_grid(place.positions)
    tissue = infiltration.tissue_by_distance(grid, place.positions, place.inside, place.boundary, edges)
    return infiltration.infiltration_profile(place.distance_um, groups, edges, tissue)


def _proximity(place: _Place, spatial: Spatial) -> pd.DataFrame:
    groups: dict[str, NDArray[np.bool_]] = {}
    for state, parent in STATE_OR_PARENT.items():
        members = place.states.get(state, place.of(state))
        groups |= {state: members} if members.any() else {parent: place.of(parent)}
    lineage, cell_type = place.cells[names.LINEAGE], place.cells[names.CELL_TYPE]
    sources = list(groups)
    groups |= {TUMOUR: compartments.is_tumour(lineage, cell_type), VESSEL: place.of("endothelial")}
    pairs = [(a, b) for a in sources for b in groups if a != b]
    everyone = np.zeros(len(place.cells), dtype=np.int64)
    backgrounds = {proximity.ALL: everyone}
    if place.cells["region"].notna().any():
        backgrounds[proximity.SAME_REGION] = pd.factorize(place.cells["region"])[0]
    backgrounds[proximity.SAME_LINEAGE] = pd.factorize(lineage.where(lineage != names.UNKNOWN))[0]
    return proximity.proximity(
        place.positions, groups, pairs, backgrounds=backgrounds, within_um=spatial.radius_um
    )
