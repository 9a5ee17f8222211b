"""Open data: what is published and what is withheld, and the files themselves, for everybody."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from console.api.access import Parts, SignedIn
from storage.city import city_value
from storage.publications import Issue, issues

router: Final = APIRouter(tags=["open data"])

MEDIA: Final = {
    ".csv": "text/csv; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".geojson": "application/geo+json",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
}


class FileOut(BaseModel):
    """A file to download."""

    name: str
    url: str = Field(examples=["/open-data/2026-03-02/r1/readings.csv"])
    bytes: int


class DatasetOut(BaseModel):
    """A dataset of an issue."""

    dataset: str
    rows: int
    published: bool = Field(description="False: withheld as a whole.")
    withheld: list[str] = Field(description="What was left out, and why.")
    files: list[FileOut]


class IssueOut(BaseModel):
    """An issue of a day; the highest revision holds."""

    day: date
    revision: int
    published_at: datetime
    datasets: list[DatasetOut]


class OpenDataOut(BaseModel):
    """What is published."""

    licence: str | None
    catalogue: str | None = Field(description="The DCAT-AP catalogue; null: this console has not got the files.")
    issues: list[IssueOut]


@router.get("/api/open-data", summary="What is published, and what is withheld and why")
def list_issues(
    _user: SignedIn,
    console: Parts,
    *,
    days: Annotated[int, Query(ge=1, le=400)] = 31,
    until: date = date.max,
) -> OpenDataOut:
    """Return every issue of the latest published days, the latest first."""
    with console.database.connection() as conn:
        found, licence = issues(conn, days, until), city_value(conn, "licence")
    folder = console.settings.open_data
    there = folder is not None and (folder / "catalog.jsonld").is_file()
    return OpenDataOut(
        licence=licence,
        catalogue="/open-data/catalog.jsonld" if there else None,
        issues=[_told(issue, folder) for issue in found],
    )


@router.get("/open-data/{path:path}", summary="A file of the open data", response_class=FileResponse)
def get_file(path: str, console: Parts) -> FileResponse:
    """Return the file; nobody has to log in for it. `catalog.jsonld` names them all."""
    folder = console.settings.open_data
    parts = path.split("/")
    if folder is not None and not any(part.startswith(".") or not part for part in parts):
        file = folder.joinpath(*parts)
        if file.is_file() and file.resolve().is_relative_to(folder.resolve()):
            return FileResponse(file, media_type=MEDIA.get(file.suffix, "application/octet-stream"))
    raise HTTPException(404, "there is no such file: /open-data/catalog.jsonld names them all")


def _told(issue: Issue, folder: Path | None) -> IssueOut:
    facts = asdict(issue)
    home = folder / issue.day.isoformat() / f"r{issue.revision}" if folder else None
    files = sorted(home.iterdir()) if home and home.is_dir() else []
    for dataset in facts["datasets"]:
        dataset["files"] = [_file(file) for file in _of(files, dataset["dataset"])]
    return IssueOut.model_validate(facts)


def _of(files: Iterable[Path], dataset: str) -> Iterable[Path]:
    return (file for file in files if file.stem == dataset)


def _file(file: Path) -> FileOut:
    url = f"/open-data/{file.parent.parent.name}/{file.parent.name}/{file.name}"
    return FileOut(name=file.name, url=url, bytes=file.stat().st_size)
