// Reports of wards, and the hours that were out of the ordinary.
import { ask, clockText, number, unitText, zoneOffset } from "/static/chart.js";

const DAYS = 14;
const KMH = 3.6;

export default {
  props: { words: Object, timezone: String, language: String },
  data: () => ({ reports: null, events: null, kind: "", find: "", problem: "", kinds: ["", "week", "month"] }),
  computed: {
    found() {
      const asked = this.find.trim().toLocaleLowerCase();
      return (this.reports || []).filter((r) => (!this.kind || r.kind === this.kind) && `${r.ward_name} ${r.ward} ${r.period}`.toLocaleLowerCase().includes(asked));
    },
  },
  methods: {
    number,
    w(key, values = {}) {
      return (this.words[key] ?? key.split(".").pop()).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
    },
    file(report, form) {
      return `/api/reports/${report.period}/${encodeURIComponent(report.ward)}/${this.language}.${form}`;
    },
    time(at) {
      return clockText(Date.parse(at), zoneOffset(this.timezone, Date.parse(at)), false);
    },
    hours(event) {
      return Math.round((Date.parse(event.until) - Date.parse(event.since)) / 3600000);
    },
    value(event, name) {
      const speed = event.quantity === "speed";
      return `${number(event[name] * (speed ? KMH : 1))} ${speed ? "km/h" : unitText(event.unit)}`;
    },
    series(event) {
      if (event.series_id === null) return null;
      const around = (at, hours) => new Date(Date.parse(at) + hours * 3600000 + zoneOffset(this.timezone, Date.parse(at))).toISOString().slice(0, 16);
      return `/series?${new URLSearchParams({ id: event.series_id, range: "custom", bucket: "1h", from: around(event.since, -48), to: around(event.until, 48) })}`;
    },
    async load() {
      try {
        const from = new Date(Date.now() - DAYS * 86400000).toISOString();
        [this.reports, this.events] = await Promise.all([ask("/api/reports", { limit: 1000 }), ask("/api/deviations", { from, limit: 200 })]);
        this.problem = "";
      } catch (error) {
        this.problem = error.message;
      }
    },
  },
  mounted() {
    this.load();
    this.timer = setInterval(this.load, 300000);
  },
  beforeUnmount() {
    clearInterval(this.timer);
  },
  template: "#reports-template",
};
