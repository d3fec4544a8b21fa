"""What a project asks of each entry of its register, and what an entry lacks of it.

Used by `health.policies`, the register's page, the overview and the gate; pure.
Promise: a day decides what is overdue, never a run: yesterday's commit stays as it was
(`tests/health/test_deferral_policy.py`).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

FIELDS: Final = ("reason", "owner", "review", "issue", "backing")
PASSES_TO_RELEASE: Final = 5


@dataclass(frozen=True, slots=True)
class DeferralPolicy:
    """As `.suitewatch.yml` says it; without one nothing is required and nothing falls due by itself."""

    required: tuple[str, ...] = ()
    review_after_days: int | None = None
    passes_to_release: int = PASSES_TO_RELEASE

    def find_review_day(self, *, review_on: date | None, opened_on: date) -> date | None:
        """The day an entry is to be looked at: its own, else so many days after it was opened."""
        if review_on is not None or self.review_after_days is None:
            return review_on
        return opened_on + timedelta(days=self.review_after_days)

    def is_overdue(self, *, review_on: date | None, opened_on: date, today: date) -> bool:
        """Whether that day is over."""
        day = self.find_review_day(review_on=review_on, opened_on=opened_on)
        return day is not None and day < today
