"""Where each page's figures are: the page's own URL name, and its address below /api/v1/projects/{slug}/.

Used by `dashboard.api.urls` and by every operation. Promise: each page of a project has an entry here, or a reason
why it has none (`tests/dashboard/test_api_operations.py`).
"""

from typing import Final

ROOT: Final = "api/v1/projects"

# By the page's name; in the order of the documentation.
ADDRESSES: Final[dict[str, str]] = {
    "overview": "overview",
    "matrix": "matrix",
    "flaky": "flaky",
    "causes": "causes",
    "cause": "causes/<fingerprint:fingerprint>",
    "vanished": "vanished",
    "deferred": "deferred",
    "slow": "slow",
    "trends": "trends",
    "runs": "runs",
    "run": "runs/<int:number>",
    "compare": "compare",
    "search": "search",
    "case": "cases/<int:number>",
    "deferral": "deferred/<int:pk>",
    "renames": "renames",
    "coverage": "coverage",
    "coverage-file": "coverage/files/<int:number>",
    "uploads": "uploads",
    "upload": "uploads/<uuid:public_id>",
}
# Pages of a project that hold no figures.
WITHOUT: Final[dict[str, str]] = {
    "start": "shows how to send the first report",
    "start-progress": "is a panel of that page",
    "deferral-add": "is where people write an entry",
    "settings": "is where people and tokens are changed",
}
