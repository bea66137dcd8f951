"""Planted states at the sparsity of four platforms: told from their like, and called when there are none.

Cells are drawn from the package's simulation; a platform scales their depth and keeps the genes of its panel.
Types are given, so that what is measured is the state and not the annotation.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score

from benchmarks.chain_runs import sheet_row
from benchmarks.public_data import not_found
from benchmarks.record import NAN, Figure
from benchmarks.states_cells import XENIUM, platforms, simulate, with_reticulocyte
from benchmarks.states_runs import SCANPY, find_states, plain_scores
from stietime import names
from stietime.cells.states.further_rules import MIXED

if TYPE_CHECKING:
    from benchmarks.states_cells import Platform
    from benchmarks.states_runs import Found

PER_POPULATION: Final = 300
SEEDS: Final = (1, 2, 3)
MAX_FALSE: Final = 0.01


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
# further states, each among ordinary cells of its parent
FURTHER_QUESTIONS: Final = (
    Question("tpex_tcf7", ("tpex_tcf7",), ("cd8_naive", "cd8_memory", "cd8_effector"), 0.0),
    Question("tex_term", ("tex_terminal",), ("cd8_naive", "cd8_memory", "cd8_effector", "texp"), 0.0),
    Question("th_cxcl13", ("th_cxcl13",), ("cd4_naive", "cd4_memory", "treg_tumour"), 0.0),
    *(
        Question(state, (state,), ("macrophage_plain",), 0.0)
        for state in (
            "m1_macrophage",
            "m2_macrophage",
            "spp1_macrophage",
            "c1qc_macrophage",
            "ido1_macrophage",
        )
    ),
    *(Question(state, (state,), ("neutrophil",), 0.0) for state in ("n1_neutrophil", "n2_neutrophil")),
)
WITHOUT_FURTHER: Final = (
    *("cd4_naive", "cd4_memory", "cd8_naive", "cd8_memory", "cd8_effector", "mono_classical"),
    *("macrophage_plain", "neutrophil", "nk_blood", "b_cell", "red_cell", "malignant", "fibroblast"),
)


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
        seeds = SEEDS[:1] if quick else SEEDS
        rows += _false_calls(platform, seeds, ORDINARY, names.STATES)
        rows += _further_told_apart(platform)
        rows += _false_calls(platform, seeds, WITHOUT_FURTHER, names.FURTHER_STATES)
    if not XENIUM.is_file():
        rows.append(not_found("planted states, Xenium, 313 genes", "AUROC", ""))
    return rows


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
    """Measure how well cells are told apart by who knows the profiles and dispersions they were drawn from.

    Negative binomial likelihoods; genes whose counts the simulation moves together (mitochondrial, ribosomal
    and stress genes) are left out.
    """
    source, genes = with_reticulocyte(), pd.Index(found.counts.var_names)
    places = source.genes.get_indexer(genes)
    noisy = np.concatenate([source.mito, source.ribo, source.stress])
    used = np.flatnonzero((places >= 0) & ~np.isin(places, noisy))
    shares = source.profiles[:, places[used]] / source.profiles[:, places[places >= 0]].sum(axis=1)[:, None]
    ambient = shares[source.populations.index.get_indexer(pd.Index(ORDINARY))].mean(axis=0)
    shares = (1 - platform.ambient_share) * shares + platform.ambient_share * ambient
    planted = np.isin(population, question.planted)
    among = planted | np.isin(population, question.others)
    counts = sparse.csr_matrix(found.counts.X)[among]
    totals, seen = np.asarray(counts.sum(axis=1)).ravel(), counts[:, used].toarray()
    size = 1 / source.dispersion[places[used]]

    def likelihood(name: str) -> np.ndarray:
        mean = np.outer(totals, shares[source.populations.index.get_loc(name)]) + 1e-12
        return np.asarray((seen * np.log(mean / (mean + size)) - size * np.log1p(mean / size)).sum(axis=1))

    have, have_not = (logsumexp([*map(likelihood, group)], axis=0) for group in question[1:3])
    told = planted[among]
    area = float(roc_auc_score(told, have - have_not)) if 0 < told.sum() < len(told) else NAN
    others = ", ".join(question.others)
    metric = f"most that can be reached: {question.state} against {others}, profiles and dispersions known"
    return Figure(f"planted states, {platform.name}", metric, area, n=int(among.sum()), seed=SEEDS[0])


def _further_told_apart(platform: Platform) -> list[Figure]:
    others = {name for question in FURTHER_QUESTIONS for name in question.others}
    many = dict.fromkeys([*WITHOUT_FURTHER, *sorted(others - set(WITHOUT_FURTHER))], PER_POPULATION)
    half = int(PER_POPULATION * PLANTED_SHARE)
    planted = dict.fromkeys((question.planted[0] for question in FURTHER_QUESTIONS), half)
    found = _run(platform, many | planted, SEEDS[0])
    population = found.source("population").to_numpy()
    present = [state for state in names.FURTHER_STATES if found.fact(state, "coverage") > 0]
    plain = plain_scores(found.counts, present)
    rows = []
    for question in FURTHER_QUESTIONS:
        row = _question(platform, question, found, population, plain)
        rows += [replace(row, target="", met=None), _sensitivity(platform, question, found, population)]
    return [*rows, *_mixed(platform, found, population)]


def _mixed(platform: Platform, found: Found, population: np.ndarray) -> list[Figure]:
    """Share of the called cells of two opposed states that is called both, where either was planted."""
    rows = []
    for first, second in MIXED:
        if found.tests(first) and found.tests(second):
            one, other = found.called(first), found.called(second)
            either = (one | other) & np.isin(population, [first, second])
            share = float((one & other)[either].mean()) if either.any() else NAN
            metric = f"share of called {first} and {second} that is called both"
            case = f"planted states, {platform.name}"
            rows.append(Figure(case, metric, share, n=int(either.sum()), seed=SEEDS[0]))
    return rows


def _sensitivity(platform: Platform, question: Question, found: Found, population: np.ndarray) -> Figure:
    planted = np.isin(population, question.planted)
    share = found.share_called(question.state, planted)
    metric = f"share of planted {question.state} that is called"
    return Figure(f"planted states, {platform.name}", metric, share, n=int(planted.sum()), seed=SEEDS[0])


def _false_calls(
    platform: Platform, seeds: tuple[int, ...], ordinary: tuple[str, ...], states: tuple[str, ...]
) -> list[Figure]:
    """Share of the parent's cells that is called when no state is planted, the largest of the seeds."""
    shares: dict[str, list[float]] = {state: [] for state in states}
    for seed in seeds:
        found = _run(platform, dict.fromkeys(ordinary, PER_POPULATION), seed)
        for state in states:
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
