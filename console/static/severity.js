// A severity is told by shape as well as by colour.
export const SEVERITIES = ["critical", "major", "minor", "info"];
export const SHAPES = {
  critical: "M8 1h8l7 7v8l-7 7H8l-7-7V8z",
  major: "M12 1.5 23.5 22h-23z",
  minor: "M12 1l11 11-11 11L1 12z",
  info: "M12 1a11 11 0 1 0 0 22 11 11 0 0 0 0-22z",
};

export const worst = (levels) => SEVERITIES.find((level) => levels.includes(level)) || "info";

const UNITS = { vi: ["giây", "phút", "giờ", "ngày"], en: ["s", "min", "h", "d"] };

export function ago(seconds) {
  const [second, minute, hour, day] = UNITS[document.documentElement.lang] || UNITS.en;
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} ${second}`;
  return s < 7200 ? `${Math.round(s / 60)} ${minute}` : s < 172800 ? `${Math.round(s / 3600)} ${hour}` : `${Math.round(s / 86400)} ${day}`;
}
