"""What the engine needs of Omnisend; `api.client.OmnisendClient` has it."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from target_omnisend.api.answers import Answer


class Api(t.Protocol):
    """Each method makes one call and never raises for what Omnisend or the network does."""

    def current_brand(self) -> Answer:
        """`GET /brands/current`."""

    def any_contact(self) -> Answer:
        """`GET /contacts?limit=1`."""

    def contacts(self, filters: Mapping[str, str], after: str | None = None) -> Answer:
        """`GET /contacts`; DONE has a body {contacts: [Contact], paging}."""

    def find_contact(self, email: str) -> Answer:
        """`GET /contacts?email=`; DONE has a body {contacts: [Contact]}, empty without one."""

    def post_batch(self, items: Sequence[bytes]) -> Answer:
        """`POST /batches`; DONE has a body {batchID}."""

    def list_batches(self, since: dt.date, offset: int) -> Answer:
        """`GET /batches`; DONE has a body {batches: [Batch]}."""

    def batch(self, batch_id: str) -> Answer:
        """`GET /batches/{id}`; DONE has a Batch for a body."""

    def batch_items(self, batch_id: str) -> Answer:
        """`GET /batches/{id}/items`; DONE has a Batch with errors and responses."""

    def add_tags(
        self, emails: Sequence[str], tags: Sequence[str], contact_ids: Sequence[str] = ()
    ) -> Answer:
        """`POST /contacts/tags`."""

    def remove_tags(self, emails: Sequence[str], tags: Sequence[str]) -> Answer:
        """`DELETE /contacts/tags`."""

    def list_segments(self, after: str | None) -> Answer:
        """`GET /segments`; DONE has a body {segments: [Segment], paging}."""

    def create_segment(self, name: str, condition_groups: Sequence[t.Any]) -> Answer:
        """`POST /segments`; DONE has a Segment for a body."""

    def segment_statistics(self, segment_id: str) -> Answer:
        """`GET /segments/{id}/statistics`; DONE has a body {contactsCount}."""
