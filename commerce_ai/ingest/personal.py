"""What identifies a person is cut out at the door, so that no event, quarantine row or log ever holds it.

Two rules: a value under a telling *name* (``email``, ``first_name``, ``shippingAddress``, ``ip`` …) goes as a whole,
and in every other text whatever has the *shape* of an e-mail address, an international phone number or an IP address
is blacked out. `name` tells of a person only among traits and below keys such as ``customer``: products have names too.

What is worth keeping of a customer comes out as a `Contact`, to be stored encrypted; the rest is dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

BLACKED_OUT = "[removed]"
DEEPEST = 32  # levels of nesting; what lies deeper is dropped unseen

_ANYWHERE = frozenset({
    "email", "emailaddress", "emails", "mail", "mailaddress", "emailhash", "useremail", "customeremail",
    "contactemail", "billingemail", "shippingemail", "phone", "phonenumber", "phones", "mobile", "mobilephone",
    "mobilenumber", "cellphone", "telephone", "telephonenumber", "tel", "fax", "faxnumber", "customerphone",
    "billingphone", "shippingphone", "msisdn", "whatsapp", "firstname", "lastname", "middlename", "fullname",
    "surname", "givenname", "familyname", "customername", "contactname", "recipientname", "billingname",
    "shippingname", "cardholder", "cardholdername", "address", "addresses", "address1", "address2",
    "addressline", "addressline1", "addressline2", "street", "streetaddress", "street1", "street2",
    "streetname", "housenumber", "postcode", "postalcode", "zip", "zipcode", "billingaddress",
    "shippingaddress", "deliveryaddress", "homeaddress", "customeraddress", "billto", "shipto", "ip",
    "ipaddress", "ipaddr", "clientip", "remoteip", "remoteaddr", "userip", "xforwardedfor", "ssn",
    "socialsecuritynumber", "passport", "passportnumber", "nationalid", "taxid", "iban", "accountnumber",
    "bankaccount", "creditcard", "creditcardnumber", "cardnumber", "cvc", "cvv", "password", "passwd",
    "birthday", "birthdate", "dateofbirth", "dob", "advertisingid", "idfa", "idfv", "gaid",
})  # fmt: skip
_AMONG_TRAITS = _ANYWHERE | {
    "name", "username", "nickname", "displayname", "avatar", "photo", "picture", "latitude", "longitude", "location",
}  # fmt: skip
# Below these keys a name is a person's name.
_PEOPLE = frozenset({
    "customer", "user", "contact", "recipient", "recipients", "billing", "shipping", "buyer", "account",
    "profile", "person", "traits",
})  # fmt: skip


class Contact(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a customer's row keeps apart from free attributes. An empty field says nothing about what is stored."""

    email: str = ""
    phone: str = ""
    name: str = ""
    address: str = ""
    country: str = ""
    birth_year: int = 0

    def __bool__(self) -> bool:
        return self != _NOBODY


_NOBODY = Contact()


def encode_properties(properties: dict[str, Any]) -> bytes:
    """`properties` as JSON without anything personal."""
    return _encode_clean(properties, _anywhere)


def encode_traits(traits: dict[str, Any]) -> bytes:
    """A customer's or group's traits as JSON without anything personal."""
    return _encode_clean(traits, _among_traits)


def clean_text(text: str) -> str:
    """`text` with what looks like an e-mail address, a phone number or an IP address blacked out."""
    if len(text) <= 6:
        return text
    # What a shape can't do without is looked for first: most texts have none of it.
    dots = text.count(".")
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(BLACKED_OUT, text)
    if "+" in text or "(" in text or "00" in text or dots > 1 or text.count("-") > 1:
        text = _PHONE.sub(BLACKED_OUT, text)
    if dots > 2:
        text = _IPV4.sub(BLACKED_OUT, text)
    if text.count(":") > 1:
        text = _IPV6.sub(BLACKED_OUT, text)
    return text


@lru_cache(maxsize=4096)
def clean_known(text: str) -> str:
    """`clean_text` of what comes again and again, as a browser's name: remembered."""
    return clean_text(text)


def clean(value: Any) -> Any:
    """Any JSON value without anything personal."""
    return _clean(value, _anywhere, DEEPEST)


def contact_of(traits: dict[str, Any]) -> Contact:
    """The contact in traits (or in the properties of a checkout), spelled in any of the usual ways."""
    said = {_normal(key): value for key, value in traits.items() if isinstance(value, (str, int, dict))}
    first, last = _text(said, "firstname", "givenname"), _text(said, "lastname", "familyname", "surname")
    return Contact(
        email=_text(said, "email", "emailaddress", "mail"),
        phone=_text(said, "phone", "phonenumber", "mobile", "mobilephone", "telephone", "tel"),
        name=_text(said, "name", "fullname", "displayname") or f"{first} {last}".strip(),
        address=_address(said),
        country=_country(said),
        birth_year=_birth_year(_text(said, "birthday", "birthdate", "dateofbirth", "dob")),
    )


# --- names ------------------------------------------------------------------------------------------------


class _Names:
    """Which keys tell of a person. Verdicts are kept: the keys of a shop's events are always the same few."""

    MOST = 10_000

    def __init__(self, telling: frozenset[str]) -> None:
        self._telling = telling
        self.verdicts: dict[str, bool] = {}
        self.harmless: set[tuple[str, ...]] = set()  # keys of whole objects, in their order

    def tell(self, key: str) -> bool:
        verdict = self.verdicts.get(key)
        if verdict is None:
            verdict = _normal(key) in self._telling or clean_text(key) != key
            if len(self.verdicts) >= self.MOST:
                self.verdicts.clear()
            if len(key) <= 64:
                self.verdicts[key] = verdict
        return verdict

    def are_harmless(self, keys: tuple[str, ...]) -> bool:
        """Whether none of an object's keys tells of a person; remembered."""
        if any(self.tell(key) for key in keys):
            return False
        if len(self.harmless) >= self.MOST:
            self.harmless.clear()
        if len(keys) <= 64 and all(len(key) <= 64 for key in keys):
            self.harmless.add(keys)
        return True


_anywhere, _among_traits = _Names(_ANYWHERE), _Names(_AMONG_TRAITS)
_WORD = re.compile(r"[^a-z0-9]+")


def _normal(key: str) -> str:
    """``First-Name``, ``first_name`` and ``firstName`` are one name."""
    return _normal_known(key) if len(key) <= 64 else _WORD.sub("", key.lower())


@lru_cache(maxsize=_Names.MOST)
def _normal_known(key: str) -> str:
    return _WORD.sub("", key.lower())


def _has_telling_name(value: dict[str, Any], names: _Names) -> bool:
    known = names.verdicts.get
    for key, each in value.items():
        # False: known to be harmless. None: never seen.
        if known(key) is not False and names.tell(key):
            return True
        kind = type(each)
        if kind is dict or kind is list:
            if _normal(key) in _PEOPLE:
                return True
            for inner in (each,) if kind is dict else each:
                if type(inner) is list or (type(inner) is dict and _has_telling_name(inner, names)):
                    return True  # a list within a list is rare enough for the thorough way
    return False


# --- shapes -----------------------------------------------------------------------------------------------

# Every repetition has an end, so that no text, however made, takes long.
_WITHIN = r"[^\s@<>\"'(),;:=&?%/\\]"
_EMAIL = re.compile(rf"{_WITHIN}{{1,64}}(?:@|%40){_WITHIN}{{1,190}}\.{_WITHIN}{{2,24}}", re.IGNORECASE)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
# Not after a word and a slash: "Chrome/120.0.0.0" is a version.
_IPV4 = re.compile(rf"(?<![\d.\w])(?<!\w/)(?:{_OCTET}\.){{3}}{_OCTET}(?!\.?\d)")
_HEX = r"[0-9a-f]{1,4}"
_IPV6 = re.compile(
    rf"(?<![\w:])(?:(?:{_HEX}:){{7}}{_HEX}|(?:{_HEX}:){{1,6}}(?::{_HEX}){{1,6}})(?![\w:])", re.IGNORECASE
)
# International (+49 170 1234567, 0049 170 …) or as Americans write it ((555) 123-4567, 555-123-4567); a bare run of
# digits may be a GTIN, and 2026-01-05 is a date.
_PHONE = re.compile(
    r"(?<![\w+])(?:\+|00[1-9]\d{0,2}[\s(\-/])\d[\d\s().\-/]{6,18}\d(?!\w)"
    r"|(?<!\w)\(\d{3}\)\s?\d{3}[\s.-]\d{4}(?!\w)|(?<![\w.-])\d{3}([.-])\d{3}\1\d{4}(?![\w-])"
)
_ZEROS = re.compile(rb"00[1-9]\d?\d?[\s(\-/\\\x80-\xff]").search  # a country's number as in 0049, in JSON
# Brackets, and what no e-mail address and no written phone number is without, become bytes that JSON never holds.
_SHAPES = bytes.maketrans(b"-@%+({[", b".\1\1\1\1\2\2")
_DROPPED = b'0123456789abcdefABCDEF"_'


def _encode_clean(value: dict[str, Any], names: _Names) -> bytes:
    if names is _among_traits and _has_telling_name(value, names):  # as nearly all traits have
        return _encode(_clean(value, names, DEEPEST))
    # Nearly all else that comes is clean: then it is encoded once, and only the bytes are looked at.
    raw = _encode(value)
    rest = raw.translate(_SHAPES, _DROPPED)
    if rest.count(b"\2") == 1:
        # Flat: nothing but its keys is to be asked, and the same few sets of keys come again and again.
        keys = tuple(value)
        is_harmless = keys in names.harmless or names.are_harmless(keys)
    else:
        is_harmless = not _has_telling_name(value, names)
    # As in `may_have_shape`, without a call.
    if is_harmless and not (
        1 in rest or rest.find(b"..") >= 0 or rest.find(b"::") >= 0 or (raw.find(b"00") >= 0 and _ZEROS(raw))
    ):
        return raw
    return _encode(_clean(value, names, DEEPEST))


def may_have_shape(raw: bytes) -> bool:
    """A cheap look at JSON: False only if none of the shapes can be in it."""
    # Without its digits an address of the internet or a phone number is a row of dots, colons or dashes. A number is
    # looked for, and `find` asked, since `in` for bytes takes as long as all the rest.
    rest = raw.translate(_SHAPES, _DROPPED)
    return 1 in rest or rest.find(b"..") >= 0 or rest.find(b"::") >= 0 or (raw.find(b"00") >= 0 and bool(_ZEROS(raw)))


def _clean(value: Any, names: _Names, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        if depth <= 0:
            return {}
        return {
            key: each
            if (kind := type(each)) is int or kind is float or each is None
            else clean_text(each)
            if kind is str
            else _clean(each, _among_traits if _normal(key) in _PEOPLE else names, depth - 1)
            for key, each in value.items()
            if not names.tell(key)
        }
    if isinstance(value, list):
        return [_clean(each, names, depth - 1) for each in value] if depth > 0 else []
    return value


_encode = msgspec.json.Encoder().encode


# --- contacts ---------------------------------------------------------------------------------------------


def _text(said: dict[str, Any], *names: str) -> str:
    for name in names:
        value = said.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and (text := str(value).strip()):
            return text[:500]
    return ""


def _country(said: dict[str, Any]) -> str:
    address = said.get("address")
    given = said.get("country") or (address.get("country") if isinstance(address, dict) else None)
    return given.upper() if isinstance(given, str) and re.fullmatch("[A-Za-z]{2}", given) else ""


def _birth_year(text: str) -> int:
    year = int(text[:4]) if re.match(r"\d{4}-", text) else 0
    return year if 1850 <= year <= 2200 else 0


def _address(said: dict[str, Any]) -> str:
    given = said.get("address") or said.get("shippingaddress") or said.get("billingaddress")
    if isinstance(given, str):
        return given.strip()[:500]
    if not isinstance(given, dict):
        return ""
    parts = {_normal(key): str(value).strip() for key, value in given.items() if isinstance(value, (str, int))}
    order = ("street", "streetaddress", "address1", "address2", "line1", "line2", "postalcode", "postcode", "zip",
             "zipcode", "city", "state", "region", "country")  # fmt: skip
    return ", ".join(parts[name] for name in order if parts.get(name))[:500]
