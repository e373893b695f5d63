"""One embedded pair for the whole run; a migrated template database made once; each worker's made from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

# How long an example takes says something about the machine, not about the code.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def services() -> Iterator[None]:
    """The embedded Postgres and Redis under var/test; the last worker to finish stops them."""
    from django.conf import settings

    from commerce_ai import embedded

    embedded.acquire(settings.EMBEDDED, database=None)
    yield
    embedded.release(settings.EMBEDDED)


@pytest.fixture(scope="session")
def django_db_setup(services: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    from django.conf import settings
    from django.db import connections

    name = settings.DATABASES["default"]["NAME"]
    template = f"template_{_fingerprint_of_migrations()}"
    with _server() as server:
        # Held over migrating and copying: one worker migrates, the others wait and find it done.
        server.execute("SELECT pg_advisory_lock(4711)")
        found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate", [template]).fetchone()
        if not found:
            for (old,) in server.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'template\\_%'"
            ).fetchall():
                server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(old)))
                server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(old)))
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(template)))
            with django_db_blocker.unblock():
                _migrate(template)
            server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(template)))
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        server.execute("SELECT pg_advisory_unlock(4711)")
    with django_db_blocker.unblock():
        connections["default"].close()
    yield
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture(autouse=True)
def _clean_redis(request: pytest.FixtureRequest) -> None:
    """Counters and caches of one test are not seen by the next; process-wide warm state is dropped too."""
    wants_database = {"db", "transactional_db", "client"} & set(request.fixturenames)
    if not wants_database and request.node.get_closest_marker("django_db") is None:
        return
    import redis
    from django.conf import settings

    for database in (settings.REDIS_DB, settings.REDIS_DB + 1):
        redis.Redis(unix_socket_path=str(settings.EMBEDDED.redis_socket), db=database).flushdb()
    from commerce_ai.decisions import losses
    from commerce_ai.shop.revision import forget_everything

    forget_everything()
    losses.forget_all()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it are skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/data with real data sets is not here")
    return folder


def _server() -> psycopg.Connection:
    from django.conf import settings

    each = settings.DATABASES["default"]
    return psycopg.connect(host=each["HOST"], port=each["PORT"], user=each["USER"], dbname="postgres", autocommit=True)


def _migrate(database: str) -> None:
    from django.core.management import call_command
    from django.db import connection

    own = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = database
    try:
        call_command("migrate", verbosity=0, interactive=False)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = own


def _fingerprint_of_migrations() -> str:
    from django.conf import settings

    # Third parties' tables come and go with their packages, and the partitions of this month with the month.
    digest = hashlib.sha256(f"{settings.INSTALLED_APPS} {date.today():%Y-%m}".encode())
    for package in ("commerce_ai", "plugins", "tests"):
        for file in sorted((ROOT / package).rglob("migrations/*.py")):
            digest.update(str(file.relative_to(ROOT)).encode())
            digest.update(file.read_bytes())
    digest.update((ROOT / "commerce_ai" / "shop" / "partitions.py").read_bytes())
    digest.update((ROOT / "commerce_ai" / "jobs.py").read_bytes())  # whose jobs are made after migrating
    digest.update((ROOT / "constraints.txt").read_bytes())
    return digest.hexdigest()[:12]
