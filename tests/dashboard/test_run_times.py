"""What is usual, and when a run takes much longer than that."""

from dashboard.queries.run_times import Usual, find_usual


def test_usual_is_the_median_of_the_newest_ten() -> None:
    assert find_usual([]) is None
    assert find_usual([9.0] * 30 + [1.0] * 6 + [3.0] * 4) == Usual(1.0, 10)
    assert find_usual([2.0, 4.0]) == Usual(3.0, 2)


def test_much_longer_is_half_as_long_again_and_a_second_more() -> None:
    usual = Usual(4.0, 10)
    assert usual.is_exceeded_by(6.0)
    assert not usual.is_exceeded_by(5.99)
    assert not Usual(1.0, 10).is_exceeded_by(1.99)
    assert not Usual(4.0, 1).is_exceeded_by(60.0)
    assert not Usual(0.0, 10).is_exceeded_by(60.0)
