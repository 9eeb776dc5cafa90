"""The command line: its options, and the command that they ask for."""

from __future__ import annotations

import gc
import typing as t
from dataclasses import dataclass
from functools import partial

import click
from singer_sdk.plugin_base import SingerCommand

from target_omnisend import waits
from target_omnisend.commands.check import check, check_session
from target_omnisend.commands.closing import conclude, end_unstarted, nothing
from target_omnisend.commands.dry_run import dry_run, dry_session
from target_omnisend.commands.export import Source, export
from target_omnisend.commands.forget import forget, person_of
from target_omnisend.commands.print_rejects import print_rejects, print_session
from target_omnisend.commands.retire import retire
from target_omnisend.commands.session import Session
from target_omnisend.commands.verify import verify, verify_session
from target_omnisend.config.environment import with_environment
from target_omnisend.config.validation import SettingsError
from target_omnisend.errors import ExitCode
from target_omnisend.events import event
from target_omnisend.output.stdio import check_open, tap
from target_omnisend.signals import Interrupt

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from singer_sdk.plugin_base import _ConfigInput


class Target(Source, t.Protocol):
    """It reads the input, and has the session that its settings make."""

    session: Session
    interrupt: Interrupt


@dataclass(frozen=True)
class Options:
    """The options of the command line; without an option, an export of standard input."""

    file_input: t.IO[str] | None = None
    retire: str | None = None
    dry_run: bool = False
    check: bool = False
    rejects: str | None = None
    forget: str | None = None
    verify: str | None = None

    @property
    def reads_standard_input(self) -> bool:
        """Whether a tap writes to this command."""
        return not self._apart and self.file_input is None

    @property
    def _apart(self) -> list[str]:
        """The options that are commands of their own."""
        asked = {
            "--check": self.check,
            "--retire": self.retire is not None,
            "--verify": self.verify is not None,
            "--rejects": self.rejects is not None,
            "--forget": self.forget is not None,
        }
        return [name for name, given in asked.items() if given]

    @property
    def session(self) -> Callable[..., Session]:
        """The function that makes the session of the command."""
        if self.check:
            return check_session
        if self.rejects is not None:
            return print_session
        if self.verify is not None:
            return verify_session
        return dry_session if self.dry_run else Session

    def validate(self) -> None:
        """Find options that exclude each other.

        Raises:
            click.UsageError: if there are two.
        """
        apart = self._apart
        if self.dry_run and not {"--verify", "--rejects", "--forget"}.isdisjoint(apart):
            apart.append("--dry-run")
        if len(apart) > 1:
            raise click.UsageError(f"{' and '.join(apart)} do not go together.")


def run(
    make: Callable[[_ConfigInput, Callable[..., Session]], Target],
    config: _ConfigInput,
    options: Options,
    *,
    version: str,
) -> int:
    """Make the target and do what the options ask for; the exit code."""
    try:
        target = make(config, options.session)
    except SettingsError as error:
        return _refuse(error.problems, config, options, version)
    return _run(target, options)


def _run(target: Target, options: Options) -> int:
    session = target.session
    if options.check:
        return check(session)
    if options.forget is not None:
        return forget(session, person_of(options.forget))
    check_open(reading=options.reads_standard_input)
    if options.rejects is not None:
        return print_rejects(session, options.rejects)
    _look_for_garbage_less_often()
    if options.verify is not None:
        return verify(session, options.verify)
    do = dry_run if options.dry_run else conclude
    return do(session, _work(target, options), failed=_after_failure(target.interrupt, options))


def _refuse(problems: list[str], config: _ConfigInput, options: Options, version: str) -> int:
    """Say why no session can begin; the exit code."""
    interrupt = Interrupt()
    interrupt.install()
    return end_unstarted(
        problems,
        {} if options.dry_run else with_environment(config),
        version=version,
        wait=_after_failure(interrupt, options),
    )


def _work(target: Target, options: Options) -> Callable[[], None]:
    if options.retire is not None:
        return partial(retire, target.session, options.retire)
    return partial(export, target.session, target, options.file_input)


def _look_for_garbage_less_often() -> None:
    # Open entries are many, long-lived and in no cycle: looking for garbage among them, or
    # among the modules, as often as the default would costs a tenth of the reading.
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def _after_failure(interrupt: Interrupt, options: Options) -> Callable[[], None]:
    return partial(_let_the_tap_end, interrupt) if options.reads_standard_input else nothing


def _let_the_tap_end(interrupt: Interrupt) -> None:
    """After a failure, go on reading for a while: a tap whose pipe breaks covers our sentence."""
    if (pipe := tap()) is not None:
        interrupt.discard(pipe, waits.seconds(waits.DISCARD))


class Command(SingerCommand):
    """The SDK's command with our options. Its last line names the exit code of a wrong one too."""

    @classmethod
    def of(cls, command: click.Command, logger: logging.Logger) -> Command:
        """The same command, with our options."""
        return cls(
            name=command.name,
            callback=command.callback,
            params=[*command.params, *_OPTIONS],
            help=command.help,
            context_settings=command.context_settings,
            logger=logger,
        )

    def main(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Run it."""
        try:
            return super().main(*args, **kwargs)
        except SystemExit as end:
            if end.code == ExitCode.USAGE:
                self.logger.error(  # noqa: TRY400 - not a fault
                    "Wrong use of the command line; exit code 2; see target-omnisend --help.",
                    extra=event("usage_wrong", exit_code=int(ExitCode.USAGE)),
                )
            raise


_OPTIONS: t.Final = (
    click.Option(
        ["--check"],
        is_flag=True,
        help="Say whose API key it is, what it may read and what the mapping needs; read "
        "no input and write nothing.",
    ),
    click.Option(
        ["--retire"],
        metavar="SEGMENT",
        help="Take the membership of a segment back from everyone the ledger says this "
        "target gave it to.",
    ),
    click.Option(
        ["--verify"],
        metavar="SEGMENT",
        help="Compare the members of a segment in the ledger with those in Omnisend; read no "
        "input and write nothing there. The ledger forgets the members that are missing.",
    ),
    click.Option(
        ["--dry-run"],
        is_flag=True,
        help="Read the whole input, or retire, and say what would be done; send and write nothing.",
    ),
    click.Option(
        ["--rejects"],
        metavar="[SEGMENT]",
        is_flag=False,
        flag_value="",
        help="Print the rejected records that the ledger keeps, of one segment or of all, as "
        "Singer input: to correct them and send them with --input.",
    ),
    click.Option(
        ["--forget"],
        metavar="EMAIL",
        help="Erase every local trace of a person from ledger and rejects; - reads the address "
        "from standard input. Omnisend is not changed.",
    ),
)
