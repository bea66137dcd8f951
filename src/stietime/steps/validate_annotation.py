"""Step `validate-annotation`: compare the cell types with labels that were given."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stietime import names, storage
from stietime.cells.types.validation import ALL, validate_types
from stietime.errors import InputError, raise_all
from stietime.h5ad_parts import read_frame
from stietime.resources import read_markers
from stietime.steps.annotate import GIVEN
from stietime.steps.arguments import add_optional_paths, add_path

if TYPE_CHECKING:
    import argparse

log = logging.getLogger(__name__)

LABEL = "label"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--cell-types", "cell types of the kept cells (parquet)")
    add_optional_paths(parser, "--counts", "counts of every sample, with the types that were given (h5ad)")
    add_optional_paths(parser, "--labels", "tables of cell and label instead (tsv or parquet)")
    text = "tables of found by given labels, of the scores of each label, and of the calibration (tsv)"
    metavar = ("CONFUSION", "SCORES", "CALIBRATION")
    parser.add_argument("--output", type=Path, required=True, nargs=3, metavar=metavar, help=text)


def run(arguments: argparse.Namespace) -> None:
    """Compare the types of all cells that have a label.

    Raises
    ------
    InputError
        There are no labels, a label is no set of the marker table, or no cell has both a type and a label.
    """
    columns = [names.CELL, names.LINEAGE, names.CELL_TYPE, names.LINEAGE_CONFIDENCE, names.CONFIDENCE]
    types = storage.read_table(arguments.cell_types, columns)[columns].set_index(names.CELL)
    parents = read_markers().groupby("set_id")["parent"].first()
    labels = _read_labels(arguments, {*parents.index, names.UNKNOWN})
    shared = types.index.intersection(labels.index)
    if not len(shared):
        what = f"none of the {len(types)} cells has one of the {len(labels)} labels"
        where = (arguments.labels or arguments.counts)[0]
        raise InputError(what, where, "give the labels of the same cells, named sample:barcode")
    found = validate_types(types.loc[shared], labels.loc[shared], parents)
    for table, path in zip(found, arguments.output, strict=True):
        storage.write_table(table, path)
    log.info("%d of %d cells have a label", len(shared), len(types))
    for row in found.scores[found.scores[LABEL] == ALL].itertuples():
        log.info(
            "%s: macro F1 %.3f, accuracy %.3f, calibration error %.3f over %d cells, %d of them unknown",
            *(row.level, row.f1, row.accuracy, row.calibration_error, row.n, row.n_unknown),
        )


def _read_labels(arguments: argparse.Namespace, known: set[str]) -> pd.Series:
    """Read the labels of cells, from tables or from the counts."""
    parts = []
    for path in arguments.labels:
        table = storage.read_table(path, [names.CELL, LABEL])
        parts.append(table.set_index(names.CELL)[LABEL].astype(str))
    for path in [] if arguments.labels else arguments.counts:
        obs = read_frame(path, "obs", [GIVEN])
        if GIVEN in obs:
            parts.append(obs[GIVEN].astype(str))
    if not parts:
        message = "there are no labels to compare with"
        fix = "give --labels, or name the column of the labels in inputs.cell_type_column"
        raise InputError(message, "--labels, --counts", fix)
    labels = pd.concat(parts)
    if labels.index.has_duplicates:
        what = f"the cell {labels.index[labels.index.duplicated()][0]} stands twice"
        raise InputError(what, arguments.labels or arguments.counts, "give every cell once")
    _check(labels, known, (arguments.labels or arguments.counts)[0])
    return labels


def _check(labels: pd.Series, known: set[str], where: Path) -> None:
    """Refuse labels that are no set of the marker table."""
    fix = "use a set of the marker table, or unknown"
    raise_all(
        [
            InputError(f"the label {label!r} ({n} cells) is not known here", where, fix)
            for label, n in labels.value_counts().items()
            if label not in known
        ]
    )
