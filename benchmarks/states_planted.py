"""Planted states at the sparsity of four platforms: told from their like, and called when there are none.

Cells are drawn from the package's simulation; a platform scales their depth and keeps the genes of its panel.
Types are given, so that what is measured is the state and not the annotation.
"""

from __future__ import annotations

import functools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score

from benchmarks.chain_runs import sheet_row
from benchmarks.public_data import DATA, ZILIONIS, not_found, read_counts
from benchmarks.record import NAN, Figure
from benchmarks.states_runs import SCANPY, find_states, plain_scores
from stietime import names
from stietime.h5ad_parts import read_frame
from stietime.simulate.counts import draw_counts, single_cells
from stietime.simulate.reference import named_rng, reference

if TYPE_CHECKING:
    from benchmarks.states_runs import Found
    from stietime.simulate.reference import Reference

XENIUM: Final = DATA / "jefworks_breast_visium_xenium" / "breast_xenium.h5ad"
COSMX_GENES: Final = Path(__file__).parent / "cosmx_genes.txt"
COSMX_COUNTS: Final = 260.0  # mean transcripts of a cell in non-small-cell lung cancer, He et al. 2022
PER_POPULATION: Final = 300
SEEDS: Final = (1, 2, 3)
MAX_FALSE: Final = 0.01


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


class Question(NamedTuple):
    """A state, what it is told from, and how well it should be."""

    state: str
    planted: tuple[str, ...]
    others: tuple[str, ...]
    least: float


QUESTIONS: Final = (
    Question("texp", ("texp",), ("tex_terminal",), 0.95),
    Question("texp", ("texp",), ("cd8_memory",), 0.95),
    Question("treg", ("treg_blood", "treg_tumour"), ("cd4_naive", "cd4_memory", "th_cxcl13"), 0.95),
    Question("m_mdsc", ("m_mdsc",), ("mono_classical", "mono_inflammatory"), 0.90),
    Question("pmn_mdsc", ("pmn_mdsc",), ("neutrophil", "neutrophil_ifn"), 0.90),
    Question("ter_cell", ("ter_cell",), ("red_cell",), 0.98),
    Question("ter_cell", ("ter_cell",), ("reticulocyte",), 0.98),
)
# ordinary cells beside the planted ones, and those of other lineages that ambient RNA comes from
ORDINARY: Final = (
    *("cd4_naive", "cd4_memory", "th_cxcl13", "cd8_naive", "cd8_memory", "cd8_effector", "tex_terminal"),
    *("mono_classical", "mono_inflammatory", "mono_cd16", "neutrophil", "neutrophil_ifn", "nk_blood"),
    *("b_cell", "red_cell", "reticulocyte", "malignant", "fibroblast"),
)
PLANTED: Final = ("texp", "treg_blood", "treg_tumour", "m_mdsc", "pmn_mdsc", "ter_cell")
PLANTED_SHARE: Final = 0.5  # of an ordinary population's cells


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


def figures(*, quick: bool) -> list[Figure]:
    """Measure how well planted states are told from their like, and false calls without any.

    Parameters
    ----------
    quick
        10x only, one seed without planted states.
    """
    chosen = platforms()[:1] if quick else platforms()
    rows = []
    for platform in chosen:
        rows += _told_apart(platform)
        rows += _false_calls(platform, SEEDS[:1] if quick else SEEDS)
    if not XENIUM.is_file():
        rows.append(not_found("planted states, Xenium, 313 genes", "AUROC", ""))
    return rows


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
    source, rng = _with_reticulocyte(), named_rng(seed, "states", platform.name)
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
def _with_reticulocyte() -> Reference:
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


def _run(platform: Platform, populations: dict[str, int], seed: int) -> Found:
    """Give the types and let the chain call the states."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "planted.h5ad"
        simulate(platform, populations, seed).write_h5ad(path)
        options = {
            "inputs": {"cell_type_column": "cell_type"},
            "annotation": {"method": "given"},
            "quality": {"find_doublets": False},
        }
        return find_states([sheet_row("planted", path)], options)


def _told_apart(platform: Platform) -> list[Figure]:
    many = dict.fromkeys(ORDINARY, PER_POPULATION)
    planted = dict.fromkeys(PLANTED, int(PER_POPULATION * PLANTED_SHARE))
    found = _run(platform, many | planted, SEEDS[0])
    population = found.source("population").to_numpy()
    present = [state for state in names.STATES if found.fact(state, "coverage") > 0]
    plain = plain_scores(found.counts, present)
    once = {question.state: question for question in QUESTIONS}.values()
    return [
        *(_question(platform, question, found, population, plain) for question in QUESTIONS),
        *(_ceiling(platform, question, found, population) for question in QUESTIONS),
        *(_sensitivity(platform, question, found, population) for question in once),
    ]


def _question(
    platform: Platform, question: Question, found: Found, population: np.ndarray, plain: pd.DataFrame
) -> Figure:
    case, state = f"planted states, {platform.name}", question.state
    planted = np.isin(population, question.planted)
    among = planted | np.isin(population, question.others)
    told = f"AUROC of {state} against {', '.join(question.others)}"
    evidence = found.cells[names.evidence_column(state)].astype(float).to_numpy()
    peer = float(roc_auc_score(planted[among], plain.loc[among, state])) if state in plain else NAN
    target, n = f">= {question.least}", int(among.sum())
    usable = among & ~np.isnan(evidence)
    if not usable.any():
        metric = f"{told} ({found.note(state)})"
        return Figure(case, metric, NAN, peer, SCANPY, target, met=False, n=n, seed=SEEDS[0])
    ours = float(roc_auc_score(planted[usable], evidence[usable]))
    return Figure(case, told, ours, peer, SCANPY, target, ours >= question.least, n, SEEDS[0])


def _ceiling(platform: Platform, question: Question, found: Found, population: np.ndarray) -> Figure:
    """Measure how well cells are told apart by who knows the profiles they were drawn from."""
    source, genes = _with_reticulocyte(), pd.Index(found.counts.var_names)
    places = source.genes.get_indexer(genes)
    known = source.profiles[:, places[places >= 0]]
    known = known / known.sum(axis=1, keepdims=True)
    ambient = known[source.populations.index.get_indexer(pd.Index(ORDINARY))].mean(axis=0)
    logs = np.log((1 - platform.ambient_share) * known + platform.ambient_share * ambient)
    planted = np.isin(population, question.planted)
    among = planted | np.isin(population, question.others)
    counts = sparse.csr_matrix(found.counts.X)[among][:, np.flatnonzero(places >= 0)]
    likelihood = pd.DataFrame(counts @ logs.T, columns=source.populations.index)
    have, have_not = (
        logsumexp(likelihood[list(group)].to_numpy(), axis=1) for group in (question.planted, question.others)
    )
    area = float(roc_auc_score(planted[among], have - have_not))
    metric = (
        f"most that can be reached: {question.state} against {', '.join(question.others)}, profiles known"
    )
    return Figure(f"planted states, {platform.name}", metric, area, n=int(among.sum()), seed=SEEDS[0])


def _sensitivity(platform: Platform, question: Question, found: Found, population: np.ndarray) -> Figure:
    planted = np.isin(population, question.planted)
    share = found.share_called(question.state, planted)
    metric = f"share of planted {question.state} that is called"
    return Figure(f"planted states, {platform.name}", metric, share, n=int(planted.sum()), seed=SEEDS[0])


def _false_calls(platform: Platform, seeds: tuple[int, ...]) -> list[Figure]:
    """Share of the parent's cells that is called when no state is planted, the largest of the seeds."""
    shares: dict[str, list[float]] = {state: [] for state in names.STATES}
    for seed in seeds:
        found = _run(platform, dict.fromkeys(ORDINARY, PER_POPULATION), seed)
        for state in names.STATES:
            n_called, n_parent = found.called(state).sum(), found.fact(state, "n_parent")
            shares[state].append(n_called / n_parent if found.tests(state) else NAN)
    rows = []
    for state, values in shares.items():
        worst = float(np.max(values))
        tested = not np.isnan(worst)
        metric = f"share of its parent called {state} with none planted, largest of {len(seeds)} seeds"
        target = f"<= {MAX_FALSE}" if tested else ""
        met = worst <= MAX_FALSE if tested else None
        rows.append(
            Figure(f"no states, {platform.name}", metric, worst, target=target, met=met, seed=seeds[-1])
        )
    return rows
