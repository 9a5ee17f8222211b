"""A report as a PDF, A4: text that can be searched, pictures with words, bookmarks, tables that repeat their heads."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import matplotlib as mpl
from fpdf import FPDF, XPos, YPos
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from dags.report.charts import png
from dags.report.sections import Report, Section, Tile

INK: Final = (31, 41, 51)
QUIET: Final = (82, 96, 109)
LINE: Final = (217, 222, 227)
ACCENT: Final = (0, 90, 141)
MARGIN: Final = 18.0  # mm
FONT: Final = "DejaVu"  # ships with matplotlib, and has every Vietnamese letter


class Sheet(FPDF):
    """A4 with our fonts, and a foot that says what and which page."""

    def __init__(self, report: Report, made: datetime) -> None:
        super().__init__(format="A4")
        self._report = report
        fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
        self.add_font(FONT, "", fonts / "DejaVuSans.ttf")
        self.add_font(FONT, "B", fonts / "DejaVuSans-Bold.ttf")
        self.set_margins(MARGIN, MARGIN)
        self.set_auto_page_break(auto=True, margin=MARGIN + 4)
        self.set_lang(report.language)
        self.set_title(f"{report.title} · {report.ward} · {report.period}")
        self.set_author(report.city)
        self.set_creation_date(made)
        self.set_text_shaping(use_shaping_engine=False)

    def footer(self) -> None:
        """What it is, and the page's number; called by fpdf2."""
        self.set_y(-14)
        self.write_line(f"{self._report.ward} · {self._report.period} · {self._report.revision}", 7.5, QUIET, 0)
        self.set_y(-14)
        told = f"{self._report.words('page')} {self.page_no()} / {{nb}}"
        self.set_font(FONT, "", 7.5)
        self.cell(0, 4, told, align="R")

    def write_line(
        self, text: str, size: float, colour: tuple[int, int, int] = INK, after: float = 1.2, *, bold: bool = False
    ) -> None:
        """One paragraph, then `after` millimetres of nothing."""
        self.set_font(FONT, "B" if bold else "", size)
        self.set_text_color(*colour)
        self.multi_cell(0, size * 0.5, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(after)


def as_pdf(report: Report, made: datetime | None) -> bytes:
    """The sheets; `made` is told as their date, so that the same report gives the same bytes."""
    sheet = Sheet(report, made or datetime(1970, 1, 1, tzinfo=UTC))
    sheet.add_page()
    _head(sheet, report)
    for section in report.sections:
        _section(sheet, section)
    return bytes(sheet.output())


def _head(sheet: Sheet, report: Report) -> None:
    sheet.set_fill_color(*ACCENT)
    sheet.rect(0, 0, sheet.w, 4, style="F")
    sheet.write_line(f"{report.city} · {report.title}", 10, ACCENT, 1, bold=True)
    sheet.write_line(report.ward, 21, bold=True)
    sheet.write_line(report.period, 11)
    sheet.write_line(f"{report.as_of} · {report.revision}", 8.5, QUIET, 4)
    if report.tiles:
        _tiles(sheet, report.tiles)


def _tiles(sheet: Sheet, tiles: Sequence[Tile]) -> None:
    """The summary: a row of columns, each with its figure, its name and what stands beside it."""
    width = sheet.epw / len(tiles)
    top = sheet.get_y()
    lowest = top
    for number, tile in enumerate(tiles):
        left = sheet.l_margin + number * width
        sheet.set_xy(left, top)
        for text, size, style, colour in (
            (tile.value, 12.5, "B", INK),
            (tile.name, 7.5, "B", QUIET),
            *[(line, 7.0, "", QUIET) for line in tile.beside],
        ):
            sheet.set_font(FONT, style, size)
            sheet.set_text_color(*colour)
            sheet.set_x(left)
            sheet.multi_cell(width - 3, size * 0.47, text, align="L", new_x=XPos.LEFT, new_y=YPos.NEXT)
            sheet.ln(0.6)
        lowest = max(lowest, sheet.get_y())
    sheet.set_draw_color(*LINE)
    sheet.line(sheet.l_margin, top - 2, sheet.w - sheet.r_margin, top - 2)
    sheet.line(sheet.l_margin, lowest + 1, sheet.w - sheet.r_margin, lowest + 1)
    sheet.set_xy(sheet.l_margin, lowest + 6)


def _section(sheet: Sheet, section: Section) -> None:
    picture = png(section.figure) if section.figure else None
    tall = sheet.epw * section.figure.get_figheight() / section.figure.get_figwidth() if section.figure else 20.0
    if sheet.will_page_break(tall + 22):
        sheet.add_page()
    sheet.start_section(section.title)
    sheet.write_line(section.title, 13, ACCENT, 1.5, bold=True)
    if picture:
        sheet.image(io.BytesIO(picture), w=sheet.epw, alt_text=section.alt, title=section.title)
        sheet.ln(1.5)
    for note in section.notes:
        sheet.write_line(note, 8.5, QUIET, 0.6)
    if section.rows:
        sheet.ln(1.5)
        _table(sheet, section)
    sheet.ln(5)


def _table(sheet: Sheet, section: Section) -> None:
    sheet.set_font(FONT, "", 7.5)
    sheet.set_text_color(*INK)
    sheet.set_draw_color(*LINE)
    sheet.set_fill_color(255)
    columns = zip(section.head, *section.rows, strict=True)
    widths = [min(max(sheet.get_string_width(cell) for cell in column) + 4, 62) for column in columns]
    align = ["LEFT" if number == 0 or number in section.texts else "RIGHT" for number in range(len(widths))]
    with sheet.table(
        col_widths=tuple(widths),
        text_align=tuple(align),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD", color=QUIET),
        line_height=4.4,
        padding=(0.6, 1),
        width=min(sheet.epw, max(sum(widths), sheet.epw * 0.6)),
        align="LEFT",
    ) as table:
        for line in (section.head, *section.rows):
            table.row(line)
