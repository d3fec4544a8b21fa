"""What the configuration in force asks of deferrals."""

import pytest

from health.policies import fetch_policy
from health.rules.deferral_policy import DeferralPolicy
from health.sql import open_cursor
from tests.builders import a_project, an_upload
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

POLICY = """
deferral_policy:
  require: [reason, owner]
  review_after_days: 90
  passes_to_release: 3
"""


def test_without_a_configuration_it_is_the_usual_one() -> None:
    project = a_project()
    assert fetch_policy(open_cursor(), project.pk) == DeferralPolicy((), None, 5)
    an_upload(project, {"a::b": "pass"}, configuration="run:\n  timeout_minutes: 30\n")
    assert fetch_policy(open_cursor(), project.pk) == DeferralPolicy((), None, 5)


def test_the_one_in_force_says_it_in_one_statement() -> None:
    project = a_project()
    an_upload(project, {"a::b": "pass"}, configuration=POLICY)
    with counted_statements() as sent:
        found = fetch_policy(open_cursor(), project.pk)
    assert found == DeferralPolicy(("reason", "owner"), 90, 3)
    assert len(sent) == 1


def test_a_pull_request_s_configuration_asks_nothing() -> None:
    project = a_project()
    an_upload(project, {"a::b": "pass"}, branch="feature", pull_request="1", configuration=POLICY)
    assert fetch_policy(open_cursor(), project.pk) == DeferralPolicy()
