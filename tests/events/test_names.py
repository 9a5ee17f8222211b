from events.incident import INCIDENT_KINDS, SEVERITIES
from events.names import INCIDENT_KIND_NAMES, SEVERITY_NAMES


def test_each_kind_and_severity_has_a_name_in_both_languages() -> None:
    assert set(INCIDENT_KIND_NAMES) == set(INCIDENT_KINDS)
    assert set(SEVERITY_NAMES) == set(SEVERITIES)
    assert all(all(names) for names in [*INCIDENT_KIND_NAMES.values(), *SEVERITY_NAMES.values()])
