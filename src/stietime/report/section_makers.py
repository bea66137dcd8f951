"""Functions that make sections, guarded so that the failure of one leaves the page whole."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stietime.errors import InputError
from stietime.report.blocks import Box, Section
from stietime.report.results import NotPartError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stietime.report.blocks import Block
    from stietime.report.results import Results

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SectionMaker:
    """A function that makes a section, guarded so that its failure stays its own."""

    anchor: str
    title: str
    function: Callable[[Results], Sequence[Block]] = field(repr=False)

    def __call__(self, results: Results) -> Section:
        """Make the section; a missing table or an exception becomes a box that says so.

        Parameters
        ----------
        results
            The results of a run.
        """
        make = functools.partial(Section, self.anchor, self.title)
        try:
            return make(tuple(self.function(results)))
        except NotPartError as reason:
            return make((Box("note", "Not part of this cohort", (str(reason),)),), absent=True)
        except InputError as error:
            log.warning("the section %s cannot be made: %s", self.title, error.what)
            lines: tuple[str, ...] = (
                f"{error.what}: {error.where}",
                error.fix,
                results.log_hint(error.where),
            )
        except Exception as error:
            log.exception("the section %s failed", self.title)
            lines = (f"{type(error).__name__}: {error}", f"The full message is in {results.own_log}.")
        return make((Box("failure", "This section could not be made", lines),), failed=True)


def section(anchor: str, title: str) -> Callable[[Callable[[Results], Sequence[Block]]], SectionMaker]:
    """Turn a function that returns blocks into a guarded section.

    Parameters
    ----------
    anchor
        Address of the section within the page.
    title
        Heading of the section.
    """

    def _decorate(function: Callable[[Results], Sequence[Block]]) -> SectionMaker:
        return SectionMaker(anchor, title, function)

    return _decorate
