"""Tissue structures: planted geometry, follicles of a real spleen, published classes, and time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from scipy.spatial import Delaunay
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_rand_score

from benchmarks.drawn_tissue import Drawn, read_drawing
from benchmarks.public_data import DATA, not_found
from benchmarks.record import Figure
from benchmarks.structure_drawings import EVEN, LYMPHOID, LYMPHOID_AT, MIXTURES, NICHES, WALLED
from stietime.configuration import read_settings
from stietime.settings import Spatial, Structures
from stietime.tissue.graphs import graph
from stietime.tissue.regions import architecture, capsule, regions
from stietime.tissue.structures import aggregates, niches, windows

DATASETS: Final = Path(__file__).parent.parent / "config" / "datasets"
SPLEEN: Final = DATA / "hubmap_spleen_codex_pkhl" / "pkhl_cells.csv.gz"
COSMX: Final = DATA / "cosmx_nsclc_lung5_1_celltypes" / "lung5_cells.csv.gz"
SPATIAL, OPTIONS = Spatial(), Structures()
T_CELLS: Final = ("t_cell", "cd4_t", "cd8_t", "treg")
STROMAL: Final = ("epithelial", "endothelial", "lymphatic_endothelial", "fibroblast", "pericyte", "unknown")
NEAR_UM: Final = 40.0  # a structure is found when its middle lies this near to where it was drawn


def figures(*, quick: bool) -> list[Figure]:
    """Measure everything; what is planted is drawn anew with each seed.

    Parameters
    ----------
    quick
        A few seeds, and no real section.
    """
    seeds = range(1, 4 if quick else 21)
    found = [*_lymphoid(seeds), *_boundary(seeds), *_capsules(seeds), *_niches(range(1, 3 if quick else 11))]
    return found if quick else [*found, *keren_figures(DATA), *_spleen(), *_cosmx()]


def _target(case: str, metric: str, value: float, target: str, n: int, *, seed: int = 0) -> Figure:
    sign, bound = target.split()
    met = value >= float(bound) if sign == ">=" else value <= float(bound)
    return Figure(case, metric, value, target=target, met=bool(met), n=n, seed=seed)


def find_structures(positions: np.ndarray, types: pd.Series) -> tuple[aggregates.Aggregates, pd.DataFrame]:
    """Find and describe the aggregates of B cells of a section with the default options."""
    near = graph.radius_graph(positions, SPATIAL.radius_um)
    kinds = (types == "b_cell", types.isin(T_CELLS), types == "dc")
    cells = aggregates.Lymphoid(*(kind.to_numpy(dtype=bool) for kind in kinds))
    definition = aggregates.Definition()
    found = aggregates.find_aggregates(positions, near, cells.b, definition)
    nowhere = np.full(len(types), np.nan)
    table = aggregates.describe_aggregates(positions, near, cells, found, definition, distance_um=nowhere)
    return found, table


def find_niches(
    sections: list[tuple[np.ndarray, pd.Series]],
) -> tuple[niches.Niches, list[np.ndarray], list[str]]:
    """Find the niches of sections with the default options."""
    types = sorted({str(t) for _, s in sections for t in s.unique()} - {"unknown"})
    around = [
        windows.windows(positions, pd.Index(types).get_indexer(pd.Index(types_of)), len(types))
        for positions, types_of in sections
    ]
    draw = niches.draw_windows(around, len(around), OPTIONS.seed)
    found = niches.find_niches(
        draw, most=OPTIONS.max_niches, min_jaccard=OPTIONS.min_jaccard, seed=OPTIONS.seed
    )
    return found, [niches.assign(one.whole, found.centres) for one in around], types


def _lymphoid(seeds: range) -> list[Figure]:
    case = "drawn: 2 lymphoid structures; decoys: T cells alone, B and T cells evenly mixed"
    n_found = n_called = n_right = n_null = 0
    for seed in seeds:
        drawn = read_drawing(LYMPHOID, MIXTURES, seed=seed)
        _, table = find_structures(drawn.positions, drawn.cell_types)
        middles = table.loc[table["kind"] == aggregates.TLS, ["x_um", "y_um"]].to_numpy()
        apart = np.linalg.norm(middles[:, None] - np.array(LYMPHOID_AT)[None], axis=2)
        n_found += int((apart.min(axis=0, initial=np.inf) <= NEAR_UM).sum())
        n_right += int((apart.min(axis=1) <= NEAR_UM).sum())
        n_called += len(middles)
        mixed = read_drawing(LYMPHOID, dict.fromkeys(MIXTURES, EVEN), seed=seed)
        n_null += find_structures(mixed.positions, mixed.cell_types)[0].n
    n = len(LYMPHOID_AT) * len(seeds)
    false = 1 - n_right / max(n_called, 1)
    return [
        _target(case, "share of planted structures found", n_found / n, ">= 0.95", n),
        _target(case, "share of called structures that were not planted", false, "<= 0.05", n_called),
        _target("drawn: the same cells evenly mixed", "aggregates found", n_null, "<= 0", len(seeds)),
    ]


def _tumour(drawn: Drawn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    around = graph.radius_graph(drawn.positions, SPATIAL.region_radius_um)
    inside = regions.find_tumour_regions(around, (drawn.cell_types == "epithelial").to_numpy())
    boundary = regions.boundary_points(drawn.positions, inside, SPATIAL.region_radius_um)
    distance = regions.distance_to_boundary(drawn.positions, inside, SPATIAL.region_radius_um)
    return inside, boundary, distance


def _boundary(seeds: range) -> list[Figure]:
    errors = []
    for seed in seeds:
        drawn = read_drawing("\n".join(["TTTTTTSSSSSS"] * 12), MIXTURES, seed=seed)
        errors.append(np.abs(_tumour(drawn)[2] - (drawn.positions[:, 0] - 300)).mean())
    case = "drawn: tumour and stroma side by side"
    metric = "mean error of the distance to the boundary (um), the worst of the seeds"
    return [_target(case, metric, float(np.max(errors)), "<= 5", len(seeds))]


def _judge(drawing: str, seed: int) -> tuple[object, str]:
    """Call the capsule and the class of a drawing."""
    drawn = read_drawing(drawing, MIXTURES, seed=seed)
    types = drawn.cell_types
    inside, boundary, distance = _tumour(drawn)
    is_immune = ~types.isin(STROMAL).to_numpy()
    row = capsule.capsule_score(
        drawn.positions, distance, boundary, is_immune=is_immune,
        is_barrier=types.isin(["fibroblast", "pericyte", "endothelial"]).to_numpy(),
        width_um=SPATIAL.boundary_um, max_distance_um=SPATIAL.max_distance_um,
        min_coverage=OPTIONS.capsule_coverage, min_enrichment=OPTIONS.capsule_enrichment,
    )  # fmt: skip
    contacts = graph.radius_graph(drawn.positions, SPATIAL.contact_um)
    is_tumour = (types == "epithelial").to_numpy()
    measured = architecture.measure(
        drawn.positions, contacts, is_tumour=is_tumour, is_immune=is_immune, inside=inside
    )
    call = architecture.immune_phenotype(
        measured, infiltrated_above=SPATIAL.infiltrated_above, desert_below=SPATIAL.desert_below
    )
    return row["capsule"], call.name


def _capsules(seeds: range) -> list[Figure]:
    planted = {
        "a capsule": (WALLED, True, "excluded"),
        "no wall, immune cells kept out": (WALLED.replace("c", "S"), False, "excluded"),
        "no wall, immune cells inside": (WALLED.replace("c", "S").replace("T", "i"), False, "infiltrated"),
        "a stroma that is all fibroblasts": (WALLED.replace("c", "F").replace("S", "F"), False, ""),
    }
    rows = []
    for name, (drawing, walled, kind) in planted.items():
        calls = [_judge(drawing, seed) for seed in seeds]
        right = float(np.mean([found is walled for found, _ in calls]))
        rows.append(_target(f"drawn: {name}", "capsule called as planted", right, ">= 1", len(seeds)))
        if kind:
            right = float(np.mean([found == kind for _, found in calls]))
            rows.append(_target(f"drawn: {name}", f"class {kind} found", right, ">= 1", len(seeds)))
    return rows


def _niches(seeds: range) -> list[Figure]:
    agreed, numbers, null = [], [], []
    for seed in seeds:
        drawn = [read_drawing(text, MIXTURES, seed=seed + 50 * i) for i, text in enumerate(NICHES)]
        found, given, _ = find_niches([(one.positions, one.cell_types) for one in drawn])
        truth = np.concatenate([one.letters for one in drawn])
        agreed.append(adjusted_rand_score(truth, np.concatenate(given)))
        numbers.append(len(found.centres))
        even = read_drawing(NICHES[0], dict.fromkeys(MIXTURES, EVEN), seed=seed)
        null.append(len(find_niches([(even.positions, even.cell_types)])[0].centres))
    case, n = "drawn: 4 niches in 2 sections", len(seeds)
    return [
        _target(case, "adjusted Rand index, the worst of the seeds", float(min(agreed)), ">= 0.9", n),
        Figure(case, "share of seeds with 4 niches", float(np.mean(np.array(numbers) == 4)), n=n),
        _target("drawn: the same cells evenly mixed", "niches reported", float(sum(null)), "<= 0", n),
    ]


def read_section(path: Path, dataset: str) -> tuple[np.ndarray, pd.Series, pd.DataFrame]:
    """Read a table of cells with the options of a configuration that ships: positions, types, the table."""
    inputs = read_settings(DATASETS / dataset / "config.yaml").inputs
    cells = pd.read_csv(path)
    positions = cells[[inputs.x_column, inputs.y_column]].to_numpy(dtype=float) * inputs.um_per_unit
    return positions, cells[inputs.cell_type_column].fillna("").map(inputs.cell_type_names), cells


def _voronoi_mixing(positions: np.ndarray, is_tumour: np.ndarray, is_immune: np.ndarray) -> float:
    """Mixing score with cells touching where their Voronoi cells do, at most two spacings apart."""
    simplices = Delaunay(positions).simplices
    pairs = np.unique(np.sort(simplices[:, [[0, 1], [1, 2], [0, 2]]].reshape(-1, 2)), axis=0)
    apart = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    a, b = pairs[apart <= 2 * SPATIAL.contact_um].T
    between = (is_tumour[a] & is_immune[b]) | (is_immune[a] & is_tumour[b])
    return float(between.sum() / max((is_immune[a] & is_immune[b]).sum(), 1))


def keren_figures(data: Path) -> list[Figure]:
    """Compare classes and mixing scores of 20 breast cancers with the published, and a second definition."""
    case = "triple-negative breast cancer, MIBI (Keren 2018)"
    path = data / "keren2018_tnbc_mibi" / "cells_xy_type_class.csv.gz"
    if not path.is_file():
        return [not_found(case, "patients with the published class", ">= 18")]
    positions, types, cells = read_section(path, "tnbc_keren2018")
    right, ours, voronoi = 0, [], []
    for rows in cells.groupby("patient").indices.values():
        kind, place = types.iloc[rows], positions[rows]
        is_tumour, is_immune = (kind == "epithelial").to_numpy(), ~kind.isin(STROMAL).to_numpy()
        measured = architecture.measure(
            place, graph.radius_graph(place, SPATIAL.contact_um), is_tumour=is_tumour, is_immune=is_immune,
            inside=np.zeros(len(rows), dtype=bool),
        )  # fmt: skip
        call = architecture.keren_class(
            measured, cold_below_per_mm2=SPATIAL.cold_below_immune_per_mm2, mixed_above=SPATIAL.mixed_above
        )
        right += int(call.name == cells["class"].iloc[rows[0]])
        ours.append(measured.mixing.value)
        voronoi.append(_voronoi_mixing(place, is_tumour, is_immune))
    correlation = float(spearmanr(ours, voronoi).statistic)
    metric = "rank correlation of the mixing score with that of cells whose Voronoi cells touch"
    return [
        _target(case, "patients with the published class", right, ">= 18", len(ours)),
        _target(case, metric, correlation, ">= 0.95", len(ours)),
    ]


def _timed(positions: np.ndarray, types: pd.Series) -> tuple[float, pd.DataFrame, aggregates.Aggregates]:
    start = time.process_time()
    found, table = find_structures(positions, types)
    return time.process_time() - start, table, found


def _spleen() -> list[Figure]:
    case = "healthy spleen, CODEX (HuBMAP)"
    if not SPLEEN.is_file():
        return [not_found(case, "mean B share in the cores of aggregates", ">= 0.7")]
    positions, types, _ = read_section(SPLEEN, "spleen_codex")
    n = len(types)
    seconds, table, found = _timed(positions, types)
    start = time.process_time()
    cohort, (given,), names_of = find_niches([(positions, types)])
    in_niches = time.process_time() - start
    b_niche = int(cohort.centres[:, names_of.index("b_cell")].argmax())
    core = found.core >= 0
    width = float(np.ptp(positions[:, 0])) + 10
    copies = np.concatenate([positions + np.array([copy * width, 0.0]) for copy in range(4)])
    fourfold, _, _ = _timed(copies, pd.concat([types] * 4, ignore_index=True))
    share = float(table["b_share"].mean())
    in_niche = float((given[core] == b_niche).mean())
    return [
        Figure(case, "aggregates of B cells", found.n, n=n),
        _target(case, "mean B share in the cores of aggregates", share, ">= 0.7", found.n),
        Figure(case, "niches", len(cohort.centres), n=n),
        _target(case, "share of the cores' cells in the B-cell niche", in_niche, ">= 0.9", int(core.sum())),
        Figure(case, "B share in that niche", float(cohort.centres[b_niche, names_of.index("b_cell")]), n=n),
        Figure(case, "lymphoid structures, CPU seconds", seconds, n=n),
        Figure(case, "niches, CPU seconds", in_niches, n=n),
        _target(
            case, "growth exponent of lymphoid structures, one section to four side by side",
            float(np.log(fourfold / seconds) / np.log(4)), "<= 1.15", 4 * n,
        ),
    ]  # fmt: skip


def _cosmx() -> list[Figure]:
    case = "lung cancer, CosMx (Lung5, replicate 1)"
    if not COSMX.is_file():
        return [not_found(case, "tertiary lymphoid structures", "")]
    positions, types, _ = read_section(COSMX, "nsclc_cosmx_lung5")
    seconds, table, _ = _timed(positions, types)
    start = time.process_time()
    cohort, _, _ = find_niches([(positions, types)])
    n = len(types)
    return [
        Figure(case, "tertiary lymphoid structures", int((table["kind"] == aggregates.TLS).sum()), n=n),
        Figure(case, "mean B share in their cores", float(table["b_share"].mean()), n=len(table)),
        Figure(case, "niches", len(cohort.centres), n=n),
        Figure(case, "lymphoid structures, CPU seconds", seconds, n=n),
        Figure(case, "niches, CPU seconds", time.process_time() - start, n=n),
    ]
