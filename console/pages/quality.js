// Data quality: the five words of a day, worst first, with the reason in the reader's language.
import { ask } from "/static/chart.js";
import { ago } from "/static/severity.js";

export default {
  props: { words: Object, timezone: String },
  data: () => ({ told: null, day: "", by: "device", wardsOf: "", find: "", problem: "", shares: ["correct", "complete", "clean"] }),
  computed: {
    days() {
      const days = this.told ? this.told.days : [];
      return this.day && !days.some((d) => d.day === this.day) ? [{ day: this.day, devices: "?", well: "?" }, ...days] : days;
    },
    notices() {
      const late = (this.told ? this.told.overdue : []).map(({ source, level, behind_s }) =>
        this.w(behind_s === null ? "behind.never" : level === "late" ? "behind.late" : "behind", { source: this.w(`behind.${source}`), level: this.w(`behind.${level}`), behind: this.lasting(behind_s) }));
      return [...late, ...(this.told ? this.told.troubles : []).map(({ dag, kind, times }) => this.w(`job.${kind}`, { dag, n: times }))];
    },
    rows() {
      const words = this.find.toLowerCase().split(/\s+/).filter(Boolean);
      const all = this.by === "ward" ? this.told.wards : this.told.devices;
      return all.filter((row) => words.every((word) => `${row.device || ""} ${row.name || ""} ${row.code || ""} ${row.ward_name || ""} ${row.why.map(this.says).join(" ")}`.toLowerCase().includes(word)));
    },
  },
  methods: {
    w(key, values = {}) {
      return (this.words[key] ?? key.split(".").pop()).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
    },
    percent: (share, digits = 1) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`),
    lasting: (seconds) => (seconds === null || seconds === undefined ? "–" : ago(seconds)),
    count: (n) => Math.round(n),
    below: (row, word) => row.why.some((fact) => fact.word === word),
    says(fact) {
      const told = this.w(`why.${fact.word}`, { value: this.percent(fact.value), threshold: this.percent(fact.threshold, 0), age: this.lasting(fact.value), most: this.lasting(fact.threshold), days: fact.value === null ? "" : fact.value.toFixed(1), allowed: fact.threshold });
      const silent = fact.value === null ? this.w(`why.${fact.word}.never`, { allowed: fact.threshold }) : told;
      return `${this.w("word." + fact.word)}: ${[silent, ...this.behind(fact)].join("; ")}`;
    },
    behind(fact) {
      const parts = [];
      if (fact.least && fact.least.length) parts.push(this.w("why.least", { list: fact.least.map(([name, share]) => `${name} ${this.percent(share, 0)}`).join(", ") }));
      for (const key of ["missing", "explained", "wrong", "misdated", "unclean", "rejected"]) if (fact[key]) parts.push(this.w(`why.${key}`, { n: fact[key] }));
      if (typeof fact.trusted === "number" && fact.trusted < 1) parts.push(this.w("why.trusted", { share: this.percent(fact.trusted, 0) }));
      if (fact.declares === false) parts.push(this.w("why.undeclared"));
      return parts;
    },
    async load() {
      try {
        const query = Object.fromEntries(Object.entries({ day: this.day, wards_of: this.wardsOf }).filter(([, value]) => value));
        this.told = Object.freeze(await ask("/api/quality", query));
        this.day = this.told.day || "";
        this.problem = "";
      } catch (error) {
        this.problem = error.message;
      }
    },
  },
  mounted() {
    this.day = new URLSearchParams(location.search).get("day") || "";
    this.load();
  },
  template: "#quality-template",
};
