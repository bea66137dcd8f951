"""How well cell types agree with labels that were given, and whether their confidence can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime.cells.cell_types import LINEAGES, TYPES, lineage_of_given
from stietime.names import CELL_TYPE, CONFIDENCE, LINEAGE, LINEAGE_CONFIDENCE, UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS: Final = (LINEAGE, CELL_TYPE)
ALL: Final = "all"
N_BINS: Final = 10


class Validation(NamedTuple):
    """Tables of a validation.

    Parameters
    ----------
    confusion
        One row per level, given label and found label: level, given, found, n, share (of the given label).
    scores
        One row per level and label, and one per level with the label `all`: level, label, n (cells with the
        label), precision, recall, f1, n_unknown. Of `all`: the means over labels (macro), and accuracy and
        calibration_error, which are nan elsewhere.
    calibration
        One row per level and tenth of confidence that has cells: level, lower, upper, n, confidence (mean),
        accuracy.
    """

    confusion: pd.DataFrame
    scores: pd.DataFrame
    calibration: pd.DataFrame


def validate_types(types: pd.DataFrame, given: pd.Series, parents: pd.Series) -> Validation:
    """Compare cell types with given labels, at the level of lineages and of types.

    A cell takes part at the level of lineages when its label has a lineage, and at the level of types when
    its label is a type that can be found. Cells that were found to be `unknown` are wrong, and not part of
    the calibration: they claim nothing.

    Parameters
    ----------
    types
        One row per cell: lineage, cell_type, lineage_confidence, cell_type_confidence.
    given
        Label of each cell, a set of the marker table or unknown; in the same order.
    parents
        Parent of each set, by set_id.
    """
    labels = given.astype(str).to_numpy(dtype=object)
    lineage_of = {label: lineage_of_given(label, parents) for label in set(labels)}
    truth = {
        LINEAGE: np.array([lineage_of[label] for label in labels], dtype=object),
        CELL_TYPE: np.where(np.isin(labels, TYPES), labels, UNKNOWN),
    }
    parts = []
    for level, column in zip(LEVELS, (LINEAGE_CONFIDENCE, CONFIDENCE), strict=True):
        told = truth[level] != UNKNOWN
        found = types.loc[told, level].to_numpy(dtype=object)
        confidence = types.loc[told, column].to_numpy(dtype=np.float64)
        parts.append(_validate_level(level, truth[level][told], found, confidence))
    stacked = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    return Validation(*stacked)


def _validate_level(
    level: str, given: NDArray[np.object_], found: NDArray[np.object_], confidence: NDArray[np.float64]
) -> Validation:
    pairs = pd.DataFrame({"given": given, "found": found})
    confusion = pairs.value_counts().rename("n").reset_index()
    confusion["share"] = confusion["n"] / confusion.groupby("given")["n"].transform("sum")
    order = {name: place for place, name in enumerate([*LINEAGES, *TYPES])}
    confusion = confusion.sort_values(
        ["given", "n"], key=lambda column: column.map(order) if column.name == "given" else -column
    )
    claimed = found != UNKNOWN
    calibration = _calibration(confidence[claimed], (given == found)[claimed])
    scores = _scores(pairs, calibration)
    tables = (confusion, scores, calibration)
    return Validation(*(table.assign(level=level)[["level", *table.columns]] for table in tables))


def _scores(pairs: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    from sklearn.metrics import precision_recall_fscore_support

    given, found = pairs["given"], pairs["found"]
    labels = list(given.value_counts().index)
    if not labels:
        columns = ["label", "n", "precision", "recall", "f1", "n_unknown", "accuracy", "calibration_error"]
        return pd.DataFrame(columns=columns)
    parts = precision_recall_fscore_support(given, found, labels=labels, zero_division=0)
    table = pd.DataFrame(
        {"label": labels, "n": parts[3], **dict(zip(("precision", "recall", "f1"), parts, strict=False))}
    )
    unknown = given[found == UNKNOWN].value_counts()
    table["n_unknown"] = unknown.reindex(labels, fill_value=0).to_numpy()
    whole = table[["precision", "recall", "f1"]].mean().to_dict()
    whole |= {"label": ALL, "n": len(pairs), "n_unknown": int((found == UNKNOWN).sum())}
    whole |= {"accuracy": float((given == found).mean()), "calibration_error": calibration_error(calibration)}
    return pd.concat([pd.DataFrame([whole]), table], ignore_index=True)


def _calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> pd.DataFrame:
    place = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    table = pd.DataFrame({"place": place, "confidence": confidence, "accuracy": right.astype(float)})
    found = table.groupby("place").agg(
        n=("accuracy", "size"), confidence=("confidence", "mean"), accuracy=("accuracy", "mean")
    )
    places = found.index.to_numpy()
    found.insert(0, "lower", places / N_BINS)
    found.insert(1, "upper", (places + 1) / N_BINS)
    return found.reset_index(drop=True)


def calibration_error(calibration: pd.DataFrame) -> float:
    """Give the expected calibration error (Naeini et al., AAAI 2015).

    Parameters
    ----------
    calibration
        One row per bin: n, confidence, accuracy.

    Returns
    -------
    Mean distance of confidence from accuracy over bins, weighted by cells; nan without cells.
    """
    n = calibration["n"].sum()
    apart = (calibration["confidence"] - calibration["accuracy"]).abs()
    return float((calibration["n"] * apart).sum() / n) if n else float("nan")
