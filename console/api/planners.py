"""What planners are told: reports of wards, what was normal, and what was not."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, HTTPException, Query, Response

from console.api.access import Parts, SignedIn
from console.api.span import From, To, span
from console.models import DeviationOut, NormalOut, ReportOut
from storage.baselines import list_deviations, normal_of
from storage.report_issues import list_issues, report_file
from storage.report_period import BadPeriod, Period, parse_period

router: Final = APIRouter(prefix="/api", tags=["planners"])

MEDIA: Final = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}
# A report needs nothing from anywhere: whatever it holds, a browser fetches nothing for it and runs nothing of it.
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-same-origin"
BAND_HOURS: Final = 20_000


@router.get("/reports", summary="Reports of wards, the latest period first")
def list_reports(
    _user: SignedIn,
    console: Parts,
    *,
    kind: Literal["week", "month"] | None = None,
    ward: Annotated[str | None, Query(max_length=20, description="The ward's code.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[ReportOut]:
    """Return the latest issue of each weekly and monthly report."""
    with console.database.connection() as conn:
        issues = list_issues(conn, kind=kind, ward=ward, limit=limit)
    return [
        ReportOut(
            kind=issue.kind,
            period=Period(kind=issue.kind, start=issue.start).name,
            start=issue.start,
            ward=issue.ward_code,
            ward_name=issue.ward_name,
            revision=issue.revision,
            as_of=issue.as_of,
            issued_at=issue.issued_at,
        )
        for issue in issues
    ]


@router.get(
    "/reports/{period}/{ward}/{language}.{form}",
    summary="A report as a page or a PDF",
    response_class=Response,
    responses={200: {"content": {"text/html": {}, "application/pdf": {}}}},
)
def get_report(
    period: str,
    ward: str,
    language: Literal["vi", "en"],
    form: Literal["html", "pdf"],
    _user: SignedIn,
    console: Parts,
    revision: Annotated[int | None, Query(ge=1, description="An earlier issue; default: the latest.")] = None,
) -> Response:
    """Return the file; `period` is a week as 2026-W46 or a month as 2026-11."""
    try:
        wanted = parse_period(period)
    except BadPeriod as error:
        raise HTTPException(422, str(error)) from error
    with console.database.connection() as conn:
        data = report_file(conn, wanted, ward, language, form, revision=revision)
    if data is None:
        raise HTTPException(404, f"there is no report of ward {ward[:20]} for {wanted.name}: see /api/reports")
    name = f"{ward}_{wanted.name}.{language}.{form}"
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Content-Security-Policy": POLICY}
    return Response(data, media_type=MEDIA[form], headers=headers)


@router.get("/deviations", summary="Hours out of the ordinary, the latest first")
def get_deviations(
    _user: SignedIn,
    console: Parts,
    *,
    start: From = None,
    end: To = None,
    least: Annotated[float, Query(ge=0, description="At least so far from normal, in usual deviations.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[DeviationOut]:
    """Return runs of hours that were far from what the weeks before had at that hour and weekday."""
    since, until = span(start, end)
    with console.database.connection() as conn:
        found = list_deviations(conn, since, until, least=least, limit=limit)
    return [DeviationOut.model_validate(event) for event in found]


@router.get("/series/{series}/normal", summary="What was normal for a series, hour by hour")
def get_normal(series: int, _user: SignedIn, console: Parts, *, start: From = None, end: To = None) -> list[NormalOut]:
    """Return each hour's value, what was to be expected of it, and how far values usually are from that."""
    since, until = span(start, end)
    with console.database.connection() as conn:
        return [NormalOut.model_validate(hour) for hour in normal_of(conn, series, since, until, BAND_HOURS)]
