"""Cells of each kind in each sample, as counts and as fractions of their parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.composition.hierarchy import ALL, IMMUNE, Labels, Mask, tally
from stietime.cohort.design.samples import TISSUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LEVEL_LINEAGE: Final = "lineage"
LEVEL_CELL_TYPE: Final = "cell_type"
LEVEL_STATE: Final = "state"
LEVEL_IMMUNE: Final = "of_immune"
LEVEL_COMPOSITE: Final = "composite"
LEVEL_RATIO: Final = "ratio"
LEVEL_GATED: Final = "gated"

# the reviews' ratios of counts: the log-odds of the first within both together is the log of the ratio
RATIOS: Final = {
    "nlr": ("neutrophil", "lymphocyte"),
    "cd4_cd8_ratio": ("cd4_t", "cd8_t"),
    "m2_m1_ratio": ("m2_macrophage", "m1_macrophage"),
}
# cells called as both of two opposed states; a ratio of the two leaves them out
MIXED: Final = {
    "m1_m2_mixed": ("m1_macrophage", "m2_macrophage"),
    "n1_n2_mixed": ("n1_neutrophil", "n2_neutrophil"),
}
# density gradients remove them and droplets lose them, so that no cell is no evidence of absence
GRANULOCYTES: Final = ("neutrophil", "basophil", "eosinophil")
MDSC: Final = ("m_mdsc", "pmn_mdsc")
# Ter cells are CD45- and the reviews count them among all cells
STATES_OF_ALL: Final = ("ter_cell",)
NOT_CAPTURED: Final = "not captured"
SAMPLE_EXCLUDED: Final = "sample excluded"


@dataclass(frozen=True)
class Entity:
    """A kind of cell and the cells it is counted among, as masks over the labels of a tally."""

    name: str
    level: str
    parent: str
    members: Mask
    parent_members: Mask


def of_immune(entity: str) -> str:
    """Name the fraction of an entity among immune cells."""
    return f"{entity}_of_{IMMUNE}"


def list_entities(labels: Labels) -> list[Entity]:
    """List everything that is counted.

    Parameters
    ----------
    labels
        The labels of a cohort, as `tally` gives them.

    Returns
    -------
    Lineages among all cells, cell types among their lineage, called states among their parent (`ter_cell`
    among all cells), composites, every immune set among immune cells (`<set>_of_immune`), and ratios.
    """
    return [
        *_lineages(labels),
        *_cell_types(labels),
        *_states(labels),
        *_composites(labels),
        *_among_immune(labels),
        *_ratios(labels),
    ]


def _lineages(labels: Labels) -> Iterator[Entity]:
    for lineage in sorted(labels.table[names.LINEAGE].unique()):
        members = (labels.table[names.LINEAGE] == lineage).to_numpy()
        yield Entity(lineage, LEVEL_LINEAGE, ALL, members, labels.members(ALL))


def _cell_types(labels: Labels) -> Iterator[Entity]:
    for kind in sorted(labels.table[names.CELL_TYPE].unique()):
        members = (labels.table[names.CELL_TYPE] == kind).to_numpy()
        lineages = sorted(labels.table.loc[members, names.LINEAGE].unique())
        held = labels.table[names.LINEAGE].isin(lineages).to_numpy()
        yield Entity(kind, LEVEL_CELL_TYPE, "+".join(lineages), members, held)


def _states(labels: Labels) -> Iterator[Entity]:
    for state in names.CALLED_STATES:
        if names.call_column(state) in labels.table.columns:
            parent = ALL if state in STATES_OF_ALL else labels.parent_of_call(state)
            yield Entity(state, LEVEL_STATE, parent, labels.members(state), labels.members(parent))


def _composites(labels: Labels) -> Iterator[Entity]:
    immune = labels.members(IMMUNE)
    yield Entity(IMMUNE, LEVEL_COMPOSITE, ALL, immune, labels.members(ALL))
    yield Entity("cd3neg_immune", LEVEL_COMPOSITE, IMMUNE, immune & ~labels.members("t_cell"), immune)
    if all(names.call_column(state) in labels.table.columns for state in MDSC):
        either = labels.members(MDSC[0]) | labels.members(MDSC[1])
        yield Entity("mdsc", LEVEL_COMPOSITE, "myeloid", either, labels.members("myeloid") | either)
    for name, (first, second) in MIXED.items():
        if all(names.call_column(state) in labels.table.columns for state in (first, second)):
            parent = labels.parent_of_call(first)
            both = labels.members(first) & labels.members(second)
            yield Entity(name, LEVEL_COMPOSITE, parent, both, labels.members(parent))


def _among_immune(labels: Labels) -> Iterator[Entity]:
    immune = labels.members(IMMUNE)
    for name in labels.immune_sets():
        # by lineage and type, also where a call of the same name exists
        yield Entity(of_immune(name), LEVEL_IMMUNE, IMMUNE, labels.of_type(name), immune)


def _ratios(labels: Labels) -> Iterator[Entity]:
    for name, (above, below) in RATIOS.items():
        first, second = labels.members(above), labels.members(below)
        if first.any() and second.any():
            yield Entity(name, LEVEL_RATIO, f"{above}+{below}", first & ~second, first ^ second)


def count_entities(
    cells: pd.DataFrame,
    samples: pd.DataFrame,
    sets: pd.DataFrame,
    *,
    min_parent_cells: int,
    excluded: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Count every entity in every sample.

    Parameters
    ----------
    cells
        One row per kept cell: sample, lineage, cell_type, is_<state>.
    samples
        One row per sample (the index), also of samples that kept no cell; its columns are appended.
    sets
        The marker sets: index `set_id`, columns `parent` and `level`.
    min_parent_cells
        A fraction of fewer parent cells is left empty.
    excluded
        The reason of each sample that quality control excluded: nothing is counted in it, which is not 0.

    Returns
    -------
    One row per sample and entity: sample, entity, level, n, parent, n_parent, fraction (empty where it is
    not measured), note (why it is empty), then the samples' columns. An entity that a sample lacks has n 0;
    of an excluded sample n and n_parent are empty too.
    """
    labels, counts, _ = tally(cells, sets)
    counts = counts.reindex(samples.index, fill_value=0)
    parts = [_counted(entity, counts, samples, labels) for entity in list_entities(labels)]
    return finish_counts(parts, samples, min_parent_cells=min_parent_cells, excluded=excluded or {})


def finish_counts(
    parts: Sequence[pd.DataFrame],
    samples: pd.DataFrame,
    *,
    min_parent_cells: int,
    excluded: Mapping[str, str],
) -> pd.DataFrame:
    """Put counts of entities together, with fractions and why there is none.

    Parameters
    ----------
    parts
        Tables of sample, entity, level, n, parent, n_parent, note.
    samples, min_parent_cells, excluded
        As `count_entities` takes them.
    """
    table = pd.concat(parts, ignore_index=True)
    few = (table["n_parent"] < min_parent_cells) & (table["note"] == "")
    table.loc[few, "note"] = f"fewer than {min_parent_cells} parent cells"
    table["fraction"] = (table["n"] / table["n_parent"]).where(table["note"] == "")
    table = _without_numbers(table, excluded)
    columns = ["sample", "entity", "level", "n", "parent", "n_parent", "fraction", "note"]
    return table[columns].join(samples, on="sample").sort_values(["sample"], kind="stable", ignore_index=True)


def _without_numbers(table: pd.DataFrame, excluded: Mapping[str, str]) -> pd.DataFrame:
    """Empty the numbers of excluded samples and say why."""
    out = table["sample"].isin(list(excluded))
    if not out.any():
        return table
    numbers = {name: table[name].astype("Int64").mask(out) for name in ("n", "n_parent")}
    notes = f"{SAMPLE_EXCLUDED}: " + table["sample"].map(excluded)
    return table.assign(**numbers, fraction=table["fraction"].mask(out), note=table["note"].mask(out, notes))


def _counted(entity: Entity, counts: pd.DataFrame, samples: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    matrix = counts.to_numpy(dtype=float)  # integers do not reach the fast product
    table = pd.DataFrame(
        {
            "sample": samples.index.to_numpy(dtype=object),
            "entity": entity.name,
            "level": entity.level,
            "n": (matrix @ entity.members).astype(np.int64),
            "parent": entity.parent,
            "n_parent": (matrix @ entity.parent_members).astype(np.int64),
        }
    )
    table["note"] = not_captured(entity, counts, samples, labels)
    return table


def not_captured(
    entity: Entity, counts: pd.DataFrame, samples: pd.DataFrame, labels: Labels
) -> Sequence[str]:
    """Say where granulocytes were lost: in PBMC, and where no sample of an environment has one.

    Parameters
    ----------
    entity
        What is counted.
    counts
        Samples x labels.
    samples
        One row per sample, with environment and tissue.
    labels
        The labels of the cohort.

    Returns
    -------
    A note for each sample, or "".
    """
    lineages = set(labels.table.loc[entity.members, names.LINEAGE])
    if not lineages or not lineages <= set(GRANULOCYTES):
        return [""] * len(samples)
    what = "/".join(sorted(lineages))
    held = counts.loc[:, labels.table[names.LINEAGE].isin(lineages).to_numpy()].sum(axis=1)
    environment = samples[names.ENVIRONMENT]
    nowhere = held.groupby(environment).transform("max") == 0
    notes = pd.Series("", index=samples.index, dtype=object)
    notes[nowhere] = f"{NOT_CAPTURED}: no {what} in any " + environment[nowhere] + " sample"
    notes[samples[TISSUE].str.contains("pbmc", case=False)] = f"{NOT_CAPTURED}: PBMC hold no {what}"
    return notes.tolist()
