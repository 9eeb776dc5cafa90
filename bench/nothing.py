"""The SDK's own target with a `BatchSink` that does nothing: what ours is measured against."""

from __future__ import annotations

from typing import Any

from singer_sdk import BatchSink, Target
from singer_sdk import typing as th


class NothingSink(BatchSink):
    """Takes batches and forgets them."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing."""


class NothingTarget(Target):
    """Reads, validates and drains as every SDK target does."""

    name = "target-nothing"
    config_jsonschema = th.PropertiesList().to_dict()
    default_sink_class = NothingSink


if __name__ == "__main__":
    NothingTarget.cli()
