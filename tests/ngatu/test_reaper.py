import subprocess
import sys
from pathlib import Path

# A child starts a grandchild and ends; the grandchild ends later, as an orphan.
ORPHANING = """
import os, subprocess, sys, time
from ngatu.process.reaper import adopt_orphans, reap_orphans
adopt_orphans()
child = "import subprocess; print(subprocess.Popen(['sleep', '0.3'], stdout=subprocess.DEVNULL).pid)"
said = subprocess.run(
    [sys.executable, "-c", child],
    capture_output=True, text=True, check=True,
).stdout
orphan = int(said)
parent = int(open(f"/proc/{orphan}/stat").read().rpartition(")")[2].split()[1])
deadline = time.monotonic() + 10
while not reap_orphans() and time.monotonic() < deadline:
    time.sleep(0.05)
print(parent == os.getpid(), os.path.exists(f"/proc/{orphan}"))
"""


def test_an_orphan_of_a_child_becomes_ours_and_is_not_left_as_a_zombie() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHANING], capture_output=True, text=True, check=True, cwd=Path.cwd(), timeout=30
    )
    assert done.stdout.split() == ["True", "False"]
