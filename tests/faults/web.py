"""The real web application with traps laid: `gunicorn tests.faults.web:application`.

Points in the order a delivery passes them: inserted (row and payload are in the transaction, nothing committed),
accepted (committed, the client has no answer yet).
"""

from config.wsgi import application
from ingest import receive, views
from tests.faults.traps import spring_around

__all__ = ["application"]

spring_around(receive, "_insert_files", after="inserted")
spring_around(views, "receive", after="accepted")
