"""Assemble a page: sections in order, one file, nothing loaded from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from stietime import __version__
from stietime.report.blocks import Box, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stietime.report.blocks import Block
    from stietime.report.results import Results
    from stietime.report.section_makers import SectionMaker

NOT_PART = "Not part of this cohort"


def make_sections(makers: Iterable[SectionMaker], results: Results) -> tuple[Section, ...]:
    """Make the sections of a page, one after the other; none takes the others down.

    Parameters
    ----------
    makers
        The sections, in the order of the page.
    results
        The results of a run.

    Returns
    -------
    The sections that have something to show or to say; those that are not part of the cohort are told
    together in one section at the end.
    """
    made = [section for maker in makers if (section := maker(results)).blocks]
    absent = [section for section in made if section.absent]
    present = [section for section in made if not section.absent]
    return (*present, _not_part(absent)) if absent else tuple(present)


def _not_part(absent: Sequence[Section]) -> Section:
    reasons = dict.fromkeys(line for section in absent for block in section.blocks for line in _lines(block))
    what = f"Left out for that reason: {'; '.join(section.title for section in absent)}."
    return Section("absent", NOT_PART, (Box("note", NOT_PART, (*reasons, what)),), absent=True)


def _lines(block: Block) -> tuple[str, ...]:
    return block.lines if isinstance(block, Box) else ()


def render_page(
    results: Results, sections: Iterable[Section], *, title: str, subtitle: str, home: str = ""
) -> str:
    """Write a page as one HTML text.

    Parameters
    ----------
    results
        The results of a run.
    sections
        The sections, in order.
    title, subtitle
        Heading of the page and the line below it.
    home
        Address of the cohort's report; empty for the cohort itself.
    """
    folder = files("stietime.report").joinpath("templates")
    loader = jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        title=title,
        subtitle=subtitle,
        home=home,
        sections=list(sections),
        version=__version__,
        is_simulated=results.is_simulated,
        style=Markup(folder.joinpath("style.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        script=Markup(folder.joinpath("tables.js").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    )
