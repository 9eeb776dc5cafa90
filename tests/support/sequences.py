"""Random sequences of a state machine, as many as it takes to reach what is rare."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence


def try_sequences(
    machine: type[RuleBasedStateMachine],
    reached: Counter[str],
    rare: Sequence[str],
    *,
    examples: int,
) -> None:
    """Run so many sequences, and up to eight times as many until each rare state was reached.

    A state that is never reached fails the test: its rules, or what follows from it, test nothing.
    """
    for times in (1, 2, 4, 8):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples * times,
                # The same sequences each time, so that no machine finds the suite red by chance.
                derandomize="SOAK" not in os.environ,
                stateful_step_count=20,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
        if all(reached[name] for name in rare):
            return
    assert [name for name in rare if not reached[name]] == []
