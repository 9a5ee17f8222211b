"""Why a device, a ward or the city is not well, in English: for the command line and the published table.

Pages tell the same facts in the reader's language (`why` in `quality_1d`).
"""

from collections.abc import Mapping
from typing import Any


def in_english(fact: Mapping[str, Any]) -> str:
    """Tell one fact of `why`.

    >>> in_english({"word": "alive", "value": None, "threshold": 600})
    'alive: nothing came that day'
    >>> in_english({"word": "clean", "value": 0.5, "threshold": 0.99, "unclean": 7, "rejected": 0, "declares": True})
    'clean: 50.0% of at least 99%; 7 undeclared or double values, 0 messages unreadable'
    """
    word, value = fact["word"], fact["value"]
    if word == "alive":
        if value is None:
            return "alive: nothing came that day"
        return f"alive: silent for the day's last {value:.0f} s, allowed are {fact['threshold']:.0f}"
    if word == "shared":
        waited = "not published" if value is None else f"published {value:.1f} days after"
        return f"shared: {waited}, allowed are {fact['threshold']:g}"
    return f"{word}: {value:.1%} of at least {fact['threshold']:.0%}{_behind(word, fact)}"


def _behind(word: str, fact: Mapping[str, Any]) -> str:
    """The counts behind a share; those of a ward have none."""
    if word == "complete" and "least" in fact:
        least = ", ".join(f"{name} {share:.0%}" for name, share in fact["least"] or []) or "-"
        lost = f"; {fact['missing']} messages missing" if fact["missing"] else ""
        given_up = f"; {fact['explained']} given up by the device" if fact["explained"] else ""
        return f"; least: {least}{lost}{given_up}"
    if word == "clean" and "unclean" in fact:
        undeclared = "" if fact["declares"] else "; the device has not described itself"
        return f"; {fact['unclean']} undeclared or double values, {fact['rejected']} messages unreadable{undeclared}"
    if word == "correct" and "wrong" in fact:
        unwell = f", camera trusted {fact['trusted']:.0%} of the time" if fact["trusted"] is not None else ""
        return f"; {fact['wrong']} values out of range or stuck, {fact['misdated']} with an impossible time{unwell}"
    return ""
