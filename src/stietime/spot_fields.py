"""Columns of the sample sheet that say whether a section's positions are cells or spots, and how large."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict

from stietime import names
from stietime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SPOT_TABLE: Final = "spot_table"
LENGTHS: Final = ("spot_pitch_um", "spot_diameter_um")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?|\.\d+")
# distance of centres and diameter, micrometres
_ST: Final = (200.0, 100.0)  # Spatial Transcriptomics, 1k arrays (Stahl et al. 2016, Science 353, 78)
_VISIUM: Final = (100.0, 55.0)  # 10x Genomics, Visium


class SpotFields(BaseModel):
    """What a row of the sample sheet says of the resolution of a section."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    resolution: Literal["", "cell", "spot"] = ""
    """What a position of a section is: a cell, or a spot of several cells; empty: by the format."""
    spot_pitch_um: str = ""
    """Distance of the centres of neighbouring spots; empty: 200 for spot_table (ST), else 100 (Visium)."""
    spot_diameter_um: str = ""
    """Diameter of a spot; empty: 100 for spot_table (ST), else 55 (Visium)."""

    @property
    def is_spots(self) -> bool:
        """Whether the sample is a section of spots, each of several cells."""
        by_format = "spot" if self._is_st else "cell"
        is_section = getattr(self, "modality", "") == names.SECTION
        return is_section and (self.resolution or by_format) == "spot"

    @property
    def pitch_um(self) -> float:
        """Distance of the centres of neighbouring spots, micrometres."""
        return float(self.spot_pitch_um or (_ST if self._is_st else _VISIUM)[0])

    @property
    def diameter_um(self) -> float:
        """Diameter of a spot, micrometres."""
        return float(self.spot_diameter_um or (_ST if self._is_st else _VISIUM)[1])

    @property
    def _is_st(self) -> bool:
        return bool(getattr(self, "format", "") == SPOT_TABLE)


def length_errors(row: Mapping[str, str], where: Callable[[str], str]) -> list[InputError]:
    """List the lengths of a row that are no micrometres.

    Parameters
    ----------
    row
        The values of the row by column.
    where
        Names the place of a column.
    """
    fix = "give micrometres as a number above 0, or leave the cell empty"
    given = [(column, row.get(column, "")) for column in LENGTHS]
    return [
        InputError(f"{column} is {value!r}", where(column), fix)
        for column, value in given
        if value and not (_NUMBER.fullmatch(value) and float(value) > 0)
    ]
