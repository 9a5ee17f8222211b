// Open data: each day's issues, their files, what was withheld and why.
import { ask, clockText, zoneOffset } from "/static/chart.js";

export default {
  props: { words: Object, timezone: String },
  data: () => ({ told: null, problem: "" }),
  computed: {
    days() {
      const days = new Map();
      for (const issue of this.told ? this.told.issues : []) {
        if (days.has(issue.day)) days.get(issue.day).earlier.push(issue);
        else days.set(issue.day, { day: issue.day, latest: issue, earlier: [] });
      }
      return [...days.values()];
    },
  },
  methods: {
    w(key, values = {}) {
      return (this.words[key] ?? key.split(".").pop()).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
    },
    clock(iso) {
      const at = Date.parse(iso);
      return clockText(at, zoneOffset(this.timezone, at), false);
    },
    size: (bytes) => (bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`),
  },
  async mounted() {
    try {
      this.told = Object.freeze(await ask("/api/open-data", {}));
    } catch (error) {
      this.problem = error.message;
    }
  },
  template: "#open_data-template",
};
