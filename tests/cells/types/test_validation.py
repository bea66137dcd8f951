"""Cell types against given labels: by hand, and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from stietime.cells.types.validation import calibration_error, validate_types
from stietime.resources import read_markers

PARENTS = read_markers().groupby("set_id")["parent"].first()
LINEAGE = {"cd4_t": "t_cell", "cd8_t": "t_cell", "t_cell": "t_cell", "nk": "nk", "unknown": "unknown"}


def found_types(kinds, confidence=0.9, lineage_confidence=0.95):
    return pd.DataFrame(
        {
            "lineage": [LINEAGE[kind] for kind in kinds],
            "lineage_confidence": lineage_confidence,
            "cell_type": list(kinds),
            "cell_type_confidence": confidence,
        }
    )


def of_level(table, level):
    return table[table["level"] == level].drop(columns="level").reset_index(drop=True)


def test_scores_by_hand():
    given = pd.Series(["cd4_t"] * 4 + ["cd8_t"] * 3 + ["nk"] * 2 + ["treg", "unknown"])
    found = found_types(["cd4_t"] * 3 + ["cd8_t"] * 3 + ["unknown", "nk", "cd8_t", "cd4_t", "nk"])
    result = validate_types(found, given, PARENTS)
    scores = of_level(result.scores, "cell_type").set_index("label")
    # treg is no type of the annotation: it takes part as a T cell only
    assert scores["n"].to_dict() == {"all": 9, "cd4_t": 4, "cd8_t": 3, "nk": 2}
    assert scores.loc["cd4_t", ["precision", "recall"]].tolist() == [1, 0.75]
    assert scores.loc["cd8_t", ["precision", "recall", "n_unknown"]].tolist() == [0.5, 2 / 3, 1]
    assert scores.loc["nk", ["precision", "recall"]].tolist() == [1, 0.5]
    assert scores.loc["all", "accuracy"] == pytest.approx(6 / 9)
    assert scores.loc["all", "f1"] == pytest.approx(scores.loc[["cd4_t", "cd8_t", "nk"], "f1"].mean())
    lineages = of_level(result.scores, "lineage").set_index("label")
    assert lineages["n"].to_dict() == {"all": 10, "t_cell": 8, "nk": 2}
    assert lineages.loc["t_cell", "recall"] == 7 / 8
    confusion = of_level(result.confusion, "cell_type")
    rows = confusion[["given", "found", "n"]].to_numpy().tolist()
    assert ["cd4_t", "cd8_t", 1] in rows
    assert confusion.groupby("given")["share"].sum().tolist() == pytest.approx([1, 1, 1])


def test_scores_and_confusion_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    kinds = np.array(["cd4_t", "cd8_t", "nk"])
    given = rng.choice(kinds, 500)
    found = np.where(rng.random(500) < 0.7, given, rng.choice(kinds, 500))
    result = validate_types(found_types(found), pd.Series(given), PARENTS)
    scores = of_level(result.scores, "cell_type").set_index("label")
    assert scores.loc["all", "f1"] == pytest.approx(f1_score(given, found, average="macro"))
    table = of_level(result.confusion, "cell_type").pivot_table("n", "given", "found")
    np.testing.assert_array_equal(table.loc[kinds, kinds], confusion_matrix(given, found, labels=kinds))


def test_calibration_leaves_out_unknown_cells_and_finds_false_confidence():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, 4000)
    right = rng.random(4000) < confidence
    found = np.where(right, "nk", "cd4_t")
    given = pd.Series(["nk"] * 4000)
    honest = validate_types(found_types(found, confidence), given, PARENTS)
    error = of_level(honest.scores, "cell_type").loc[0, "calibration_error"]
    assert error < 0.03
    calibration = of_level(honest.calibration, "cell_type")
    assert calibration["n"].sum() == 4000
    assert (calibration["confidence"].between(calibration["lower"], calibration["upper"])).all()
    boastful = validate_types(found_types(found, 0.99), given, PARENTS)
    error = of_level(boastful.scores, "cell_type").loc[0, "calibration_error"]
    assert error == pytest.approx(0.99 - right.mean())
    nothing = validate_types(found_types(["unknown"] * 5), pd.Series(["nk"] * 5), PARENTS)
    assert np.isnan(of_level(nothing.scores, "cell_type").loc[0, "calibration_error"])
    assert of_level(nothing.scores, "cell_type").loc[0, "f1"] == 0
    assert np.isnan(calibration_error(of_level(nothing.calibration, "lineage")))


def test_labels_without_a_lineage_take_no_part():
    result = validate_types(found_types(["nk", "nk"]), pd.Series(["immune", "unknown"]), PARENTS)
    assert not len(result.scores)
    assert not len(result.confusion)
