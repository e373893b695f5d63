"""What came in by the tracking door, as an operator sees it."""

from django.urls import reverse
from django.utils import timezone

from commerce_ai.ingest.models import IngestBatch
from tests.console.rows import NOW


def test_a_batch_that_was_set_aside_is_tried_again_by_those_who_may(owner, sign_in, shop):
    batch = IngestBatch.objects.create(
        shop=shop, events=3, attempts=9, set_aside_at=timezone.now(), error="ValueError: odd", received_at=NOW
    )
    chosen = {"action": "try_again", "_selected_action": [batch.pk]}
    address = reverse("admin:ingest_ingestbatch_changelist")
    sign_in("analyst").post(address, chosen)
    batch.refresh_from_db()
    assert batch.set_aside_at is not None
    owner.post(address, chosen)
    batch.refresh_from_db()
    assert batch.set_aside_at is None and batch.attempts == 0 and not batch.error
    page = owner.get(reverse("admin:ingest_ingestbatch_change", args=[batch.pk]))
    assert page.status_code == 200 and "contacts" not in page.content.decode()
