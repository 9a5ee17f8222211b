import re

import yaml
from prometheus_client import CollectorRegistry, generate_latest

from console.metrics import REGISTRY
from ingest.metrics import Metrics
from ingest.web import DatabaseCollector
from tests.deploy import compose

FOLDER = compose.ROOT / "deploy" / "prometheus"
METRIC = re.compile(r"\bngatu_\w+")


def exported(*registries: CollectorRegistry) -> set[str]:
    text = "".join(generate_latest(registry).decode() for registry in registries)
    return {re.split(r"[{ ]", line)[2] for line in text.splitlines() if line.startswith("# TYPE")}


def known(dsn: str) -> set[str]:
    ingest = Metrics()
    ingest.registry.register(DatabaseCollector(dsn))
    names = exported(ingest.registry, REGISTRY)
    return names | {f"{name}_{part}" for name in names for part in ("bucket", "sum", "count")}


def test_an_alert_watches_what_a_process_really_exports(dsn: str) -> None:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    watched = {name for group in groups for rule in group["rules"] for name in METRIC.findall(rule["expr"])}
    assert len(watched) >= 6
    assert watched <= known(dsn)


def test_an_alert_says_what_it_means_and_how_bad_it_is() -> None:
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert len(rule["annotations"]["description"]) > 40


def test_prometheus_asks_the_services_of_compose_at_their_ports() -> None:
    services = compose.services()
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    for job in jobs:
        for target in job["static_configs"][0]["targets"]:
            name, port = target.split(":")
            environment = services[name]["environment"]
            assert port in {environment.get("NGATU_METRICS_PORT"), environment.get("NGATU_PORT")}


def test_what_is_exported_and_what_alerts_is_told_in_the_documentation(dsn: str) -> None:
    told = (compose.ROOT / "docs" / "ingest.md").read_text()
    ingest = Metrics()
    ingest.registry.register(DatabaseCollector(dsn))
    exposed = {line.split()[2] for line in generate_latest(ingest.registry).decode().splitlines() if "# TYPE" in line}
    names = {name for name in exposed if not name.endswith("_created")}
    assert names <= set(METRIC.findall(told))
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    assert [rule["alert"] for group in groups for rule in group["rules"] if f"`{rule['alert']}`" not in told] == []


def test_what_the_console_exports_is_told_in_its_documentation() -> None:
    told = (compose.ROOT / "docs" / "console.md").read_text()
    names = {name for name in exported(REGISTRY) if not name.endswith("_created")}
    assert len(names) >= 10
    assert names <= set(METRIC.findall(told))


def test_promtool_s_tests_speak_of_alerts_that_there_are() -> None:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    described = {rule["alert"]: rule["annotations"]["description"] for group in groups for rule in group["rules"]}
    for test in yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            for alert in case["exp_alerts"]:
                assert alert["exp_annotations"]["description"] == described[case["alertname"]]
