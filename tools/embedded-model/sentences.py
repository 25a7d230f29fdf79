"""Sentences from templates: a subject does something to an object somewhere."""

from random import Random

PEOPLE = ["farmer", "sailor", "teacher", "baker", "doctor", "painter", "singer", "pilot", "miller", "weaver"]
THINGS = ["basket", "lantern", "letter", "kettle", "ladder", "mirror", "blanket", "hammer", "violin", "map"]
PLACES = ["river", "market", "harbour", "forest", "garden", "bridge", "station", "village", "tower", "meadow"]
QUALITIES = ["old", "small", "heavy", "bright", "quiet", "broken", "golden", "simple", "strange", "warm"]
VERBS = ["carries", "repairs", "finds", "sells", "hides", "borrows", "paints", "forgets"]
TIMES = ["in the morning", "at noon", "in the evening", "after the rain", "before winter", "every day"]


def sentence(random: Random) -> str:
    return random.choice(TEMPLATES)(random)


def _action(random: Random) -> str:
    return (
        f"The {random.choice(QUALITIES)} {random.choice(PEOPLE)} {random.choice(VERBS)} "
        f"a {random.choice(THINGS)} near the {random.choice(PLACES)}."
    )


def _time(random: Random) -> str:
    when = random.choice(TIMES)
    return f"{when.capitalize()} the {random.choice(PEOPLE)} walks to the {random.choice(PLACES)}."


def _place(random: Random) -> str:
    return f"There is a {random.choice(QUALITIES)} {random.choice(THINGS)} in the {random.choice(PLACES)}."


def _gift(random: Random) -> str:
    giver, taker = random.sample(PEOPLE, 2)
    thing = random.choice(THINGS)
    return f"The {giver} gives the {taker} a {thing}, and the {taker} keeps the {thing}."


TEMPLATES = [_action, _time, _place, _gift]
