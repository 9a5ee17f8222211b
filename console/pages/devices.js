// Devices: who is heard, what waits on their disks, what ails them.
import { ask } from "/static/chart.js";
import { ago } from "/static/severity.js";

export default {
  props: { words: Object, timezone: String },
  data: () => ({ devices: null, find: "", problem: "", now: Date.now() }),
  computed: {
    found() {
      const words = this.find.toLowerCase().split(/\s+/).filter(Boolean);
      return (this.devices || []).filter((d) => words.every((word) => `${d.name} ${d.description || ""} ${d.ward_code || ""} ${d.cameras.map((c) => c.name).join(" ")}`.toLowerCase().includes(word)));
    },
    online() {
      return (this.devices || []).filter((d) => d.online).length;
    },
  },
  methods: {
    ago,
    w(key, values = {}) {
      return (this.words[key] ?? key.split(".").pop()).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
    },
    since(iso) {
      return ago((this.now - Date.parse(iso)) / 1000);
    },
    async load() {
      try {
        this.devices = Object.freeze(await ask("/api/devices", { limit: 10000 }));
        this.problem = "";
      } catch (error) {
        this.problem = error.message;
      }
      this.now = Date.now();
    },
    offset: (seconds) => `${seconds > 0 ? "+" : ""}${Math.abs(seconds) < 10 ? seconds.toFixed(2) : Math.round(seconds)} s`,
    fullness: (outbox) => (outbox.budget_bytes ? Math.round((outbox.bytes / outbox.budget_bytes) * 100) : 0),
  },
  mounted() {
    this.load();
    this.timer = setInterval(this.load, 5000);
  },
  beforeUnmount() {
    clearInterval(this.timer);
  },
  template: "#devices-template",
};
