"""Step `profile-states`: the other genes of a state's evident cells, and how like these a cell is."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.blocks import read_genes
from stietime.cells.gene_families import in_family
from stietime.cells.states.likeness import (
    MIN_CELLS,
    PROFILE_COLUMNS,
    CellWeights,
    agreement,
    likeness,
    profile_table,
    state_share,
    weigh_cells,
    weighted_sums,
)
from stietime.settings import States
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.cell_scores import survey, tasks

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from stietime.steps.cell_scores import Cohort, Task

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)

LEFT_OUT = ("mito", "ribo", "receptor_segment")  # as for the variable genes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--counts", "counts of every sample (h5ad)")
    add_paths(parser, "--quality", "quality of every sample, in the same order (parquet)")
    add_path(parser, "--cell-types", "cell types of the kept cells (parquet)")
    add_path(parser, "--states", "evidence and calls of the kept cells (parquet)")
    add_settings(parser, States)
    add_compute(parser)
    add_path(parser, "--output", "likeness of the kept cells (parquet)")
    add_path(parser, "--profiles", "the other genes that say most of each state (tsv)")
    add_path(parser, "--summary", "how far the other genes agree with the calls of each state (tsv)")


def run(arguments: argparse.Namespace) -> None:
    """Learn, judge and write."""
    cohort = survey(arguments)
    states = _read_states(arguments.states, cohort.types.index)
    asked = {name: _question(name, states, cohort.markers) for name in names.STATES}
    tested = {name: question for name, question in asked.items() if question.parent.any()}
    answers = dict(zip(tested, ask_other_genes(cohort, list(tested.values())), strict=True))
    found = {name: answers.get(name) for name in names.STATES}
    columns = {
        names.likeness_column(name): _over_all(asked[name].parent, answer) for name, answer in found.items()
    }
    storage.write_table(storage.cell_table(cohort.types.index, **columns), arguments.output)
    profiles = [answer.profile.assign(state=name) for name, answer in found.items() if answer]
    every = pd.concat([pd.DataFrame(columns=list(PROFILE_COLUMNS)), *profiles], ignore_index=True)
    storage.write_table(every[list(PROFILE_COLUMNS)], arguments.profiles)
    summary = pd.DataFrame([_summary(name, asked[name], answer) for name, answer in found.items()])
    storage.write_table(summary, arguments.summary)
    for state, area, note in summary[["state", "auroc_called", "note"]].itertuples(index=False):
        log.info("%s: %s", state, note or f"area under the curve of called cells {area}")


def _read_states(path: Path, cells: pd.Index) -> pd.DataFrame:
    wanted = [column(name) for name in names.STATES for column in (names.evidence_column, names.call_column)]
    table = storage.read_table(path, [names.CELL, *wanted])[[names.CELL, *wanted]]
    return storage.join_strictly(pd.DataFrame(index=cells), table, path)


def _question(name: str, states: pd.DataFrame, markers: pd.DataFrame) -> Question:
    evidence = states[names.evidence_column(name)].to_numpy(dtype=np.float64)
    parent = np.isfinite(evidence)
    called = states[names.call_column(name)].astype("boolean").fillna(value=False).to_numpy(dtype=bool)
    own = markers.loc[markers["set_id"] == name, "gene"]
    return Question(parent, evidence[parent], called[parent], own)


def _over_all(parent: Mask, answer: Answer | None) -> NDArray[np.float32]:
    values = np.full(len(parent), np.nan, dtype=np.float32)
    if answer is not None:
        values[parent] = answer.likeness
    return values


def _summary(name: str, question: Question, answer: Answer | None) -> dict[str, object]:
    n_parent, n_called = int(question.parent.sum()), int(question.called.sum())
    expected = float(state_share(question.evidence) * n_parent) if n_parent else 0.0
    note, auroc = "", float("nan")
    if not n_parent:
        note = "not testable: the state is not called in these data"
    elif answer is None:
        note = f"not testable: fewer than {MIN_CELLS:.0f} cells with the state, or without, by the evidence"
    elif np.isnan(answer.agreement):
        note = "no sample has called and other cells to compare"
    else:
        auroc = round(answer.agreement, 3)
    facts: dict[str, object] = {"state": name, "n_parent": n_parent, "n_called": n_called}
    return facts | {"n_expected": round(expected, 1), "auroc_called": auroc, "note": note}


class Question(NamedTuple):
    """A state that is asked about.

    Parameters
    ----------
    parent
        Which cells are of its parent.
    evidence, called
        Of the cells of the parent.
    own_genes
        The genes of its set, which do not count as other genes.
    """

    parent: Mask
    evidence: Floats
    called: Mask
    own_genes: Iterable[str]


class Answer(NamedTuple):
    """What the other genes say.

    Parameters
    ----------
    likeness
        Likeness of each cell of the parent.
    agreement
        How far they set called cells apart, see `likeness.agreement`.
    profile
        The genes that say most.
    """

    likeness: Floats
    agreement: float
    profile: pd.DataFrame


@dataclass(frozen=True)
class _Piece:
    """Cells of one block: for each state the weights of its parent's cells, and which genes count."""

    task: Task
    weights: tuple[CellWeights, ...]
    genes: tuple[NDArray[np.intp], ...]
    sums: tuple[Floats, ...] = ()
    n_cells: tuple[int, ...] = ()


def ask_other_genes(cohort: Cohort, questions: Sequence[Question]) -> list[Answer | None]:
    """Learn which other genes the evident cells of each state show, and judge its parent's cells by them.

    Counts are read twice, block by block: for the profiles, and for the cells.

    Parameters
    ----------
    cohort
        What all samples share.
    questions
        The states.

    Returns
    -------
    An answer for each state; none where there are too few cells with it or without.
    """
    samples = cohort.types.index.str.partition(":").get_level_values(0)
    weighed = [weigh_cells(question.evidence, samples[question.parent]) for question in questions]
    asked = [place for place, weights in enumerate(weighed) if weights.enough]
    answers: list[Answer | None] = [None] * len(questions)
    if not asked:
        return answers
    pieces = _pieces(cohort, [questions[place] for place in asked], [weighed[place] for place in asked])
    sums = _add(cohort.over.map(_sum_piece, pieces))
    n_cells = tuple(int(questions[place].parent.sum()) for place in asked)
    pieces = [replace(piece, sums=tuple(sums), n_cells=n_cells) for piece in pieces]
    found = zip(*cohort.over.map(_judge_piece, pieces), strict=True)
    for number, (place, parts) in enumerate(zip(asked, found, strict=True)):
        question, values = questions[place], np.concatenate(parts)
        told = agreement(values, question.called, samples[question.parent].to_numpy())
        genes = cohort.genes[pieces[0].genes[number]]
        answers[place] = Answer(values, told, profile_table(sums[number], genes, n_cells[number]))
    return answers


def _pieces(cohort: Cohort, questions: Sequence[Question], weighed: Sequence[CellWeights]) -> list[_Piece]:
    told = ~np.any([in_family(cohort.genes, family) for family in LEFT_OUT], axis=0)
    genes = tuple(np.flatnonzero(told & ~cohort.genes.isin(list(q.own_genes))) for q in questions)
    cut = tasks(cohort, [question.parent for question in questions])
    ends = np.cumsum([task.members.sum(axis=1) for task in cut], axis=0)
    starts = np.vstack([np.zeros(len(questions), dtype=ends.dtype), ends[:-1]])
    return [
        _Piece(task, tuple(map(_some, weighed, first, last)), genes)
        for task, first, last in zip(cut, starts, ends, strict=True)
    ]


def _some(weights: CellWeights, first: int, last: int) -> CellWeights:
    return CellWeights(weights.with_state[first:last], weights.without[first:last])


def _add(parts: Iterable[list[Floats]]) -> list[Floats]:
    """Add the sums of the blocks as they come."""
    total: list[Floats] = []
    for part in parts:
        total = [one + other for one, other in zip(total, part, strict=True)] if total else part
    return total


def _counts_of(piece: _Piece) -> Iterable[sparse.csr_matrix]:
    counts, _ = read_genes(piece.task.block, piece.task.columns)
    for cells, genes in zip(piece.task.members, piece.genes, strict=True):
        yield sparse.csr_matrix(counts[cells][:, genes], dtype=np.float64)


def _sum_piece(piece: _Piece) -> list[Floats]:
    return [weighted_sums(*both) for both in zip(_counts_of(piece), piece.weights, strict=True)]


def _judge_piece(piece: _Piece) -> list[Floats]:
    every = zip(_counts_of(piece), piece.weights, piece.sums, piece.n_cells, strict=True)
    return [likeness(*one) for one in every]
