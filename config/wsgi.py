"""The web process's way in: gunicorn imports `application` from here."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Read by the settings: a connection pool and quick, bounded publishing are for this process only.
os.environ["SUITEWATCH_PROCESS"] = "web"

application = get_wsgi_application()
