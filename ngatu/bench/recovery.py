"""`ngatu bench recovery`: how soon all is well again after each kind of fault, from a short campaign."""

import tempfile
from pathlib import Path
from statistics import median

from ngatu.faults.report import Report
from ngatu.faults.run import run


def measure(rounds: int, seed: int) -> Report:
    """Run the campaign.

    Raises:
        ChildFailed: a server did not start.
    """
    with tempfile.TemporaryDirectory(prefix="ngatu-bench-recovery-") as folder:
        return run(Path(folder), rounds, seed)


def figures(report: Report) -> dict[str, float]:
    """By name: seconds of recovery, by kind of fault, and of the slowest alerts; and what must be 0."""
    return {
        **{f"{kind}_median_s": round(median(times), 2) for kind, times in sorted(report.recovery_s.items())},
        **{f"{kind}_max_s": round(max(times), 2) for kind, times in sorted(report.recovery_s.items())},
        "slowest_alert_s": round(report.max_alert_delay_s, 2),
        "slowest_alert_in_faults_s": round(report.max_alert_delay_in_faults_s, 2),
        "rounds": report.rounds,
        "lost": report.lost,
        "duplicated": report.duplicated,
        "unexplained_gaps": report.unexplained_gaps,
    }
