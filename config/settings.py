"""Settings: one file, top to bottom; every value from the environment comes through `config.env`.

Read by Django and Celery in the web process, the worker, beat, commands and tests alike.
Each variable is described in `docs/configuration.md`; a test compares.
"""

import secrets
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.database import database_settings, missing_database_settings
from config.embedded import state
from config.env import EnvError
from config.env import environment as env
from config.logs import logging_settings
from config.proxies import read_proxies

BASE_DIR = Path(__file__).resolve().parent.parent
# Part of each page's ETag: a new release must not be answered with the old one's pages.
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
STATE_DIR = env.path("SUITEWATCH_STATE_DIR", default=BASE_DIR / ".state")

# Who reads this: `config.wsgi` says "web"; workers, beat, commands and tests are the rest.
PROCESS = env.text("SUITEWATCH_PROCESS", default="command", allowed=("web", "worker", "beat", "command"))
IN_WEB = PROCESS == "web"
DEBUG = env.flag("SUITEWATCH_DEBUG", default=False)

# --- Services: the environment's, else those of a running `make up` -----------------------------------------------

_running = state.read_running(STATE_DIR)
DATABASE_URL = env.secret("DATABASE_URL", schemes=("postgresql", "postgres"))
REDIS_URL = env.secret("REDIS_URL", schemes=("redis", "rediss", "unix"))
if _running is not None:
    DATABASE_URL = DATABASE_URL or _running.database_url
    REDIS_URL = REDIS_URL or _running.redis_url

WEB_PROCESSES = env.number("SUITEWATCH_WEB_PROCESSES", default=2, least=1, most=64)
WEB_THREADS = env.number("SUITEWATCH_WEB_THREADS", default=16, least=1, most=256)
WORKER_PROCESSES = env.number("SUITEWATCH_WORKER_PROCESSES", default=2, least=1, most=64)
WORKER_MAX_MEMORY_MB = env.number("SUITEWATCH_WORKER_MAX_MEMORY_MB", default=1024, least=256)
DATABASE_POOL_SIZE = env.number("SUITEWATCH_DATABASE_POOL_SIZE", default=8, least=1, most=256)

DATABASES: dict[str, dict[str, Any]] = {
    "default": database_settings(DATABASE_URL, process=PROCESS, pool_size=DATABASE_POOL_SIZE)
    if DATABASE_URL
    else missing_database_settings()
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Address and secrets ------------------------------------------------------------------------------------------

HOST = env.text("SUITEWATCH_HOST", default="127.0.0.1")
PORT = env.number("SUITEWATCH_PORT", default=8000, least=1, most=65_535)
# In a second terminal: the address of the `make up` that runs.
_own_url = _running.url if _running is not None else f"http://127.0.0.1:{PORT}"
BASE_URL = env.url("SUITEWATCH_URL", schemes=("http", "https"), default=_own_url)
_address = urlsplit(BASE_URL)
OVER_HTTPS = _address.scheme == "https"
_own_names = {_address.hostname or "", "localhost", "127.0.0.1", "[::1]"}
ALLOWED_HOSTS = sorted(_own_names | set(env.items("SUITEWATCH_ALLOWED_HOSTS")))
CSRF_TRUSTED_ORIGINS = [f"{_address.scheme}://{_address.netloc}"]

# Tokens and links are signed with it: with a database it must be the same in each process and after a restart.
SECRET_KEY = env.secret("SUITEWATCH_SECRET_KEY", least=50) or state.read_secret_key(STATE_DIR)
SECRET_KEY_FALLBACKS = env.items("SUITEWATCH_SECRET_KEY_FALLBACKS")
if not SECRET_KEY and not DATABASE_URL:
    SECRET_KEY = secrets.token_urlsafe(50)
if not SECRET_KEY and PROCESS != "command":
    raise EnvError("SUITEWATCH_SECRET_KEY is missing; allowed: 50 or more random characters, kept secret.")

# --- Apps and requests --------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "config",
    "health",
    "ingest",
    "dashboard",
]
MIDDLEWARE = [
    "config.middleware.believe_proxies",
    "config.middleware.name_request",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    # Pages of tables shrink to a tenth; Django pads them at random, so that their length gives no secret away.
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.explain_wrong_method",
    "config.middleware.DatabaseTroubleMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LANGUAGE_CODE = "en"

# --- Login and sessions -------------------------------------------------------------------------------------------

# In the database, not in Redis: losing Redis logs nobody out.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 14 * 24 * 3600
LOGIN_URL = "dashboard:login"
LOGIN_REDIRECT_URL = "dashboard:projects"
LOGOUT_REDIRECT_URL = "dashboard:login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Security: cookies, HSTS and redirects follow the scheme of SUITEWATCH_URL, so plain http on a LAN works --------

# Only a proxy that always sets or strips X-Forwarded-Proto, and sets or appends to X-Forwarded-For, may be trusted.
PROXIES = read_proxies(env)
TRUSTED_PROXY = bool(PROXIES)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY else None
# Without the header each request looks like http: a redirect would never end.
SECURE_SSL_REDIRECT = OVER_HTTPS and TRUSTED_PROXY
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^api/"]
SECURE_HSTS_SECONDS = 31_536_000 if OVER_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = OVER_HTTPS
SECURE_HSTS_PRELOAD = OVER_HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
_prefix = "__Host-" if OVER_HTTPS else ""
SESSION_COOKIE_NAME = f"{_prefix}sw_session"
CSRF_COOKIE_NAME = f"{_prefix}sw_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = OVER_HTTPS
# With the cookie out of its reach, htmx takes the token from `hx-headers` on <body>.
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "config.trouble.csrf_failure"
X_FRAME_OPTIONS = "DENY"

# Plotly adds one empty <style> and fills it by `insertRule`: the hash below is that of the empty text.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src-elem": ["'self'", "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
        "style-src-attr": ["'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
        "report-uri": "/csp-report",
    }
}

# --- Uploads ------------------------------------------------------------------------------------------------------

UPLOAD_MAX_WIRE_BYTES = env.number("SUITEWATCH_UPLOAD_MAX_WIRE_BYTES", default=25 * 2**20, least=1)
UPLOAD_MAX_PLAIN_BYTES = env.number("SUITEWATCH_UPLOAD_MAX_PLAIN_BYTES", default=200 * 2**20, least=1)
UPLOAD_MAX_CASES = env.number("SUITEWATCH_UPLOAD_MAX_CASES", default=200_000, least=1)
UPLOAD_MAX_SOURCE_FILES = env.number("SUITEWATCH_UPLOAD_MAX_SOURCE_FILES", default=200_000, least=1)
UPLOAD_MAX_SOURCE_LINES = env.number("SUITEWATCH_UPLOAD_MAX_SOURCE_LINES", default=100_000_000, least=1)
UPLOAD_MAX_JSON_BYTES = env.number("SUITEWATCH_UPLOAD_MAX_JSON_BYTES", default=24 * 2**20, least=1)
UPLOAD_MAX_FILES = env.number("SUITEWATCH_UPLOAD_MAX_FILES", default=100, least=1, most=1000)
UPLOAD_MAX_ARCHIVE_FILES = env.number("SUITEWATCH_UPLOAD_MAX_ARCHIVE_FILES", default=1000, least=1, most=10_000)
UPLOAD_MAX_CONFIGURATION_BYTES = env.number("SUITEWATCH_UPLOAD_MAX_CONFIGURATION_BYTES", default=64 * 2**10, least=1)
# Of one project: how many at once, how many a minute after that, how many may wait, how much a day (0: any amount).
UPLOAD_BURST = env.number("SUITEWATCH_UPLOAD_BURST", default=1000, least=1)
UPLOAD_RATE_PER_MINUTE = env.number("SUITEWATCH_UPLOAD_RATE_PER_MINUTE", default=600, least=1)
UPLOAD_MAX_WAITING = env.number("SUITEWATCH_UPLOAD_MAX_WAITING", default=1000, least=1)
UPLOAD_MAX_BYTES_PER_DAY = env.number("SUITEWATCH_UPLOAD_MAX_BYTES_PER_DAY", default=0)
# Of one address, in a minute: checks of a configuration, and answers to tokens that are not known.
CHECKS_PER_MINUTE = env.number("SUITEWATCH_CHECKS_PER_MINUTE", default=30, least=1)
WRONG_TOKENS_PER_MINUTE = env.number("SUITEWATCH_WRONG_TOKENS_PER_MINUTE", default=20, least=1)
UPLOAD_TIMEOUT_SECONDS = env.number("SUITEWATCH_UPLOAD_TIMEOUT_SECONDS", default=60, least=1)
UPLOAD_READ_TIMEOUT_SECONDS = env.number("SUITEWATCH_UPLOAD_READ_TIMEOUT_SECONDS", default=10, least=1)
LEASE_SECONDS = env.number("SUITEWATCH_LEASE_SECONDS", default=60, least=1)
SWEEP_SECONDS = env.number("SUITEWATCH_SWEEP_SECONDS", default=15, least=1)
MAX_ATTEMPTS = env.number("SUITEWATCH_MAX_ATTEMPTS", default=3, least=1, most=20)
# Forms only; the upload view reads its stream itself.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = UPLOAD_MAX_FILES
FILE_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
FILE_UPLOAD_PERMISSIONS = 0o600
# /readyz says no below this much room for spooled uploads.
MIN_FREE_BYTES = env.number("SUITEWATCH_MIN_FREE_BYTES", default=2**30)

# --- Static files -------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env.path("SUITEWATCH_STATIC_ROOT", default=BASE_DIR / "static-collected")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Celery: a message is a doorbell, the row in PostgreSQL is the job --------------------------------------------

# Celery spells a unix socket differently from redis-py.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1) or "memory://"
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_WORKER_SEND_TASK_EVENTS = False
# Early acknowledgement and the lease of the row: late ones were measured to loop on a crash and to run twice.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = WORKER_PROCESSES
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300_000
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 25
CELERY_WORKER_ETA_TASK_LIMIT = 100
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES: dict[str, dict[str, Any]] = {"default": {}, "ingest": {}}
CELERY_TASK_ROUTES = {"ingest.tasks.*": {"queue": "ingest"}}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 2
# A request that rings the bell must not wait for it; a worker may be patient.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"socket_connect_timeout": 0.25, "socket_timeout": 0.3, **CELERY_TASK_PUBLISH_RETRY_POLICY}
    if IN_WEB
    else {
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "visibility_timeout": 3600,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
    }
)
CELERY_TIMEZONE = "UTC"
# Entries are idempotent and counted in seconds, so the schedule need not survive a restart.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep-uploads": {
        "task": "ingest.tasks.sweep_uploads",
        "schedule": float(SWEEP_SECONDS),
        # Sweeps that nobody took in time are not worth keeping.
        "options": {"expires": SWEEP_SECONDS},
    },
}

# --- Mail and logs ------------------------------------------------------------------------------------------------

EMAIL_TIMEOUT = 10
LOG_FORMAT = env.text("SUITEWATCH_LOG_FORMAT", default="text", allowed=("text", "json"))
LOG_LEVEL = env.text("SUITEWATCH_LOG_LEVEL", default="INFO", allowed=("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = logging_settings(form=LOG_FORMAT, level=LOG_LEVEL)
