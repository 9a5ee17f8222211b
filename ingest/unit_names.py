"""Units as others write them, and the UCUM code of each.

Sources: RFC 8428, section 12.1, and RFC 8798 (SenML's units and secondary units), where they differ from UCUM; and
spellings that mean one thing only. SenML's `B` (byte) is not among them: in UCUM, which is our contract, it is the bel.
"""

from typing import Final

LETTERS: Final = str.maketrans({"µ": "u", "μ": "u", "²": "2", "³": "3", "·": "."})
"""Letters for which UCUM has others."""

SENML: Final = {
    "/": "1",
    "/100": "%",
    "/1000": "[ppth]",
    "%EL": "%",
    "%RH": "%",
    "Ah": "A.h",
    "B/s": "By/s",
    "Bspl": "B[SPL]",
    "EL": "s",  # remaining battery, in seconds
    "GB": "GBy",
    "KiB": "KiBy",
    "MB/s": "MBy/s",
    "NTU": "{NTU}",
    "VA": "V.A",
    "VAs": "V.A.s",
    "Wh": "W.h",
    "Wh/km": "W.h/km",
    "beat/min": "{beat}/min",
    "beats": "{beat}",
    "count": "{count}",
    "dBW": "dB[W]",
    "dBm": "dB{mW}",
    "kVA": "kV.A",
    "kVAh": "kV.A.h",
    "kWh": "kW.h",
    "kvar": "kV.A{var}",
    "kvarh": "kV.A.h{var}",
    "lat": "deg",
    "lon": "deg",
    "pH": "[pH]",
    "ppm": "[ppm]",
    "var": "V.A{var}",
    "varh": "V.A.h{var}",
    "vars": "V.A.s{var}",
}
SPELLINGS: Final = {
    "°": "deg",
    "°C": "Cel",
    "°F": "[degF]",
    "dB[mW]": "dB{mW}",  # as our own adapters wrote it before
    "degC": "Cel",
    "degF": "[degF]",
    "lux": "lx",
    "mph": "[mi_i]/h",
    "ppb": "[ppb]",
    "℃": "Cel",
    "℉": "[degF]",
    "Ω": "Ohm",
}
NAMES: Final = SENML | SPELLINGS
