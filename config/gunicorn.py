"""How gunicorn serves: read by `python -m gunicorn --config python:config.gunicorn config.wsgi:application`.

The names below are gunicorn's own. Threads, because an upload may be slow without being work.
"""

import resource

from config.env import environment as env
from config.logs import logging_settings
from config.proxies import read_proxies

_host = env.text("SUITEWATCH_HOST", default="127.0.0.1")
_port = env.number("SUITEWATCH_PORT", default=8000, least=1, most=65_535)
bind = f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}"
worker_class = "config.web_worker.PatientWorker"
workers = env.number("SUITEWATCH_WEB_PROCESSES", default=2, least=1, most=64)
threads = env.number("SUITEWATCH_WEB_THREADS", default=16, least=1, most=256)
timeout = 60
graceful_timeout = 30
keepalive = 5
# A process is replaced now and then, so that a slow leak stays small; not all at once, since none accepts meanwhile.
max_requests = 2000
max_requests_jitter = 2000
limit_request_line = 8190
# Signals are enough; its socket would stand in the home directory.
control_socket_disable = True
# Only a trusted proxy may say how the client came; Django decides by the same variable. None may name a path.
forwarded_allow_ips = ",".join(map(str, read_proxies(env).peers))
forwarder_headers = ""
logconfig_dict = logging_settings(
    form=env.text("SUITEWATCH_LOG_FORMAT", default="text", allowed=("text", "json")),
    level=env.text("SUITEWATCH_LOG_LEVEL", default="INFO", allowed=("DEBUG", "INFO", "WARNING", "ERROR")),
)
# An upload of a hundred files may have a hundred open, and each stalled client has one.
_ENOUGH_FILES = 65_536


def on_starting(server: object) -> None:  # noqa: ARG001 - gunicorn's signature
    """Allow as many open files as the system lets us; its usual soft limit of 1024 is for programs of another age."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def post_worker_init(worker: object) -> None:  # noqa: ARG001 - gunicorn's signature
    """Import Plotly before the first request asks for a figure: it takes a good part of a second."""
    import plotly.graph_objects as go

    go.Figure(go.Scatter(x=[0], y=[0])).to_plotly_json()
