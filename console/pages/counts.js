// Traffic: what passed, by class, where and when.
import { echarts } from "nicegui-echart";
import { markRaw } from "vue";
import { PRESETS, WIDTH, ask, clockText, escapeHtml, fromInput, legend, number, timeAxis, toInput, tokens, tooltip, valueAxis, zoneOffset } from "/static/chart.js";

// Okabe and Ito's colours, told apart by most eyes; a class keeps its own on every chart.
const COLOURS = { motorcycle: "#e69f00", car: "#0072b2", bus: "#009e73", truck: "#d55e00", bicycle: "#cc79a7", person: "#56b4e9" };
const OTHERS = ["#8a7bd1", "#9a9a9a", "#b5b04a"];

export default {
  props: { words: Object, timezone: String },
  data: () => ({
    gates: null, gate: "", direction: "", preset: "24h", start: "", end: "", bucket: "auto", used: "", rows: [], since: 0, until: 0, problem: "", loading: false,
    presets: Object.keys(PRESETS),
  }),
  computed: {
    offset() {
      return zoneOffset(this.timezone, this.until || Date.now());
    },
    directions() {
      return [...new Set(this.rows.map((r) => r.direction).filter(Boolean))].sort();
    },
    kept() {
      return this.direction ? this.rows.filter((r) => r.direction === this.direction || !r.class) : this.rows;
    },
    classes() {
      const totals = {};
      for (const r of this.kept) if (r.class) totals[r.class] = (totals[r.class] || 0) + r.count;
      return Object.entries(totals).sort((a, b) => b[1] - a[1]);
    },
    total() {
      return this.classes.reduce((sum, [, n]) => sum + n, 0);
    },
    buckets() {
      return [...new Set(this.rows.map((r) => r.bucket))].sort();
    },
    doubted() {
      return this.buckets.filter((b) => this.rows.some((r) => r.bucket === b && r.trusted < 1));
    },
    place() {
      const [device, camera, zone] = this.gate ? JSON.parse(this.gate) : [];
      return { device, camera, zone };
    },
    csv() {
      if (!this.used) return null;
      return "/api/traffic?" + new URLSearchParams(Object.entries({ ...this.place, from: new Date(this.since).toISOString(), to: new Date(this.until).toISOString(), bucket: this.used, format: "csv" }).filter(([, v]) => v));
    },
  },
  methods: {
    w(key, values = {}) {
      return (this.words[key] ?? key.split(".").pop()).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
    },
    number,
    colour(name) {
      return COLOURS[name] || OTHERS[this.classes.findIndex(([c]) => c === name) % OTHERS.length];
    },
    take(preset) {
      this.preset = preset;
      this.load();
    },
    times() {
      if (this.preset !== "custom") return [Date.now() - PRESETS[this.preset] * 1000, Date.now()];
      const offset = zoneOffset(this.timezone, Date.now());
      return [fromInput(this.start, offset), fromInput(this.end, offset)];
    },
    async load() {
      const [since, until] = this.times();
      if (!(since < until)) return (this.problem = this.w("bad_range"));
      const mine = (this.asked = Symbol("load"));
      Object.assign(this, { since, until, problem: "", loading: true });
      this.start = toInput(since, this.offset);
      this.end = toInput(until, this.offset);
      const seconds = (until - since) / 1000;
      const bucket = this.bucket === "auto" ? (seconds <= 7200 ? "1m" : seconds <= 3 * 86400 ? "15m" : seconds <= 30 * 86400 ? "1h" : "1d") : this.bucket;
      try {
        let got = await this.fetch(bucket);
        if (this.bucket === "auto" && bucket !== "1m" && !got.rows.length) got = await this.fetch("1m");
        if (mine !== this.asked) return;
        Object.assign(this, { rows: markRaw(got.rows), used: got.bucket });
      } catch (error) {
        if (mine === this.asked) Object.assign(this, { rows: [], problem: error.message });
      } finally {
        if (mine === this.asked) this.loading = false;
      }
      this.$nextTick(this.draw);
    },
    async fetch(bucket) {
      const query = { ...this.place, from: new Date(this.since).toISOString(), to: new Date(this.until).toISOString(), bucket };
      return { bucket, rows: await ask("/api/traffic", query) };
    },
    draw() {
      if (!this.$refs.chart || !this.rows.length) return;
      this.chart ??= markRaw(echarts.init(this.$refs.chart));
      this.chart.resize();
      const colours = tokens();
      const half = WIDTH[this.used] * 500; // a bar stands in the middle of its bucket
      const at = (bucket) => Date.parse(bucket) + this.offset + half;
      this.chart.setOption(
        {
          useUTC: true,
          animation: false,
          textStyle: { fontFamily: "Roboto, sans-serif" },
          grid: { left: 56, right: 20, top: 56, bottom: 64 },
          xAxis: timeAxis(colours, this.since, this.until, this.offset),
          yAxis: valueAxis(colours, this.w("vehicles_per", { bucket: this.w("bucket." + this.used) }), { scale: false, minInterval: 1 }),
          legend: legend(colours, 20),
          tooltip: { ...tooltip(colours, (items) => this.told(items, half)), axisPointer: { type: "shadow" } },
          dataZoom: [{ type: "inside" }, { type: "slider", bottom: 10, height: 24, borderColor: colours.line, textStyle: { color: colours.muted }, labelFormatter: (v) => clockText(v - this.offset, this.offset, false) }],
          series: this.classes.map(([name], i) => {
            const sums = new Map(this.buckets.map((b) => [b, 0]));
            for (const r of this.kept) if (r.class === name) sums.set(r.bucket, sums.get(r.bucket) + r.count);
            return {
              type: "bar", stack: "all", name: this.w("class." + name), color: this.colour(name), barMaxWidth: 26, barMinWidth: 1, barCategoryGap: "15%",
              data: [...sums].map(([b, n]) => [at(b), n]),
              markArea: i ? undefined : { silent: true, itemStyle: { color: colours.warn, opacity: 0.14 }, data: this.doubted.map((b) => [{ xAxis: at(b) - half }, { xAxis: at(b) + half }]) },
            };
          }),
        },
        { notMerge: true },
      );
    },
    told(items, half) {
      const start = items[0].value[0] - half - this.offset;
      const lines = items.filter((i) => i.value[1]).map((i) => `<br>${i.marker}${escapeHtml(i.seriesName)}: <b>${number(i.value[1])}</b>`);
      return `<b>${clockText(start, this.offset, false)}</b>${lines.join("")}`;
    },
  },
  async mounted() {
    addEventListener("ngatu-theme", this.draw);
    this.watcher = new ResizeObserver(() => this.chart?.resize());
    this.watcher.observe(this.$el);
    try {
      this.gates = await ask("/api/traffic/gates", {});
      await this.load();
    } catch (error) {
      this.problem = error.message;
    }
  },
  beforeUnmount() {
    removeEventListener("ngatu-theme", this.draw);
    this.watcher.disconnect();
    this.chart?.dispose();
  },
  template: "#counts-template",
};
