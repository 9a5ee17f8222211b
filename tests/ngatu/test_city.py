"""City files: what Hanoi's says, and what is told of one that can't be used."""

import csv
from pathlib import Path

import pytest

from ngatu import ward_lists
from ngatu.city import CITIES, BadCity, City, city_file, read_city
from ngatu.city_lists import read_successors, read_wards

HANOI = CITIES / "hanoi"


@pytest.fixture
def edited(tmp_path: Path) -> "Edit":
    for file in HANOI.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return Edit(tmp_path)


class Edit:
    """A copy of Hanoi's folder in which one text can be replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, old: str, new: str, file: str = "city.yaml") -> str:
        """Replace, read everything, and give the one error's text without the folder."""
        path = self.folder / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
        with pytest.raises(BadCity) as caught:
            self.read()
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(f"{self.folder}/", "")

    def read(self) -> None:
        city = read_city(self.folder / "city.yaml")
        read_successors(city, self.folder, read_wards(city, self.folder))


def test_hanoi_is_read() -> None:
    city = read_city(city_file("hanoi"))
    assert isinstance(city, City)
    assert (city.name, city.time_zone, city.languages) == ("Hà Nội", "Asia/Ho_Chi_Minh", ("vi", "en"))
    assert city.thresholds.complete == 0.9
    assert len(read_wards(city, HANOI)) == 526 + 126


def test_the_ward_lists_are_what_the_package_gives(tmp_path: Path) -> None:
    wards, successors = ward_lists.hanoi()
    ward_lists.write(wards, tmp_path / "wards.csv")
    ward_lists.write(successors, tmp_path / "successors.csv")
    for name in ("wards.csv", "successors.csv"):
        made, kept = ((folder / name).read_text("utf-8") for folder in (tmp_path, HANOI))
        assert made == kept, f"{name} is not what `make wards` writes"


def test_the_lists_name_their_source() -> None:
    assert "MIT" in read_city(city_file("hanoi")).wards_source
    with (HANOI / "wards.csv").open(encoding="utf-8") as file:
        assert next(iter(csv.DictReader(file)))["name_en"] == "Phuc Xa Ward"


def test_shares_follow_where_the_successors_lie() -> None:
    left, right = (0.5, 0.25, 1.0), (0.5, 0.75, 1.0)
    assert ward_lists.estimated_shares("0,0 - 1,1", [left, right]) == pytest.approx([0.5, 0.5])
    assert ward_lists.estimated_shares("0,0 - 1,0.5", [left, right])[0] > 0.99
    wide, small = (0.5, 0.25, 5000.0), (0.5, 0.75, 1.0)
    assert ward_lists.estimated_shares("0,0 - 1,1", [wide, small])[0] > 0.6


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "time_zone:",
            "time_zome:",
            "city.yaml:5: time_zome: unknown key (did you mean time_zone?); allowed: adapters, boundaries,",
        ),
        (
            "  complete: 0.90",
            "  complet: 0.90",
            "city.yaml:22: thresholds.complet: unknown key (did you mean complete?)",
        ),
        ("  complete: 0.90", "  complete: 90", "city.yaml:22: thresholds.complete: Expected `float` <= 1.0"),
        ("{ severity: major, vi:", "{ severity: grave, vi:", "reports[...].severity: Invalid enum value 'grave'"),
        ("[vi, en]", "[vi, fr]", "city.yaml:6: languages[1]: Invalid enum value 'fr'; allowed: 'vi', 'en'"),
        (
            "Asia/Ho_Chi_Minh",
            "Asia/Ho_Chi_Min",
            "time_zone: Asia/Ho_Chi_Min is no time zone of the IANA list (did you mean",
        ),
        ("wards: wards.csv", "wards: ward.csv", "city.yaml:9: wards: there is no file ward.csv beside it"),
        ("country: VN\n", "", "city.yaml:2: city: Object missing required field `country`"),
        ("country: VN", "country: VN\ncountry: VN", "city.yaml:5: country: stands here a second time"),
        ("languages: [vi, en]", "languages: [vi, en", "not YAML"),
    ],
)
def test_a_typo_is_told_with_its_line_its_key_and_what_is_allowed(edited: Edit, old: str, new: str, told: str) -> None:
    assert told in edited(old, new)


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("wards.csv", "21.046798", "north", "wards.csv:2: could not convert string to float: 'north'"),
        ("wards.csv", "latitude", "lat", "wards.csv:2: column 'latitude' is missing"),
        ("wards.csv", ",,,2025-07-01\n", ",,\n", "wards.csv:2: not as many columns as the header names"),
        ("wards.csv", "2025-07-01", "1 July", "wards.csv:2: Invalid isoformat string: '1 July'"),
        ("successors.csv", "00097", "99999", "successors.csv:2: ward 99999 is not in wards.csv"),
        ("successors.csv", "1,1.0", "1,0.5", "successors.csv: the shares of ward 00001 add up to 0.5, not to 1"),
    ],
)
def test_a_list_with_a_mistake_names_its_line(edited: Edit, file: str, old: str, new: str, told: str) -> None:
    assert told in edited(old, new, file)


def test_an_unknown_city_names_the_ones_there_are() -> None:
    with pytest.raises(BadCity, match="one of: hanoi"):
        city_file("atlantis")
