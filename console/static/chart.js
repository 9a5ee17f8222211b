// What the charts of both explorers share: time in the city's zone, colours of the theme, asking the API.

export const PRESETS = { "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800, "30d": 2592000 };
export const WIDTH = { "1m": 60, "15m": 900, "1h": 3600, "1d": 86400 };

// ECharts draws UTC or the browser's zone; the city's own is UTC with every time moved by its offset.
export function zoneOffset(timezone, ms) {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: timezone, timeZoneName: "longOffset" }).formatToParts(ms);
  const found = /([+-])(\d\d):(\d\d)/.exec(parts.find((p) => p.type === "timeZoneName").value);
  return found ? (found[1] === "-" ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3])) * 60000 : 0;
}

export const toInput = (ms, offset) => new Date(ms + offset).toISOString().slice(0, 16);
export const fromInput = (text, offset) => Date.parse(text + "Z") - offset;

export function clockText(ms, offset, seconds = true) {
  const [day, time] = new Date(ms + offset).toISOString().split("T");
  return `${day.slice(8)}/${day.slice(5, 7)} ${time.slice(0, seconds ? 8 : 5)}`;
}

export function tokens() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue("--" + name).trim();
  return { text: get("text"), muted: get("muted"), line: get("line"), pane: get("pane"), accent: get("accent"), warn: get("major"), good: get("good"), bad: get("bad"), p95: get("p95") };
}

export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  return new Intl.NumberFormat(document.documentElement.lang || "vi", size !== 0 && (size < 1e-3 || size >= 1e7) ? { notation: "scientific", maximumSignificantDigits: digits } : { maximumSignificantDigits: Math.max(digits, size < 1 ? digits : Math.ceil(Math.log10(size + 1))) }).format(value);
}

// UCUM as people write it.
const UNITS = { Cel: "°C", By: "B", 1: "", "m/s": "m/s", "km/h": "km/h" };
export const unitText = (ucum) => (ucum ? (UNITS[ucum] ?? ucum.replace(/\{(.*?)\}/g, "$1")) : "");

export const legend = (colours, right, data) => ({ type: "scroll", top: 2, right, itemWidth: 14, itemHeight: 10, icon: "roundRect", pageTextStyle: { color: colours.muted }, textStyle: { color: colours.text }, data });

export const escapeHtml = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export async function ask(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const answer = await fetch(`${path}?${new URLSearchParams(given)}`, { headers: { Accept: "application/json" } });
  if (answer.status === 401) location.assign("/login?next=" + encodeURIComponent(location.pathname));
  const facts = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(facts.detail), { status: answer.status });
  return facts;
}

export function timeAxis(colours, since, until, offset, extra = {}) {
  return {
    type: "time",
    min: since + offset,
    max: until + offset,
    axisLine: { lineStyle: { color: colours.line } },
    axisLabel: { color: colours.muted, hideOverlap: true, formatter: { month: "{dd}/{MM}", day: "{dd}/{MM}", hour: "{HH}:{mm}", minute: "{HH}:{mm}", second: "{HH}:{mm}:{ss}" } },
    splitLine: { show: false },
    ...extra,
  };
}

export function valueAxis(colours, name, extra = {}) {
  return {
    type: "value",
    name,
    nameTextStyle: { color: colours.muted, align: "left" },
    scale: true,
    axisLabel: { color: colours.muted },
    splitLine: { lineStyle: { color: colours.line } },
    ...extra,
  };
}

export function tooltip(colours, formatter) {
  return {
    trigger: "axis",
    backgroundColor: colours.pane,
    borderColor: colours.line,
    textStyle: { color: colours.text },
    axisPointer: { lineStyle: { color: colours.muted } },
    confine: true,
    formatter,
  };
}
