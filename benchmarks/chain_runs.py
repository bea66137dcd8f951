"""Our chain run as typed on some files, for benchmarks that measure what it finds."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pandas as pd
import yaml

from benchmarks.scale_start import STIETIME
from stietime import names, storage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def sheet_row(sample: str, path: Path, **further: str) -> dict[str, str]:
    """Write the row of a sample sheet: blood in an h5ad, a patient and a batch of its own.

    Parameters
    ----------
    sample
        Name of the sample.
    path
        The file.
    further
        Columns that differ from these, or come on top.
    """
    fixed = {"environment": names.STIE, "tissue": "blood", "modality": names.CELLS, "format": "h5ad"}
    return {"sample": sample, "patient": sample, "batch": sample, "path": str(path), **fixed, **further}


def run_chain(
    rows: list[dict[str, str]], options: Mapping[str, object], targets: list[str], folder: Path
) -> Path:
    """Run the chain up to some results, as typed.

    Parameters
    ----------
    rows
        The sample sheet.
    options
        What differs from the default in the configuration.
    targets
        The results that are asked for, from `names.Outputs("results")`.
    folder
        Folder that the run is started in.

    Returns
    -------
    The folder of the results.

    Raises
    ------
    RuntimeError
        The run failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    storage.write_table(pd.DataFrame(rows), folder / "samples.tsv")
    config = {"samples": "samples.tsv", "results_dir": "results", **options}
    storage.write_text(yaml.safe_dump(config), folder / "config.yaml")
    words = [STIETIME, "run", "--configfile", "config.yaml", "--cores", "2", "--", *targets]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-3000:]}"
        raise RuntimeError(message)
    return folder / "results"
