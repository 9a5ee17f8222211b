"""A report as one HTML page that needs nothing else: style, plots and tables stand in it."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dags.report.charts import svg
from dags.report.sections import Report

TEMPLATE: Final = "page.html.j2"


def as_html(report: Report) -> bytes:
    """The page, UTF-8; the same report gives the same bytes."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(report=report, words=report.words, svg=svg).encode()
