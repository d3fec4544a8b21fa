"""The form of selects: a choice of one is none, and what the address chose is always among the options."""

from dashboard.choices import offer_selects
from dashboard.filters import Filters
from dashboard.queries.scope import Offer

OFFER = Offer(branches=("main", "release/2"), jobs=("tests",), variants=("3.11", "3.12"), suites=("api",), levels=())


def named(selects: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    return {str(select["name"]): select for select in selects}


def test_a_choice_of_one_is_none() -> None:
    assert set(named(offer_selects(OFFER, Filters(), branch="main"))) == {"branch", "variant"}


def test_the_branch_shown_is_the_one_marked() -> None:
    branch = named(offer_selects(OFFER, Filters(), branch="main"))["branch"]
    assert branch["options"] == [("main", True), ("release/2", False)]
    assert branch["empty"] == ""


def test_what_the_address_chose_is_among_the_options_though_it_is_the_only_one_or_gone() -> None:
    selects = named(offer_selects(OFFER, Filters(job="tests", suite="removed", level="unit"), branch="main"))
    assert selects["job"]["options"] == [("tests", True)]
    assert ("removed", True) in selects["suite"]["options"]
    assert selects["level"]["options"] == [("unit", True)]
