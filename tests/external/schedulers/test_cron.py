"""The commands, the crontab and the script of examples/cron, as cron would run them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.checkout import ROOT
from support.project import MELTANO

if TYPE_CHECKING:
    from support.brands import Place
    from support.project import Project

CRON = ROOT / "examples" / "cron"
DOCS = ROOT / "docs" / "scheduling.md"

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(MELTANO is None, reason="no meltano: run the nox session schedulers"),
]


@pytest.fixture(scope="module")
def scheduled(brands: Project) -> None:
    """The job and the schedule are made, and the script is where the crontab has it."""
    shutil.copy(CRON / "run-schedule", brands.folder)
    lines = (CRON / "schedule.sh").read_text().splitlines()
    made = "\n".join(line for line in lines if " add " in line)
    brands.run("sh", "-ec", f"PATH={shlex.quote(str(Path(str(MELTANO)).parent))}:$PATH\n{made}")
    (own,) = re.findall(r"`(TARGET_OMNISEND__NORTH_REPORT_PATH: .*)`", DOCS.read_text())
    file = brands.folder / "meltano.yml"
    text = file.read_text()
    assert text.endswith("  job: north\n")
    file.write_text(f"{text}  env:\n    {own}\n")


def _by_cron(place: Place, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the crontab's line as cron does: by sh, and with hardly a variable."""
    text = (CRON / "crontab").read_text()
    text = text.replace("/srv/segments/.venv/bin", str(Path(str(MELTANO)).parent))
    text = text.replace("/srv/segments", str(place.folder))
    variables = dict(re.findall(r"^([A-Z]+)=(.*)$", text, re.MULTILINE))
    line = re.search(r"^(?:\S+\s+){5}(cd .*)$", text, re.MULTILINE)
    assert line is not None
    wanted = {**place.settings, **settings}
    wanted = {name: value for name, value in wanted.items() if name.startswith("TARGET_")}
    secrets = place.folder / ".env"
    secrets.write_text("".join(f"{name}='{value}'\n" for name, value in wanted.items()))
    try:
        return subprocess.run(
            ["/bin/sh", "-c", line[1]],
            env={"HOME": str(place.folder), "LOGNAME": "cron", "SHELL": "/bin/sh", **variables},
            cwd="/",
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        secrets.unlink()


@pytest.mark.usefixtures("scheduled")
def test_a_run_by_cron_exports_the_segments_and_is_silent(place: Place) -> None:
    ran = _by_cron(place)

    assert (ran.returncode, ran.stdout) == (0, "")
    assert place.tags() == {
        "ada@example.com": ["gold"],
        "bea@example.com": ["gold"],
        "cy@example.com": ["churned"],
    }
    output = place.folder / "output"
    assert {path.name for path in (output / "north").iterdir()} >= {"ledger.db", "weekly.json"}
    (log,) = (output / "logs").iterdir()
    assert "3 received, 3 accepted; exit code 0" in log.read_text()


@pytest.mark.usefixtures("scheduled")
@pytest.mark.parametrize("trouble", ["key", "refused", "in use", "tap"])
def test_a_failed_run_says_why_with_the_exit_code_of_the_target(place: Place, trouble: str) -> None:
    code, reason = {
        "key": (3, "api_key"),
        "refused": (4, "records are rejected, more than max_rejected_percent"),
        "in use": (1, "is in use by another run or program. Wait for its end and run again"),
        "tap": (1, "Extractor failed"),  # and the target is done
    }[trouble]
    if trouble == "refused":
        place.members("gold", *(f"nobody {n}" for n in range(200)))
    if trouble == "tap":
        good = b"".join(b"member%d@example.com\n" % n for n in range(10_000))
        (place.folder / "segments" / "gold.csv").write_bytes(b"email\n" + good + b"\xff\n")
    settings = {"TARGET_OMNISEND__NORTH_API_KEY": "another"} if trouble == "key" else {}

    with place.ledger_in_use("north") if trouble == "in use" else nullcontext():
        ran = _by_cron(place, **settings)

    first, *reasons = ran.stdout.splitlines()
    assert ran.returncode == code, ran.stdout
    assert first.startswith(f"Schedule north-daily failed with exit code {code}; the whole log is")
    assert any(reason in line for line in reasons), ran.stdout
    assert "another" not in ran.stdout.replace("another run", "")
    assert "nobody" not in ran.stdout


@pytest.mark.usefixtures("scheduled")
def test_a_brands_key_is_checked_and_a_segment_is_taken_back_by_hand(place: Place) -> None:
    assert _by_cron(place).returncode == 0
    check, *_ = re.findall(r"`(meltano invoke .* --check)`", DOCS.read_text())
    retire = re.findall(r"^meltano invoke .* --retire .*$", DOCS.read_text(), re.MULTILINE)

    allow = re.findall(r"^TARGET_\S+ meltano run .*$", DOCS.read_text(), re.MULTILINE)

    said = [place.run("sh", "-c", command) for command in (check, *allow, *retire)]

    assert [ran.returncode for ran in said] == [0, 0, 0, 0], said
    assert "Segment 'gold' has 2 members by this target." in said[2].stdout
    assert place.tags() == {
        "ada@example.com": [],
        "bea@example.com": [],
        "cy@example.com": ["churned"],
    }
