"""Where time goes: by the innermost part."""

from vasa.evaluation.stopwatch import Stopwatch


def test_a_second_counts_once():
    now = [0.0]
    watch = Stopwatch(clock=lambda: now[0])

    def spend(seconds: float) -> None:
        now[0] += seconds

    spend(100)
    with watch.part("outer"):
        spend(1)
        with watch.part("inner"):
            spend(2)
        spend(4)
    spend(100)
    with watch.part("inner"):
        spend(8)
    assert watch.seconds == {"outer": 5, "inner": 10}


def test_an_error_ends_its_part():
    now = [0.0]
    watch = Stopwatch(clock=lambda: now[0])
    try:
        with watch.part("broken"):
            now[0] += 1
            raise RuntimeError
    except RuntimeError:
        now[0] += 5
    with watch.part("next"):
        now[0] += 2
    assert watch.seconds == {"broken": 1, "next": 2}
