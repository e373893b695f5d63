import logging
import threading

import pytest
from django.db import OperationalError, transaction

from commerce_ai.shop import revision
from commerce_ai.shop.models import Revision
from commerce_ai.shop.revision import Refresher, Warm, bump, refresher
from tests.factories import ShopFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    return ShopFactory()


class Counting:
    """Loads a number that rises with each load."""

    def __init__(self):
        self.loads = []

    def __call__(self, shop_id):
        self.loads.append(shop_id)
        return len(self.loads)


def test_bumps_count_up_per_shop_and_topic(shop):
    for _ in range(3):
        bump("catalogue", shop)
    bump("catalogue", shop.pk)
    bump("keys")
    bump("keys")
    assert Revision.objects.get(shop=shop, topic="catalogue").n == 4
    assert Revision.objects.get(shop=None, topic="keys").n == 2


def test_a_warm_value_is_loaded_once_and_again_after_a_bump(shop, django_assert_num_queries):
    load = Counting()
    warm = Warm("catalogue", load)
    assert warm.get(shop.pk) == 1
    with django_assert_num_queries(0):
        assert warm.get(shop.pk) == 1
    refresher.poll()
    assert load.loads == [shop.pk]
    bump("catalogue", shop)
    assert warm.get(shop.pk) == 1, "until the next poll the old one answers"
    refresher.poll()
    assert warm.get(shop.pk) == 2
    refresher.poll()
    assert load.loads == [shop.pk] * 2


def test_only_what_moved_is_loaded_again(shop):
    other = ShopFactory()
    catalogue, keys = Counting(), Counting()
    warm_catalogue, warm_keys = Warm("catalogue", catalogue), Warm("keys", keys)
    for shop_id in (shop.pk, other.pk):
        warm_catalogue.get(shop_id)
        warm_keys.get(shop_id)
    bump("catalogue", shop)
    refresher.poll()
    assert catalogue.loads == [shop.pk, other.pk, shop.pk]
    assert keys.loads == [shop.pk, other.pk]
    bump("catalogue")
    refresher.poll()
    assert sorted(catalogue.loads[3:]) == [shop.pk, other.pk]


@pytest.mark.parametrize("key", [None, 0])
def test_a_value_of_the_install_moves_with_every_shop(shop, key):
    load = Counting()
    warm = Warm("keys", load)
    assert warm.get(key) == 1
    bump("keys", shop)
    refresher.poll()
    assert warm.get(key) == 2
    bump("keys")
    refresher.poll()
    assert warm.get(key) == 3


def test_what_is_rolled_back_moves_nothing(shop):
    load = Counting()
    warm = Warm("catalogue", load)
    bump("catalogue", shop)
    warm.get(shop.pk)
    with transaction.atomic():
        bump("catalogue", shop)
        transaction.set_rollback(True)
    refresher.poll()
    assert warm.get(shop.pk) == 1


def test_what_was_loaded_inside_a_transaction_that_failed_is_loaded_again(shop):
    load = Counting()
    warm = Warm("catalogue", load)
    with transaction.atomic():
        bump("catalogue", shop)
        warm.get(shop.pk)
        transaction.set_rollback(True)
    refresher.poll()
    assert warm.get(shop.pk) == 2


def test_a_move_while_loading_is_not_missed(shop):
    loads = []

    def load(shop_id):
        loads.append(Revision.objects.filter(topic="catalogue").count())
        bump("catalogue", shop_id)  # somebody writes after we have read
        return len(loads)

    warm = Warm("catalogue", load)
    warm.get(shop.pk)
    refresher.poll()
    assert warm.get(shop.pk) == 2


def test_reload_makes_the_next_from_the_last(shop):
    warm = Warm("catalogue", lambda shop_id: [shop_id], reload=lambda shop_id, old: [*old, "again"])
    warm.get(shop.pk)
    bump("catalogue", shop)
    refresher.poll()
    assert warm.get(shop.pk) == [shop.pk, "again"]


def test_a_failing_load_leaves_the_old_one_answering_and_is_tried_again(shop, caplog):
    answers = [1, ValueError("broken"), ValueError("broken"), 2]

    def load(shop_id):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    warm = Warm("catalogue", load)
    warm.get(shop.pk)
    bump("catalogue", shop)
    with caplog.at_level(logging.ERROR):
        refresher.poll()
        refresher.poll()
    assert warm.get(shop.pk) == 1
    assert len(caplog.records) == 1
    refresher.poll()
    assert warm.get(shop.pk) == 2


def test_a_failing_first_load_is_the_callers_to_see(shop):
    warm = Warm("catalogue", _fail)
    with pytest.raises(ValueError, match="broken"):
        warm.get(shop.pk)


def _fail(shop_id):
    raise ValueError("broken")


def test_the_least_used_are_let_go_above_the_limit():
    load = Counting()
    warm = Warm("versions", load, size=lambda value: 10, limit=25)
    for shop_id in (1, 2, 1, 3, 1):
        warm.get(shop_id)
    assert load.loads == [1, 2, 3]
    warm.get(2)
    assert load.loads == [1, 2, 3, 2]


def test_one_above_the_limit_alone_still_answers():
    load = Counting()
    warm = Warm("versions", load, size=lambda value: 10, limit=5)
    assert [warm.get(1), warm.get(1), warm.get(2), warm.get(2)] == [1, 1, 2, 2]


def test_listeners_hear_of_each_move_once(shop):
    heard, own = [], Refresher()
    own.on("versions", heard.append)
    own.poll()
    bump("versions", shop)
    bump("versions", shop)
    bump("switches", shop)
    own.poll()
    own.poll()
    assert heard == [shop.pk]
    bump("versions")
    own.poll()
    assert heard == [shop.pk, None]


def test_a_listener_that_fails_hears_again(shop, caplog):
    heard, own = [], Refresher()

    def listen(shop_id):
        heard.append(shop_id)
        if len(heard) == 1:
            raise ValueError("broken")

    own.on("versions", listen)
    bump("versions", shop)
    own.poll()
    own.poll()
    own.poll()
    assert heard == [shop.pk, shop.pk]


def test_forgetting_everything_loads_anew(shop):
    load = Counting()
    warm = Warm("catalogue", load)
    warm.get(shop.pk)
    revision.forget_everything()
    assert warm.get(shop.pk) == 2


class TestThread:
    """The thread itself, with readings of ours."""

    def run(self, monkeypatch, readings, caplog):
        own, done = Refresher(every_s=0.01), threading.Event()
        answers = iter(readings)

        def read(topic=None):
            answer = next(answers, None)
            if answer is None:
                done.set()
                return {}
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(revision, "_read", read)
        monkeypatch.setattr(revision, "_LONGEST_PAUSE_S", 0.02)
        heard = []
        own.on("versions", heard.append)
        with caplog.at_level(logging.WARNING):
            own.ensure_started()
            own.ensure_started()
            assert done.wait(5)
            own.stop()
        return heard

    def test_it_survives_a_restart_of_the_database_and_says_so_once(self, monkeypatch, caplog):
        gone = [OperationalError("the connection was lost")] * 4
        heard = self.run(monkeypatch, [{("versions", 1): 1}, *gone, {("versions", 1): 2}], caplog)
        assert heard[:2] == [1, 1]
        messages = [record.message for record in caplog.records]
        assert len(messages) == 2
        assert "goes on answering" in messages[0]
        assert "again" in messages[1]

    def test_it_survives_any_other_failure(self, monkeypatch, caplog):
        assert self.run(monkeypatch, [ValueError("odd"), {("versions", 1): 1}], caplog)[0] == 1


@pytest.mark.django_db(transaction=True)
def test_the_thread_reads_what_another_connection_committed():
    shop, loaded = ShopFactory(), threading.Event()

    def reload(shop_id, old):
        loaded.set()
        return old + 1

    warm = Warm("catalogue", lambda shop_id: 1, reload=reload)
    warm.get(shop.pk)
    own = Refresher(every_s=0.02)
    own.ensure_started()
    try:
        bump("catalogue", shop)
        assert loaded.wait(5)
    finally:
        own.stop()
    assert warm.get(shop.pk) == 2
