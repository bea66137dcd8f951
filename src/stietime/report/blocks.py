"""What a page is made of: text, boxes, pictures, tables, and the sections that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Link:
    """A link to a table of the results, relative to the page."""

    text: str
    href: str


@dataclass(frozen=True)
class Text:
    """A paragraph; `html` is trusted text of ours, never of a file."""

    html: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Box:
    """A box that stands out, such as a warning, a failure or the verdict on a sample, with lines of text."""

    tone: Literal["simulated", "warning", "note", "failure", "usable", "caution", "excluded"]
    title: str
    lines: tuple[str, ...] = ()
    kind: Literal["box"] = "box"


@dataclass(frozen=True)
class Tiles:
    """Headline numbers, each with what it counts and a remark."""

    items: tuple[tuple[str, str, str], ...]
    kind: Literal["tiles"] = "tiles"


@dataclass(frozen=True)
class Heading:
    """A heading below the section's."""

    text: str
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True)
class Facts:
    """Names with their values, in as many columns as fit."""

    caption: str
    items: tuple[tuple[str, str], ...]
    sources: tuple[Link, ...] = ()
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Picture:
    """An embedded image with its alternative text and caption."""

    uri: str
    width_px: int
    alt: str
    caption: str
    sources: tuple[Link, ...] = ()
    kind: Literal["picture"] = "picture"


@dataclass(frozen=True)
class Gallery:
    """Small pictures side by side, each a link, with one legend of names and colours for all."""

    items: tuple[tuple[Picture, str, str], ...]  # picture, address, name
    caption: str
    legend: tuple[tuple[str, str], ...] = ()
    kind: Literal["gallery"] = "gallery"


@dataclass(frozen=True)
class Cell:
    """One field of a table: its text, the value it is sorted by, an address, a tone, what it opens (HTML)."""

    text: str
    value: float | str
    href: str = ""
    tone: str = ""
    more: str = ""  # trusted HTML of ours, never of a file


@dataclass(frozen=True)
class Table:
    """A table with a caption; `filters` names the columns that get a choice of values above the table."""

    caption: str
    headers: tuple[tuple[str, str], ...]  # text, and how it is set: num, wide, long or plain
    rows: tuple[tuple[Cell, ...], ...]
    sources: tuple[Link, ...] = ()
    folded: str = ""  # a folded table shows this line until it is opened
    filters: tuple[int, ...] = ()
    searchable: bool = False
    kind: Literal["table"] = "table"


Block = Text | Heading | Box | Tiles | Facts | Picture | Gallery | Table


@dataclass(frozen=True)
class Section:
    """One section of a page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    failed: bool = False
    absent: bool = False


def text_cell(value: Any, *, href: str = "", tone: str = "") -> Cell:  # noqa: ANN401 - any value of a table
    """Make a field of plain text; an empty one for a missing value."""
    text = "" if value is None or value != value else str(value)  # noqa: PLR0124 - nan is not itself
    return Cell(text, text, href, tone)
