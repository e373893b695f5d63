"""Token buckets: exact under any number of threads, one for each key and address, open where Redis is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis
from django.test import RequestFactory, override_settings

from commerce_ai.api import limits
from commerce_ai.api.callers import Caller
from commerce_ai.api.errors import ApiError

pytestmark = pytest.mark.usefixtures("db")
get = RequestFactory().get


def a_caller(key_id: int = 1, **limit: float | None) -> Caller:
    return Caller(1, key_id, "publishable", frozenset(), **{"rate_per_s": 0.001, "burst": 5, **limit})  # type: ignore[arg-type]


def passed(caller: Caller, times: int, address: str = "10.0.0.1", cost: int = 1) -> int:
    count = 0
    for _ in range(times):
        try:
            limits.check(caller, get("/", REMOTE_ADDR=address), cost)
        except ApiError as error:
            assert error.status == 429
        else:
            count += 1
    return count


def test_as_many_as_the_bucket_holds_pass() -> None:
    assert passed(a_caller(), 8) == 5
    assert passed(a_caller(2), 8) == 5


def test_threads_together_get_no_more() -> None:
    caller, found = a_caller(burst=50), []

    def work() -> None:
        found.append(passed(caller, 20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(found) == 50


def test_tokens_come_back_with_time() -> None:
    caller = a_caller(rate_per_s=1000.0, burst=2)
    assert passed(caller, 2) == 2
    threading.Event().wait(0.05)
    assert passed(caller, 1) == 1


def test_a_refusal_says_when_to_try_again() -> None:
    caller = a_caller(rate_per_s=0.5, burst=1)
    assert passed(caller, 1) == 1
    with pytest.raises(ApiError) as raised:
        limits.check(caller, get("/"))
    assert raised.value.code == "rate_limited" and raised.value.headers["Retry-After"] == "2"


def test_a_refusal_takes_nothing_from_the_other_bucket() -> None:
    caller = a_caller(burst=6, ip_rate_per_s=0.001, ip_burst=2)
    assert passed(caller, 4, "10.0.0.1") == 2
    assert passed(caller, 4, "10.0.0.2") == 2
    assert passed(caller, 4, "10.0.0.3") == 2
    assert passed(caller, 4, "10.0.0.4") == 0


def test_a_cost_above_the_bucket_passes_when_it_is_full() -> None:
    caller = a_caller(burst=5)
    assert passed(caller, 1, cost=50) == 1
    assert passed(caller, 1) == 0


def test_a_fast_bucket_is_asked_rarely_and_gives_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens taken ahead: few round trips, and together with what came back meanwhile never more than there were."""
    asked, plain = [], limits._ask
    monkeypatch.setattr(limits, "_ask", lambda *rest: asked.append(1) or plain(*rest))
    caller = a_caller(rate_per_s=400.0, burst=200)
    started = time.monotonic()
    count = passed(caller, 150)
    assert count == 150 and len(asked) <= 10
    while time.monotonic() - started < 0.5:
        count += passed(caller, 10)
    assert count <= 200 + 400 * (time.monotonic() - started)


def test_tokens_taken_ahead_are_not_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PURSE_LIVES_S", 0.0)
    assert passed(a_caller(rate_per_s=100.0, burst=50), 30) < 30  # each one took five, and lost four


def test_what_a_refusal_did_not_use_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = a_caller(rate_per_s=100.0, burst=100, ip_rate_per_s=0.001, ip_burst=3)
    assert passed(caller, 20, "10.0.0.1") == 3
    assert sum(passed(caller, 3, f"10.0.1.{n}") for n in range(25)) == 75


def test_no_limit_is_no_limit() -> None:
    assert passed(a_caller(rate_per_s=None), 300) == 300


@override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_behind_a_proxy_the_address_that_the_proxy_saw_counts() -> None:
    request = get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "1.1.1.1, 2.2.2.2"})
    assert limits.address_of(request) == "2.2.2.2"


def test_without_a_proxy_nobody_chooses_their_address() -> None:
    request = get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "1.1.1.1"})
    assert limits.address_of(request) == "10.0.0.1"


def test_redis_holds_no_address_and_forgets() -> None:
    passed(a_caller(ip_rate_per_s=10.0), 1, "203.0.113.77")
    keys = [key for key in limits.client().keys("*") if b"limit:" in key]
    assert len(keys) == 2 and not any(b"203.0.113.77" in key for key in keys)
    assert all(limits.client().pttl(key) > 0 for key in keys)


@dataclass
class Gone:
    asked: int = field(default=0)

    def evalsha(self, *_: object) -> int:
        self.asked += 1
        raise redis.ConnectionError("gone")


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gone]:
    absent = Gone()
    monkeypatch.setattr(limits, "client", lambda: absent)
    yield absent


def test_without_redis_requests_pass_and_are_counted(gone: Gone, caplog: pytest.LogCaptureFixture) -> None:
    assert passed(a_caller(burst=1), 10) == 10
    assert limits.let_through() == 10
    assert gone.asked == 1  # and then not again for a second, so that nobody waits for it
    assert len([record for record in caplog.records if "without limits" in record.message]) == 1


def test_redis_is_used_again_when_it_is_back(gone: Gone, monkeypatch: pytest.MonkeyPatch) -> None:
    assert passed(a_caller(burst=1), 3) == 3
    monkeypatch.undo()
    monkeypatch.setattr(limits._breaker, "_until", 0.0)
    assert passed(a_caller(burst=1), 3) == 1


def test_a_redis_that_lost_its_scripts_is_served() -> None:
    limits.client().script_flush()
    assert passed(a_caller(burst=2), 3) == 2
