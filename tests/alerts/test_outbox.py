"""Messages leave once: signed, to public addresses only; tried again when they fail, found again after a kill."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import quote

import pytest
from django.utils import timezone

from commerce_ai.alerts import outbox, outgoing, sending, signing
from commerce_ai.alerts.models import Alert, Channel, Delivery
from tests.alerts.conftest import make_channel
from tests.factories import ShopFactory

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


class Receiver:
    """A loopback server that remembers what came and answers with the next of `statuses`, else 200."""

    def __init__(self):
        self.got, self.statuses, self.headers = [], [], {}
        self.pause, self.heard = False, threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, dict(self.headers), body))
                receiver.heard.set()
                if receiver.pause:  # never answers
                    return
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?a=1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def hook(shop, receiver, settings):
    settings.ALERTS_ALLOW_PRIVATE = True
    return make_channel(shop, url=receiver.url, secret=SECRET)


def queue(channel, payload=None, **fields):
    payload = payload or {"title": "Größer"}
    return Delivery.objects.create(shop=channel.shop, channel=channel, type="alert.raised", payload=payload, **fields)


def verify(headers, body, secret):
    """As a receiver does it, from the specification's words."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode() in headers["webhook-signature"].split(" ")


def test_a_webhook_arrives_signed_and_is_marked(hook, receiver):
    made = queue(hook)
    assert outbox.deliver() == 1 and outbox.deliver() == 0
    ((path, headers, body),) = receiver.got
    assert path == "/hook?a=1" and verify(headers, body, SECRET) and headers["webhook-id"] == f"msg_{made.pk.hex}"
    assert json.loads(body) == {
        "type": "alert.raised", "timestamp": made.made_at.isoformat(), "data": {"title": "Größer"},
    }  # fmt: skip
    made.refresh_from_db()
    hook.refresh_from_db()
    assert made.state == "sent" and hook.last_sent_at and hook.last_error == ""


def test_the_specifications_own_example_is_signed_as_it_says():
    # https://github.com/standard-webhooks/standard-webhooks: the test vector of its libraries.
    body = b'{"test": 2432232314}'
    made = signing.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_after_a_rotation_both_secrets_sign_for_a_while(hook, receiver):
    old = hook.secret
    new = sending.rotate(hook)
    queue(hook)
    outbox.deliver()
    _path, headers, body = receiver.got[0]
    assert new != old and verify(headers, body, new) and verify(headers, body, old)
    Channel.objects.of(hook.shop).update(old_secret_until=timezone.now())
    queue(hook)
    outbox.deliver()
    _path, headers, body = receiver.got[1]
    assert verify(headers, body, new) and not verify(headers, body, old)


def test_what_fails_is_tried_again_later_and_later_under_the_same_id(hook, receiver):
    made = queue(hook)
    receiver.statuses = [500, 302, 503]
    receiver.headers = {"Retry-After": "7200", "Location": receiver.url}
    for attempt, least_s in enumerate((7200, 7200, 7200), start=1):
        assert outbox.deliver() == 1
        made.refresh_from_db()
        assert made.state == "pending" and made.attempts == attempt
        assert made.due_at > timezone.now() + timedelta(seconds=least_s - 60)
        Delivery.objects.of(hook.shop).update(due_at=timezone.now())
    receiver.headers = {}
    hook.refresh_from_db()
    assert hook.last_error == "The receiver answered 503." and Alert.objects.of(hook.shop).get().state == "open"
    outbox.deliver()
    assert Alert.objects.of(hook.shop).get().state == "resolved"
    made.refresh_from_db()
    assert made.state == "sent" and len(receiver.got) == 4  # no redirect was followed
    assert len({headers["webhook-id"] for _path, headers, _body in receiver.got}) == 1


def test_at_last_it_is_given_up_and_a_receiver_that_is_gone_hears_no_more(hook, receiver):
    tired = queue(hook, attempts=len(outbox.PAUSES_S))
    receiver.statuses = [500, 410]
    outbox.deliver()
    tired.refresh_from_db()
    assert tired.state == "failed"
    alert = Alert.objects.of(hook.shop).get()
    assert "do not arrive at the channel desk" in alert.title and alert.detail == "The receiver answered 500."
    queue(hook)
    outbox.deliver()
    hook.refresh_from_db()
    assert not hook.on and outbox.deliver() == 0


def test_a_message_whose_sender_died_is_sent_by_the_next(hook, receiver):
    made = queue(hook)
    claimed = outbox._claim()  # and then kill -9
    assert claimed == made and outbox.deliver() == 0
    Delivery.objects.of(hook.shop).update(due_at=timezone.now())  # the lease is over
    assert outbox.deliver() == 1
    made.refresh_from_db()
    assert made.state == "sent" and made.attempts == 2 and len(receiver.got) == 1


@pytest.mark.parametrize("url", [
    "http://example.com/hook", "https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/", "https://169.254.169.254/latest",
    "https://192.168.0.1:8443/", "https://[fe80::1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/",
    "https://user:pw@example.com/", "https://exa mple.com/", "https://", "ftp://example.com/", "https://100.64.0.1/",
    "https://0.0.0.0/", "https://224.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://example.com/\r\nX: y",
])  # fmt: skip
def test_addresses_that_nothing_is_sent_to(url):
    with pytest.raises(outgoing.Refused):
        outgoing.check(url)


def test_a_public_address_is_one():
    assert outgoing.check("https://bücher.example/a?b=c") == ("https", "xn--bcher-kva.example", 443, "/a?b=c")


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["fd00::1"]])
def test_a_name_that_leads_inside_is_refused_when_it_is_sent(shop, monkeypatch, answers):
    def resolve(host, port, *args, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in answers]

    monkeypatch.setattr(outgoing, "_resolve", resolve)
    monkeypatch.setattr(socket, "getaddrinfo", outgoing._checked_getaddrinfo)
    made = queue(make_channel(shop, url="https://rebind.example/hook", secret=SECRET))
    outbox.deliver()
    made.refresh_from_db()
    assert made.state == "failed" and "private network" in made.error


def test_it_connects_to_the_address_that_was_checked_however_the_name_answers_later(receiver, settings, monkeypatch):
    settings.ALERTS_ALLOW_PRIVATE = True
    answers = [receiver.server.server_address[0], "203.0.113.9"]
    asked = []

    def resolve(host, port, *args, **kwargs):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    monkeypatch.setattr(outgoing, "_resolve", resolve)
    monkeypatch.setattr(socket, "getaddrinfo", outgoing._checked_getaddrinfo)
    answer = outgoing.post(f"http://twofaced.example:{receiver.server.server_port}/", b"{}", {})
    assert answer.status == 200 and asked == ["twofaced.example"]
    assert receiver.got[0][1]["Host"] == f"twofaced.example:{receiver.server.server_port}"


def test_a_name_with_many_silent_addresses_holds_nobody_up_for_each_of_them(receiver, settings, monkeypatch):
    settings.ALERTS_ALLOW_PRIVATE = True
    monkeypatch.setattr(outgoing, "LONGEST_S", 0.3)
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second, socket.socket() as third:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for each in (first, second, third):  # nobody takes them: the next one gets no answer
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        places = [deaf.getsockname()] * 4 + [receiver.server.server_address]

        def resolve(host, port, *args, **kwargs):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in places]

        monkeypatch.setattr(outgoing, "_resolve", resolve)
        monkeypatch.setattr(socket, "getaddrinfo", outgoing._checked_getaddrinfo)
        with pytest.raises(OSError):  # noqa: PT011  (whatever the system calls it)
            outgoing.post("http://tarpit.example/", b"{}", {})
    assert receiver.got == []


def test_a_channel_that_was_switched_off_sends_nothing_more_and_is_no_trouble(hook, receiver):
    made = queue(hook)
    Channel.objects.of(hook.shop).update(on=False)
    outbox.deliver()
    made.refresh_from_db()
    hook.refresh_from_db()
    assert (made.state, made.error, receiver.got) == ("failed", "The channel is off.", [])
    assert hook.last_error == "" and not Alert.objects.of(hook.shop).exists()


def test_trouble_is_over_with_the_first_message_that_arrives(hook, receiver):
    """Whatever the sender knew of the channel when it began: two may be at it."""
    queue(hook)
    claimed = outbox._claim()
    failing = queue(hook, attempts=outbox.TELLS_AFTER - 1)
    receiver.statuses = [500]
    outbox.deliver()
    failing.refresh_from_db()
    assert failing.error and Alert.objects.of(hook.shop).get().state == "open"
    outbox._done(claimed)
    assert Alert.objects.of(hook.shop).get().state == "resolved"


@pytest.mark.parametrize("secret", ["hunter2!", "p@ss/w:rd"])
def test_no_part_of_an_address_is_kept_with_an_error(shop, monkeypatch, secret):
    import apprise

    def refuse(self, **said):
        logging.getLogger("apprise").warning("login of desk with %s refused", secret)
        return False

    monkeypatch.setattr(apprise.Apprise, "notify", refuse)
    url = f"mailtos://desk:x@example.com?smtp=mail.example.com&pass={quote(secret, safe='')}"
    made = queue(make_channel(shop, kind="email", url=url), {"title": "x", "severity": "info", "money": None, "alerts": 1, "url": ""})  # fmt: skip
    outbox.deliver()
    made.refresh_from_db()
    assert made.error and secret not in made.error


def test_other_channels_go_by_apprise_and_their_errors_hold_no_secret(shop, receiver, settings, monkeypatch):
    settings.ALERTS_ALLOW_PRIVATE = True
    host = receiver.url.partition("://")[2].partition("/")[0]
    channel = make_channel(shop, kind="ntfy", url=f"ntfy://someone:secretpassword@{host}/alerts", secret="")
    said = {"title": "Groß", "severity": "critical", "money": None, "alerts": 1, "url": ""}
    made = queue(channel, said)
    outbox.deliver()
    made.refresh_from_db()
    assert made.state == "sent" and b"Gr" in receiver.got[0][2]
    receiver.statuses = [403]
    again = queue(channel, said)
    outbox.deliver()
    again.refresh_from_db()
    assert again.state == "pending" and again.error and "secretpassword" not in again.error
    settings.ALERTS_ALLOW_PRIVATE = False
    last = queue(channel, said)
    outbox.deliver()
    last.refresh_from_db()
    assert last.state == "failed" and "private network" in last.error and len(receiver.got) == 2


@pytest.mark.parametrize("kind, url", [
    ("email", "mailtos://user:p%26w@example.com?to=desk@example.com,night@example.com&smtp=mail.example.com"),
    ("slack", "slack://token-a/token-b/token-c/#shop"), ("teams", "workflows://host.example:443/id/sig/?ver=2016-06-01"),
])  # fmt: skip
def test_addresses_as_people_write_them(kind, url):
    sending.check_address(kind, url)


def test_a_mail_is_plain_text_to_its_server_only(shop, monkeypatch, settings):
    import smtplib

    settings.ALERTS_ALLOW_PRIVATE = True
    mails = []

    class Server:
        def __init__(self, host, port, *args, **kwargs):
            mails.append(host)

        def sendmail(self, sender, to, message):
            mails.append(message.decode() if isinstance(message, bytes) else message)

        def __getattr__(self, name):
            return lambda *args, **kwargs: None

    monkeypatch.setattr(smtplib, "SMTP", Server)
    monkeypatch.setattr(smtplib, "SMTP_SSL", Server)
    channel = make_channel(
        shop, kind="email", url="mailtos://user:pw@example.com?to=desk@example.com&smtp=mail.example.com"
    )
    said = {
        "title": "<b>Kettle</b>",
        "severity": "critical",
        "money": "12.00",
        "currency": "EUR",
        "alerts": 2,
        "url": "",
    }
    made = queue(channel, said)
    outbox.deliver()
    made.refresh_from_db()
    assert made.state == "sent", made.error
    assert mails[0] == "mail.example.com" and "text/html" not in mails[1] and "text/plain" in mails[1]


@pytest.mark.parametrize("kind, url", [
    ("email", "syslog://localhost"), ("email", "mailto://"), ("slack", "fcm://x/?keyfile=/etc/passwd"),
    ("email", "mailtos://u:p@example.com?verify=no"), ("ntfy", "ntfys://example.com/x?redirect=yes"), ("slack", "hello"),
    ("slack", "slack://a/b/c/#d?template=/etc/passwd"), ("slack", "slack://a/b/c?to=x;%74emplate=/etc/passwd"),
    ("discord", "discord://a/b?&Template=file:///etc/passwd"), ("ntfy", "ntfys://x/y?attach=http://10.0.0.1/"),
])  # fmt: skip
def test_an_address_is_one_of_its_kind(kind, url):
    with pytest.raises(outgoing.Refused):
        sending.check_address(kind, url)


def test_a_test_is_queued_sent_once_and_never_retried(hook, receiver):
    made = outbox.send_test(hook)
    receiver.statuses = [500]
    outbox.deliver()
    made.refresh_from_db()
    assert made.state == "failed" and outbox.deliver() == 0
    assert outbox.forget(timezone.now() + timedelta(days=31)) == 1


@pytest.mark.process
@pytest.mark.xdist_group("process")
@pytest.mark.django_db(transaction=True)
def test_a_sender_killed_while_it_sends_loses_nothing_and_repeats_once(receiver, settings):
    settings.ALERTS_ALLOW_PRIVATE = True
    made = queue(make_channel(ShopFactory(), url=receiver.url, secret=SECRET))
    code = "import django; django.setup(); from commerce_ai.alerts import outbox; outbox.deliver()"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "ALERTS_ALLOW_PRIVATE": "1"}
    receiver.pause = True
    child = subprocess.Popen([sys.executable, "-c", code], env=environment)
    assert receiver.heard.wait(60)
    child.kill()
    child.wait()
    receiver.pause = False
    assert outbox.deliver() == 0  # the dead sender's lease still runs
    Delivery.objects.of(made.shop_id).update(due_at=timezone.now())
    assert outbox.deliver() == 1
    made.refresh_from_db()
    assert made.state == "sent"
    assert [headers["webhook-id"] for _path, headers, _body in receiver.got] == [f"msg_{made.pk.hex}"] * 2
