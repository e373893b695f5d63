"""Trees as files: what was trained is what answers, on one thread, from many threads."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from commerce_ai.learning import boosters


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 3)).astype(np.float32)
    x[::17, 1] = np.nan
    return x, (x[:, 0] + np.nan_to_num(x[:, 1]) + random.normal(size=400) > 0).astype(int)


@pytest.fixture(scope="module")
def trained(data):
    import xgboost

    matrix = xgboost.DMatrix(data[0], data[1])
    return xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_depth": 3}, matrix, 20)


def test_what_was_saved_answers_the_same(data, trained, tmp_path):
    import xgboost

    boosters.save(trained, tmp_path / "trees.ubj")
    loaded = boosters.load(tmp_path / "trees.ubj")
    np.testing.assert_array_equal(boosters.answer(loaded, data[0]), trained.predict(xgboost.DMatrix(data[0])))
    assert '"nthread":"1"' in loaded.save_config()


def test_what_each_feature_adds_sums_to_the_margin(data, trained, tmp_path):
    boosters.save(trained, tmp_path / "trees.ubj")
    loaded = boosters.load(tmp_path / "trees.ubj")
    added = boosters.contributions(loaded, data[0])
    assert added.shape == (400, 4)
    np.testing.assert_allclose(added.sum(axis=1), boosters.answer(loaded, data[0], margin=True), atol=1e-4)


def test_a_wrapper_that_stopped_early_is_saved_up_to_its_best_round(data, tmp_path):
    import xgboost

    x, y = data
    model = xgboost.XGBClassifier(n_estimators=300, learning_rate=0.5, early_stopping_rounds=3, n_jobs=1)
    model.fit(x[:200], y[:200], eval_set=[(x[200:], y[200:])], verbose=False)
    assert model.get_booster().num_boosted_rounds() > model.best_iteration + 1
    boosters.save(model, tmp_path / "trees.ubj")
    loaded = boosters.load(tmp_path / "trees.ubj")
    assert loaded.num_boosted_rounds() == model.best_iteration + 1
    np.testing.assert_allclose(boosters.answer(loaded, x), model.predict_proba(x)[:, 1], atol=1e-6)


def test_many_threads_get_what_one_gets(data, trained, tmp_path):
    boosters.save(trained, tmp_path / "trees.ubj")
    loaded = boosters.load(tmp_path / "trees.ubj")
    whole = boosters.answer(loaded, data[0])
    with ThreadPoolExecutor(8) as pool:
        single = list(pool.map(lambda row: boosters.answer(loaded, data[0][row : row + 1])[0], range(400)))
    np.testing.assert_array_equal(single, whole)


def test_other_names_missing_files_and_broken_files_are_refused(trained, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.ubj"):
        boosters.save(trained, tmp_path / "trees.json")
    with pytest.raises(FileNotFoundError, match="no such file"):
        boosters.load(tmp_path / "none.ubj")
    (tmp_path / "broken.ubj").write_bytes(b"no trees")
    with pytest.raises(ValueError, match=r"broken\.ubj: no trees"):
        boosters.load(tmp_path / "broken.ubj")


def test_importing_it_does_not_import_xgboost():
    code = "import sys, commerce_ai.learning.boosters; sys.exit('xgboost' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
