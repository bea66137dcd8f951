"""Cells as four platforms would count them, with states that the simulation does not hold."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.public_data import DATA, ZILIONIS, read_counts
from stietime import names
from stietime.h5ad_parts import read_frame
from stietime.resources import read_markers
from stietime.simulate.counts import draw_counts, single_cells
from stietime.simulate.reference import LEAK_CP10K, named_rng, read_programs, reference

if TYPE_CHECKING:
    from stietime.simulate.reference import Reference

XENIUM: Final = DATA / "jefworks_breast_visium_xenium" / "breast_xenium.h5ad"
COSMX_GENES: Final = Path(__file__).parent / "cosmx_genes.txt"
COSMX_COUNTS: Final = 260.0  # mean transcripts of a cell in non-small-cell lung cancer, He et al. 2022
BASES: Final = {"cd8_t": "cd8_memory", "macrophage": "macrophage_plain", "neutrophil": "neutrophil"}
PLANTED_FOLD: Final = 6.0
LEAST_LEVEL: Final = 0.5  # counts per 10,000 of a positive gene of a planted state, at the least


class Platform(NamedTuple):
    """A way of measuring cells.

    Parameters
    ----------
    name
        Its name.
    median_counts
        Median counts of a cell, which depths are scaled to; None for the simulation's own, those of 10x v3.
    panel
        Its genes; None for all.
    ambient_share
        Ambient counts of a cell as a share of the median counts.
    """

    name: str
    median_counts: float | None = None
    panel: tuple[str, ...] | None = None
    ambient_share: float = 0.02


def platforms() -> list[Platform]:
    """Name the platforms; depths of inDrop and Xenium are those of public data, where they are there."""
    found = [Platform("10x v3")]
    if ZILIONIS.is_file():
        found.append(Platform("inDrop", _median_counts(ZILIONIS)))
    cosmx = tuple(COSMX_GENES.read_text(encoding="utf-8").split())
    found.append(Platform("CosMx, 928 genes", COSMX_COUNTS, cosmx))
    if XENIUM.is_file():
        panel = tuple(read_frame(XENIUM, "var", []).index)
        found.append(Platform("Xenium, 313 genes", _median_counts(XENIUM), panel))
    return found


def _median_counts(path: Path) -> float:
    counts, _, _ = read_counts(path)
    return float(np.median(np.asarray(counts.sum(axis=1)).ravel()))


def simulate(platform: Platform, populations: dict[str, int], seed: int) -> ad.AnnData:
    """Draw cells of some populations as a platform would count them.

    Parameters
    ----------
    platform
        The platform.
    populations
        Number of cells of each population.
    seed
        Seed of the draw.

    Returns
    -------
    Counts; `obs` holds population and cell_type.
    """
    source, rng = _with_further(), named_rng(seed, "states", platform.name)
    places = source.populations.index.get_indexer(pd.Index(list(populations)))
    of_cell = np.repeat(places, list(populations.values()))
    inside = np.ones(len(source.genes), dtype=bool)
    if platform.panel is not None:
        inside = source.genes.isin(platform.panel)
    depths = source.populations["median_umi"].to_numpy(dtype=float)
    seen = float(np.median((depths * source.profiles[:, inside].sum(axis=1))[of_cell]))
    depths = depths * ((platform.median_counts or seen) / seen)
    profile = source.profiles[of_cell].mean(axis=0)
    ambient = platform.ambient_share * float(np.median(depths[of_cell]))
    droplets = single_cells(rng, of_cell, depths, ambient)
    counts = draw_counts(rng, droplets, source.profiles, profile, source)
    kinds = source.populations.iloc[of_cell]
    obs = pd.DataFrame(
        {"population": kinds.index.to_numpy(), "cell_type": kinds["cell_type"].to_numpy()},
        index=[f"c{number}" for number in range(len(of_cell))],
    )
    genes = pd.DataFrame(index=source.genes[inside].astype(str))
    cells = ad.AnnData(sparse.csr_matrix(counts[:, inside], dtype=np.float32), obs, genes)
    return cells[rng.permutation(len(of_cell))].copy()


@functools.cache
def with_reticulocyte() -> Reference:
    """Add reticulocytes to the simulation: nine parts of a red cell's RNA and one of an erythroblast's."""
    source = reference()
    red, ter = source.populations.index.get_indexer(pd.Index(["red_cell", "ter_cell"]))
    profile = 0.9 * source.profiles[red] + 0.1 * source.profiles[ter]
    row = source.populations.iloc[red : red + 1].rename(index={"red_cell": "reticulocyte"})
    row = row.assign(median_umi=2 * row["median_umi"])
    populations = pd.concat([source.populations, row])
    # red cells have no set of their own
    populations["cell_type"] = populations["cell_type"].replace("red_cell", "erythroid")
    return replace(source, populations=populations, profiles=np.vstack([source.profiles, profile]))


@functools.cache
def _with_further() -> Reference:
    """Add macrophages without a state, and the further states that the simulation has no profile of.

    Macrophages without a state have the programme of all macrophages only. A planted state is an ordinary
    cell of its parent with the positive genes of the marker set six times as high, and the negative ones as
    much lower.
    """
    source, programs = with_reticulocyte(), read_programs()
    own = {gene: programs["macrophage"].get(gene, LEAK_CP10K) for gene in programs["macrophage_c1q"]}
    source = _add(source, "macrophage_c1q", "macrophage_plain", pd.Series(own))
    markers = read_markers()
    for state in names.FURTHER_STATES:
        rows = markers[markers["set_id"] == state].drop_duplicates("gene").set_index("gene")
        parent = str(rows["parent"].iloc[0])
        if state in source.populations.index or parent not in BASES:
            continue
        base = BASES[parent]
        profile = source.profiles[source.populations.index.get_loc(base)]
        level = pd.Series(profile[source.positions(rows.index)] * 1e4, index=rows.index)
        high = rows["direction"] == "positive"
        raised = (level * PLANTED_FOLD).clip(lower=LEAST_LEVEL)
        source = _add(source, base, state, raised.where(high, level / PLANTED_FOLD))
    return source


def _add(source: Reference, base: str, name: str, levels: pd.Series) -> Reference:
    """Add a population like another, with some genes at other levels (counts per 10,000)."""
    place = source.populations.index.get_loc(base)
    profile = source.profiles[place].copy()
    profile[source.positions(levels.index)] = levels.to_numpy() / 1e4
    row = source.populations.loc[[base]].rename(index={base: name})
    populations = pd.concat([source.populations, row])
    return replace(
        source, populations=populations, profiles=np.vstack([source.profiles, profile / profile.sum()])
    )
