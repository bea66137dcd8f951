"""Simulated tissue sections: nests and stroma, with immune cells inside, shut out, or nearly absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from stietime import names
from stietime.errors import InputError
from stietime.simulate import counts as droplet_counts
from stietime.simulate.cohort import Sample, planned_composition, sample_profiles, truth_of
from stietime.simulate.reference import named_rng, reference

if TYPE_CHECKING:
    import anndata as ad

Floats = npt.NDArray[np.float64]

CLASSES: Final = ("infiltrated", "excluded", "desert")
CELLS_PER_UM2: Final = 1500 / 500**2
MIN_CELLS: Final = 20
TUMOUR_SHARE: Final = 0.5
NEST_UM: Final = 220.0  # wavelength of the field that draws nests
RIM_UM: Final = 18.0  # stroma next to nests that fibroblasts hold where immune cells are shut out
DEPTH_FACTOR: Final = 0.5  # a section's cells give less RNA than dissociated ones
AMBIENT_UMI: Final = 40.0
TYPES_APART: Final = {
    "epithelial": "tumour",
    "fibroblast": "stroma",
    "pericyte": "stroma",
    "endothelial": "stroma",
}
IMMUNE_SHARE: Final[dict[str, dict[str, float]]] = {  # by place: in nests, in the rim of the stroma, beyond
    "infiltrated": {"tumour": 0.30, "rim": 0.45, "stroma": 0.45},
    "excluded": {"tumour": 0.01, "rim": 0.08, "stroma": 0.75},
    "desert": {"tumour": 0.01, "rim": 0.02, "stroma": 0.03},
}


def section_name(number: int) -> str:
    """Name a section by its number, from 1: `s1_infiltrated`, `s2_excluded`, `s3_desert`, ..."""
    return f"s{number}_{section_class(number)}"


def section_class(number: int) -> str:
    """Name the class of a section by its number, from 1: the three classes in turn."""
    return CLASSES[(number - 1) % len(CLASSES)]


def _positions(rng: np.random.Generator, n_cells: int) -> Floats:
    """Cell centres on a jittered hexagonal lattice, in micrometres, in a square field."""
    side = float(np.sqrt(n_cells / CELLS_PER_UM2))
    step = float(np.sqrt(2 / (np.sqrt(3) * CELLS_PER_UM2)))
    rows = np.arange(0, side, step * np.sqrt(3) / 2)
    columns = np.arange(0, side, step)
    x = (columns[None, :] + (np.arange(len(rows)) % 2)[:, None] * step / 2).ravel()
    y = np.repeat(rows, len(columns))
    points = np.column_stack([x, y]) + rng.normal(0, step * 0.12, (len(x), 2))
    return points[np.sort(rng.permutation(len(points))[:n_cells])]


def _nests(rng: np.random.Generator, points: Floats) -> npt.NDArray[np.bool_]:
    """Draw tumour nests as the upper half of a smooth random field: a sum of waves of one length."""
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 12))
    waves = 2 * np.pi / NEST_UM * np.stack([np.cos(angle), np.sin(angle)])
    field = np.cos(points @ waves + phase).sum(axis=1)
    return np.asarray(field > np.quantile(field, 1 - TUMOUR_SHARE), dtype=np.bool_)


def _places(points: Floats, in_nest: npt.NDArray[np.bool_]) -> npt.NDArray[np.str_]:
    """Name each cell's place: tumour, rim (stroma next to a nest) or stroma."""
    distance = cKDTree(points[in_nest]).query(points)[0]
    return np.where(in_nest, "tumour", np.where(distance < RIM_UM, "rim", "stroma"))


def _weights(probability: pd.Series, cell_types: pd.Series, immune_share: float, region: str) -> Floats:
    """Give the probabilities at a place: the immune share, and the region's own cells for the rest."""
    own = (cell_types.map(TYPES_APART) == region).to_numpy()
    immune = (~cell_types.isin([*TYPES_APART, "erythroid", "red_cell", "platelet"])).to_numpy()
    values = probability.to_numpy()
    weights: Floats = np.zeros(len(values))
    weights[own] = values[own] / values[own].sum() * (1 - immune_share)
    weights[immune] = values[immune] / values[immune].sum() * immune_share
    return weights


def _check(kind: str, n_cells: int) -> None:
    if kind not in CLASSES:
        what = f"the class {kind!r} cannot be simulated"
        raise InputError(what, "simulate_section", f"use one of: {', '.join(CLASSES)}")
    if n_cells < MIN_CELLS:
        what = f"a section of {n_cells} cells cannot be simulated"
        raise InputError(what, "simulate_section", f"ask for at least {MIN_CELLS}")


def simulate_section(
    kind: str, n_cells: int = 1500, seed: int = 1, *, name: str = "s1", patient: str = "p1"
) -> ad.AnnData:
    """Simulate one tissue section of a tumour before treatment.

    Parameters
    ----------
    kind
        infiltrated (immune cells in nests and stroma), excluded (in the stroma only, behind a rim of
        fibroblasts) or desert (hardly any).
    n_cells
        Number of cells; the field grows with it (1,500 cells in 500 x 500 um).
    seed
        Seed of the cohort.
    name
        Name of the section; its cells depend on the seed and on this name.
    patient
        The patient it comes from, such as `p1`.

    Returns
    -------
    AnnData: X int32 CSR counts (cells x genes); obs x and y in micrometres, true_region (tumour, stroma),
    true_class and the columns of `simulate_sample`.

    Raises
    ------
    InputError
        The class is not one of the three, or fewer than 20 cells are asked for.
    """
    _check(kind, n_cells)
    source = reference()
    sample = Sample(patient, names.TIME, "before")
    rng = named_rng(seed, "section", name)
    points = _positions(rng, n_cells)
    places = _places(points, _nests(rng, points))
    region = np.where(places == "tumour", "tumour", "stroma")
    probability = planned_composition(sample, seed).reindex(source.populations.index)
    population = np.empty(n_cells, dtype=np.intp)
    for place, share in IMMUNE_SHARE[kind].items():
        at = np.flatnonzero(places == place)
        own = "tumour" if place == "tumour" else "stroma"
        weights = _weights(probability, source.populations["cell_type"], share, own)
        population[at] = rng.choice(len(weights), len(at), p=weights)
    median_umi = source.populations["median_umi"].to_numpy() * DEPTH_FACTOR
    droplets = droplet_counts.single_cells(rng, population, median_umi, AMBIENT_UMI)
    profiles = sample_profiles(sample, seed, source)
    ambient = np.bincount(population, weights=droplets.depth, minlength=len(profiles)) @ profiles
    matrix = droplet_counts.draw_counts(rng, droplets, profiles, ambient / ambient.sum(), source)
    obs = truth_of(droplets, source.populations)
    obs = obs.assign(x=points[:, 0], y=points[:, 1], true_region=region.astype(object), true_class=kind)
    obs.index = pd.Index([f"cell_{i + 1}" for i in range(n_cells)])
    return droplet_counts.as_anndata(matrix, obs, source.genes)
