"""The benchmark of states: planted cells as a platform would count them, and how clusters are ranked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from benchmarks import states_planted, states_public, states_ucell
from benchmarks.states_cells import Platform, simulate
from benchmarks.states_planted import FURTHER_QUESTIONS, ORDINARY, PLANTED, WITHOUT_FURTHER
from benchmarks.states_runs import rank_of

from stietime import names
from stietime.cells.marker_sets import match_marker_sets
from stietime.resources import read_markers

MARKERS = read_markers()


def test_a_platform_scales_depth_and_keeps_its_panel():
    panel = ("CD8A", "GZMK", "LAYN", "CD3D", "LYZ", "S100A8", "FOXP3", "HBB", "not a gene")
    cells = simulate(Platform("panel", 40.0, panel), {"texp": 200, "mono_classical": 200}, seed=1)
    assert set(cells.var_names) == set(panel) - {"not a gene"}
    alone = simulate(Platform("panel", 40.0, panel), {"mono_classical": 400}, seed=1)
    assert np.median(np.asarray(alone.X.sum(axis=1))) == pytest.approx(40, rel=0.2)
    shown = pd.DataFrame(cells[:, ["GZMK", "LYZ"]].X.toarray(), columns=["GZMK", "LYZ"]).groupby(
        cells.obs["population"].to_numpy()
    )
    assert shown.mean().idxmax().tolist() == ["texp", "mono_classical"]


def test_every_population_of_the_questions_is_simulated():
    asked = {name for question in states_planted.QUESTIONS for name in (*question.planted, *question.others)}
    assert asked <= {*ORDINARY, *PLANTED}
    cells = simulate(Platform("10x"), dict.fromkeys((*ORDINARY, *PLANTED), 2), seed=1)
    assert set(cells.obs["population"]) == {*ORDINARY, *PLANTED}
    # types are given to the chain, so each has to be a set of the marker table
    assert set(cells.obs["cell_type"]) <= set(MARKERS["set_id"])
    further = {name for question in FURTHER_QUESTIONS for name in (*question.planted, *question.others)}
    cells = simulate(Platform("10x"), dict.fromkeys({*further, *WITHOUT_FURTHER}, 2), seed=1)
    assert set(cells.obs["cell_type"]) <= set(MARKERS["set_id"])
    assert {question.state for question in FURTHER_QUESTIONS} == set(names.FURTHER_STATES)
    assert not {question.planted[0] for question in FURTHER_QUESTIONS} & set(WITHOUT_FURTHER)


def test_the_seed_decides_the_cells():
    first, again, other = (simulate(Platform("10x"), {"treg_blood": 20}, seed) for seed in (1, 1, 2))
    assert (first.X != again.X).nnz == 0
    assert (first.X != other.X).nnz > 0


def test_clusters_of_few_cells_do_not_count_in_a_rank():
    clusters = pd.Series(["a"] * 6 + ["b"] * 6 + ["few"] * 2 + ["mine"] * 3)
    score = pd.Series([1.0] * 6 + [3.0] * 6 + [9.0] * 2 + [2.0] * 3)
    assert rank_of("mine", score, clusters, states_public.MIN_CLUSTER) == 2
    assert rank_of("b", score, clusters, states_public.MIN_CLUSTER) == 1


def test_pyucell_is_given_the_same_sets():
    sets = match_marker_sets(MARKERS, ["CD3D", "CD3E", "LAYN", "GZMK", "EOMES"])
    signs = states_ucell.with_signs(sets)
    assert set(signs["texp"]) == {"GZMK+", "EOMES+", "LAYN-"}
    assert all(any(gene.endswith("+") for gene in genes) for genes in signs.values())
    assert states_ucell.only_positive(sets).negative.nnz == 0
