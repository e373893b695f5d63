"""Everything personal is in the register with purpose, basis and retention, and nothing slips past it."""

from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import models

from commerce_ai.ingest.vocabulary import KeptContext
from commerce_ai.privacy import record, register
from commerce_ai.privacy.listed import HANDLED_HERE, NOT_PERSONAL
from commerce_ai.privacy.register import Undeclared
from commerce_ai.shop.models import Event, ShopModel
from commerce_ai.shop.personal import Basis, Handling, Keep, Personal

OURS = list(register.our_models())


def found(model, column):
    return next(each for each in register.entries() if (each.model, each.column) == (model, column))


def test_every_column_that_may_hold_words_is_declared_personal_or_listed_as_not_personal():
    assert register.undeclared() == [], (
        "say what these columns hold: `personal` on the model with its `handling`, or `not_personal` with the reason"
    )


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_what_is_said_of_a_model_is_true(model):
    columns = {field.name: field for field in model._meta.concrete_fields}
    personal = {each.column for each in register.entries_of(model)}
    listed = register.not_personal(model)
    assert personal <= columns.keys() and listed.keys() <= columns.keys()
    assert not personal & listed.keys()
    assert all(listed.values())
    encrypted = {name for name, field in columns.items() if type(field).__name__ == "EncryptedTextField"}
    assert encrypted <= personal | listed.keys()


def test_lists_name_a_column_once_and_no_model_that_speaks_for_itself():
    named = [
        (label, name) for tables in NOT_PERSONAL.values() for label, names in tables.items() for name in names.split()
    ]
    assert len(named) == len(set(named))
    installed = {model._meta.label: model for model in apps.get_models()}
    assert not [label for label in HANDLED_HERE if label in installed and getattr(installed[label], "personal", None)]


def test_plugins_tables_are_walked_and_the_staffs_are_in_it():
    assert {"shop.Customer", "learning.Run", "ingest.QuarantineRow", "api.IdempotentWrite"} <= {
        model._meta.label for model in OURS
    }
    assert {"auth.User", "admin.LogEntry", "sessions.Session"} <= {each.model for each in register.entries()}
    assert not {"auth.User", "django_celery_beat.PeriodicTask"} & {model._meta.label for model in OURS}


def test_an_entry_says_what_for_on_which_basis_how_long_and_how_it_is_stored(settings):
    email, hashed = found("shop.Customer", "email"), found("shop.Customer", "email_hash")
    assert (email.form, hashed.form, found("shop.Customer", "attributes").form) == ("encrypted", "hashed", "plain")
    assert email.purpose == "contact, and joins between doors"
    assert email.basis == Basis.CONTRACT.label and found("shop.Customer", "gender").basis == Basis.INTEREST.label
    assert found("api.IdempotentWrite", "body").retention == Keep.DAY.label
    settings.EVENT_KEEP_MONTHS = 0
    assert "EVENT_KEEP_MONTHS" in found("shop.Event", "properties").retention
    settings.EVENT_KEEP_MONTHS = 13
    assert found("shop.Event", "properties").retention == "13 months"
    assert all(each.purpose and each.basis and each.retention for each in register.entries())


def test_what_is_kept_of_a_context_stands_in_it_path_by_path():
    paths = [each.path for each in register.entries_of(Event) if each.column == "context"]
    assert sorted(paths) == sorted(KeptContext.__struct_encode_fields__)


@pytest.fixture
def make():
    """A model of somebody's plugin, gone again after the test."""
    made = []

    def make(name, **said):
        meta = type("Meta", (), {"app_label": "shop", "managed": False})
        made.append(name.lower())
        return type(name, (ShopModel,), {"__module__": __name__, "Meta": meta, **said})

    yield make
    for name in made:
        apps.all_models["shop"].pop(name)
    apps.clear_cache()


def test_a_new_column_of_words_is_found_and_numbers_and_closed_choices_are_not(make):
    from django.contrib.postgres.fields import ArrayField

    from commerce_ai.crypto import EncryptedTextField

    class Odd(models.Field):
        """Of a package that nobody knows."""

    model = make(
        "Wordy",
        words=models.TextField(), short=models.CharField(max_length=9), more=models.JSONField(), raw=models.BinaryField(),
        ip=models.GenericIPAddressField(), mail=models.EmailField(), tags=ArrayField(models.CharField(max_length=9)),
        file=models.FileField(), sealed=EncryptedTextField(), odd=Odd(),
        count=models.IntegerField(), at=models.DateTimeField(), numbers=ArrayField(models.BigIntegerField()),
        state=models.CharField(max_length=9, choices=[("a", "A")]),
    )  # fmt: skip
    words = ["words", "short", "more", "raw", "ip", "mail", "tags", "file", "sealed", "odd"]
    assert register.undeclared_of(model) == words
    assert model in set(register.our_models())
    assert register.undeclared() == [f"shop.Wordy.{name}" for name in words]


def test_a_declaration_answers_for_its_columns_and_may_say_which_paths(make):
    model = make(
        "Spoken",
        note=models.TextField(), extra=models.JSONField(), colour=models.CharField(max_length=9),
        handling=Handling(Basis.CONTRACT, Keep.ERASED),
        personal={"note": "wrapping", "extra": Personal("greeting", Basis.CONSENT, Keep.DAY, paths=("from", "to.name"))},
        not_personal={"colour": "of the paper"},
    )  # fmt: skip
    assert register.undeclared_of(model) == []
    said = [(each.column, each.path, each.purpose, each.basis) for each in register.entries_of(model)]
    assert said == [
        ("note", "", "wrapping", Basis.CONTRACT.label),
        ("extra", "from", "greeting", Basis.CONSENT.label),
        ("extra", "to.name", "greeting", Basis.CONSENT.label),
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"personal": {"note": "wrapping"}},
        {"personal": {"note": ""}, "handling": Handling(Basis.CONTRACT, Keep.DAY)},
        {"personal": {"gone": "wrapping"}, "handling": Handling(Basis.CONTRACT, Keep.DAY)},
    ],
)
def test_a_declaration_without_a_basis_a_purpose_or_a_column_is_refused(make, said):
    model = make("Mute", note=models.TextField(), **said)
    with pytest.raises(Undeclared):
        register.entries_of(model)


def test_the_record_is_markdown_with_a_row_an_entry(tmp_path):
    text = record.markdown()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(register.entries())
    assert text.startswith("# Record of processing\n") and "## customers (`shop.Customer`)" in text
    assert "| `email` | encrypted | contact, and joins between doors | contract with the customer |" in text
    assert "| `context.user_agent` | in clear |" in text

    printed = StringIO()
    call_command("privacy", "record", stdout=printed)
    assert printed.getvalue() == text
    call_command("privacy", "record", output=tmp_path / "record.md")
    assert (tmp_path / "record.md").read_text() == text


def test_a_cell_of_the_record_can_not_break_its_table():
    entry = register.entries()[0]
    odd = type(entry)(**{**vars(entry), "purpose": "a | b\nc"})
    assert "| a \\| b c |" in record.markdown([odd])
