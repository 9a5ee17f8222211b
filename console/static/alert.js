// The parts of one alert: its severity, its age, its row.
import { h, reactive } from "vue";
import { SHAPES } from "/static/severity.js";

export const clock = reactive({ now: Date.now() });

export const Severity = {
  props: ["level", "label"],
  setup(props) {
    return () =>
      h("svg", { class: `sev sev-${props.level}`, viewBox: "0 0 24 24", role: "img", "aria-label": props.label }, [
        h("path", { class: "sev-shape", d: SHAPES[props.level] || SHAPES.info }),
        h("text", { class: "sev-mark", x: 12, y: props.level === "major" ? 19 : 17, "text-anchor": "middle" }, props.level === "info" ? "i" : "!"),
      ]);
  },
};

// Only this element is drawn again each second, not the row around it.
export const Elapsed = {
  props: ["since", "until"],
  setup(props) {
    return () => {
      const end = props.until ? Date.parse(props.until) : clock.now;
      return h("time", { datetime: props.since, class: "elapsed" }, span((end - Date.parse(props.since)) / 1000));
    };
  },
};

export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
  if (s < 86400) return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// Drawn again only when its own alert changes: the next of a flood costs one row, not the list.
export const Row = { components: { Severity, Elapsed }, props: ["alert", "chosen", "board"], template: "#row-template" };

const formats = {};
export function format(timezone, options) {
  const key = document.documentElement.lang + timezone + Object.keys(options);
  return (formats[key] ??= new Intl.DateTimeFormat(document.documentElement.lang || "vi", { timeZone: timezone, hourCycle: "h23", ...options }));
}
