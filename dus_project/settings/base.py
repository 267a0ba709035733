"""Settings of the service, for one machine and for many: what differs comes from the environment.

README.md has the table of all variables.
"""

from pathlib import Path

import django_stubs_ext
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from dus_project.logs import not_told, without_traceback
from dus_project.settings import env

# `ModelAdmin[Update]` and its like stand in annotations that run.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parents[2]
env.load_file(BASE_DIR / ".env")
STATE_DIR = Path(env.text("DUS_STATE_DIR", str(BASE_DIR / "state"))).resolve()

DEBUG = env.boolean("DUS_DEBUG", default=False)
SECRET_KEY = env.secret("DUS_SECRET_KEY", kept_in=STATE_DIR / "secrets" / "secret_key")

# --- addresses -------------------------------------------------------------------------------------------
DUS_BIND = env.text("DUS_BIND", "127.0.0.1")
DUS_HTTP_PORT = env.integer("DUS_HTTP_PORT", 8000, minimum=1, maximum=65535)
DUS_HTTPS_PORT = env.integer("DUS_HTTPS_PORT", 8443, minimum=1, maximum=65535)
DUS_WEB_WORKERS = env.integer("DUS_WEB_WORKERS", 1, minimum=1, maximum=256)
DUS_WORKER_PROCESSES = env.integer("DUS_WORKER_PROCESSES", 2, minimum=1, maximum=256)
# A certificate of the organisation's own, and its key; without them `make serve` makes a self-signed one.
DUS_TLS_CERTIFICATE = env.text("DUS_TLS_CERTIFICATE", "")
DUS_TLS_KEY = env.text("DUS_TLS_KEY", "")
DUS_INTERNAL_URL = env.origin("DUS_INTERNAL_URL", f"http://127.0.0.1:{DUS_HTTP_PORT}")
DUS_EXTERNAL_URL = env.origin("DUS_EXTERNAL_URL", f"https://127.0.0.1:{DUS_HTTPS_PORT}")
DUS_INTERNAL_NETWORKS = env.networks(
    "DUS_INTERNAL_NETWORKS",
    [
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    ],
)
DUS_TRUSTED_PROXIES = env.networks("DUS_TRUSTED_PROXIES", [])
ALLOWED_HOSTS = env.words("DUS_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("DUS_CSRF_TRUSTED_ORIGINS", [])

# --- application -----------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "dus_project.apps.ProjectConfig",
    "dus_project.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "rest_framework",
    "devices",
    "updates",
]
MIDDLEWARE = [
    "dus_project.health.HealthDoor",
    # First: a device needs none of what follows, and its URLs take hosts that the console does not.
    "dus_project.middleware.DeviceDoor",
    "dus_project.middleware.ConsoleDoor",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
]
ROOT_URLCONF = "dus_project.urls"
WSGI_APPLICATION = "dus_project.wsgi.application"
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
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- database --------------------------------------------------------------------------------------------
_database = env.database("DUS_DATABASE_URL", f"sqlite:///{STATE_DIR / 'database.sqlite3'}")
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        # IMMEDIATE takes the write lock at BEGIN, so that a transaction waits instead of failing half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["CONN_HEALTH_CHECKS"] = True
# A connection made anew for each check would cost more than the check.
_database["CONN_MAX_AGE"] = None
DATABASES = {"default": _database}
# Threads of one web process. A slow body holds the thread that reads it: with many, slow callers leave some for
# others, and idle ones end by themselves. A server such as PostgreSQL has a connection less for each of them.
DUS_WEB_THREADS = 512 if _database["ENGINE"] == "django.db.backends.sqlite3" else 24
# How many of them may read a check's body, and how many a form of the console, at any one time.
DUS_CHECK_BODIES = DUS_WEB_THREADS // 2
DUS_FORM_BODIES = DUS_WEB_THREADS // 4

# --- files -----------------------------------------------------------------------------------------------
DUS_STORAGE = env.choice("DUS_STORAGE", "local", ("local", "s3"))
DUS_S3_BUCKET = env.text("DUS_S3_BUCKET", "")
_S3_OPTIONS: dict[str, object] = {
    "bucket_name": DUS_S3_BUCKET,
    "endpoint_url": env.text("DUS_S3_ENDPOINT", "") or None,
    "region_name": env.text("DUS_S3_REGION", "") or None,
    "access_key": env.secret("DUS_S3_ACCESS_KEY", "") or None,
    "secret_key": env.secret("DUS_S3_SECRET_KEY", "") or None,
    "querystring_expire": env.integer("DUS_S3_URL_SECONDS", 300, minimum=1, maximum=604800),
    "signature_version": "s3v4",
    "default_acl": None,
    "file_overwrite": False,
    # A file that is opened is spooled to disk beyond this size instead of being held in memory.
    "max_memory_size": 8 * 1024 * 1024,
}


def _storage(folder: str) -> dict[str, object]:
    if DUS_STORAGE == "s3":
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _S3_OPTIONS | {"location": folder}}
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": STATE_DIR / folder, "base_url": None},
    }


STORAGES = {
    # Uploaded packages and unassigned files: private.
    "default": _storage("packages"),
    # What devices download. docs/architecture.md has the path scheme.
    "updates": _storage("store"),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
DUS_SCRATCH_DIR = STATE_DIR / "scratch"
# Where nginx serves the update store internally; empty: the application sends the bytes itself.
DUS_ACCEL_PREFIX = env.text("DUS_ACCEL_PREFIX", "").rstrip("/")
STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "dus_project" / "static"]
FILE_UPLOAD_TEMP_DIR = None

# --- packages --------------------------------------------------------------------------------------------
DUS_UPLOAD_MAX_BYTES = env.integer("DUS_UPLOAD_MAX_BYTES", 1 << 30, minimum=1024)
DUS_LIMITS = {
    "members": env.integer("DUS_LIMIT_MEMBERS", 4096, minimum=1, maximum=65535),
    "tree_members": env.integer("DUS_LIMIT_TREE_MEMBERS", 10_000, minimum=1),
    "folders": env.integer("DUS_LIMIT_FOLDERS", 256, minimum=1, maximum=65535),
    "member_bytes": env.integer("DUS_LIMIT_MEMBER_BYTES", 1 << 30, minimum=1, maximum=2_147_450_880),
    "tree_bytes": env.integer("DUS_LIMIT_TREE_BYTES", 4 << 30, minimum=1),
    "ratio": env.integer("DUS_LIMIT_RATIO", 200, minimum=1),
    "depth": env.integer("DUS_LIMIT_DEPTH", 3, minimum=1, maximum=16),
    "nested": env.integer("DUS_LIMIT_NESTED", 64, minimum=0),
    "updates": env.integer("DUS_LIMIT_UPDATES", 500, minimum=1),
    "cpu_seconds": env.integer("DUS_LIMIT_CPU_SECONDS", 120, minimum=1),
    "wall_seconds": env.integer("DUS_LIMIT_WALL_SECONDS", 300, minimum=1),
}
DUS_LEASE_SECONDS = env.integer("DUS_LEASE_SECONDS", 60, minimum=2)
DUS_MAX_ATTEMPTS = env.integer("DUS_MAX_ATTEMPTS", 5, minimum=1, maximum=100)
DUS_SWEEP_SECONDS = env.integer("DUS_SWEEP_SECONDS", 15, minimum=1)

# --- queue -----------------------------------------------------------------------------------------------
CELERY_BROKER_URL = env.secret("DUS_BROKER_URL", "filesystem://")
_QUEUE_DIR = STATE_DIR / "queue"
DUS_VISIBILITY_TIMEOUT = env.integer("DUS_VISIBILITY_TIMEOUT", 7200, minimum=10)
if CELERY_BROKER_URL.startswith("filesystem:"):
    # The transport looks into its folders and does not make them; whoever comes first does.
    for _folder in ("messages", "control"):
        (_QUEUE_DIR / _folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    # Both folders are one: every process puts messages in and takes messages out of the same place.
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "data_folder_in": str(_QUEUE_DIR / "messages"),
        "data_folder_out": str(_QUEUE_DIR / "messages"),
        "control_folder": str(_QUEUE_DIR / "control"),
        "store_processed": False,
        "polling_interval": 0.1,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": DUS_VISIBILITY_TIMEOUT,
        # A killed worker's message comes back soon after its time-out, not at the next of rare sweeps.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    }
CELERY_TASK_DEFAULT_QUEUE = "dus"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = env.integer("DUS_TASK_TIME_LIMIT", 3600, minimum=10)
CELERY_TASK_SOFT_TIME_LIMIT = max(CELERY_TASK_TIME_LIMIT - 30, 5)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# In memory: the schedule is fixed, and a file of it would have to survive a kill.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "updates.tasks.sweep", "schedule": float(DUS_SWEEP_SECONDS)},
}

# --- devices ---------------------------------------------------------------------------------------------
# How long a process may go on with what it knows of approvals; approvals promise one second.
DUS_CATALOGUE_SECONDS = 1.0
REST_FRAMEWORK: dict[str, object] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}

# --- console ---------------------------------------------------------------------------------------------
LANGUAGES = [("en", _("English")), ("ja", _("Japanese"))]
LANGUAGE_CODE = env.choice("DUS_LANGUAGE", "en", ("en", "ja"))
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.time_zone("DUS_TIME_ZONE", "UTC")
USE_TZ = True
LOGIN_URL = "admin:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SESSION_COOKIE_AGE = env.integer("DUS_SESSION_SECONDS", 8 * 3600, minimum=60)
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = False  # the upload script sends it back as a header
DUS_HTTPS_ONLY = env.boolean("DUS_HTTPS_ONLY", default=False)
SESSION_COOKIE_SECURE = DUS_HTTPS_ONLY
CSRF_COOKIE_SECURE = DUS_HTTPS_ONLY
SECURE_SSL_REDIRECT = DUS_HTTPS_ONLY
SECURE_HSTS_SECONDS = env.integer("DUS_HSTS_SECONDS", 31_536_000, minimum=0) if DUS_HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = DUS_HTTPS_ONLY
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}

# --- logs ------------------------------------------------------------------------------------------------
DUS_LOG_LEVEL = env.choice("DUS_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["one_line"]}
    },
    "filters": {
        "one_line": {"()": lambda: without_traceback},
        "not_told": {"()": lambda: not_told},
    },
    "root": {"handlers": ["console"], "level": DUS_LOG_LEVEL},
    # Refusals are ordinary; those of devices are told by "devices.refusals", without the path.
    "loggers": {"django.request": {"level": "ERROR", "filters": ["not_told"]}},
}
SILENCED_SYSTEM_CHECKS: list[str] = []
