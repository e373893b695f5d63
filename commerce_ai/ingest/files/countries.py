"""Names of countries, as shops write them, to ISO 3166-1 alpha-2 codes."""

from __future__ import annotations

import re
import unicodedata

import polars as pl

# Names that say that the country is not known, or that name no single country.
NONE = {
    "",
    "unspecified",
    "unknown",
    "none",
    "na",
    "europeancommunity",
    "europeanunion",
    "channelislands",
    "westindies",
    "international",
    "worldwide",
}

_NAMES = """
AF Afghanistan|AX Aland Islands|AL Albania|DZ Algeria|AS American Samoa|AD Andorra|AO Angola|AI Anguilla
AG Antigua and Barbuda|AR Argentina|AM Armenia|AW Aruba|AU Australia|AT Austria|AT Österreich|AZ Azerbaijan
BS Bahamas|BS The Bahamas|BH Bahrain|BD Bangladesh|BB Barbados|BY Belarus|BE Belgium|BE Belgique|BE België
BZ Belize|BJ Benin|BM Bermuda|BT Bhutan|BO Bolivia|BQ Bonaire|BA Bosnia and Herzegovina|BA Bosnia|BW Botswana
BR Brazil|BR Brasil|IO British Indian Ocean Territory|BN Brunei|BN Brunei Darussalam|BG Bulgaria|BF Burkina Faso
BI Burundi|KH Cambodia|CM Cameroon|CA Canada|CV Cape Verde|CV Cabo Verde|KY Cayman Islands
CF Central African Republic|TD Chad|CL Chile|CN China|CN People's Republic of China|CX Christmas Island
CC Cocos Islands|CO Colombia|KM Comoros|CG Congo|CG Republic of the Congo|CD Democratic Republic of the Congo
CD DR Congo|CK Cook Islands|CR Costa Rica|CI Ivory Coast|CI Côte d'Ivoire|HR Croatia|CU Cuba|CW Curaçao|CY Cyprus
CZ Czech Republic|CZ Czechia|DK Denmark|DK Danmark|DJ Djibouti|DM Dominica|DO Dominican Republic|EC Ecuador
EG Egypt|SV El Salvador|GQ Equatorial Guinea|ER Eritrea|EE Estonia|SZ Eswatini|SZ Swaziland|ET Ethiopia
FK Falkland Islands|FO Faroe Islands|FJ Fiji|FI Finland|FI Suomi|FR France|GF French Guiana|PF French Polynesia
GA Gabon|GM Gambia|GE Georgia|DE Germany|DE Deutschland|DE Allemagne|DE Federal Republic of Germany|GH Ghana
GI Gibraltar|GR Greece|GL Greenland|GD Grenada|GP Guadeloupe|GU Guam|GT Guatemala|GG Guernsey|GN Guinea
GW Guinea-Bissau|GY Guyana|HT Haiti|VA Vatican|VA Holy See|HN Honduras|HK Hong Kong|HK Hong Kong SAR China
HU Hungary|IS Iceland|IN India|ID Indonesia|IR Iran|IQ Iraq|IE Ireland|IE EIRE|IE Republic of Ireland
IM Isle of Man|IL Israel|IT Italy|IT Italia|JM Jamaica|JP Japan|JE Jersey|JO Jordan|KZ Kazakhstan|KE Kenya
KI Kiribati|KP North Korea|KR South Korea|KR Korea|KR Republic of Korea|XK Kosovo|KW Kuwait|KG Kyrgyzstan|LA Laos
LV Latvia|LB Lebanon|LS Lesotho|LR Liberia|LY Libya|LI Liechtenstein|LT Lithuania|LU Luxembourg|MO Macao|MO Macau
MG Madagascar|MW Malawi|MY Malaysia|MV Maldives|ML Mali|MT Malta|MH Marshall Islands|MQ Martinique|MR Mauritania
MU Mauritius|YT Mayotte|MX Mexico|MX México|FM Micronesia|MD Moldova|MC Monaco|MN Mongolia|ME Montenegro
MS Montserrat|MA Morocco|MZ Mozambique|MM Myanmar|MM Burma|NA Namibia|NR Nauru|NP Nepal|NL Netherlands
NL The Netherlands|NL Nederland|NL Holland|NC New Caledonia|NZ New Zealand|NI Nicaragua|NE Niger|NG Nigeria|NU Niue
NF Norfolk Island|MK North Macedonia|MK Macedonia|MP Northern Mariana Islands|NO Norway|NO Norge|OM Oman
PK Pakistan|PW Palau|PS Palestine|PA Panama|PG Papua New Guinea|PY Paraguay|PE Peru|PH Philippines|PN Pitcairn
PL Poland|PL Polska|PT Portugal|PR Puerto Rico|QA Qatar|RE Réunion|RO Romania|RU Russia|RU Russian Federation
RW Rwanda|BL Saint Barthélemy|SH Saint Helena|KN Saint Kitts and Nevis|LC Saint Lucia|MF Saint Martin
PM Saint Pierre and Miquelon|VC Saint Vincent and the Grenadines|WS Samoa|SM San Marino|ST Sao Tome and Principe
SA Saudi Arabia|SN Senegal|RS Serbia|SC Seychelles|SL Sierra Leone|SG Singapore|SX Sint Maarten|SK Slovakia
SK Slovak Republic|SI Slovenia|SB Solomon Islands|SO Somalia|ZA South Africa|ZA RSA|ZA Republic of South Africa
GS South Georgia|SS South Sudan|ES Spain|ES España|LK Sri Lanka|SD Sudan|SR Suriname|SJ Svalbard and Jan Mayen
SE Sweden|SE Sverige|CH Switzerland|CH Schweiz|CH Suisse|SY Syria|TW Taiwan|TJ Tajikistan|TZ Tanzania|TH Thailand
TL Timor-Leste|TG Togo|TK Tokelau|TO Tonga|TT Trinidad and Tobago|TN Tunisia|TR Turkey|TR Türkiye|TM Turkmenistan
TC Turks and Caicos Islands|TV Tuvalu|UG Uganda|UA Ukraine|AE United Arab Emirates|AE UAE|GB United Kingdom
GB Great Britain|GB UK|GB England|GB Scotland|GB Wales|GB Northern Ireland|US United States
US United States of America|US USA|UY Uruguay|UZ Uzbekistan|VU Vanuatu|VE Venezuela|VN Vietnam|VN Viet Nam
VG British Virgin Islands|VI US Virgin Islands|WF Wallis and Futuna|EH Western Sahara|YE Yemen|ZM Zambia
ZW Zimbabwe
"""


def codes_of(names: pl.Series) -> pl.Series:
    """Two capital letters each; empty where the name says nothing, null where it is no country's name."""
    known = {name: code_of(name) for name in names.unique().drop_nulls()}
    if not known:
        return names.cast(pl.String)
    return names.replace_strict(known, default=None, return_dtype=pl.String).alias(names.name)


def code_of(name: str) -> str | None:
    """The code of a name or code in any case and spelling; empty for `NONE`, None for what is no country."""
    if name in _KNOWN:  # first: NA is Namibia, n/a is nothing
        return name
    plain = _plain(name)
    if plain in NONE:
        return ""
    if plain in _CODES:
        return _CODES[plain]
    code = name.strip().upper()
    return code if code in _KNOWN else None


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[^a-z]", "", letters.replace("ø", "o").replace("ı", "i"))


_PAIRS = [entry.strip().split(" ", 1) for entry in _NAMES.strip().replace("\n", "|").split("|")]
_CODES = {_plain(name): code for code, name in _PAIRS}
_KNOWN = {code for code, _ in _PAIRS} | {"AQ", "BV", "HM", "TF", "UM"}
