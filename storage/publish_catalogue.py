"""One DCAT-AP catalogue for all open data, as JSON-LD: what a CKAN harvester or a national portal reads."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from storage.open_data import DATASETS, Dataset
from storage.publish_package import About, hashes, latest_issues, read_package, write_json

CATALOGUE: Final = "catalog.jsonld"
EUROPA: Final = "http://publications.europa.eu/resource/authority"
FORMATS: Final = {".csv": "CSV", ".parquet": "PARQUET", ".geojson": "GEOJSON"}  # of EUROPA/file-type
LANGUAGES: Final = {"vi": "VIE", "en": "ENG"}  # of EUROPA/language
# Of ADMS's licence types, by how an SPDX name begins; the narrower before the wider.
LICENCE_KINDS: Final = {
    "CC-BY-NC": "NonCommercialUseOnly", "CC-BY-SA": "ViralEffect-ShareAlike", "CC-BY": "Attribution",
    "CC0": "PublicDomain", "PDDL": "PublicDomain", "ODBL": "ViralEffect-ShareAlike", "ODC-BY": "Attribution",
}  # fmt: skip
CONTEXT: Final = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def write_catalogue(about: About, folder: Path) -> None:
    """Write a DCAT-AP 3 catalogue (JSON-LD) of everything in `folder`: of each day its latest issue."""
    issues = [(issue, read_package(issue)) for issue in latest_issues(folder)]
    days = [issue.parent.name for issue, _ in issues]
    now = {"@type": "xsd:dateTime", "@value": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")}
    catalogue: dict[str, Any] = {
        "@context": CONTEXT | ({"@base": about.address} if about.address else {}),
        "@id": CATALOGUE,
        "@type": "dcat:Catalog",
        "dct:title": _in_both(f"{about.name}: dữ liệu mở", f"{about.name_en}: open data"),
        "dct:description": _in_both(
            "Giao thông, sự cố và số liệu cảm biến của thành phố, theo từng ngày.",
            "Traffic, incidents and sensor readings of the city, day by day.",
        ),
        "dct:publisher": _publisher(about),
        "dct:license": _licence(about),
        "dct:language": [
            {"@id": f"{EUROPA}/language/{LANGUAGES[code]}", "@type": "dct:LinguisticSystem"} for code in about.languages
        ],
        "dct:modified": now,
        "dcat:themeTaxonomy": {"@id": f"{EUROPA}/data-theme"},
        "dcat:dataset": [_dataset(about, dataset, issues) for dataset in DATASETS],
    }
    if about.address:
        catalogue["foaf:homepage"] = {"@id": about.address, "@type": "foaf:Document"}
    if days:
        catalogue["dct:issued"] = {"@type": "xsd:date", "@value": min(days)}
    if place := _place(about):
        catalogue["dct:spatial"] = place
    write_json(folder / CATALOGUE, catalogue)


def _dataset(about: About, dataset: Dataset, issues: Sequence[tuple[Path, Mapping[str, Any]]]) -> dict[str, Any]:
    with_it = [(issue, package) for issue, package in issues if f"{dataset.name}.csv" in hashes(package)]
    columns = "; ".join(f"{c.name}{f' ({c.unit})' if c.unit else ''}: {c.description}" for c in dataset.columns)
    told: dict[str, Any] = {
        "@id": f"#{dataset.name}",
        "@type": "dcat:Dataset",
        "dct:identifier": f"{about.address}#{dataset.name}",
        "dct:title": _in_both(dataset.title_vi, dataset.title),
        "dct:description": {"@language": "en", "@value": f"One file a day. Columns: {columns}."},
        "dct:publisher": _publisher(about),
        "dct:accrualPeriodicity": {"@id": f"{EUROPA}/frequency/DAILY", "@type": "dct:Frequency"},
        "dcat:theme": {"@id": f"{EUROPA}/data-theme/TRAN"},
        "dcat:keyword": [{"@language": "en", "@value": dataset.name}, {"@language": "vi", "@value": dataset.title_vi}],
        "dcat:distribution": [
            _distribution(about, issue, package, resource)
            for issue, package in with_it
            for resource in package["resources"]
            if Path(resource["path"]).stem == dataset.name
        ],
    }
    if with_it:
        first, last = with_it[0][0].parent.name, with_it[-1][0].parent.name
        told["dct:temporal"] = {
            "@type": "dct:PeriodOfTime",
            "dcat:startDate": {"@type": "xsd:date", "@value": first},
            "dcat:endDate": {"@type": "xsd:date", "@value": last},
        }
    if about.contact:
        told["dcat:contactPoint"] = {
            "@type": ["vcard:Kind", "vcard:Organization"],
            "vcard:fn": about.publisher,
            "vcard:hasEmail": {"@id": f"mailto:{about.contact}"},
        }
    if place := _place(about):
        told["dct:spatial"] = place
    return told


def _distribution(about: About, issue: Path, package: Mapping[str, Any], resource: Mapping[str, Any]) -> dict[str, Any]:
    where, suffix = f"{issue.parent.name}/{issue.name}/{resource['path']}", Path(resource["path"]).suffix
    return {
        "@id": where,
        "@type": "dcat:Distribution",
        "dct:title": f"{resource['title']}, {issue.parent.name}, {FORMATS[suffix]}",
        "dct:description": f"One of the city's days, {issue.parent.name}; issue {issue.name[1:]}.",
        "dct:issued": {"@type": "xsd:dateTime", "@value": package["created"]},
        "dcat:accessURL": {"@id": where},
        "dcat:downloadURL": {"@id": where},
        "dcat:mediaType": {
            "@id": f"https://www.iana.org/assignments/media-types/{resource['mediatype']}", "@type": "dct:MediaType",
        },
        "dct:format": {"@id": f"{EUROPA}/file-type/{FORMATS[suffix]}", "@type": "dct:MediaTypeOrExtent"},
        "dcatap:availability": {"@id": f"{EUROPA}/planned-availability/STABLE"},
        "dcat:byteSize": {"@type": "xsd:nonNegativeInteger", "@value": str(resource["bytes"])},
        "dct:license": _licence(about),
        "spdx:checksum": {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256", "@type": "spdx:ChecksumAlgorithm"},
            "spdx:checksumValue": {
                "@type": "xsd:hexBinary", "@value": resource["hash"].removeprefix("sha256:"),
            },
        },
    }  # fmt: skip


def _in_both(vietnamese: str, english: str) -> list[dict[str, str]]:
    return [{"@language": "vi", "@value": vietnamese}, {"@language": "en", "@value": english}]


def _publisher(about: About) -> dict[str, Any]:
    return {
        "@id": "#publisher",
        "@type": "foaf:Agent",
        "foaf:name": about.publisher,
        "dct:type": {"@id": "http://purl.org/adms/publishertype/LocalAuthority"},
    }


def _licence(about: About) -> dict[str, Any]:
    told: dict[str, Any] = {"@id": f"https://spdx.org/licenses/{about.licence}", "@type": "dct:LicenseDocument"}
    kinds = [kind for begin, kind in LICENCE_KINDS.items() if about.licence.upper().startswith(begin)]
    return told | ({"dct:type": {"@id": f"http://purl.org/adms/licencetype/{kinds[0]}"}} if kinds else {})


def _place(about: About) -> dict[str, Any] | None:
    if about.centre is None:
        return None
    latitude, longitude = about.centre
    point = {"@type": "geo:wktLiteral", "@value": f"POINT({longitude} {latitude})"}
    return {"@id": "#city", "@type": "dct:Location", "dcat:centroid": point}
