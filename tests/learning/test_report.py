"""A run's report: few writes, thinned curves, and the end is always written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from commerce_ai.learning import leases, runs
from commerce_ai.learning.curves import curves_of
from commerce_ai.learning.learner import Cancelled
from commerce_ai.learning.report import RunReport
from tests.learning import toy


@pytest.fixture
def run(shop):
    return leases.claim("test", runs.request_run(shop, "toy.mean", wake=False).pk)


def test_a_thousand_reports_cost_few_statements_and_the_last_is_written(run, django_assert_max_num_queries) -> None:
    report = RunReport(run)
    part = report.part("fit", 0.0, 0.5)
    with django_assert_max_num_queries(30):
        for step in range(1000):
            part(stage="epoch", progress=step / 999, step=step, loss=1.0 / (step + 1))
        report.close()

    run.refresh_from_db()
    assert (run.stage, run.progress) == ("fit: epoch", 0.5)
    assert curves_of(run)["fit/loss"][-1] == (999, 0.001)


def test_long_curves_are_thinned_and_keep_their_end(run) -> None:
    report = RunReport(run)
    for step in range(20_000):
        report.points(step, {"loss": float(step)})
    report.close()

    assert run.points.count() < 6_000
    drawn = curves_of(run)["loss"]
    assert len(drawn) <= 501 and drawn[0] == (0, 0.0) and drawn[-1] == (19_999, 19_999.0)
    assert [step for step, _value in drawn] == sorted(step for step, _value in drawn)


def test_figures_that_are_no_numbers_are_not_drawn(run) -> None:
    report = RunReport(run)
    report(step=0, loss=float("nan"))
    report(step=1, loss=2.0)
    report.close()
    assert curves_of(run)["loss"] == [(1, 2.0)]


def test_it_raises_when_cancelled_and_when_the_lease_is_lost(run, monkeypatch) -> None:
    monkeypatch.setattr("commerce_ai.learning.report.EVERY_S", 0.0)
    report = RunReport(run)
    report(progress=0.1)
    runs.cancel(run)
    with pytest.raises(Cancelled, match="Cancelled"):
        report(progress=0.2)
    type(run).objects.filter(pk=run.pk).update(claim="00000000-0000-0000-0000-000000000000")
    with pytest.raises(Cancelled, match="lease was lost"):
        report(progress=0.3)
    report.close()


def test_parts_have_their_own_checkpoints_and_strangers_are_removed(run) -> None:
    report = RunReport(run)
    fit, refit = report.part("fit", 0, 0.5), report.part("refit", 0.5, 1)
    (fit.checkpoint_folder() / "epoch.json").write_text("1")
    assert not list(refit.checkpoint_folder().iterdir())
    assert (report.part("fit", 0, 0.5).checkpoint_folder() / "epoch.json").exists()

    # The same number in another database is another run.
    run.queued_at = run.queued_at.replace(year=2001)
    assert not list(RunReport(run).part("fit", 0, 0.5).checkpoint_folder().iterdir())


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_for_a_moment_is_waited_for(toys, var, monkeypatch) -> None:
    monkeypatch.setattr("commerce_ai.learning.report.EVERY_S", 0.0)
    run = leases.claim("test", runs.request_run(toy.stock(), "toy.mean", wake=False).pk)
    report = RunReport(run)
    report(step=0, loss=1.0)
    _end_connection()
    report(step=1, loss=0.5, progress=0.5)
    report(step=2, loss=0.2)
    report.close()

    run.refresh_from_db()
    assert run.progress == 0.5 and curves_of(run)["loss"] == [(0, 1.0), (1, 0.5), (2, 0.2)]


def _end_connection() -> None:
    """End this thread's server process, as a restart of Postgres does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(end).result()
