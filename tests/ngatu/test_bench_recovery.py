from ngatu.bench.recovery import figures
from ngatu.faults.report import Report


def test_recovery_is_told_by_kind_of_fault_and_beside_it_what_must_be_nothing() -> None:
    report = Report(seed=1, rounds=3, max_alert_delay_s=0.4, lost=2)
    report.recovery_s = {"agent_killed": [1.0, 4.0, 2.0], "broker_wiped": [3.0]}
    told = figures(report)
    assert (told["agent_killed_median_s"], told["agent_killed_max_s"]) == (2.0, 4.0)
    assert (told["broker_wiped_median_s"], told["broker_wiped_max_s"]) == (3.0, 3.0)
    assert (told["slowest_alert_s"], told["lost"], told["rounds"]) == (0.4, 2, 3)
