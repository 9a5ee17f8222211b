// One series over time: its values or aggregates, what is missing, what is flagged.
import { echarts } from "nicegui-echart";
import { markRaw } from "vue";
import { PRESETS, WIDTH, ask, clockText, escapeHtml, fromInput, legend, number, timeAxis, toInput, tokens, tooltip, unitText, valueAxis, zoneOffset } from "/static/chart.js";

const LIST = 60;

export default {
  props: { words: Object, timezone: String },
  data: () => ({
    q: "",
    found: null,
    chosen: null,
    preset: "24h",
    start: "",
    end: "",
    bucket: "auto",
    used: "",
    rows: [],
    normal: [],
    raw: true,
    since: 0,
    until: 0,
    problem: "",
    loading: false,
    latest: null,
    presets: Object.keys(PRESETS),
  }),
  computed: {
    offset() {
      return zoneOffset(this.timezone, this.until || Date.now());
    },
    unit() {
      const unit = unitText(this.chosen?.unit);
      return unit && ` ${unit}`;
    },
    summary() {
      const rows = this.rows;
      if (!rows.length) return [];
      const n = this.raw ? rows.length : rows.reduce((sum, r) => sum + r.n, 0);
      const mean = this.raw ? average(rows.map((r) => r.value)) : rows.reduce((sum, r) => sum + r.mean * r.n, 0) / n;
      const low = this.raw ? extreme(rows, "value", Math.min) : extreme(rows, "minimum", Math.min);
      const high = this.raw ? extreme(rows, "value", Math.max) : extreme(rows, "maximum", Math.max);
      const good = this.raw ? rows.filter((r) => !r.quality).length / n : rows.reduce((sum, r) => sum + r.good * r.n, 0) / n;
      const last = rows.at(-1);
      const facts = [
        ["latest", number(this.raw ? last.value : last.mean) + this.unit],
        ["mean", number(mean) + this.unit],
        ["minimum", number(low) + this.unit],
        ["maximum", number(high) + this.unit],
        ["values", n.toLocaleString(document.documentElement.lang)],
      ];
      const covered = this.covered(n);
      if (covered !== null) facts.push(["coverage", percent(covered), covered < 0.9 ? "warn" : "good"]);
      facts.push(["good", percent(good), good < 0.99 ? "warn" : "good"]);
      return facts;
    },
    csv() {
      if (!this.chosen || !this.used) return null;
      const query = new URLSearchParams({ from: new Date(this.since).toISOString(), to: new Date(this.until).toISOString(), bucket: this.used, format: "csv" });
      return `/api/series/${this.chosen.id}/readings?${query}`;
    },
  },
  methods: {
    unitText,
    w(key, values = {}) {
      return (this.words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
    },
    covered(n) {
      if (!this.raw) {
        const known = this.rows.filter((r) => r.coverage !== null);
        const buckets = Math.max(1, Math.round((this.until - this.since) / 1000 / WIDTH[this.used]));
        return known.length ? Math.min(1, known.reduce((sum, r) => sum + r.coverage, 0) / buckets) : null;
      }
      return this.chosen.period_s ? Math.min(1, n / ((this.until - this.since) / 1000 / this.chosen.period_s)) : null;
    },
    async search() {
      const asked = this.q;
      try {
        const found = await ask("/api/series", { q: asked, limit: LIST + 1 });
        if (asked === this.q) this.found = found;
      } catch (error) {
        this.problem = error.message;
      }
    },
    searchSoon() {
      clearTimeout(this.later);
      this.later = setTimeout(this.search, 150);
    },
    choose(series) {
      this.chosen = series;
      this.load();
    },
    take(preset) {
      this.preset = preset;
      this.load();
    },
    custom() {
      this.preset = "custom";
      this.load();
    },
    times() {
      if (this.preset !== "custom") return [Date.now() - PRESETS[this.preset] * 1000, Date.now()];
      const offset = zoneOffset(this.timezone, Date.now());
      return [fromInput(this.start, offset), fromInput(this.end, offset)];
    },
    auto(seconds) {
      return seconds <= 3 * 3600 ? "raw" : seconds <= 14 * 86400 ? "15m" : seconds <= 90 * 86400 ? "1h" : "1d";
    },
    async load() {
      const [since, until] = this.times();
      if (!(since < until)) return (this.problem = this.w("bad_range"));
      const mine = (this.asked = Symbol("load"));
      Object.assign(this, { since, until, problem: "", loading: true, latest: null });
      this.start = toInput(since, this.offset);
      this.end = toInput(until, this.offset);
      const bucket = this.bucket === "auto" ? this.auto((until - since) / 1000) : this.bucket;
      history.replaceState(null, "", `/series?${new URLSearchParams({ id: this.chosen.id, range: this.preset, bucket: this.bucket, ...(this.preset === "custom" ? { from: this.start, to: this.end } : {}) })}`);
      try {
        let got = await this.fetch(bucket);
        // Aggregates land a little after their bucket has closed: before the first one, the values themselves.
        if (this.bucket === "auto" && bucket !== "raw" && !got.rows.length) got = await this.fetch("raw");
        if (mine !== this.asked) return;
        const normal = got.bucket === "1h" || got.bucket === "15m" || got.bucket === "raw" ? await this.band() : [];
        if (mine !== this.asked) return;
        Object.assign(this, { normal: markRaw(normal), rows: markRaw(got.rows), used: got.bucket, raw: got.bucket === "raw" });
        if (!got.rows.length) this.latest = await this.newest();
      } catch (error) {
        if (mine === this.asked) Object.assign(this, { rows: [], problem: error.message });
      } finally {
        if (mine === this.asked) this.loading = false;
      }
      this.$nextTick(this.draw);
    },
    async fetch(bucket) {
      const query = { from: new Date(this.since).toISOString(), to: new Date(this.until).toISOString(), bucket };
      const facts = await ask(`/api/series/${this.chosen.id}/readings`, query);
      return { bucket, rows: facts.readings || facts.aggregates };
    },
    // What the weeks before had at that hour: a help, never a reason not to draw the values.
    async band() {
      if (this.until - this.since > 92 * 86400000) return [];
      try {
        return await ask(`/api/series/${this.chosen.id}/normal`, { from: new Date(this.since).toISOString(), to: new Date(this.until).toISOString() });
      } catch {
        return [];
      }
    },
    usual(colours) {
      const plain = { type: "line", showSymbol: false, connectNulls: false, silent: true, color: colours.muted, tooltip: { show: false }, emphasis: { disabled: true } };
      const line = (get) => this.normal.flatMap((hour, i) => {
        const at = Date.parse(hour.bucket) + this.offset;
        const gap = i && at - Date.parse(this.normal[i - 1].bucket) - this.offset > 3600000;
        return [...(gap ? [[at - 1, null]] : []), [at + 1800000, get(hour)]];
      });
      const edge = { ...plain, stack: "normal", stackStrategy: "all", lineStyle: { opacity: 0 } };
      return [
        { ...edge, name: "normal-low", data: line((hour) => hour.expected - 2 * hour.spread) },
        { ...edge, name: "normal-width", data: line((hour) => 4 * hour.spread), areaStyle: { color: colours.muted, opacity: 0.16 } },
        { ...plain, name: this.w("normal"), data: line((hour) => hour.expected), lineStyle: { width: 1.2, type: "dotted" } },
      ];
    },
    async newest() {
      const facts = await ask(`/api/series/${this.chosen.id}`, {});
      return facts.last_at ? clockText(Date.parse(facts.last_at), this.offset) : "–";
    },
    // A gap is drawn as a gap: a point without a value stands in it.
    points(get) {
      const at = this.raw ? "at" : "bucket";
      const due = this.raw ? 3 * (this.chosen.period_s || median(this.rows)) * 1000 : WIDTH[this.used] * 1000 + 1;
      const line = [];
      let last = null;
      for (const row of this.rows) {
        const t = Date.parse(row[at]);
        if (last !== null && t - last > due) line.push([last + this.offset + 1, null]);
        line.push([t + this.offset, get(row)]);
        last = t;
      }
      return line;
    },
    lines(colours) {
      const plain = { type: "line", showSymbol: false, connectNulls: false, symbolSize: 5, emphasis: { disabled: true } };
      const alone = this.rows.length < 200 ? { showSymbol: true } : {};
      if (this.raw) {
        const flagged = this.rows.filter((r) => r.quality).map((r) => [Date.parse(r.at) + this.offset, r.value, r.quality]);
        return [
          { ...plain, ...alone, name: this.w("value"), data: this.points((r) => r.value), color: colours.accent, lineStyle: { width: 1.5 }, sampling: "minmax" },
          { type: "scatter", name: this.w("flagged"), data: flagged, color: colours.bad, symbol: "triangle", symbolSize: 8 },
        ];
      }
      const band = { ...plain, stack: "band", stackStrategy: "all", lineStyle: { opacity: 0 }, silent: true, color: colours.accent, tooltip: { show: false } };
      return [
        { ...band, name: "low", data: this.points((r) => r.minimum) },
        { ...band, name: this.w("min_max"), data: this.points((r) => r.maximum - r.minimum), areaStyle: { color: colours.accent, opacity: 0.18 } },
        { ...plain, ...alone, name: "p95", data: this.points((r) => r.p95), color: colours.warn, lineStyle: { width: 1.2, type: "dashed" } },
        { ...plain, ...alone, name: this.w("mean"), data: this.points((r) => r.mean), color: colours.accent, lineStyle: { width: 2 } },
        {
          type: "bar", name: this.w("coverage"), color: colours.good, xAxisIndex: 1, yAxisIndex: 1, barCategoryGap: 0, barMinWidth: 1,
          data: this.rows.map((r) => ({ value: [Date.parse(r.bucket) + this.offset, r.coverage ?? 1], itemStyle: { color: r.good < 0.99 ? colours.warn : colours.good } })),
        },
      ];
    },
    told(colours) {
      return (all) => {
        const items = all.filter((i) => i.seriesName !== this.w("normal") && !i.seriesName.startsWith("normal-"));
        const at = items[0]?.value[0];
        const head = `<b>${clockText(at - this.offset, this.offset)}</b>`;
        if (this.raw) return head + items.filter((i) => i.value[1] !== null).map((i) => `<br>${escapeHtml(i.seriesName)}: <b>${number(i.value[1])}${escapeHtml(this.unit)}</b>${i.value[2] ? ` (${i.value[2]})` : ""}`).join("");
        const row = this.rows.find((r) => Date.parse(r.bucket) + this.offset === at);
        if (!row) return head;
        const line = (name, value) => `<br>${escapeHtml(name)}: <b>${value}</b>`;
        return head + line(this.w("mean"), number(row.mean) + escapeHtml(this.unit)) + line(this.w("min_max"), `${number(row.minimum)} … ${number(row.maximum)}`) + line("p95", number(row.p95)) + line(this.w("values"), row.n) + line(this.w("coverage"), percent(row.coverage)) + line(this.w("good"), percent(row.good)) + (row.revision > 1 ? line(this.w("revision"), row.revision) : "");
      };
    },
    draw() {
      if (!this.$refs.chart) return;
      if (this.chart?.getDom() !== this.$refs.chart) {
        this.chart?.dispose();
        this.chart = markRaw(echarts.init(this.$refs.chart));
      }
      this.chart.resize();
      const colours = tokens();
      const axis = (extra) => timeAxis(colours, this.since, this.until, this.offset, extra);
      const small = this.$refs.chart.clientWidth < 600;
      const side = { left: small ? 44 : 60, right: small ? 12 : 24 };
      this.chart.setOption(
        {
          useUTC: true,
          animation: false,
          textStyle: { fontFamily: "Roboto, sans-serif" },
          grid: this.raw ? [{ ...side, top: 56, bottom: 64 }] : [{ ...side, top: 56, bottom: 128 }, { ...side, height: 26, bottom: 64 }],
          xAxis: this.raw ? [axis()] : [axis({ axisLabel: { show: false } }), axis({ gridIndex: 1 })],
          yAxis: [
            valueAxis(colours, this.unit.trim()),
            ...(this.raw ? [] : [valueAxis(colours, "", { gridIndex: 1, min: 0, max: 1, interval: 1, scale: false, axisLabel: { color: colours.muted, formatter: (v) => `${v * 100} %`, fontSize: 10 }, splitLine: { show: false } })]),
          ],
          legend: legend(colours, side.right, [...(this.raw ? [this.w("value"), this.w("flagged")] : [this.w("mean"), "p95", this.w("min_max"), this.w("coverage")]), ...(this.normal.length ? [this.w("normal")] : [])]),
          tooltip: tooltip(colours, this.told(colours)),
          dataZoom: [{ type: "inside", xAxisIndex: "all" }, { type: "slider", xAxisIndex: "all", bottom: 10, height: 24, borderColor: colours.line, textStyle: { color: colours.muted }, labelFormatter: (v) => clockText(v - this.offset, this.offset, false) }],
          axisPointer: { link: [{ xAxisIndex: "all" }] },
          series: [...this.usual(colours), ...this.lines(colours)],
        },
        { notMerge: true },
      );
    },
  },
  async mounted() {
    addEventListener("ngatu-theme", this.draw);
    this.watcher = new ResizeObserver(() => this.chart?.resize());
    this.watcher.observe(this.$el);
    const query = new URLSearchParams(location.search);
    if (query.get("range") === "custom" || PRESETS[query.get("range")]) this.preset = query.get("range");
    this.start = query.get("from") || "";
    this.end = query.get("to") || "";
    if (query.get("bucket")) this.bucket = query.get("bucket");
    this.q = query.get("q") || "";
    await this.search();
    if (/^\d+$/.test(query.get("id") || "")) {
      try {
        this.choose(await ask(`/api/series/${query.get("id")}`, {}));
      } catch (error) {
        this.problem = error.message;
      }
    }
  },
  beforeUnmount() {
    removeEventListener("ngatu-theme", this.draw);
    this.watcher.disconnect();
    this.chart?.dispose();
  },
  template: "#explorer-template",
};

function median(rows) {
  const steps = [];
  for (let i = 1; i < rows.length; i++) steps.push((Date.parse(rows[i].at) - Date.parse(rows[i - 1].at)) / 1000);
  return Math.max(1, steps.sort((a, b) => a - b)[steps.length >> 1] || 1);
}

function average(values) {
  const known = values.filter((v) => v !== null);
  return known.length ? known.reduce((sum, v) => sum + v, 0) / known.length : null;
}

function extreme(rows, name, of) {
  return rows.reduce((best, row) => (row[name] === null ? best : best === null ? row[name] : of(best, row[name])), null);
}

function percent(share) {
  return share === null ? "–" : `${Math.floor(share * 1000) / 10} %`;
}
