"""A web process that has loaded everything live, and answered from it, has imported nothing that trains."""

from __future__ import annotations

import subprocess
import sys

import pytest

from commerce_ai.learning.models import Version
from tests.recommendation.conftest import COLLABORATIVE, POPULARITY

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("process")]

CODE = """
import sys
from commerce_ai.wsgi import application
from commerce_ai.api.callers import Subject
from commerce_ai.learning import live
from commerce_ai.learning.models import Version
from plugins.recommendation import service
from plugins.recommendation.answers import Request

live.load_all()
shop_id = Version.objects.values_list("shop_id", flat=True).first()
loaded = {each.learner.name for each in live.live(shop_id, "recommendation.candidates")}
answer = service.recommend(shop_id, Subject(anonymous_id="a1"), Request(n=5))
heavy = ("torch", "transformers", "xgboost", "sklearn", "scipy", "implicit", "pandas")
print(sorted(loaded), len(answer.items), answer.fallback, [name for name in heavy if name in sys.modules])
"""


@pytest.mark.parametrize("method", ["item_to_item", "als"])
def test_serving_imports_nothing_that_trains(transactional_db, shop, go_live, method):
    go_live(shop, COLLABORATIVE, method=method)
    go_live(shop, POPULARITY)
    assert Version.objects.of(shop).filter(state="live").count() == 2
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{sorted([COLLABORATIVE, POPULARITY])} 5 False []"
