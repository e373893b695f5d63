"""What was answered and not kept is counted exactly once, whatever becomes of the process that answered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from commerce_ai.decisions import ledger, losses
from commerce_ai.decisions.ledger import Line, Writer
from commerce_ai.decisions.models import Loss
from commerce_ai.decisions.payload import Payload
from commerce_ai.decisions.record import NewDecision, new_decision_id, record
from commerce_ai.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "recommendation"


@pytest.fixture
def shop() -> Shop:
    return Shop.objects.create(slug="north", name="North")


def kept(shop: Shop) -> UUID:
    decision = NewDecision(shop_id=shop.pk, plugin=PLUGIN, kind="recommendations", payload=Payload())
    assert record(decision).stored
    return decision.decision_id


def age_all(seconds: float) -> None:
    for path in losses.folder().iterdir():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


def lose(shop: Shop, plugin: str = PLUGIN) -> UUID:
    lost = new_decision_id()
    losses.count(shop.pk, plugin, lost, RuntimeError("away"))
    return lost


def test_each_loss_counts_once_however_often_it_is_settled(shop: Shop) -> None:
    first = {lose(shop), lose(shop)}
    assert losses.losses(shop.pk) == {PLUGIN: 2}
    first.add(lose(shop, "pricing"))
    for _ in range(2):
        losses._settled.clear()
        assert losses.losses(shop.pk) == {PLUGIN: 2, "pricing": 1}
    assert set(Loss.objects.of(shop).values_list("pk", flat=True)) == first
    assert len(list(losses.folder().iterdir())) == 1  # this process may have more to say


def test_what_a_killed_process_noted_is_counted_and_its_file_goes(shop: Shop) -> None:
    code = (
        "import os, signal, sys\nfrom uuid import UUID\nfrom pathlib import Path\n"
        "from commerce_ai.decisions.ledger import *\n"
        "writer = Writer(Path(sys.argv[1]))\n"
        "for each in sys.argv[3:]:\n"
        "    writer.write(Line(LOST, int(sys.argv[2]), 'fraud', UUID(each)))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    there, gone = kept(shop), [new_decision_id() for _ in range(3)]
    command = [sys.executable, "-c", code, losses.folder(), shop.pk, there, *gone]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -9
    assert losses.losses(shop.pk) == {"fraud": 3}
    assert set(Loss.objects.of(shop).values_list("pk", flat=True)) == set(gone)
    assert not list(losses.folder().iterdir())


def test_a_late_one_is_open_until_its_process_tells_or_is_long_gone(shop: Shop) -> None:
    told, untold, saved = new_decision_id(), new_decision_id(), kept(shop)
    losses.tell(shop.pk, PLUGIN, saved, None)  # heard of before it was expected
    for each in (told, untold, saved):
        losses.expect(shop.pk, PLUGIN, each)
    assert losses.losses(shop.pk) == {} and not losses.settle()
    losses.tell(shop.pk, PLUGIN, told, RuntimeError("cancelled"))
    assert losses.losses(shop.pk) == {PLUGIN: 1}
    age_all(100)
    assert losses.losses(shop.pk) == {PLUGIN: 1}, "its process lives"
    losses._writer().close()
    age_all(-100)
    assert losses.losses(shop.pk) == {PLUGIN: 1}, "its process is gone, but not for long"
    age_all(100)
    assert losses.losses(shop.pk) == {PLUGIN: 2} and losses.settle()
    assert not list(losses.folder().iterdir())


def test_a_settlement_that_is_undone_settled_nothing(shop: Shop) -> None:
    lose(shop)
    losses._writer().close()
    with pytest.raises(RuntimeError), transaction.atomic():
        assert losses.losses(shop.pk) == {PLUGIN: 1}
        raise RuntimeError
    assert not Loss.objects.of(shop).exists()
    assert losses.losses(shop.pk) == {PLUGIN: 1}


def test_a_shop_that_is_gone_has_no_losses(shop: Shop) -> None:
    number = shop.pk
    lose(shop)
    shop.delete()
    assert losses.losses(number) == {} and losses.settle()


def test_a_full_file_is_followed_by_another(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_BYTES", 150)
    for _ in range(9):
        lose(shop)
    assert len(list(losses.folder().iterdir())) == 3
    assert losses.losses(shop.pk) == {PLUGIN: 9}
    assert len(list(losses.folder().iterdir())) == 1


def test_half_a_line_spoils_no_other(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    writer, write = Writer(tmp_path), os.write
    line = Line(ledger.LOST, shop.pk, PLUGIN, new_decision_id())
    with monkeypatch.context() as patch:
        patch.setattr(ledger.os, "write", lambda file, text: write(file, text[:5]))
        with pytest.raises(OSError, match="full"):
            writer.write(line)
    writer.write(line)
    assert [each for found in ledger.ledgers(tmp_path) for each in found.lines] == [line]
    writer.close()


def test_a_disk_that_takes_nothing_raises_nothing(shop: Shop, monkeypatch: Any) -> None:
    def full(*_: object) -> None:
        raise OSError("full")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", full)
        lose(shop)
    assert losses.losses(shop.pk) == {}


def test_a_line_that_is_none_keeps_no_other_from_being_counted(shop: Shop) -> None:
    """As a power cut leaves it: blocks of nothing in the middle of a file."""
    lose(shop)
    losses._writer().close()
    (path,) = losses.folder().iterdir()
    said = path.read_bytes()
    path.write_bytes(said + b"\0" * 80 + b"\n- 1 fraud\n- x fraud y\n\xff \xff \xff \xff\n" + said)
    assert losses.losses(shop.pk) == {PLUGIN: 1}
