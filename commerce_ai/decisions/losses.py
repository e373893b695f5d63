"""Decisions that were answered but could not be kept: counted, so that the console can say so.

Before the answer goes out flagged, its process notes the decision's id on disk (`ledger`), which outlives a kill -9.
`settle` looks for all that was noted in Postgres: what is not there is lost, and kept as a `Loss`. A row a decision,
so it may be done twice, by two at once, or be killed in between, and no loss counts double or is forgotten.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Count

from commerce_ai.decisions.ledger import KEPT, LATE, LOST, Ledger, Line, Writer, ledgers
from commerce_ai.decisions.outcome_models import Loss
from commerce_ai.decisions.statement import GIVEN_UP_AFTER_S

logger = logging.getLogger(__name__)

_LOG_EVERY_S = 10.0
_SETTLE_EVERY_S = 5.0
_AT_ONCE = 10_000  # ids of one statement
_PATIENCE_S = GIVEN_UP_AFTER_S + 5


def count(shop_id: int, plugin: str, decision_id: UUID, error: Exception) -> None:
    """Note a lost decision. Never raises: what the disk does not take either is only logged."""
    global _logged
    if time.monotonic() - _logged > _LOG_EVERY_S:
        _logged = time.monotonic()
        logger.error("a decision of %s in shop %d was not kept: %s", plugin, shop_id, str(error).strip())
    _note(Line(LOST, shop_id, plugin, decision_id))


def expect(shop_id: int, plugin: str, decision_id: UUID) -> None:
    """Note a decision that is answered before it is kept. `tell` says what came of it, if that is ever heard."""
    _note(Line(LATE, shop_id, plugin, decision_id))


def tell(shop_id: int, plugin: str, decision_id: UUID, error: Exception | None) -> None:
    """Note what came of a late one, whether that is heard before or after it was expected: None, it was kept."""
    if error is None:
        _note(Line(KEPT, shop_id, plugin, decision_id))
    else:
        count(shop_id, plugin, decision_id, error)


def losses(shop_id: int) -> dict[str, int]:
    """Plugin → how many of its decisions in this shop were lost, those of a moment ago included. Empty without any."""
    settle()
    rows = Loss.objects.of(shop_id).values_list("plugin").annotate(n=Count("decision_id"))
    return dict(rows.order_by("plugin"))


def settle() -> bool:
    """Keep as lost what any process of this install noted and Postgres does not hold; True if nothing is left open.

    A late decision is open until its process tells, or has been gone for as long as one waits for Postgres.
    """
    return all([_settle(each) for each in ledgers(folder())])


def keep_settled() -> None:
    """Settle now and then from now on, in a thread of this process: what earlier ones left, too."""
    global _settling
    with _lock:
        if _settling is None or not _settling.is_alive():
            _settling = threading.Thread(target=_settle_for_ever, name="settle losses", daemon=True)
            _settling.start()


def folder() -> Path:
    """A database's own, since several may share ``var``."""
    return Path(settings.VAR_DIR) / "losses" / quote(str(settings.DATABASES["default"]["NAME"]), safe="")


def forget_all() -> None:
    """Let go of everything that was noted (between tests)."""
    _writer().close()
    _settled.clear()
    for path in folder().glob("*"):
        path.unlink(missing_ok=True)


_lock = threading.Lock()
_logged = 0.0
_settling: threading.Thread | None = None
_settled: dict[str, int] = {}  # files that are still written → how much of them is settled
_writers: dict[Path, Writer] = {}


def _writer() -> Writer:
    where = folder()
    with _lock:
        return _writers.setdefault(where, Writer(where))


def _note(line: Line) -> None:
    try:
        _writer().write(line)
    except OSError:
        logger.exception("that decision %s of %s was not kept could not be noted", line.decision_id, line.plugin)
    if settings.PROCESS and line.said != KEPT:
        keep_settled()


def _settle_for_ever() -> None:
    while True:
        time.sleep(_SETTLE_EVERY_S)
        try:
            settle()
        except DatabaseError as error:
            logger.debug("losses can't be settled yet: %s", error)
        except Exception:
            logger.exception("losses could not be settled")
        finally:
            connections.close_all()


def _settle(ledger: Ledger) -> bool:
    if not ledger.is_over and _settled.get(ledger.path.name) == ledger.size:
        return True
    told = {each.decision_id for each in ledger.lines if each.said != LATE}
    late = [each for each in ledger.lines if each.said == LATE and each.decision_id not in told]
    asked = [each for each in ledger.lines if each.said == LOST]
    if ledger.is_over and ledger.age_s > _PATIENCE_S:
        asked, late = asked + late, []
    _keep(asked)
    if not late:  # on_commit: in a transaction that is undone nothing was kept
        end = ledger.path.unlink if ledger.is_over else partial(_settled.__setitem__, ledger.path.name, ledger.size)
        transaction.on_commit(partial(_once, end))
    return not late


def _once(end: Callable[[], object]) -> None:
    try:
        end()
    except FileNotFoundError:
        return  # somebody else was at it too


def _keep(lines: Sequence[Line]) -> None:
    for start in range(0, len(lines), _AT_ONCE):
        some = lines[start : start + _AT_ONCE]
        with connection.cursor() as cursor:
            cursor.execute(
                _LOST, [[each.decision_id for each in some], [each.shop_id for each in some],
                        [each.plugin for each in some]],
            )  # fmt: skip


# One that Postgres did commit, though nobody heard of it, is no loss; nor is one of a shop that is gone.
_LOST = """
    INSERT INTO decisions_loss (decision_id, shop_id, plugin)
    SELECT n.id, s.id, left(n.plugin, 64)
    FROM unnest(%s::uuid[], %s::bigint[], %s::text[]) AS n(id, shop_id, plugin) JOIN shop_shop s ON s.id = n.shop_id
    WHERE NOT EXISTS (SELECT 1 FROM decisions_decision d WHERE d.id = n.id)
    ON CONFLICT DO NOTHING
"""
