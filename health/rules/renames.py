"""Which case that appeared is likely one that vanished with the same commit, under a new name; with a score, 0 to 1.

Called by `health.renames`; pure. Two kinds are looked for: the same name in another place (a class or file was moved or
renamed), and another name or other parameters in the same place. What a whole family or class did together counts for
each of its cases. A person decides, so a pair that may as well be a coincidence is left out.
Promise: each case is in one pair at most, and the work is bounded (`tests/health/test_rename_rules.py`).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND
from health.rules.families import Family, split_family
from health.rules.identity import STEP, Identity

THRESHOLD: Final = 0.6
MOVED: Final = "moved"  # the same name in another place
RENAMED: Final = "renamed"  # another name in the same place
REPARAMETRISED: Final = "parameters"  # the same name in the same place with other parameters

# Beyond so many on either side only whole classes and files that moved are looked for: each case once, by its name.
MOST_COMPARED: Final = 2_000
_MOST_COMPARISONS: Final = 20_000
_MOST_NAMESAKES: Final = 12
_CERTAIN: Final = 0.99  # nothing is: names are all there is to go by

# Words that say nothing about what is tested.
_EMPTY_WORDS: Final = frozenset({"test", "tests", "testcase", "should", "it", "spec", "specs", "py", "js", "ts", "the"})
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_STEPS: Final = re.compile(r"[./\\:$" + STEP + r"]+")


class Sighting(NamedTuple):
    """A case that vanished or appeared, and how it ran in the last or first job that has it."""

    ord: int
    identity: Identity
    outcome: int
    units: int


class Place(NamedTuple):
    """Where a case lives: all of its identity but the name."""

    namespace: str
    suite_path: str
    class_name: str


class Pair(NamedTuple):
    """A case that seems to go on under another name. `group`: alike for all pairs that one change explains."""

    old: int
    new: int
    score: float
    kind: str
    name_alike: float
    place_alike: float
    n_together: int  # how many pairs the same change explains
    group: tuple[str, ...]


_ByName = dict[tuple[str, int], Sighting]


@dataclass(frozen=True, slots=True)
class _Case:
    """A sighting taken apart."""

    seen: Sighting
    place: Place
    family: Family

    @property
    def key(self) -> tuple[str, int]:
        return self.seen.identity.name, self.seen.identity.occurrence


@dataclass(slots=True)
class _Budget:
    """How many names may still be compared."""

    left: int = field(default=_MOST_COMPARISONS)

    def take(self, n: int) -> bool:
        if n > self.left:
            return False
        self.left -= n
        return True


def pair_renamed(gone: Sequence[Sighting], new: Sequence[Sighting]) -> list[Pair]:
    """The likely renames among these, the most certain first; each case is in one of them at most."""
    if max(len(gone), len(new)) > MOST_COMPARED:
        found = list(_find_moved_places(gone, new))
    else:
        old_cases, new_cases = [_take_apart(seen) for seen in gone], [_take_apart(seen) for seen in new]
        found = _count_support([*_find_moved(old_cases, new_cases), *_find_renamed(old_cases, new_cases)])
    return _assign([pair for pair in found if pair.score >= THRESHOLD])


def _find_moved_places(gone: Sequence[Sighting], new: Sequence[Sighting]) -> Iterator[Pair]:
    """Classes and files that went on elsewhere: where one of the same last name appeared, else the most names."""
    old_places, new_places = _by_place(gone), _by_place(new)
    namesakes: dict[str, list[Place]] = defaultdict(list)
    holders: dict[tuple[str, int], list[Place]] = defaultdict(list)
    for place, cases in new_places.items():
        namesakes[_last_step(place)].append(place)
        for key in cases:
            holders[key].append(place)
    for place, cases in old_places.items():
        candidates = namesakes.get(_last_step(place), [])[:_MOST_NAMESAKES]
        if not candidates:  # a name that is everywhere does not tell where the class went
            rare = (found for key in cases if len(holders.get(key, ())) <= _MOST_NAMESAKES for found in holders[key])
            candidates = [found for found, _ in Counter(rare).most_common(1)]
        if candidates:
            targets = ((len(cases.keys() & new_places[at].keys()), at) for at in candidates)
            target = max(targets)[1]
            yield from _pair_places(place, target, cases, new_places[target])


def _pair_places(place: Place, target: Place, cases: _ByName, there: _ByName) -> Iterator[Pair]:
    shared = [key for key in cases if key in there]
    alike = _compare_places(place, target)
    score = 0.3 + 0.35 * alike + 0.3 * len(shared) / len(cases) + 0.1 * (_last_step(place) == _last_step(target))
    group = (MOVED, *place, *target)
    for key in shared:
        yield Pair(cases[key].ord, there[key].ord, min(score, _CERTAIN), MOVED, 1.0, alike, len(shared), group)


def _by_place(seen: Iterable[Sighting]) -> dict[Place, _ByName]:
    places: dict[Place, _ByName] = defaultdict(dict)
    for case in seen:
        namespace, suite_path, class_name, name, occurrence = case.identity
        places[Place(namespace, suite_path, class_name)][name, occurrence] = case
    return places


def _take_apart(seen: Sighting) -> _Case:
    identity = seen.identity
    return _Case(seen, Place(identity.namespace, identity.suite_path, identity.class_name), split_family(identity.name))


# --- the same name in another place ----------------------------------------------------------------------------


def _find_moved(gone: Iterable[_Case], new: Iterable[_Case]) -> Iterator[Pair]:
    """Pairs of one name in two places; of many namesakes only those whose class is called alike."""
    namesakes: dict[tuple[str, int], list[_Case]] = defaultdict(list)
    classmates: dict[tuple[str, tuple[str, int]], list[_Case]] = defaultdict(list)
    for case in new:
        namesakes[case.key].append(case)
        classmates[_last_step(case.place), case.key].append(case)
    for case in gone:
        others = namesakes.get(case.key, [])
        if len(others) > _MOST_NAMESAKES:
            others = classmates.get((_last_step(case.place), case.key), [])[:_MOST_NAMESAKES]
        for other in others:
            yield _score_move(case, other)


def _score_move(old: _Case, new: _Case) -> Pair:
    place_alike = _compare_places(old.place, new.place)
    n_telling = len(_read(old.family.name).words) + bool(old.family.parameters)
    if _last_step(old.place) == _last_step(new.place):
        n_telling += len(_read(_last_step(old.place)).words)
    score = 0.3 + 0.35 * place_alike + 0.3 * (1 - 0.5**n_telling) + _weigh_results(old, new)
    group = (MOVED, *old.place, *new.place)
    return Pair(old.seen.ord, new.seen.ord, score, MOVED, 1.0, place_alike, 1, group)


@lru_cache(maxsize=20_000)
def _compare_places(old: Place, new: Place) -> float:
    """How alike two places are: most of it is what their last steps are called."""
    if old == new:
        return 1.0
    old_steps, new_steps = _list_steps(old), _list_steps(new)
    inner = min(len(old_steps), len(new_steps))
    if old_steps[:inner] == new_steps[:inner]:
        return 0.8  # a file that became a folder, or was split inside it
    last = _compare_words(old_steps[-1], new_steps[-1])
    above = max(len(old_steps), len(new_steps)) - 1
    shared = sum(a == b for a, b in zip(old_steps[:-1], new_steps[:-1], strict=False))
    path = shared / above if above else 1.0
    # A class is about its subject; a file is a container, and what moves to its neighbour stays what it was.
    weight = 0.2 if old_steps[-1][:1].isupper() and last < 1 else 0.4
    return weight * path + (1 - weight) * last


def _list_steps(place: Place) -> list[str]:
    path = place.suite_path if not place.class_name else f"{place.namespace}/{place.class_name}"
    return [step for step in _STEPS.split(path) if step] or [""]


@lru_cache(maxsize=20_000)
def _last_step(place: Place) -> str:
    return _list_steps(place)[-1]


# --- another name in the same place ----------------------------------------------------------------------------


def _find_renamed(gone: Iterable[_Case], new: Iterable[_Case]) -> Iterator[Pair]:
    budget = _Budget()
    old_families, new_families = _by_family(gone), _by_family(new)
    for place, families in old_families.items():
        others = new_families.get(place, {})
        for name, cases in families.items():  # what kept its name first: it needs the fewest comparisons
            if name in others:
                yield from _pair_parameters(cases, others[name], budget)
        if not budget.take(len(families) * len(others)):
            continue
        for name, cases in families.items():
            words = _read(name).word_set
            for other, candidates in others.items():
                # Names without a word in common are not alike enough, whatever their letters.
                if name == other or words.isdisjoint(_read(other).word_set):
                    continue
                if (alike := _compare_names(name, other)) >= 0.5:
                    yield from _pair_families(cases, candidates, alike, budget)


def _by_family(cases: Iterable[_Case]) -> dict[Place, dict[str, list[_Case]]]:
    families: dict[Place, dict[str, list[_Case]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        families[case.place][case.family.name].append(case)
    return families


def _pair_parameters(gone: list[_Case], new: list[_Case], budget: _Budget) -> Iterator[Pair]:
    """One family: only its parameters changed."""
    if not budget.take(len(gone) * len(new)):
        return
    for old in gone:
        for other in new:
            alike = _compare_parameters(old.family.parameters, other.family.parameters)
            if alike >= 0.5:
                score = 0.1 + 0.75 * alike + _weigh_results(old, other)
                group = (REPARAMETRISED, *old.place, old.family.name)
                yield Pair(old.seen.ord, other.seen.ord, score, REPARAMETRISED, alike, 1.0, 1, group)


def _pair_families(gone: list[_Case], new: list[_Case], alike: float, budget: _Budget) -> Iterator[Pair]:
    """Two families: each case with the one of the same parameters; without parameters they are single cases."""
    by_parameters = {(case.family.parameters, case.seen.identity.occurrence): case for case in new}
    for old in gone:
        other = by_parameters.get((old.family.parameters, old.seen.identity.occurrence))
        if other is not None and budget.take(1):
            score = 0.1 + 0.8 * alike + _weigh_results(old, other)
            group = (RENAMED, *old.place, old.family.name, other.family.name)
            yield Pair(old.seen.ord, other.seen.ord, score, RENAMED, alike, 1.0, 1, group)


# --- what speaks for a pair beside its names -------------------------------------------------------------------


def _weigh_results(old: _Case, new: _Case) -> float:
    """A little for the same outcome and about the same time, a little against where they differ."""
    is_broken = {old.seen.outcome in codes.BROKEN, new.seen.outcome in codes.BROKEN}
    weight = 0.02 if old.seen.outcome == new.seen.outcome else -0.03 * len(is_broken)
    longer, shorter = max(old.seen.units, new.seen.units), min(old.seen.units, new.seen.units)
    if longer > UNITS_PER_SECOND // 10:  # below, every time is like every other
        weight += 0.02 if shorter * 2 >= longer else -0.02
    return weight


def _count_support(found: Iterable[Pair]) -> list[Pair]:
    """Raise what a change explains together: a moved class, a renamed family. One alone gains nothing."""
    groups: dict[tuple[str, ...], list[Pair]] = defaultdict(list)
    for pair in found:
        groups[pair.group].append(pair)
    supported = []
    for pairs in groups.values():
        n = min(len({pair.old for pair in pairs}), len({pair.new for pair in pairs}))
        bonus = 0.0 if pairs[0].kind == REPARAMETRISED else min(0.05 * (n - 1), 0.2)
        supported += [pair._replace(score=min(pair.score + bonus, _CERTAIN), n_together=n) for pair in pairs]
    return supported


def _assign(pairs: list[Pair]) -> list[Pair]:
    """One to one, the best first; of equals the ones that stand in the same order."""
    taken_old: set[int] = set()
    taken_new: set[int] = set()
    chosen = []
    for pair in sorted(pairs, key=lambda pair: (-round(pair.score, 3), pair.old, pair.new)):
        if pair.old not in taken_old and pair.new not in taken_new:
            taken_old.add(pair.old)
            taken_new.add(pair.new)
            chosen.append(pair._replace(score=round(pair.score, 2)))
    return chosen


# --- words -----------------------------------------------------------------------------------------------------


class _Read(NamedTuple):
    """A name taken apart into what is compared."""

    words: tuple[str, ...]  # those that say what is tested
    unnumbered: tuple[str, ...]
    numbers: frozenset[str]
    word_set: frozenset[str]
    letters: frozenset[str]  # two at a time


@lru_cache(maxsize=50_000)
def _read(name: str) -> _Read:
    words = tuple(word for found in _WORDS.findall(name) if (word := found.lower()) not in _EMPTY_WORDS)
    text = " ".join(words) or name
    letters = frozenset(text[at : at + 2] for at in range(len(text) - 1)) or frozenset({text})
    numbers = frozenset(word for word in words if word.isdigit())
    return _Read(words, tuple(word for word in words if word not in numbers), numbers, frozenset(words), letters)


def _compare_names(old: str, new: str) -> float:
    """How alike two names are, from 0 to 1; case 1 and case 2 are two cases."""
    if old == new:
        return 1.0
    return 0.5 if _read(old).unnumbered == _read(new).unnumbered else _compare_words(old, new)


def _compare_parameters(old: str, new: str) -> float:
    """How alike two lists of parameters are; where they share no number it counts against them."""
    alike = _compare_words(old, new)
    old_numbers, new_numbers = _read(old).numbers, _read(new).numbers
    return alike * 0.85 if old_numbers and new_numbers and not old_numbers & new_numbers else alike


def _compare_words(old: str, new: str) -> float:
    """Half by their words, half by their letters."""
    if old == new:
        return 1.0
    before, after = _read(old), _read(new)
    by_words = _measure_overlap(before.word_set, after.word_set)
    return (by_words + _measure_overlap(before.letters, after.letters)) / 2


def _measure_overlap(old: frozenset[str], new: frozenset[str]) -> float:
    """Dice's coefficient: twice what they share, over what they have."""
    n = len(old) + len(new)
    return 2 * len(old & new) / n if n else 1.0
