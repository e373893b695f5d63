"""All settings, from the environment (12-factor); safe when nothing is set.

Nothing is started here and nothing is imported that could start something: the embedded pair's paths are
only computed. `docs/operating.md` lists every variable.
"""

from __future__ import annotations

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from commerce_ai import embedded, keyring, plugin

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
# HTTPS=0 is for one machine's loopback (the demo): cookies and redirects then work without TLS.
HTTPS = env.bool("HTTPS", default=not DEBUG)
PROCESS = env.str("COMMERCE_AI_PROCESS", default="")  # web, worker, trainer, beat or empty
VAR_DIR = Path(env.str("COMMERCE_AI_VAR", default=str(BASE_DIR / "var"))).resolve()
WRITES_NOTHING = env.bool("COMMERCE_AI_WRITES_NOTHING", default=False)  # set by manage.py for lab, check and the like
EMBEDDED = embedded.paths(VAR_DIR)
USES_EMBEDDED_POSTGRES = not env.str("DATABASE_URL", default="")
USES_EMBEDDED_REDIS = not env.str("REDIS_URL", default="")

# --- secrets: from the environment, or made once under var/ where everything is on one machine -------------
_secrets = keyring.load(VAR_DIR / "secrets.json", one_machine=USES_EMBEDDED_POSTGRES, keep=not WRITES_NOTHING)
SECRET_KEY = _secrets.secret_key
FIELD_KEYS = _secrets.field_keys  # id -> 32 bytes; the first encrypts, all decrypt
FIELD_KEY_FILE = _secrets.key_file  # looked at while the process runs; None where the environment has the keys
HASH_KEY = _secrets.hash_key

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes speak plain HTTP inside the network
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
LOAD_MAX_BYTES = env.int("LOAD_MAX_BYTES", default=4 * 1024**3)  # of a file for `manage.py load`

# --- applications -----------------------------------------------------------------------------------------
PLUGINS = [
    "plugins.recommendation",
    "plugins.pricing",
    "plugins.inventory",
    "plugins.advertising",
    "plugins.fraud",
    "plugins.sentiment",
    "plugins.support",
]
THIRD_PARTY = plugin.discover(
    VAR_DIR, keep=not WRITES_NOTHING
)  # tried in a child process; failures are kept with their error

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "commerce_ai",
    "commerce_ai.shop",
    "commerce_ai.alerts",
    "commerce_ai.learning",
    "commerce_ai.decisions",
    "commerce_ai.ingest",
    "commerce_ai.privacy",
    "commerce_ai.api",
    "commerce_ai.console",
    *PLUGINS,
    *(found.module for found in THIRD_PARTY if found.error is None),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "commerce_ai.console.middleware.ShopTime",  # the console's pages on the chosen shop's clock
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "commerce_ai.urls"
WSGI_APPLICATION = "commerce_ai.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Postgres ---------------------------------------------------------------------------------------------
WEB_THREADS = env.int("WEB_THREADS", default=4)
if USES_EMBEDDED_POSTGRES:
    _database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": env.str("DATABASE_NAME", default="commerce_ai"),
        "USER": EMBEDDED.postgres_user,
        "HOST": str(EMBEDDED.sockets),
        "PORT": str(embedded.POSTGRES_PORT),
    }
else:
    _database = env.db("DATABASE_URL")
    if "postgresql" not in _database["ENGINE"]:
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database: postgres://user:password@host/name")
_options = _database.setdefault("OPTIONS", {})
if PROCESS == "web":
    # Warm hot paths only insert decisions; the pool is as large as the threads, so that none waits for another.
    _options["pool"] = {"min_size": 1, "max_size": WEB_THREADS + 1, "timeout": 5}
    _database["CONN_MAX_AGE"] = 0
else:
    _database["CONN_MAX_AGE"] = None
    _database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}

# A decision that can't be kept within this is counted as lost, and the answer goes out without it.
DECISION_LIMIT_S = env.float("DECISION_LIMIT_S", default=0.05)

EVENT_KEEP_MONTHS = env.int("EVENT_KEEP_MONTHS", default=0)  # months of events and decisions; 0 keeps all
# When a live version that knew an erased person is trained again: at its next "schedule", or "at once".
RETRAIN_AFTER_ERASURE = env.str("RETRAIN_AFTER_ERASURE", default="schedule")

# --- Redis: broker, caches, counters; never the only copy of anything -------------------------------------
REDIS_DB = env.int("REDIS_DB", default=0)  # the first of two: broker and counters, then the cache
QUEUE_PREFIX = env.str("QUEUE_PREFIX", default="")
if USES_EMBEDDED_REDIS:
    REDIS_URL = f"unix://{EMBEDDED.redis_socket}?db={REDIS_DB}"
    _cache_url = f"unix://{EMBEDDED.redis_socket}?db={REDIS_DB + 1}"
    CELERY_BROKER_URL = f"redis+socket://{EMBEDDED.redis_socket}?virtual_host={REDIS_DB}"
else:
    _base = env.str("REDIS_URL").rstrip("/")
    REDIS_URL = CELERY_BROKER_URL = f"{_base}/{REDIS_DB}"
    _cache_url = f"{_base}/{REDIS_DB + 1}"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _cache_url,
        "KEY_PREFIX": QUEUE_PREFIX or "commerce_ai",
        "OPTIONS": {"serializer": "commerce_ai.packed.Serializer"},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

# --- people and language ----------------------------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"
LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "commerce_ai" / "locale"]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "commerce_ai" / "static"]
# Found by the finders, so that a clone serves its pages without a collectstatic step; an image collects.
WHITENOISE_USE_FINDERS = True

# --- REST -------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["commerce_ai.api.keys.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["commerce_ai.api.keys.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "commerce_ai.api.errors.handle_exception",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Commerce AI",
    "DESCRIPTION": "Facts in, decisions out. Every answer carries its decision_id, version and reasons.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "OAS_VERSION": "3.1.1",  # its schemas are JSON Schema, as msgspec writes them for hot views
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "commerce_ai.api.schema.add_hot_views",
    ],
}

# --- Celery: JSON, ids only, acks late --------------------------------------------------------------------
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 600  # every job under ten minutes, under the visibility timeout of fifteen
CELERY_TASK_SOFT_TIME_LIMIT = 570
CELERY_TASK_DEFAULT_QUEUE = QUEUE_PREFIX + "default"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,  # kombu sweeps every interval × throttle turns; 4 s instead of 91 s
    "global_keyprefix": QUEUE_PREFIX,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"
DJANGO_CELERY_BEAT_TZ_AWARE = True

# --- learning ---------------------------------------------------------------------------------------------
TRAINING_ENGINE = env.str("TRAINING_ENGINE", default="local")  # a name of commerce_ai.learning.engine, or a dotted path
TRAINING_TIME_LIMIT_S = env.int("TRAINING_TIME_LIMIT_S", default=6 * 3600)
TRAINING_COST_PER_DEVICE_HOUR = env.float("TRAINING_COST_PER_DEVICE_HOUR", default=0.0)  # in the shop's currency
TEXT_ENCODER = env.str("TEXT_ENCODER", default="")  # a sentence-transformers name or folder; empty: the bundled one
ARTIFACTS_KEPT = env.int("ARTIFACTS_KEPT", default=10)  # versions of a learner whose files are kept, live ones apart

# --- alerts -----------------------------------------------------------------------------------------------
# Which function looks, by the check that a rule names: the rooms that it is about are above that of alerts.
ALERT_CHECKS = {
    "stale_version": "commerce_ai.learning.health.stale",
    "drift": "commerce_ai.learning.health.drifting",
    "failed_run": "commerce_ai.learning.health.failed",
    "no_events": "commerce_ai.ingest.health.silent",
    "lost_decisions": "commerce_ai.decisions.health.lost",
    "late_requests": "commerce_ai.privacy.health.late",
    "plugin": "commerce_ai.alerts.health.plugins",
}
ALERTS_ALLOW_PRIVATE = env.bool("ALERTS_ALLOW_PRIVATE", default=False)  # webhooks and mail servers in our own network
CONSOLE_URL = env.str("CONSOLE_URL", default="").rstrip("/")  # https://… of the console, for links in messages

# --- logs: one line an event, no personal data ------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "commerce_ai.logs.Line",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        }
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
    "loggers": {
        "commerce_ai": {"level": env.str("LOG_LEVEL", default="INFO")},
        "apprise": {"handlers": ["nowhere"], "propagate": False},  # may name an address; alerts keep why it failed
    },
}

# --- console ----------------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Commerce AI",
    "SITE_HEADER": "Commerce AI",
    "SITE_SYMBOL": "storefront",
    "SITE_ICON": {
        "light": lambda request: static("console/logo.svg"),
        "dark": lambda request: static("console/logo.svg"),
    },
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("console/logo.svg")},
    ],
    "SITE_URL": reverse_lazy("admin:index"),
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "commerce_ai.console.dashboard.fill",
    "ENVIRONMENT": "commerce_ai.console.navigation.environment",
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "commerce_ai.console.navigation.sidebar",
    },
    "COMMAND": {"search_models": True},  # Ctrl-K; what is found says commerce_ai/console/views/search.py
    "STYLES": [lambda request: static("console/console.css")],
    "SCRIPTS": [lambda request: static("console/charts.js"), lambda request: static("console/reach.js")],
}
