"""Incidents in the words of others: GeoJSON (RFC 7946) and NGSI-LD (Smart Data Models, dataModel.Alert)."""

from collections.abc import Iterable
from typing import Any, Final

from console.models import AlertOut

GEOJSON: Final = "application/geo+json"
NGSI_LD: Final = "application/ld+json"
CONTEXT: Final = (
    "https://smartdatamodels.org/context.jsonld",
    "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
)
SUB_CATEGORY: Final = {
    "stopped_vehicle": "carStopped",
    "illegal_parking": "carStopped",
    "wrong_way": "carWrongDirection",
    "collision": "carAccident",
    "pedestrian_on_road": "pedestrianOnRoad",
    "congestion": "trafficJam",
}  # whatever has no word of its own there is hazardOnRoad
SEVERITY: Final = {"info": "informational", "minor": "low", "major": "high", "critical": "critical"}


def geojson(alerts: Iterable[AlertOut]) -> dict[str, Any]:
    """Return a FeatureCollection; an incident without a position has a null geometry, as RFC 7946 says."""
    features = [
        {"type": "Feature", "id": alert.id, "geometry": _point(alert), "properties": alert.model_dump(mode="json")}
        for alert in alerts
    ]
    return {"type": "FeatureCollection", "features": features}


def ngsi_ld(alerts: Iterable[AlertOut]) -> list[dict[str, Any]]:
    """Return Alert entities, normalized, each with its context."""
    return [_entity(alert) for alert in alerts]


def _entity(alert: AlertOut) -> dict[str, Any]:
    facts = {
        "category": "traffic",
        "subCategory": SUB_CATEGORY.get(alert.kind, "hazardOnRoad"),
        "severity": SEVERITY[alert.severity],
        "alertSource": f"urn:ngsi-ld:Device:{alert.device}",
        "description": f"{alert.kind} at {alert.camera}" + (f", {alert.zone}" if alert.zone else ""),
        "dateIssued": _time(alert.decided_at.isoformat()),
        "validFrom": _time(alert.started_at.isoformat()),
        "validTo": _time(alert.ended_at.isoformat()) if alert.ended_at else None,
        "data": {"kind": alert.kind, "state": alert.state, "status": alert.status, "confidence": alert.confidence},
    }
    entity: dict[str, Any] = {"id": f"urn:ngsi-ld:Alert:{alert.id}", "type": "Alert"}
    entity |= {name: {"type": "Property", "value": value} for name, value in facts.items() if value is not None}
    if point := _point(alert):
        entity["location"] = {"type": "GeoProperty", "value": point}
    return entity | {"@context": list(CONTEXT)}


def _time(value: str) -> dict[str, str]:
    return {"@type": "DateTime", "@value": value.replace("+00:00", "Z")}


def _point(alert: AlertOut) -> dict[str, Any] | None:
    if alert.latitude is None or alert.longitude is None:
        return None
    return {"type": "Point", "coordinates": [alert.longitude, alert.latitude]}
