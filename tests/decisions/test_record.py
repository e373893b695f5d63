"""A decision is kept in one statement, or the loss is counted; nothing is ever raised at the one who answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection, transaction

from commerce_ai.decisions import losses
from commerce_ai.decisions import payload as payloads
from commerce_ai.decisions import record as recording
from commerce_ai.decisions.models import Decision
from commerce_ai.decisions.payload import Item, Payload
from commerce_ai.decisions.record import NewDecision, new_decision_id, record
from commerce_ai.shop.models import Shop

TOO_LONG = "x" * 65  # Postgres refuses it
alone = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(db: None) -> Shop:
    return Shop.objects.create(slug="north", name="North")


def a_decision(shop: Shop, **changes: object) -> NewDecision:
    given = {
        "shop_id": shop.pk, "plugin": "recommendation", "kind": "recommendations", "placement": "home",
        "payload": Payload(
            items=[Item("A-1", 11, 1, "als", 1.0, 0.25, ["bought together"]), Item("B", 12, 2, "popularity")],
            context={"country": "DE"},
        ),
        "customer_id": 5, "anonymous_id": "visitor", "session_id": "visit", "version_id": 7,
        "reasons": ["known customer"], "latency_ms": 1.5, "flags": ("cold", 'odd "flag"'),
    }  # fmt: skip
    return NewDecision(**{**given, **changes})  # type: ignore[arg-type]


@alone
@pytest.mark.parametrize("durable", [False, True])
def test_every_column_is_kept(shop: Shop, durable: bool) -> None:
    new = a_decision(shop)
    recorded = record(new, durable=durable)
    assert recorded.stored and recorded.decision_id == new.decision_id
    kept = Decision.objects.of(shop).get(pk=recorded.decision_id)
    assert (kept.plugin, kept.kind, kept.placement, kept.subject) == ("recommendation", "recommendations", "home", "")
    assert (kept.customer_id, kept.anonymous_id, kept.session_id, kept.version_id) == (5, "visitor", "visit", 7)
    assert (kept.reasons, kept.latency_ms, kept.flags) == (["known customer"], 1.5, ["cold", 'odd "flag"'])
    assert (kept.durable, kept.experiment_id, kept.arm) == (durable, None, "")
    assert payloads.read(kept.payload) == new.payload
    assert abs((kept.made_at - recording_time(kept.id)).total_seconds()) < 1e-6


def recording_time(id: UUID) -> object:
    from commerce_ai.ids import time_of

    return time_of(id)


@alone
def test_the_setting_lasts_for_one_statement_only(shop: Shop) -> None:
    assert record(a_decision(shop)).stored
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)


def test_within_a_transaction_it_is_part_of_it(shop: Shop) -> None:
    class Undone(Exception):
        pass

    with pytest.raises(Undone), transaction.atomic():
        assert record(a_decision(shop)).stored
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == ("on",)
        raise Undone
    assert not Decision.objects.of(shop).exists()


def test_a_refused_row_within_a_transaction_leaves_the_transaction_whole(shop: Shop) -> None:
    assert record(a_decision(shop)).stored
    assert not record(a_decision(shop, kind=TOO_LONG)).stored
    assert Decision.objects.of(shop).count() == 1
    assert losses.losses(shop.pk) == {"recommendation": 1}


@alone
def test_what_postgres_refuses_is_counted_and_the_connection_goes_on(shop: Shop) -> None:
    for expected in (1, 2):
        refused = a_decision(shop, kind=TOO_LONG)
        lost = record(refused)
        assert (lost.stored, lost.decision_id) == (False, refused.decision_id)
        assert losses.losses(shop.pk) == {"recommendation": expected}
    assert record(a_decision(shop)).stored
    assert losses.losses(shop.pk + 1) == {}


@alone
def test_what_postgres_kept_although_nobody_heard_of_it_is_no_loss(shop: Shop) -> None:
    same = a_decision(shop)
    assert record(same).stored
    assert not record(same).stored
    assert losses.losses(shop.pk) == {}


@pytest.fixture
def impatient(settings: Any) -> None:
    settings.DECISION_LIMIT_S = 0.05


@pytest.fixture
def locked(shop: Shop) -> Iterator[psycopg.Connection]:
    """Another connection holds the table."""
    assert record(a_decision(shop)).stored
    where = connection.settings_dict
    with psycopg.connect(host=where["HOST"], port=where["PORT"], user=where["USER"], dbname=where["NAME"]) as other:
        other.execute("LOCK TABLE decisions_decision IN ACCESS EXCLUSIVE MODE")
        yield other


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@alone
def test_a_late_decision_holds_no_answer_up_and_is_kept_after_all(
    shop: Shop, locked: psycopg.Connection, impatient: None
) -> None:
    late = a_decision(shop)
    assert not record(late).stored
    locked.rollback()
    until(lambda: Decision.objects.of(shop).filter(pk=late.decision_id).exists())
    assert losses.losses(shop.pk) == {}


@alone
def test_a_late_decision_that_fails_is_a_loss(shop: Shop, locked: psycopg.Connection, impatient: None) -> None:
    assert not record(a_decision(shop)).stored
    locked.execute("DROP TABLE decisions_decision")
    waiting = (  # the other test processes have databases of their own on the same Postgres
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query LIKE '%decisions_decision%'"
    )
    for (pid,) in locked.execute(waiting).fetchall():
        locked.execute("SELECT pg_cancel_backend(%s)", [pid])
    until(lambda: not locked.execute(waiting).fetchall())
    locked.rollback()
    until(lambda: losses.losses(shop.pk) == {"recommendation": 1})


@alone
def test_a_late_preparation_is_a_loss(shop: Shop, locked: psycopg.Connection, impatient: None) -> None:
    recording._statement.forget()
    connection.cursor().execute("DEALLOCATE ALL")
    assert not record(a_decision(shop)).stored
    locked.rollback()
    until(lambda: losses.losses(shop.pk) == {"recommendation": 1})


@alone
def test_without_postgres_the_loss_is_counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "HOST", "/nowhere")
        lost = record(a_decision(shop))
    assert not lost.stored
    assert losses.losses(shop.pk) == {"recommendation": 1}


@alone
def test_no_text_of_a_visitor_can_break_the_row(shop: Shop) -> None:
    odd = "x\0y\ud800" + "é" * 400
    new = a_decision(
        shop,
        anonymous_id=odd,
        session_id=odd,
        subject=odd,
        payload=Payload(value="nul \0 here \\u0000", context={"nan": float("nan")}),
    )
    assert record(new).stored
    kept = Decision.objects.of(shop).get(pk=new.decision_id)
    assert kept.anonymous_id.startswith("xy") and len(kept.anonymous_id) <= 255
    assert kept.payload == {"value": "nul  here \\u0000", "context": {"nan": None}}


@alone
def test_a_pooler_that_mixes_statements_up_is_survived(shop: Shop) -> None:
    assert record(a_decision(shop)).stored
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    assert record(a_decision(shop)).stored
    recording._statement.forget()
    assert record(a_decision(shop)).stored
    assert record(a_decision(shop)).stored


@alone
def test_threads_record_side_by_side(shop: Shop) -> None:
    def work() -> None:
        for _ in range(20):
            record(a_decision(shop), durable=False)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    lost = sum(losses.losses(shop.pk).values())
    assert Decision.objects.of(shop).count() + lost >= 80


def test_an_id_can_be_had_before_the_decision() -> None:
    id = new_decision_id()
    assert a_decision(Shop(pk=1), decision_id=id).decision_id == id
