"""The learner on files: what it gives, what it is judged by, and what it says of bad rows."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from commerce_ai import lab
from commerce_ai.learning.learner import NotEnoughData, Silent
from plugins.pricing.learner import ElasticityLearner, ElasticityParams
from tests.pricing.frames import MONDAY, TRUE, sales

LINEAR = {"nuisance": "linear", "harmonics": 1}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "out"
    return folder, lab.fit("pricing.elasticity", {"sales": sales()}, artifact=folder, params=LINEAR)


def test_the_lab_gives_every_elasticity_without_being_asked(artifact, tmp_path):
    folder, fit = artifact
    assert fit.metrics["rmse_log_units"] < 0.8 * fit.baseline["rmse_log_units"]
    found = lab.predict(folder, {}, output=tmp_path / "e.csv")
    assert found.columns[:4] == ["product_id", "elasticity", "lower", "upper"]
    assert found["product_id"].to_list() == list(range(1, 9)) and found["product_id"].dtype == pl.Int64
    true = np.array([TRUE["tea"], TRUE["bread"]] * 4)
    assert np.abs(found["elasticity"].to_numpy() - true).max() < 0.5
    assert ((found["lower"] < found["elasticity"]) & (found["elasticity"] < found["upper"])).all()
    assert pl.read_csv(tmp_path / "e.csv").height == 8
    with pytest.raises(lab.LabError, match="no such frame"):
        lab.predict(folder, {"customers": pl.DataFrame({"customer_id": [1]})})


def test_text_ids_stores_and_week_numbers_are_kept(tmp_path):
    frame = sales(2, 60).with_columns(
        product_id="SKU-" + pl.col("product_id").cast(pl.String),
        period=((pl.col("period") - MONDAY).dt.total_days() // 7).cast(pl.Int64),
    )
    two = pl.concat([frame.with_columns(store_id=pl.lit("N")), frame.with_columns(
        store_id=pl.lit("S"), units=pl.col("units") * 3 + 1)])  # fmt: skip
    lab.fit("pricing.elasticity", {"sales": two}, artifact=tmp_path / "out", params=LINEAR)
    found = lab.predict(tmp_path / "out", {})
    assert found["product_id"].to_list() == ["SKU-1", "SKU-2"] and found["observations"].to_list() == [120, 120]
    later = two.tail(10).with_columns(store_id=pl.lit("new"), period=pl.col("period") + 60)
    result = lab.evaluate(tmp_path / "out", {"sales": later})
    assert np.isfinite(result.metrics["rmse_log_units"])


def test_the_metric_is_by_later_weeks_beside_the_products_mean():
    learner = ElasticityLearner()
    split = learner.split({"sales": sales(4, 70)})
    ends = [split.train["sales"]["period"].max(), split.validation["sales"]["period"].max()]
    assert ends[0] < split.validation["sales"]["period"].min() and ends[1] < split.test["sales"]["period"].min()
    assert split.test["sales"]["period"].n_unique() == 10
    fitted = learner.fit(split.train, ElasticityParams(nuisance="linear"), Silent(), validation=split.validation)
    assert fitted.params.harmonics in (0, 1, 2)


def test_levels_are_of_the_latest_weeks_over_all_stores():
    one = pl.DataFrame({
        "product_id": [1] * 40, "store_id": [1, 2] * 20, "period": np.repeat(np.arange(20), 2),
        "units": [10.0, 30.0] * 20, "price": np.repeat(np.tile([4.0, 5.0], 10), 2),
    })  # fmt: skip
    fitted = ElasticityLearner().fit({"sales": one}, ElasticityParams(harmonics=0, trend=False), Silent())
    assert fitted.arrays["level_units"].tolist() == [40.0] and fitted.arrays["highest_price"][0] == pytest.approx(5.0)
    assert 4.0 < fitted.arrays["level_price"][0] < 5.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"price": pl.lit(0.0)}, "'price', row 1: 0.0 is below"),
        ({"units": pl.lit(-1.0)}, "'units', row 1: -1.0 is below"),
        ({"period": pl.lit("soon")}, "'period', row 1: 'soon' is not a date"),
    ],
)
def test_bad_rows_are_named(change, words, tmp_path):
    with pytest.raises(lab.LabError) as caught:
        lab.fit("pricing.elasticity", {"sales": sales(2, 20).with_columns(**change)}, artifact=tmp_path / "out")
    assert words in str(caught.value)


def test_too_little_says_what_is_missing():
    learner = ElasticityLearner()
    with pytest.raises(NotEnoughData, match="needs at least 8 periods with sales; there are 7"):
        learner.split({"sales": sales(2, 7)})
    still = sales(2, 30).with_columns(price=pl.lit(5.0))
    with pytest.raises(NotEnoughData, match="needs at least 1 product whose price changed often enough; there are 0"):
        learner.fit({"sales": still}, ElasticityParams(), Silent())


def test_a_product_without_evidence_has_its_categorys(tmp_path):
    frame = sales(9, 80).with_columns(price=pl.when(pl.col("product_id") == 9).then(6.0).otherwise(pl.col("price")))
    learner = ElasticityLearner()
    fitted = learner.fit({"sales": frame}, ElasticityParams(**LINEAR), Silent())
    assert np.isnan(fitted.arrays["own"][8]) and fitted.arrays["elasticity"][8] == pytest.approx(-3.0, abs=0.5)
    assert fitted.arrays["sd"][8] > np.median(fitted.arrays["sd"][:8])
    learner.save(fitted, tmp_path)
    assert learner.load(tmp_path).pooled_with(8) == "tea"
    weights = learner.explain(learner.load(tmp_path))
    assert set(weights["feature"]) == {"promotion", "sine 1", "cosine 1", "trend"}


def test_a_rows_period_may_be_an_instant():
    frame = sales(2, 30).with_columns(pl.col("period").cast(pl.Datetime("us", "UTC")) + timedelta(hours=3))
    fitted = ElasticityLearner().fit({"sales": frame}, ElasticityParams(**LINEAR), Silent())
    assert np.isfinite(fitted.arrays["elasticity"]).all()


def test_serving_imports_nothing_that_fits():
    code = (
        "import django; django.setup()\n"
        "import sys, plugins.pricing.learner, plugins.pricing.service, plugins.pricing.api, plugins.pricing.admin\n"
        "sys.exit(' '.join({'econml', 'sklearn', 'scipy', 'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
