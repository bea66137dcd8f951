"""What all groups of options share."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]


class Section(BaseModel):
    """Base of all groups of options: frozen, and a name that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def as_json(self) -> str:
        """Return the options as one line of JSON with sorted keys, for a step's command line."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)
