"""Sessions of work on target-omnisend; `nox` runs lint and tests, and CI all of them."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import time
from pathlib import Path

import nox

PYPROJECT = nox.project.load_toml("pyproject.toml")
MELTANO = "meltano~=4.4"
VERSIONS = (
    *("tests/unit/mapping", "tests/unit/api", "tests/unit/delivery", "tests/simulation"),
    "tests/process/test_main_job.py",
)
"""Tests of what another version of Python or of a library can change, in a minute or so."""

QUICK = (
    *("tests/unit/config", "tests/unit/mapping", "tests/unit/delivery", "tests/unit/report"),
    *("tests/unit/test_sinks.py", "tests/unit/output", "tests/process/test_main_job.py"),
)
"""Tests of most of what a change can break, in half a minute."""

NEXT_SDK = "singer-sdk[msgspec]>=0.55.0a1"
"""Later than what the package declares; a pre-release counts, because the bound is one."""

MACHINES = (
    "tests/simulation/test_engine_machine.py",
    "tests/simulation/test_nights.py",
    "tests/unit/ledger/test_ledger_laws.py",
)
"""Tests that try random sequences of what can happen."""

APART = tuple(f"--ignore=tests/{name}" for name in ("external", "privacy"))
"""Folders of tests that have a session, and environments, of their own."""

MANY = ("-n", "4", "--dist", "worksteal")
"""Four workers for two cores: about half of a worker's time is waiting."""

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests"]


def install(session: nox.Session, *groups: str) -> None:
    """Install the package, editable and with its extras, and groups of what work on it needs."""
    session.install(
        "-e", ".[sandbox,postgres,parquet,s3]", *nox.project.dependency_groups(PYPROJECT, *groups)
    )


def install_apart(session: nox.Session, requirement: str) -> str:
    """Install a tool apart from the package, whose dependencies are not the tool's to choose."""
    name, _, _ = requirement.partition("~")
    folder = Path(".nox", name).absolute()
    python = folder / "bin" / "python"
    if not python.exists():
        session.run_install("uv", "venv", "--quiet", "--python", sys.executable, str(folder))
    session.run_install("uv", "pip", "install", "--quiet", "--python", str(python), requirement)
    return str(folder / "bin")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, the arrows between modules, declared dependencies."""
    install(session, "dev")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports")
    session.run("deptry", ".")


@nox.session
def tests(session: nox.Session) -> None:
    """Unit tests, simulations, and the command as a process; no `slow` ones."""
    install(session, "test")
    session.run("pytest", *MANY, "-m", "not slow", *APART, *session.posargs)


@nox.session
def quick(session: nox.Session) -> None:
    """The inner loop: style, and the tests that a change breaks most often."""
    install(session, "test", "lint")
    session.run("ruff", "check")
    session.run("pytest", "-n", "2", "-m", "not slow", *(session.posargs or QUICK))


@nox.session
def slow(session: nox.Session) -> None:
    """Every test with coverage, both databases, and a new interpreter for each process."""
    install(session, "test")
    session.run("coverage", "erase")
    session.run(
        *("coverage", "run", "-m", "pytest", *MANY, *APART, *session.posargs),
        env={"REAL_PROCESSES": "1"},
    )
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report", "--skip-covered")


@nox.session
def soak(session: nox.Session) -> None:
    """Random sequences for so many minutes, 10 unless told: nox -s soak -- 60 [--seed N]."""
    install(session, "test")
    arguments = argparse.ArgumentParser()
    arguments.add_argument("minutes", type=float, nargs="?", default=10.0)
    arguments.add_argument("--seed", type=int, help="repeats the first turn that had it")
    told = arguments.parse_args(session.posargs)
    seed = told.seed or secrets.randbelow(10**9)
    end = time.monotonic() + told.minutes * 60
    while time.monotonic() < end:
        session.log(f"seed {seed}")
        seeded = ("-p", "no:randomly", f"--hypothesis-seed={seed}")
        session.run("pytest", *seeded, *MACHINES, env={"SOAK": "1"})
        seed += 1


@nox.session
def e2e(session: nox.Session) -> None:
    """From a tap through Meltano to the sandbox."""
    install(session, "test")
    meltano = f"{install_apart(session, MELTANO)}/meltano"
    session.run("pytest", "tests/external/e2e", *session.posargs, env={"MELTANO": meltano})


@nox.session
def taps(session: nox.Session) -> None:
    """Taps and a mapper from PyPI, and a new project with the plugin definition."""
    install(session, "test")
    meltano = f"{install_apart(session, MELTANO)}/meltano"
    session.run("pytest", "tests/external/taps", *session.posargs, env={"MELTANO": meltano})


@nox.session
def browser(session: nox.Session) -> None:
    """The report's page, in chromium."""
    install(session, "test")
    session.run("pytest", "tests/external/browser", *session.posargs)


@nox.session
def privacy(session: nox.Session) -> None:
    """A person and a key that no output may mention, through every path."""
    install(session, "test")
    session.run("pytest", "-n", "2", "tests/privacy", *session.posargs)


@nox.session
def schedulers(session: nox.Session) -> None:
    """The examples of docs/scheduling.md, by cron, Airflow and Dagster."""
    install(session, "test")
    environment = {
        "MELTANO": f"{install_apart(session, MELTANO)}/meltano",
        "AIRFLOW": f"{install_apart(session, 'apache-airflow~=3.3.2')}/airflow",
        "DAGSTER": f"{install_apart(session, 'dagster~=1.13')}/dagster",
    }
    session.run("pytest", "tests/external/schedulers", *session.posargs, env=environment)


@nox.session
def package(session: nox.Session) -> None:
    """What is published, into `dist`: built, checked and used in environments of its own."""
    install(session, "package")
    meltano = f"{install_apart(session, MELTANO)}/meltano"
    session.run("pytest", "tests/external/package", *session.posargs, env={"MELTANO": meltano})
    shutil.rmtree("dist", ignore_errors=True)
    session.run("uv", "build", "--quiet")
    session.run("twine", "check", "--strict", *map(str, Path("dist").glob("target_omnisend-*")))


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, into `output/site`; a warning is an error."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "output/site")


@nox.session
def lowest(session: nox.Session) -> None:
    """The oldest versions of what the package declares that it runs with."""
    groups = nox.project.dependency_groups(PYPROJECT, "test")
    session.install("--resolution=lowest-direct", "-e", ".[sandbox,postgres,parquet,s3]", *groups)
    session.run("pytest", "-n", "2", *(session.posargs or VERSIONS))


@nox.session(name="next")
def next_(session: nox.Session) -> None:
    """The quick tests with the next singer-sdk, its pre-releases too; a failure fails no CI."""
    install(session, "test")
    session.install("--upgrade", "--prerelease=if-necessary-or-explicit", NEXT_SDK)
    command = ("pytest", "-n", "2", "-q", "-m", "not slow", *(session.posargs or QUICK))
    session.run(*command, success_codes=[0, 1, 2, 3, 4])
    session.log(f"Each failure above is what {NEXT_SDK} changes. It fails no CI: it is to prepare.")


@nox.session(python=["3.11", "3.12", "3.13", "3.14"], download_python="never")
def pythons(session: nox.Session) -> None:
    """Every Python that is declared and on this machine."""
    install(session, "test")
    session.run("pytest", "-n", "2", *(session.posargs or VERSIONS))


@nox.session
def hooks(session: nox.Session) -> None:
    """The hooks of pre-commit, over all files; `-- install` has git call them."""
    session.install("pre-commit>=4")
    session.run("pre-commit", *(session.posargs or ("run", "--all-files")))


@nox.session
def workflows(session: nox.Session) -> None:
    """What GitHub reads: workflows, issue forms, dependabot; schemas, and what is unsafe."""
    session.install("check-jsonschema>=0.33", "zizmor>=1.14")
    files = [str(path) for path in sorted(Path(".github", "workflows").iterdir())]
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    forms = sorted(Path(".github", "ISSUE_TEMPLATE").glob("[!c]*.yml"))
    session.run(
        "check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", *map(str, forms)
    )
    dependabot = str(Path(".github", "dependabot.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", dependabot)
    session.run("zizmor", "--offline", *files, dependabot)


@nox.session(name="try")
def try_(session: nox.Session) -> None:
    """Send the sample segment to a local Omnisend and show what arrived."""
    install(session)
    meltano = f"{install_apart(session, MELTANO)}/meltano"
    session.run("python", "scripts/try.py", "--meltano", meltano, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed and memory on this machine: nox -s bench -- [cpu memory ceiling …]."""
    install(session, "test")
    session.run("python", "-m", "bench", *session.posargs, env={"PYTHONPATH": "tests"})
