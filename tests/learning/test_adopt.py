"""What the lab made enters the shop's gate."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from commerce_ai import lab
from commerce_ai.learning import runs
from commerce_ai.learning.adopt import AdoptError, adopt
from commerce_ai.learning.learner import NotEnoughData
from commerce_ai.learning.live import live
from commerce_ai.learning.models import Version
from tests.learning import toy


@pytest.fixture
def made(shop, tmp_path):
    """Fits in the lab on the shop's own rows; returns the artifact folder."""

    def _made(name: str = "out", **params):
        frames = toy.Toy().frames(shop, type("Window", (), {"end": "2100-01-01T00:00Z"}))
        return lab.fit("toy.mean", frames, artifact=tmp_path / name, params=params).folder

    return _made


def test_a_lab_artifact_goes_live_through_the_gate_as_it_is(shop, made) -> None:
    folder = made(epochs=2)
    version = adopt(folder, shop)

    assert (version.state, version.origin, version.learner) == ("live", "lab", "toy.mean")
    assert version.params["epochs"] == 2 and version.trained_until is None and version.published_at
    assert version.reason.startswith("First version")
    (found,) = live(shop.pk, "dummy.rating")
    assert (found.artifact_folder / "learner.json").read_text() == (folder / "learner.json").read_text()


def test_it_has_to_win_even_with_the_live_recipe(shop, train, made) -> None:
    standing = train(params={"epochs": 2}).versions.get()
    worse = adopt(made(epochs=2, noise=0.5), shop)
    assert worse.state == "rejected" and "the live recipe on the same data" in worse.reason
    assert Version.objects.get(pk=standing.pk).state == "live"
    assert runs.promote(worse).state == "live"  # a person may know better


def test_what_is_live_from_the_lab_is_challenged_by_its_recipe_on_rows_it_may_have_seen(shop, train, made) -> None:
    adopted = adopt(made(noise=0.4), shop)
    assert train(params={"noise": 0.6}).state == "rejected"
    better = train(params={"noise": 0.0})
    assert better.state == "succeeded" and better.versions.get().replaced_id == adopted.pk


def test_and_as_it_is_on_rows_that_are_later_than_it(shop, train, made, monkeypatch) -> None:
    adopt(made(), shop)
    split = toy.Toy.split
    later = {"test_from": timezone.now() + timedelta(days=1)}
    monkeypatch.setattr(toy.Toy, "split", lambda self, frames: replace(split(self, frames), cuts=later))
    fitted = []
    fit = toy.Toy.fit
    monkeypatch.setattr(toy.Toy, "fit", lambda self, *args, **more: fitted.append(args[1]) or fit(self, *args, **more))
    train(params={"noise": 0.5})
    assert [each.noise for each in fitted] == [0.5]


def test_folders_that_are_no_artifacts_are_refused_in_words(shop, made, tmp_path) -> None:
    with pytest.raises(AdoptError, match=r"learner\.json is missing or damaged"):
        adopt(tmp_path, shop)
    folder = made()
    said = json.loads((folder / "learner.json").read_text())
    (folder / "learner.json").write_text(json.dumps({**said, "learner": "nobody.knows"}))
    with pytest.raises(AdoptError, match=r"nobody\.knows"):
        adopt(folder, shop)
    (folder / "learner.json").write_text(json.dumps(said))
    (folder / "model.pkl").write_bytes(b"")
    with pytest.raises(AdoptError, match=r"model\.pkl"):
        adopt(folder, shop)
    (folder / "toy.json").write_text("{")
    with pytest.raises(AdoptError, match="damaged"):
        adopt(folder, shop)
    assert not Version.objects.exists()


def test_a_shop_without_enough_facts_cannot_judge(toys, var, made) -> None:
    with pytest.raises(NotEnoughData):
        adopt(made(), toy.stock("poor", ratings=5))
