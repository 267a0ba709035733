"""Settings of the test suite: the service's own, on a scratch state directory.

`DUS_DATABASE_URL` and `DUS_BROKER_URL` choose the database and the broker, as in production.
"""

import os
import tempfile

os.environ["DUS_ENV_FILE"] = os.devnull
os.environ.setdefault("DUS_STATE_DIR", tempfile.mkdtemp(prefix="dus-test-"))
os.environ.setdefault("DUS_BROKER_URL", "memory://")

from dus_project.settings import base
from dus_project.settings.base import *  # noqa: F403 - the state directory is chosen first

# A strong password hash per test account would cost more than the tests themselves.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = base.STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True

DATABASES = {"default": base.DATABASES["default"].copy()}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads of one test then meet the locks that processes meet in earnest.
    DATABASES["default"]["TEST"] = {"NAME": str(base.STATE_DIR / "test.sqlite3")}
