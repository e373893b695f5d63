"""The trainer with real child processes: killed, cancelled, late, orphaned, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from commerce_ai.learning import artifacts, leases, runs, trainer
from commerce_ai.learning.models import Run, Version
from tests.learning import toy

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("process"), pytest.mark.django_db(transaction=True)]
LEARNER = "toy.many"


@pytest.fixture
def shop(transactional_db, toys):
    return toy.stock()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(trainer, "CANCEL_GRACE_S", 0.3)
    monkeypatch.setattr(trainer, "KILL_GRACE_S", 0.5)
    trainer.stopping.clear()
    yield
    trainer.stopping.clear()


def queue(shop, **params) -> Run:
    run = runs.request_run(shop, LEARNER, params, wake=False, time_limit_s=60)
    shutil.rmtree(leases.folder_of(run), ignore_errors=True)
    return run


def meanwhile(run: Run, ready: Callable[[Run], bool], act: Callable[[Run], object]) -> threading.Thread:
    """Act on the run from another thread as soon as it is ready, while this one supervises it."""

    def wait() -> None:
        try:
            act(wait_for(run, ready))
        finally:
            connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def wait_for(run: Run, ready: Callable[[Run], bool], seconds: float = 30) -> Run:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run = Run.objects.get(pk=run.pk)
        if ready(run):
            return run
        time.sleep(0.05)
    raise AssertionError(f"{run} is {run.state} at {run.stage!r} {run.progress}: {run.reason}")


def fitting(run: Run) -> bool:
    return run.stage.startswith("fit")


def test_it_trains_what_is_queued_in_processes_of_their_own_and_stops_when_nothing_is_left(shop) -> None:
    queued = [queue(shop), queue(shop, fail="broken")]
    assert trainer.work() == 2

    good, bad = (Run.objects.get(pk=run.pk) for run in queued)
    assert (good.state, good.attempts, good.claim) == ("succeeded", 1, None)
    assert good.worker == leases.name_of_this_process() and good.points.exists()
    assert (bad.state, bad.reason) == ("failed", "ValueError: broken")
    assert not (leases.folder_of(good) / "checkpoints").exists()


def test_a_killed_child_is_tried_again_and_resumes_from_its_checkpoint(shop) -> None:
    run = queue(shop, epochs=6, die_at=4)
    assert trainer.work() == 2

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 2)
    errors = list(run.log.filter(level="error").values_list("text", flat=True))
    assert len(errors) == 1 and "the toy kills itself" in errors[0]
    # Epochs 0 to 3 were learned by the attempt that died, 4 and 5 by the second.
    attempts = run.points.filter(name="fit/loss").order_by("id").values_list("step", flat=True)
    assert list(attempts)[-2:] == [4, 5] and list(attempts).count(0) <= 1
    assert Version.objects.get(run=run).state == "live"


def test_a_run_that_always_kills_its_process_fails_when_its_attempts_are_spent(shop) -> None:
    run = runs.request_run(shop, LEARNER, {"die_at": 0, "die_always": True}, max_attempts=1, wake=False)
    assert trainer.work() == 1
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("failed", 1)
    assert run.reason == "The training process died (SIGKILL). It was tried once."


def test_cancel_reaches_a_child_that_reports_and_one_that_never_does(shop) -> None:
    talking, silent = queue(shop, epochs=500, pause_s=0.02), queue(shop, epochs=1, pause_s=600)
    threads = [meanwhile(run, fitting, runs.cancel) for run in (talking, silent)]
    started = time.monotonic()
    assert trainer.work() == 2
    for thread in threads:
        thread.join()

    for run in (talking, silent):
        run.refresh_from_db()
        assert (run.state, run.reason) == ("cancelled", "Cancelled.")
        assert run.ended_at and run.seconds and run.claim is None
    assert time.monotonic() - started < 30 and not Version.objects.exists()


def test_a_run_that_takes_too_long_is_ended(shop) -> None:
    run = runs.request_run(shop, LEARNER, {"epochs": 1, "pause_s": 600}, time_limit_s=1, wake=False)
    assert trainer.work() == 1
    run.refresh_from_db()
    assert (run.state, run.reason) == ("failed", "It took longer than its limit of 1 seconds.")


def test_a_stopped_trainer_gives_its_run_back_without_spending_an_attempt(shop) -> None:
    run = queue(shop, epochs=500, pause_s=0.02)
    thread = meanwhile(run, fitting, lambda _run: trainer.stopping.set())
    assert trainer.work() == 1
    thread.join()
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("queued", 0) and "stopped" in run.reason


def test_a_child_does_not_outlive_a_killed_trainer_and_the_reaper_queues_its_run(shop) -> None:
    run = queue(shop, epochs=500, pause_s=0.05)
    code = "import django; django.setup(); from commerce_ai.learning import trainer; trainer.work()"
    killed = subprocess.Popen([sys.executable, "-c", code], cwd=str(toy.__file__.rsplit("/tests/", 1)[0]))
    try:
        running = wait_for(run, fitting)
        children = [int(pid) for pid in Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()]
        assert len(children) == 1 and running.lease_until is not None
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    deadline = time.monotonic() + 10
    while _lives(children[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(children[0])

    Run.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00Z")
    assert leases.reap() == (1, 0)
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("queued", 1)


def test_a_celery_worker_is_woken_trains_and_gives_back_what_it_was_at_when_stopped(shop) -> None:
    from commerce_ai.learning import tasks

    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "--app", "commerce_ai.celery:app", "worker", "--pool", "solo",
         "--queues", f"{os.environ['QUEUE_PREFIX']}training", "--loglevel", "WARNING", "--hostname", "trainer@test",
         "--without-gossip", "--without-mingle"],
        env={**os.environ, "COMMERCE_AI_PROCESS": "trainer"},
    )  # fmt: skip
    try:
        first = queue(shop)
        tasks.wake_trainers()
        wait_for(first, lambda run: run.state == "succeeded")
        # A queued run needs no message: where Redis lost it, the next look finds the run.
        second = queue(shop, epochs=500, pause_s=0.05)
        wait_for(second, fitting)
        # The message was acked at once: nothing is left that Redis would deliver again to somebody.
        assert redis.Redis.from_url(settings.REDIS_URL).hlen(f"{settings.QUEUE_PREFIX}unacked") == 0
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()
    second.refresh_from_db()
    assert (second.state, second.attempts) == ("queued", 0)


def test_train_in_the_foreground(shop, capsys) -> None:
    call_command("train", LEARNER, "--shop", "toys", "--set", "epochs=2")
    assert "succeeded after" in capsys.readouterr().out
    version = Version.objects.get()
    assert version.params["epochs"] == 2 and artifacts.fetch(version).is_dir()
    with pytest.raises(CommandError, match="ValueError: broken"):
        call_command("train", LEARNER, "--shop", "toys", "--set", "fail=broken")
    with pytest.raises(CommandError, match="there are: toys"):
        call_command("train", LEARNER, "--shop", "nowhere")
    with pytest.raises(CommandError, match=r"toy\.many"):
        call_command("train", "toy.manny", "--shop", "toys")
    with pytest.raises(CommandError, match="there is no parameter"):
        call_command("train", LEARNER, "--shop", "toys", "--set", "epoch=2")
    queued = queue(shop)
    call_command("train", str(queued.pk))
    with pytest.raises(CommandError, match="is not queued"):
        call_command("train", str(queued.pk))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
