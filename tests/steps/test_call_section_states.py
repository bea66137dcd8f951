"""The step that calls states among the cells of a section, run as typed, and what reads its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stietime import cli, names, storage
from stietime.cells.cell_types import lineage_of_given
from stietime.resources import read_markers
from stietime.simulate.section import simulate_section

if TYPE_CHECKING:
    import pandas as pd


@pytest.fixture(scope="module")
def section(tmp_path_factory):
    """A simulated section with its true types; a tenth of its cells is not kept."""
    folder = tmp_path_factory.mktemp("section")
    cells = simulate_section("infiltrated", 2500, seed=3, name="s1")
    obs = cells.obs.assign(sample="s1", species="human", environment="TIME")
    cells.obs = obs.set_axis([f"s1:{name}" for name in cells.obs_names])
    storage.write_cells(cells, folder / "counts.h5ad")
    keep = np.arange(len(obs)) % 10 > 0
    reason = np.where(keep, names.KEPT, "low_counts")
    storage.write_table(
        storage.cell_table(cells.obs.index, keep=keep, reason=reason), folder / "quality.parquet"
    )
    parents = read_markers().groupby("set_id")["parent"].first()
    types = cells.obs["true_cell_type"].astype(str).to_numpy(dtype=object)
    types[~keep] = names.UNKNOWN
    lineage = [lineage_of_given(str(name), parents) for name in types]
    table = storage.cell_table(cells.obs.index, lineage=lineage, cell_type=types)
    storage.write_table(table, folder / "types.parquet")
    return folder


def call(
    folder, counts: str = "counts.h5ad", quality: str = "quality.parquet"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    words = ["step", "call-section-states", "--counts", str(folder / counts)]
    words += ["--quality", str(folder / quality), "--cell-types", str(folder / "types.parquet")]
    words += ["--output", str(folder / "states.parquet"), "--rules", str(folder / "rules.tsv")]
    assert cli.main(words) == 0
    return storage.read_table(folder / "states.parquet"), storage.read_table(folder / "rules.tsv")


def test_planted_states_are_called_and_cells_that_are_not_kept_have_none(section):
    states, rules = call(section)
    obs = storage.read_cells(section / "counts.h5ad").obs
    assert states["cell"].tolist() == obs.index.tolist()
    keep = storage.read_table(section / "quality.parquet")["keep"].to_numpy()
    assert states.loc[~keep, "is_treg"].isna().all()
    assert states.loc[keep, "is_treg"].notna().all()
    rule = rules.set_index("set_id")
    assert bool(rule.loc["treg", "called"]) is True
    called = states["is_treg"].fillna(value=False).to_numpy(dtype=bool)
    assert rule.loc["treg", "n_called"] == called.sum()
    truth = obs["true_state"].astype(str).to_numpy() == "treg"
    assert truth[called].mean() > 0.8
    # cells of a section give half of the RNA of dissociated ones: many are missed, few are wrong
    assert called[truth & keep].sum() >= 5
    # a state whose cells are not there says why
    untested = rules[~rules["called"].astype(bool)]
    assert untested["note"].str.startswith("not testable").all()


def test_a_section_without_genes_or_cells_says_why(section):
    counts = storage.read_cells(section / "counts.h5ad")
    storage.write_cells(counts[:, :0].copy(), section / "empty.h5ad")
    states, rules = call(section, counts="empty.h5ad")
    assert len(states) == counts.n_obs
    assert states[[names.call_column(state) for state in names.CALLED_STATES]].isna().all(axis=None)
    assert set(rules["note"]) == {"not testable: the section has no genes"}
    quality = storage.read_table(section / "quality.parquet").assign(keep=False)
    storage.write_table(quality, section / "none.parquet")
    _, rules = call(section, quality="none.parquet")
    assert set(rules["note"]) == {"not testable: no cell is kept"}
