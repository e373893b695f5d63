"""`manage.py load`: what it prints, how it exits, and that a killed load leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from commerce_ai.ingest.models import FileLoad, QuarantineRow
from commerce_ai.shop.models import Order, Product, Shop

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command("load", *map(str, arguments), stdout=out, **options)
    return out.getvalue()


def refused(*arguments: Any) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def products_csv(tmp_path: Path) -> Path:
    path = tmp_path / "products.csv"
    rows = [f"p{n},Mug {n},{n}.50" for n in range(10)]
    path.write_text("\n".join(["external_id,title,price", *rows, rows[0], 'p99,Cup,"1,99"']) + "\n")
    return path


def test_the_report_says_what_was_done(shop: Shop, products_csv: Path) -> None:
    said = run("csv", products_csv, "--table", "products", "--shop", shop.slug)
    assert "Cleaning report: products.csv" in said
    assert "rows that repeat another one" in said
    assert "12 rows read = 10 loaded + 1 duplicates + 0 left out + 1 in quarantine" in " ".join(said.split())
    assert "peak memory" in said
    assert "rows/s" in said
    load = FileLoad.objects.of(shop).get()
    assert {each["code"] for each in load.report.findings} == {"duplicate_rows", "rejected"}
    assert QuarantineRow.objects.of(shop).get().load == load
    assert "nothing to do" in " ".join(run("csv", products_csv, "--table", "products", "--shop", shop.slug).split())


def test_a_shop_is_made_when_asked_for(db: None, products_csv: Path) -> None:
    assert "no shop “new”" in refused("csv", products_csv, "--table", "products", "--shop", "new")
    run(
        "csv",
        products_csv,
        "--table",
        "products",
        "--shop",
        "new",
        "--create",
        "--name",
        "New",
        "--timezone",
        "Asia/Tokyo",
    )
    shop = Shop.objects.get(slug="new")
    assert (shop.name, shop.currency, shop.timezone) == ("New", "GBP", "Asia/Tokyo")
    assert Product.objects.of(shop).count() == 10
    assert "three capital letters" in refused(
        "csv", products_csv, "--table", "products", "--shop", "other", "--create", "--currency", "pounds"
    ).lower() or not Shop.objects.filter(slug="other").exists()  # fmt: skip
    assert not Shop.objects.filter(slug="other").exists()


def test_a_refused_file_is_one_message_and_exit_status_two(shop: Shop, tmp_path: Path, products_csv: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("external_id,title\np1,Mug\np2\n")
    assert refused("csv", bad, "--table", "products", "--shop", shop.slug).startswith(
        "bad.csv, row 2, column “title”: "
    )
    assert "--table is needed" in refused("csv", products_csv, "--shop", shop.slug)
    assert "no such file" in refused("csv", tmp_path / "none", "--table", "products", "--shop", shop.slug)
    assert "load it as csv" in refused("parquet", products_csv, "--table", "products", "--shop", shop.slug)
    assert not Product.objects.of(shop).exists()


def _start(*arguments: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", str(ROOT / "manage.py"), "load", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.process
@pytest.mark.xdist_group("process")
def test_kill_in_the_middle_leaves_nothing_half_written(transactional_db: None, tmp_path: Path) -> None:
    shop = Shop.objects.create(slug="uk", name="UK", currency="GBP")
    path = tmp_path / "lines.csv"
    rows = [f"{n // 3},SKU{n % 50},MUG {n % 50},1,2010-06-01 10:00,1.50,{n % 20},France" for n in range(3000)]
    path.write_text("\n".join(["invoice,sku,description,quantity,timestamp,unit_price,customer_id,country", *rows]))
    with transaction.atomic():
        with connection.cursor() as cursor:
            # The load has written products, customers and orders when it comes to this table, and waits.
            cursor.execute("LOCK TABLE shop_orderline IN EXCLUSIVE MODE")
        process = _start("online-retail", path, "--shop", "uk")
        deadline = time.monotonic() + 120
        try:
            while not _blocked():
                assert process.poll() is None, process.communicate()[0].decode()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(30)
    for model in (Product, Order, FileLoad, QuarantineRow):
        assert not model.objects.of(shop).exists()
    left = Path(settings.VAR_DIR) / "loading"
    assert list(left.iterdir())
    done = _start("online-retail", path, "--shop", "uk")
    said = done.communicate(timeout=120)[0].decode()
    assert done.returncode == 0, said
    assert Order.objects.of(shop).count() == 1000
    assert not list(left.iterdir())
