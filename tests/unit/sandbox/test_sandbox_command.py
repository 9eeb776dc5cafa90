"""The command as a process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests
from support.calls import HEADERS

from omnisend_sandbox import __main__ as command
from omnisend_sandbox.server import listen

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "omnisend_sandbox", "--port", "0", "--key", "k1"]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        yield running
        running.kill()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_cleanly(
    process: subprocess.Popen[str], stop: signal.Signals
) -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    said = re.fullmatch(
        r"Omnisend sandbox on (http://127\.0\.0\.1:\d+) \(API base (\S+), key k1\)\n", line
    )
    assert said is not None
    assert said[2] == f"{said[1]}/api"
    headers = {**HEADERS, "Authorization": "Omnisend-API-Key k1"}
    with requests.Session() as session:
        brand = session.get(f"{said[2]}/brands/current", headers=headers, timeout=5)
        reset = session.post(f"{said[1]}/_sandbox/reset", timeout=5)
        state = session.get(f"{said[1]}/_sandbox/state", timeout=5).json()
    assert (brand.status_code, reset.status_code) == (200, 204)
    assert state["requests"]["counts"] == {}
    process.send_signal(stop)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_taken_port_is_a_plain_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert command.main(["--port", str(port)]) == 1
    assert capsys.readouterr().err.startswith(f"Cannot listen on 127.0.0.1 port {port}: ")


def test_another_host_than_loopback_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--host", "0.0.0.0", "--port", "0"]) == 1  # noqa: S104
    assert "loopback" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_how_to_get_it(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from omnisend_sandbox.__main__ import main; sys.exit(main([]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr == ("The sandbox needs its extra: pip install 'target-omnisend[sandbox]'\n")


def test_it_starts_wrong_and_with_the_id_it_is_told() -> None:
    told = ["--brand-id", "mine", "--fault", "throttle,endpoint=GET /contacts,retry_after=7"]
    with subprocess.Popen([*COMMAND, *told], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            site = running.stdout.readline().split()[3]
            headers = {**HEADERS, "Authorization": "Omnisend-API-Key k1"}
            with requests.Session() as session:
                for _ in range(2):
                    brand = session.get(f"{site}/api/brands/current", headers=headers, timeout=5)
                    late = session.get(f"{site}/api/contacts", headers=headers, timeout=5)
                    assert brand.json()["brandID"] == "mine"
                    assert (late.status_code, late.json()["retryAfter"]) == (429, 7)
                    session.post(f"{site}/_sandbox/reset", timeout=5)
        finally:
            running.kill()


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ("tags_lat", "unknown kind 'tags_lat'"),
        ("tags_late,second=1", "unknown field `second`"),
        ("tags_late,seconds=soon", "Expected `float`"),
        ("tags_late,seconds", "Expected `float`"),
        ("refuses_field", "refuses_field needs `field`"),
        ("item_refused,email=(", "not a regular expression"),
    ],
)
def test_a_wrong_fault_is_a_plain_sentence(
    capsys: pytest.CaptureFixture[str], told: str, answer: str
) -> None:
    with pytest.raises(SystemExit):
        command.main(["--fault", told])
    assert answer in capsys.readouterr().err
