"""How fast recommendations are served over HTTP, beside an empty Django view under the same server.

A shop of 100,000 products and 200,000 customers is made, the real learners are trained on its orders, and the web
process runs as `manage.py up` starts it, on an embedded pair of its own in a temporary folder. One address more than
usual answers ``{}``: it has the same server, settings and middleware, and nothing else.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commerce_ai.api.bench_load import Connection, closed_loop, open_loop, request_for

if TYPE_CHECKING:
    from commerce_ai.learning.bench import Bench

PRODUCTS, CUSTOMERS, ORDERS, VISITORS = 100_000, 200_000, 300_000, 20_000
CLIENTS, SECONDS, RATE = 4, 10.0, 200.0
LEARNER = "recommendation.collaborative"
# The learner's own defaults, said: choosing each on validation takes longer than all the rest.
RECIPE = (
    "method=als", "factors=64", "alpha=10", "regularization=10", "recency_half_life=5", "trend=0.25",
    "popularity_half_life_days=30", "neighbours=200",
)  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent.parent


def serving(bench: Bench) -> None:
    """Requests/s of both, the latency at 200 requests/s, and how soon a change acts."""
    cores = (
        f"{os.cpu_count()} cores shared by server, Postgres, Redis and clients; load before: {os.getloadavg()[0]:.1f}"
    )
    bench.note(f"{PRODUCTS:,} products, {CUSTOMERS:,} customers, {ORDERS:,} orders; {cores}")
    with _house(bench) as house:
        empty = [request_for("/empty", house.key)]
        asked = house.requests(random.Random(1))  # noqa: S311
        house.check(asked[:30])
        for name, requests in (("warming up", empty), ("warming up", asked)):
            bench.say(f"  {name}")
            closed_loop(house.port, requests, clients=CLIENTS, seconds=3)
        for seed in range(bench.seeds):
            rates = {}
            for name, requests in (("empty view", empty), ("recommendations", asked)):
                found = closed_loop(house.port, requests, clients=CLIENTS, seconds=SECONDS)
                rates[name] = len(found) / SECONDS
                bench.row(name, {"requests/s": rates[name], **_percentiles(found)}, seed=seed, clients=CLIENTS)
            bench.row(
                "share of the empty view", {"share": rates["recommendations"] / rates["empty view"]}, bar=">= 0.20"
            )
            for name, requests in (("empty view", empty), ("recommendations", asked)):
                found = open_loop(house.port, requests, rate=RATE, seconds=3 * SECONDS)
                bench.row(f"{name}, {RATE:.0f} requests/s", _percentiles(found), seed=seed, bar="p99 ms <= 10")
        for name, seconds in house.reactions().items():
            worst = max(seconds)
            bench.row(
                f"{name} acts after", {"worst s": worst, "best s": min(seconds)}, times=len(seconds), bar="<= 2 s"
            )
        bench.row("decisions lost", {"lost": house.lost()})


serving.needs_services = False  # type: ignore[attr-defined]
SUITES = {"serving": serving}


def _percentiles(latencies: Sequence[float]) -> dict[str, float]:
    ordered = sorted(latencies)
    at = {"p50 ms": 0.50, "p99 ms": 0.99, "p99.9 ms": 0.999}
    return {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 for name, share in at.items()}


class _House:
    """Services, a shop with trained versions, a key, and a web process."""

    def __init__(self, var: Path) -> None:
        from commerce_ai import embedded

        self.where = embedded.paths(var)
        self.port = _free_port()
        self.key = ""
        self.web: subprocess.Popen[bytes] | None = None
        self.log = (var.parent / "web.log").open("wb")
        (var.parent / "bench_site.py").write_text(_SITE)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")},
            "COMMERCE_AI_VAR": str(var), "DJANGO_SETTINGS_MODULE": "bench_site", "HTTPS": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(var.parent)]), "OPENBLAS_NUM_THREADS": "1",
        }  # fmt: skip

    def prepare(self, bench: Bench) -> None:
        bench.say("  making the shop")
        self._python("from django.core.management import call_command; call_command('migrate', verbosity=0)")
        sizes = (PRODUCTS, CUSTOMERS, ORDERS, VISITORS)
        self.key = self._python(f"from commerce_ai.api import bench_shop; print(bench_shop.make(*{sizes}))").strip()
        bench.say("  training")
        started = time.monotonic()
        said = self._python(
            "from django.core.management import call_command\n"
            f"call_command('train', '{LEARNER}', shop='bench', set={list(RECIPE)})"
        )
        bench.row("trained", {}, seconds=time.monotonic() - started, said=said.strip())
        self._start()

    def requests(self, draw: random.Random) -> list[bytes]:
        """A third known customers, a third visitors on a product's page, a third strangers at home."""
        paths = []
        for _ in range(2000):
            product, who = draw.randrange(PRODUCTS), draw.randrange(VISITORS)
            paths += [
                f"/api/v1/recommendations?placement=home&n=10&customer_id=c{draw.randrange(CUSTOMERS)}",
                f"/api/v1/recommendations?placement=product&n=10&product_id=p{product}&anonymous_id=v{who}",
                f"/api/v1/recommendations?placement=home&n=10&anonymous_id=new{draw.getrandbits(40)}",
            ]
        return [request_for(path, self.key) for path in paths]

    def check(self, requests: Sequence[bytes]) -> None:
        """Answers are answers: ten products each, kept as decisions, from a live version."""
        connection = Connection(self.port)
        kept = 0
        for request in requests:
            status, body = connection.ask(request)
            found = json.loads(body)
            if status != 200 or len(found["items"]) != 10 or found["version"] is None:
                raise RuntimeError(f"{request!r}: {status} {body[:500]!r}")
            kept += found["stored"]
        if kept < 0.9 * len(requests):  # the very first may come too late for a database that just started
            raise RuntimeError(f"only {kept} of {len(requests)} decisions were kept")

    def reactions(self) -> dict[str, list[float]]:
        asked = f"bench_shop.reactions({self.port}, {self.key!r})"
        return json.loads(
            self._python(f"import json; from commerce_ai.api import bench_shop; print(json.dumps({asked}))")
        )

    def lost(self) -> int:
        code = "from commerce_ai.decisions.losses import losses\nfrom commerce_ai.shop.models import Shop\n"
        return int(self._python(code + "print(sum(losses(Shop.objects.get(slug='bench').pk).values()))"))

    def _start(self) -> None:
        from commerce_ai.supervisor import commands

        self.web = subprocess.Popen(
            commands("127.0.0.1", self.port, CLIENTS)["web"], cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT,
            env={**self.environment, "COMMERCE_AI_PROCESS": "web", "WEB_THREADS": str(CLIENTS)},
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while True:
            try:
                if Connection(self.port).ask(request_for("/readyz", ""))[0] == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or self.web.poll() is not None:
                said = Path(self.log.name).read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the web process does not answer: {said}")
            time.sleep(0.2)

    def _python(self, code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"], env=self.environment, cwd=ROOT,
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return done.stdout


# The product's settings, and one address more.
_SITE = """
import sys
from django.http import HttpResponse
from django.urls import path
from commerce_ai.settings import *

ROOT_URLCONF = "bench_site.urls"

def empty(request):
    return HttpResponse(b"{}", content_type="application/json")

class urls:
    __name__ = "bench_site.urls"

    def __getattr__(self, name):
        from commerce_ai import urls as product
        return [path("empty", empty), *product.urlpatterns] if name == "urlpatterns" else getattr(product, name)

sys.modules["bench_site.urls"] = urls()
"""


@contextmanager
def _house(bench: Any) -> Iterator[_House]:
    from commerce_ai import embedded

    folder = Path(tempfile.mkdtemp(prefix="cai-bench-"))
    folder.chmod(0o755)
    house = _House(folder / "var")
    try:
        embedded.acquire(house.where)
        house.prepare(bench)
        yield house
    finally:
        if house.web is not None:
            house.web.terminate()
            house.web.wait(timeout=20)
        embedded.release(house.where)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
