import re

from typer.testing import CliRunner

from ngatu.cli import build
from ngatu.faults.plan import KINDS
from ngatu.faults.report import Report
from ngatu.home import CHECKOUT

PAGE = (CHECKOUT / "docs" / "reliability.md").read_text()
COMMANDS = sorted({match[1] for match in re.finditer(r"`?ngatu ([a-z]+(?: list| replay)?)", PAGE)} - {"faults"})


def test_the_page_names_every_fault_and_no_other() -> None:
    table = PAGE[PAGE.index("| fault |") : PAGE.index("The seed decides")]
    assert set(re.findall(r"`(\w+)`", table)) == set(KINDS)


def test_the_page_explains_fields_that_a_report_has() -> None:
    table = PAGE[PAGE.index("| field |") : PAGE.index("### It does notice")]
    first_cells = [row.split("|")[1] for row in table.splitlines()[2:] if row]
    named = {field for cell in first_cells for field in re.findall(r"`(\w+)`", cell)}
    assert len(named) > 10
    assert named <= Report(seed=1).as_json().keys()


def test_the_commands_of_the_page_exist() -> None:
    whole = build()
    for verb in COMMANDS:
        assert CliRunner().invoke(whole, [*verb.split(), "--help"]).exit_code == 0, verb
