"""The register of personal data in the console: for owners, by table, and to download."""

from django.urls import reverse


def test_an_owner_finds_the_register_in_the_settings_and_takes_the_record_away(owner):
    here = reverse("console:privacy")
    assert f'href="{here}"' in owner.get(reverse("console:plugins")).content.decode()
    shown = owner.get(here).content.decode()
    assert "contact, and joins between doors" in shown and "context.user_agent" in shown and "encrypted" in shown
    taken = owner.get(here, {"format": "markdown"})
    assert taken["Content-Type"].startswith("text/markdown") and "attachment" in taken["Content-Disposition"]
    assert taken.content.decode().startswith("# Record of processing")


def test_nobody_else_does(sign_in):
    for role in ("operator", "analyst"):
        browser = sign_in(role)
        assert reverse("console:privacy") not in browser.get(reverse("console:plugins")).content.decode()
        assert browser.get(reverse("console:privacy")).status_code == 403
