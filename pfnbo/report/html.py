"""What pages are made of: the document, tables that sort, and lists of terms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files


@dataclass(frozen=True)
class Cell:
    """What a cell shows and what it is sorted by."""

    text: str
    value: float | str
    best: bool = False


def document(title: str, body: str, *, every: float | None = None) -> str:
    """Return a whole page that needs no other file.

    Args:
        title: of the page.
        body: its elements.
        every: seconds after which a browser loads it again, None for never.
    """
    folder = files("pfnbo.report")
    style, script = (folder.joinpath(n).read_text() for n in ("page.css", "page.js"))
    again = f'<meta http-equiv="refresh" content="{every:g}">\n' if every else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{again}<title>{escape(title)}</title>\n"
        '<link rel="icon" href="data:,">\n'  # else a browser asks a server for one
        f"<style>\n{style}</style>\n</head>\n<body>\n{body}"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def terms(words: Mapping[str, str]) -> str:
    """Return a list of words and what they mean."""
    rows = (f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in words.items())
    return f"<dl>{''.join(rows)}</dl>"


def table(
    head: Sequence[str], rows: list[list[Cell]], name: str, *, raw_first: bool = False
) -> str:
    """Return a table whose columns sort when their heads are pressed."""
    top = "".join(
        f'<th scope="col"><button type="button">{escape(word)}</button></th>'
        for word in head
    )
    body = "".join(
        "<tr>"
        + "".join(_td(cell, i, raw_first and not i) for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(name)}">'
        f'<table class="sortable"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _td(cell: Cell, column: int, raw: bool) -> str:
    text = cell.text if raw else escape(cell.text)
    text = f"<strong>{text}</strong>" if cell.best else text
    value = escape(str(cell.value))
    if not column:
        return f'<th scope="row" data-value="{value}">{text}</th>'
    return f'<td data-value="{value}">{text}</td>'


def cell(
    value: float, text: str | None = None, *, digits: str = ".2g", best: bool = False
) -> Cell:
    """Return a number as a cell; what is not known is an empty one and sorts last."""
    value = float(value)
    if math.isnan(value):
        return Cell("", "nan")
    if math.isinf(value):
        return Cell("∞", value, best)
    return Cell(f"{value:{digits}}" if text is None else text, value, best)


def count(n: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{n:,} {noun}" if n == 1 else f"{n or 'no'} {noun}s"
