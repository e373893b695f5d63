"""Keep a decision: one INSERT that commits by itself, and never holds an answer up for long.

An impression is committed without waiting for the disk (`synchronous_commit = off`: a crash of Postgres may lose the
last fraction of a second, never corrupt anything); verdicts, prices and approvals are `durable`. What fails is
counted as lost, and the answer goes out flagged. So does one whose INSERT takes over `settings.DECISION_LIMIT_S` (50
ms); that INSERT goes on, and is counted as lost only if it fails in the end. No answer is flagged before `losses` has
noted it on disk, so that the count holds whatever becomes of this process.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connections, transaction

from commerce_ai.decisions import losses
from commerce_ai.decisions.payload import Payload
from commerce_ai.decisions.statement import Late, Statement
from commerce_ai.ids import uuid7


class NewDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be kept of an answer; the columns of `models.Decision`."""

    shop_id: int
    plugin: str
    kind: str
    payload: Payload
    placement: str = ""
    subject: str = ""
    customer_id: int | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    version_id: int | None = None
    experiment_id: int | None = None
    arm: str = ""
    reasons: list[str] = []
    latency_ms: float | None = None
    flags: tuple[str, ...] = ()
    decision_id: UUID = msgspec.field(default_factory=uuid7)


class Recorded(msgspec.Struct, frozen=True):
    """`stored` is False when the decision was lost; the answer that carries the id then says so."""

    decision_id: UUID
    stored: bool


def new_decision_id() -> UUID:
    """An id for a decision that is about to be made: its payload may name it before it is kept."""
    return uuid7()


def record(decision: NewDecision, durable: bool = False) -> Recorded:
    """Keep `decision`. Never raises for what Postgres does; within a transaction of the caller it is part of it."""
    wrapper, who = connections["default"], (decision.shop_id, decision.plugin, decision.decision_id)
    try:
        if wrapper.in_atomic_block:
            with transaction.atomic(), wrapper.cursor() as cursor:
                cursor.execute(_PART, _values(decision, durable))
        else:
            values = [*_values(decision, durable), "on" if durable else "off"]
            _statement.run(wrapper, values, settings.DECISION_LIMIT_S, partial(losses.tell, *who))
    except Late:
        losses.expect(*who)
        return Recorded(decision.decision_id, stored=False)
    except Exception as error:
        losses.count(*who, error)
        return Recorded(decision.decision_id, stored=False)
    return Recorded(decision.decision_id, stored=True)


_INSERT = (
    "INSERT INTO decisions_decision (id, shop_id, plugin, kind, placement, subject, customer_id, anonymous_id,"
    " session_id, payload, reasons, version_id, experiment_id, arm, latency_ms, flags, durable) "
    "SELECT {}::uuid, {}::bigint, {}::text, {}::text, {}::text, {}::text, {}::bigint, {}::text, {}::text, {}::jsonb,"
    " {}::jsonb, {}::bigint, {}::bigint, {}::text, {}::float8, {}::text[], {}::bool"
)
_COLUMNS = _INSERT.count("{}")
_PART = _INSERT.format(*["%s"] * _COLUMNS)
# One round trip for both: the setting lasts until this statement's own commit.
_ALONE = (  # made of constants only
    f"WITH way AS MATERIALIZED (SELECT set_config('synchronous_commit', ${_COLUMNS + 1}, true)) "  # noqa: S608
    + _INSERT.format(*(f"${number + 1}" for number in range(_COLUMNS)))
    + " FROM way"
).encode()
_statement = Statement(b"commerce_ai_decision", _ALONE)
_encode = msgspec.json.Encoder().encode
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def _values(decision: NewDecision, durable: bool) -> list[str | None]:
    return [
        str(decision.decision_id),
        str(decision.shop_id),
        decision.plugin,
        decision.kind,
        decision.placement,
        decision.subject[:255],
        _number(decision.customer_id),
        (decision.anonymous_id or "")[:255],
        (decision.session_id or "")[:255],
        _json(decision.payload),
        _json(decision.reasons),
        _number(decision.version_id),
        _number(decision.experiment_id),
        decision.arm,
        _number(decision.latency_ms),
        "{" + ",".join(_encode(flag).decode() for flag in decision.flags) + "}",
        "t" if durable else "f",
    ]


def _number(value: float | None) -> str | None:
    return None if value is None else str(value)


def _json(value: Any) -> str:
    encoded = _encode(value)
    return (_NUL.sub(rb"\1", encoded) if b"\\u0000" in encoded else encoded).decode()
