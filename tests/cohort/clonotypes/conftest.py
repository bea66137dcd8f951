"""Real clones with published answers, and clones with planted sharing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from benchmarks.statistics_clones import read_zhang

from stietime.cohort.clonotypes.kinds import FOLLOWED


@pytest.fixture(scope="session")
def zhang(data_dir):
    """T cells of 12 patients with colorectal cancer: type and clone as Zhang et al. 2018 published them."""
    path = data_dir / "zhang2018_crc_tcell_labels_blood_normal_tumor" / "example.cloneDat.Zhang2018.txt"
    return read_zhang(path)


@pytest.fixture(scope="session")
def draw_clones():
    """Give a function that draws one patient's cells with clones that are shared as planted."""

    def draw(shared_clones, *, n_private=60, seed=1, patient="p1", timepoint="", kinds=("a", "b")):
        rng = np.random.default_rng(seed)
        rows = []
        for place in ("STIE", "TIME"):
            clones = [f"{place}{i}" for i in range(n_private)]
            clones += [f"shared{i}" for i in range(shared_clones) for _ in range(int(rng.integers(2, 6)))]
            rows += [(patient, place, timepoint, str(rng.choice(kinds)), clone) for clone in clones]
        cells = pd.DataFrame(rows, columns=["patient", "environment", "timepoint", "kind", "clone"])
        return cells.assign(status=FOLLOWED)

    return draw
