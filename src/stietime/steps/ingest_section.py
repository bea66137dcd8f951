"""Read one tissue section, coordinates in micrometres."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from stietime import names
from stietime.errors import InputError
from stietime.settings import Inputs
from stietime.steps.arguments import add_path, add_settings
from stietime.steps.ingest import add_sample, read_row
from stietime.storage import write_cells

if TYPE_CHECKING:
    import argparse

    from stietime.sample import Sample


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_sample(parser, "--section")
    add_settings(parser, Inputs)
    add_path(parser, "--output", "counts.h5ad to write")


def run(arguments: argparse.Namespace) -> None:
    """Read the section and write its counts and positions."""
    sample = arguments.sample
    if sample.modality != names.SECTION:
        what = f"the sample {sample.sample} has the modality {sample.modality}"
        raise InputError(what, "--section", "use `stietime step ingest`")
    cells = read_row(sample, arguments.settings)
    width, height = np.ptp(cells.obsm[names.SPATIAL_SLOT], axis=0)
    logging.getLogger(__name__).info("%s: %.0f x %.0f um", sample.sample, width, height)
    cells.uns["ingest"] |= _resolution(sample)
    write_cells(cells, arguments.output)


def _resolution(sample: Sample) -> dict[str, str | float]:
    """Say whether the positions are cells or spots, and how large and how far apart the spots are."""
    if not sample.is_spots:
        return {"resolution": "cell"}
    lengths = {"spot_pitch_um": sample.pitch_um, "spot_diameter_um": sample.diameter_um}
    return {"resolution": "spot", **lengths}
