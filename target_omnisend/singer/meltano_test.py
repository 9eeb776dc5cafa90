"""What `meltano config test target-omnisend` sends is nobody's, and goes nowhere.

Source: Meltano 4.4.1, `meltano/core/plugin_test_service.py`.
"""

from __future__ import annotations

import typing as t

from singer_sdk import BatchSink

STREAM: t.Final = "meltano_test_stream"


class MeltanosTestSink(BatchSink):
    """Takes the records, which have no e-mail, and does nothing with them.

    The API key and the settings were checked when they come.
    """

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:
        """Do nothing."""

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Do nothing."""

    def activate_version(self, new_version: int) -> None:
        """Do nothing."""
