"""`ngatu wards`: write the ward lists of Hanoi anew from the package vietnamadminunits."""

from ngatu.city import CITIES


def wards() -> None:
    """Write ngatu/cities/hanoi/wards.csv and successors.csv."""
    from ngatu.ward_lists import hanoi, write

    lists, successors = hanoi()
    write(lists, CITIES / "hanoi" / "wards.csv")
    write(successors, CITIES / "hanoi" / "successors.csv")
    print(f"wrote {len(lists)} wards and {len(successors)} successions")
