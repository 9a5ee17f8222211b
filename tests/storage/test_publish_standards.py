"""What is published, read by the standards' own tools: frictionless, SHACL, GeoJSON, pyarrow, a fresh DuckDB."""

import json
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow.parquet
import pytest
from frictionless import Package, validate
from geojson_pydantic import Feature, FeatureCollection, Point
from pyshacl import validate as shacl_validate
from rdflib import DCAT, DCTERMS, FOAF, RDF, SH, Graph, Literal, URIRef
from rdflib.namespace import Namespace
from rdflib.term import Node

from storage.open_data import DATASETS, TRAFFIC
from storage.publish import publish_day
from tests.storage.conftest import PUBLISHED_AT, PUBLISHED_DAY

SHAPES = Path(__file__).with_name("dcat_ap.ttl")
SPDX = Namespace("http://spdx.org/rdf/terms#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
# rdflib's own JSON-LD parser makes a graph of a class that rdflib has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
ADDRESS = "https://data.example.vn/open-data"


@pytest.fixture
def issue(ready: psycopg.Connection, tmp_path: Path) -> Path:
    values = {"contact": '"mo@example.vn"', "open_data_url": f'"{ADDRESS}"'}
    for key, value in values.items():
        ready.execute(
            "INSERT INTO city (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
    publish_day(ready, tmp_path, PUBLISHED_DAY)
    return tmp_path / PUBLISHED_DAY.isoformat() / "r1"


def catalogue(issue: Path) -> Graph:
    return Graph().parse(issue.parents[1] / "catalog.jsonld", format="json-ld", publicID=f"{ADDRESS}/catalog.jsonld")


def complaints(graph: Graph, severity: Node) -> list[str]:
    shapes = Graph().parse(SHAPES)
    _, report, _ = shacl_validate(graph, shacl_graph=shapes, inference="none", allow_warnings=True)
    assert isinstance(report, Graph)
    parts = (SH.focusNode, SH.resultPath, SH.resultMessage)
    return [
        " ".join(str(report.value(found, part)) for part in parts)
        for found in report.subjects(SH.resultSeverity, severity)
    ]


def test_frictionless_finds_nothing_wrong_with_the_package(issue: Path) -> None:
    report = validate(issue / "datapackage.json")
    wrong = [(task.name, *found) for task in report.tasks for found in task.flatten(["type", "note"])]
    # It does not count the bytes of Parquet ("actual is None"): checksums of those are compared in test_publish.
    assert [found for found in wrong if not (found[0].endswith("-parquet") and found[1] == "byte-count")] == []
    package = Package(issue / "datapackage.json")
    tables = {resource.name for resource in package.resources if resource.name.endswith("-csv")}
    assert tables == {f"{dataset.name}-csv" for dataset in DATASETS}
    (row,) = package.get_table_resource("readings-csv").read_rows()
    assert row["bucket"] == PUBLISHED_AT
    assert row["mean"] == pytest.approx(12.5)


def test_frictionless_finds_a_table_that_was_tampered_with(issue: Path) -> None:
    table = issue / "readings.csv"
    table.write_text(table.read_text("utf-8").replace("12.5", "much"), "utf-8")
    assert not validate(issue / "datapackage.json").valid


def test_the_catalogue_is_dcat_ap_with_all_that_is_demanded_and_recommended(issue: Path) -> None:
    graph = catalogue(issue)
    assert len(list(graph.subjects(RDF.type, DCAT.Dataset))) == len(DATASETS)
    assert complaints(graph, SH.Violation) == []
    assert complaints(graph, SH.Warning) == []


def test_the_shapes_can_fail(issue: Path) -> None:
    graph = catalogue(issue)
    graph.remove((None, DCAT.accessURL, None))
    graph.remove((None, DCAT.theme, None))
    assert len(complaints(graph, SH.Violation)) == 12
    assert len(complaints(graph, SH.Warning)) == len(DATASETS)


@pytest.mark.parametrize(
    ("gone", "severity"),
    [
        ((None, DCTERMS.title, None), SH.Violation),
        ((None, DCTERMS.publisher, None), SH.Violation),
        ((None, FOAF.name, None), SH.Violation),
        ((None, RDF.type, VCARD.Kind), SH.Violation),
        ((None, RDF.type, DCTERMS.LinguisticSystem), SH.Violation),
        ((None, RDF.type, DCTERMS.MediaType), SH.Violation),
        ((None, RDF.type, DCTERMS.MediaTypeOrExtent), SH.Violation),
        ((None, RDF.type, SPDX.ChecksumAlgorithm), SH.Violation),
        ((None, SPDX.checksumValue, None), SH.Violation),
        ((None, DCAT.dataset, None), SH.Warning),
        ((None, DCTERMS.type, None), SH.Warning),
        ((None, DCAT.centroid, None), SH.Warning),
    ],
)
def test_what_semic_asks_for_is_missed_where_it_is_gone(
    issue: Path, gone: tuple[Node | None, Node | None, Node | None], severity: Node
) -> None:
    graph = catalogue(issue)
    before = len(graph)
    graph.remove(gone)
    assert len(graph) < before
    assert complaints(graph, severity)


def test_its_addresses_are_those_of_the_city_and_lead_to_the_files(issue: Path) -> None:
    graph = catalogue(issue)
    for address in graph.objects(None, DCAT.downloadURL):
        assert isinstance(address, URIRef)
        assert (issue.parents[1] / str(address).removeprefix(f"{ADDRESS}/")).is_file()
    assert Literal("Sensor readings by hour", lang="en") in set(graph.objects())


def test_geojson_says_where_devices_and_incidents_are(issue: Path) -> None:
    for name, places in (("devices", 2), ("incidents", 1)):
        told = FeatureCollection[Feature[Point, dict[str, Any]]].model_validate_json(
            (issue / f"{name}.geojson").read_text("utf-8")
        )
        assert len(told.features) == places
        for feature in told.features:
            assert feature.geometry is not None
            longitude, latitude = feature.geometry.coordinates[:2]
            assert (105 < longitude < 107, 20 < latitude < 22) == (True, True)


def test_parquet_has_right_types_and_units_and_meanings_in_its_metadata(issue: Path) -> None:
    schema = pyarrow.parquet.read_schema(issue / "traffic.parquet")
    assert schema.metadata[b"title:vi"].decode() == TRAFFIC.title_vi
    for column in TRAFFIC.columns:
        field = schema.field(column.name)
        assert field.metadata[b"description"].decode() == column.description
        assert field.metadata.get(b"unit", b"").decode() == column.unit
    assert str(schema.field("bucket").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("count").type) == "int64"
    assert str(schema.field("suppressed").type) == "bool"


def test_a_fresh_duckdb_reads_the_same_out_of_csv_and_parquet(issue: Path) -> None:
    with duckdb.connect() as fresh:
        fresh.execute("SET TimeZone = 'UTC'")
        for dataset in DATASETS:
            times = ", ".join(c.name for c in dataset.columns if c.type == "datetime")
            instants = f"REPLACE ({times}::TIMESTAMPTZ AS {times})" if times else ""
            csv, parquet = (
                fresh.execute(f"SELECT * {instants} FROM '{issue}/{dataset.name}.{suffix}'").fetchall()
                for suffix in ("csv", "parquet")
            )
            assert csv == parquet
            assert parquet


def test_every_issue_is_described_by_its_package(issue: Path) -> None:
    package = json.loads((issue / "datapackage.json").read_text("utf-8"))
    for resource in package["resources"]:
        for field in resource.get("schema", {}).get("fields", []):
            assert field["description"]
    assert package["contributors"] == [
        {"title": "Ngã Tư, an open example", "roles": ["publisher"], "email": "mo@example.vn"}
    ]
