"""Every word of a report in Vietnamese and English, and how numbers and days are written."""

import re
from datetime import date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from events.names import INCIDENT_KIND_NAMES, SEVERITY_NAMES
from storage.report_period import Period

Language = Literal["vi", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("vi", "en")

CATALOGUE: Final[dict[str, tuple[str, str]]] = {
    **{f"kind.{kind}": names for kind, names in INCIDENT_KIND_NAMES.items()},
    **{f"severity.{severity}": names for severity, names in SEVERITY_NAMES.items()},
    "report.week": ("Báo cáo tuần", "Weekly report"),
    "report.month": ("Báo cáo tháng", "Monthly report"),
    "at_a_glance": ("Tóm tắt", "At a glance"),
    "volumes": ("Lưu lượng", "Traffic volumes"),
    "hours": ("Một ngày điển hình", "A typical day"),
    "speeds": ("Tốc độ", "Speeds"),
    "incidents": ("Sự cố", "Incidents"),
    "air": ("Không khí", "Air"),
    "deviations": ("Khác thường", "Out of the ordinary"),
    "quality": ("Chất lượng dữ liệu", "Quality of the data"),
    "about": ("Về báo cáo này", "About this report"),
    "tile.vehicles": ("xe cơ giới đã đếm", "motor vehicles counted"),
    "tile.speed": ("tốc độ trung bình", "mean speed"),
    "tile.incidents": ("sự cố", "incidents"),
    "tile.pm": ("PM2,5 trung bình", "mean PM2.5"),
    "tile.well": ("ngày-thiết bị đạt chất lượng", "device-days of good quality"),
    "rate": ("{n} xe mỗi giờ ở một điểm đếm", "{n} an hour at one gate"),
    "change.rate": ("{change} so với kỳ trước, mỗi giờ và điểm đếm", "{change} on the period before, an hour and gate"),
    "change": ("{change} so với kỳ trước", "{change} on the period before"),
    "not_comparable": ("không so sánh được với kỳ trước", "not comparable with the period before"),
    "false_alarms": ("không kể {n} báo sai", "{n} false alarms not counted"),
    "coverage": ("Độ phủ", "Coverage"),
    "coverage_of": ("độ phủ {share}", "coverage {share}"),
    "seen": (
        "Camera quan sát {share} thời gian của {gates} điểm đếm; trong đó {trusted} khi camera hoạt động tốt.",
        "Cameras observed {share} of the time of {gates} gates; {trusted} of that while they were well.",
    ),
    "not_extrapolated": (
        "Số đếm là số đã quan sát, không ngoại suy; một xe qua hai điểm đếm được tính hai lần.",
        "Counts are what was observed, not extrapolated; a vehicle that passes two gates counts twice.",
    ),
    "suppressed": (
        (
            "Người đi bộ và xe đạp: làm tròn đến {step}; dưới {smallest} một ngày không công bố (\N{EN DASH}), "
            "để không nhận ra ai."
        ),
        (
            "People and bicycles: rounded to {step}; fewer than {smallest} a day are not told (\N{EN DASH}), so "
            "that nobody can be "
            "recognised."
        ),
    ),
    "hours_note": (
        "Trung bình của các giờ đã quan sát, {hours} giờ-điểm đếm. Ô trống: không quan sát.",
        "Means of the hours observed, {hours} gate-hours. Empty: not observed.",
    ),
    "speeds_note": (
        (
            "Tốc độ trung bình không gian của xe cơ giới; đường trên là phân vị 85 % (gần đúng). {share} thời "
            "gian được "
            "quan sát."
        ),
        (
            "Space-mean speed of motor vehicles; the upper line is the 85th percentile (approximate). {share} of "
            "the time "
            "was observed."
        ),
    ),
    "incidents_note": (
        "Theo ngày bắt đầu, do camera phát hiện; báo sai không tính. Mật độ phát hiện phụ thuộc vào nơi có camera.",
        (
            "By the day of their start, found by cameras; false alarms are not counted. Where there is no camera "
            "nothing "
            "is found."
        ),
    ),
    "air_note": (
        "Trung bình ngày trên {sensors} cảm biến; {good} giá trị không bị gắn cờ, độ phủ {coverage}.",
        "Daily means over {sensors} sensors; {good} of values carry no flag, coverage {coverage}.",
    ),
    "who": ("mức 24 giờ của WHO (2021): 15 µg/m³", "WHO's 24-hour guideline (2021): 15 µg/m³"),
    "over_who": (
        "PM2,5 vượt mức 24 giờ của WHO (15 µg/m³) trong {n} trên {all} ngày đo.",
        "PM2.5 was above WHO's 24-hour guideline (15 µg/m³) on {n} of {all} measured days.",
    ),
    "deviations_note": (
        (
            "Giờ lệch xa so với cùng giờ của các tuần trước; điểm là số lần độ lệch thường thấy. Lệch không có "
            "nghĩa là "
            "xấu: ngày lễ cũng lệch."
        ),
        (
            "Hours far from what the weeks before had at that hour and weekday; the score counts usual "
            "deviations. Unusual "
            "is not bad: a holiday is unusual, too."
        ),
    ),
    "quality_note": (
        (
            "Ngày mà thiết bị không đạt ngưỡng của thành phố không nằm trong các số liệu trên. Năm chữ: đúng, "
            "đủ, sạch, "
            "sống, dùng chung."
        ),
        (
            "Days on which a device was below the city's thresholds are not in the figures above. The five "
            "words: correct, "
            "complete, clean, alive, shared."
        ),
    ),
    "no_devices": (
        "Chưa có thiết bị nào trong phường này: không có số liệu.",
        "No device stands in this ward: there are no figures.",
    ),
    "no_data": ("Không có dữ liệu đạt chất lượng trong kỳ này.", "There is no data of good quality in this period."),
    "no_incidents": ("Không có sự cố nào được phát hiện.", "No incident was found."),
    "no_deviations": ("Không có giờ nào khác thường.", "No hour was out of the ordinary."),
    "table": ("Bảng số liệu", "The figures as a table"),
    "day": ("Ngày", "Day"),
    "hour": ("Giờ", "Hour"),
    "workday": ("Ngày làm việc", "Working day"),
    "weekend": ("Cuối tuần", "Weekend"),
    "vehicles": ("Xe cơ giới", "Motor vehicles"),
    "vehicles_hour": ("Xe cơ giới / giờ, một điểm đếm", "Motor vehicles an hour, one gate"),
    "total": ("Tổng", "Total"),
    "mean_speed": ("Trung bình, km/h", "Mean, km/h"),
    "p85": ("Phân vị 85 %, km/h", "85th percentile, km/h"),
    "kind": ("Loại", "Kind"),
    "severity": ("Mức độ", "Severity"),
    "count": ("Số lượng", "Number"),
    "acknowledged": ("Đã tiếp nhận", "Acknowledged"),
    "resolved": ("Đã xử lý", "Resolved"),
    "mean": ("Trung bình", "Mean"),
    "minimum": ("Thấp nhất", "Lowest"),
    "maximum": ("Cao nhất", "Highest"),
    "quantity": ("Đại lượng", "Quantity"),
    "good": ("Không cờ", "Unflagged"),
    "device": ("Thiết bị", "Device"),
    "well_days": ("Ngày đạt", "Good days"),
    "correct": ("Đúng", "Correct"),
    "complete": ("Đủ", "Complete"),
    "clean": ("Sạch", "Clean"),
    "reason": ("Lý do kém nhất", "Worst reason"),
    "alive": ("Sống", "Alive"),
    "below": ("{word}: {share} %, ngưỡng {least} %", "{word}: {share} % of at least {least} %"),
    "silent": (
        "Sống: im lặng {seconds} giây cuối ngày, cho phép {allowed}",
        "Alive: silent for the day's last {seconds} s, allowed are {allowed}",
    ),
    "nothing_came": ("Sống: cả ngày không có gì", "Alive: nothing came that day"),
    "since": ("Từ", "Since"),
    "hours_long": ("Số giờ", "Hours"),
    "measured": ("Đo được", "Measured"),
    "expected": ("Dự kiến", "Expected"),
    "score": ("Điểm", "Score"),
    "volume": ("lưu lượng", "volume"),
    "speed": ("tốc độ", "speed"),
    "as_of": ("Số liệu tính đến {at}", "Figures as they stood on {at}"),
    "no_as_of": ("Chưa có số liệu", "No figures yet"),
    "revision": ("bản {n}", "revision {n}"),
    "corrected": (
        "{n} số liệu đã được sửa sau khi công bố lần đầu; bản cũ vẫn được giữ.",
        "{n} figures have been corrected since they were first published; the earlier ones are kept.",
    ),
    "uncorrected": (
        "Chưa số liệu nào được sửa sau khi công bố.",
        "No figure has been corrected since it was first published.",
    ),
    "placed": (
        "Phường theo địa giới ngày {day}. Thiết bị thuộc phường vì: {methods}.",
        "The ward as it held on {day}. How devices are known to stand in it: {methods}.",
    ),
    "shares": (
        "Một thiết bị thuộc nhiều phường được tính theo tỷ lệ, nên số đếm có thể lẻ.",
        "A device that stands for several wards counts by its share, so that counts may be fractions.",
    ),
    "days_of": ("Ngày theo múi giờ {zone}.", "Days are days of {zone}."),
    "made_by": ("{publisher}, giấy phép {licence}.", "{publisher}, licence {licence}."),
    "method.named": ("thiết bị tự khai", "named by the device"),
    "method.polygon": ("nằm trong ranh giới", "inside its boundary"),
    "method.centroid": ("ước lượng: gần tâm phường nhất", "estimate: nearest centroid"),
    "method.estimate": ("ước lượng", "estimate"),
    "page": ("trang", "page"),
    "class.car": ("Ô tô", "Cars"),
    "class.motorcycle": ("Xe máy", "Motorcycles"),
    "class.bus": ("Xe buýt", "Buses"),
    "class.truck": ("Xe tải", "Lorries"),
    "class.bicycle": ("Xe đạp", "Bicycles"),
    "class.person": ("Người đi bộ", "People on foot"),
    "air/temperature": ("Nhiệt độ", "Temperature"),
    "air/humidity": ("Độ ẩm", "Humidity"),
    "air/pm2_5": ("PM2,5", "PM2.5"),
    "air/pm10": ("PM10", "PM10"),
}
UNITS: Final = {"ug/m3": "µg/m³", "Cel": "°C", "%RH": "%", "m/s": "m/s", "/h": "/h"}
WEEKDAYS: Final = {"vi": ("T2", "T3", "T4", "T5", "T6", "T7", "CN"), "en": ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")}
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
NOTHING: Final = "\N{EN DASH}"


class Words:
    """One language's words, numbers and days."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = LANGUAGES.index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`, its blanks filled; what nobody has named is told as the data names it."""
        told = CATALOGUE.get(key)
        if told is None:
            return key.rpartition(".")[2].replace("_", " ")
        return told[self._column].format(**values)

    def number(self, value: float | None, digits: int = 0) -> str:
        """A number with thousands apart; a dash where there is none.

        >>> Words("vi").number(12345.6, 1), Words("en").number(12345.6, 1)
        ('12.345,6', '12,345.6')
        """
        if value is None:
            return NOTHING
        told = f"{value:,.{digits}f}"
        return told.translate(str.maketrans(",.", ".,")) if self.language == "vi" else told

    def percent(self, share: float | None) -> str:
        """A share, never rounded up to all: 0.9996 is 99.9 %."""
        return NOTHING if share is None else f"{self.number(int(share * 1000) / 10, 1)}\N{NO-BREAK SPACE}%"

    def change(self, now: float, before: float) -> str:
        """How much more or less, with its sign."""
        share = 100 * (now / before - 1)
        sign = "\N{PLUS-MINUS SIGN}" if not round(share) else "+" if share > 0 else "\N{MINUS SIGN}"
        return f"{sign}{self.number(abs(share))}\N{NO-BREAK SPACE}%"

    def unit(self, unit: str) -> str:
        """A unit as people write it."""
        return UNITS.get(unit, unit)

    def reason(self, told: str) -> str:
        """Why a device was not well, from quality_1d's words: the first and worst of them.

        >>> Words("vi").reason("complete: 83.5% of at least 90%; least: air/pm2_5 80%")
        'Đủ: 83,5 %, ngưỡng 90 %'
        """
        if below := re.match(r"(\w+): ([\d.]+)% of at least (\d+)%", told):
            share = self.number(float(below[2]), 1)
            return self("below", word=self(below[1]), share=share, least=below[3])
        if silent := re.match(r"alive: silent for the day's last (\d+) s, allowed are (\d+)", told):
            return self("silent", seconds=self.number(int(silent[1])), allowed=self.number(int(silent[2])))
        return self("nothing_came") if told.startswith("alive: nothing") else told or NOTHING

    def day(self, day: date) -> str:
        """A weekday and day, short: for axes and tables."""
        return f"{WEEKDAYS[self.language][day.weekday()]} {day.day}/{day.month}"

    def date(self, day: date) -> str:
        """A whole date in words.

        >>> Words("vi").date(date(2026, 11, 9)), Words("en").date(date(2026, 11, 9))
        ('9/11/2026', '9 November 2026')
        """
        if self.language == "vi":
            return f"{day.day}/{day.month}/{day.year}"
        return f"{day.day} {MONTHS[day.month - 1]} {day.year}"

    def time(self, at: datetime, zone: ZoneInfo) -> str:
        """A moment by the city's clock."""
        local = at.astimezone(zone)
        return f"{self.date(local.date())}, {local:%H:%M}"

    def period(self, period: Period) -> str:
        """A week or month in words."""
        last = period.end - timedelta(days=1)
        if period.kind == "week":
            year, week, _ = period.start.isocalendar()
            name = f"Tuần {week}/{year}" if self.language == "vi" else f"Week {week} of {year}"
            return f"{name}: {self.date(period.start)} \N{EN DASH} {self.date(last)}"
        if self.language == "vi":
            return f"Tháng {period.start.month} năm {period.start.year}"
        return f"{MONTHS[period.start.month - 1]} {period.start.year}"
