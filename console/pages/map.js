// The map: wards, devices and the incidents of the last day, useful with no tiles at all.
import { leaflet as L } from "nicegui-leaflet";
import { markRaw } from "vue";
import { ask } from "/static/chart.js";
import { SHAPES, ago, worst } from "/static/severity.js";

const LIVE_DEVICES = 200; // as many as console/live.py tells of
const REPLACE_MS = 60000;
const RANGES = { "1h": 3600, "24h": 86400, "7d": 604800 };

export default {
  props: { words: Object, timezone: String, centre: Object, tiles: String, attribution: String },
  data: () => ({ alerts: {}, devices: [], placed: 0, range: "24h", status: "", unplaced: 0, shown: 0, problem: "", ranges: Object.keys(RANGES) }),
  methods: {
    w(key, values = {}) {
      return (this.words[key] ?? key.split(".").pop()).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
    },
    apply(facts) {
      for (const alert of facts.alerts) {
        const known = this.alerts[alert.id];
        if (!known || (known.rev <= alert.rev && known.actions.length <= alert.actions.length)) this.alerts[alert.id] = Object.freeze(alert);
      }
      this.drawSoon();
    },
    reset() {},
    beat() {},
    refill() {
      this.load();
    },
    // Live news are of few devices; a city has more, and where they stand changes seldom.
    fleet(facts) {
      if (facts.devices.length < LIVE_DEVICES) this.place(facts.devices);
      else if (Date.now() > this.placed + REPLACE_MS) this.placeAll();
    },
    async placeAll() {
      this.placed = Date.now();
      try {
        this.place(await ask("/api/devices", { limit: 10000 }));
      } catch (error) {
        this.problem = error.message;
      }
    },
    place(devices) {
      this.devices = Object.freeze(devices);
      this.drawDevices();
    },
    async load() {
      try {
        const since = new Date(Date.now() - RANGES[this.range] * 1000).toISOString();
        this.apply({ alerts: await ask("/api/incidents", { since, limit: 1000 }) });
        this.problem = "";
      } catch (error) {
        this.problem = error.message;
      }
    },
    take(range) {
      this.range = range;
      this.load();
    },
    drawSoon() {
      this.later ??= setTimeout(() => {
        this.later = null;
        this.draw();
      }, 200);
    },
    draw() {
      if (!this.map) return;
      const since = Date.now() - RANGES[this.range] * 1000;
      const alerts = Object.values(this.alerts).filter((a) => Date.parse(a.received) > since && (!this.status || a.status === this.status) && a.status !== "false_alarm");
      const places = new Map();
      this.unplaced = 0;
      for (const a of alerts) {
        if (a.latitude === null) this.unplaced++;
        else {
          const key = `${a.latitude.toFixed(4)},${a.longitude.toFixed(4)}`;
          places.set(key, [...(places.get(key) || []), a]);
        }
      }
      this.shown = alerts.length - this.unplaced;
      this.incidents.clearLayers();
      for (const found of places.values()) {
        const level = worst(found.map((a) => a.severity));
        const fresh = found.some((a) => a.status === "new");
        const icon = L.divIcon({ className: `pin lvl-${level}${fresh ? " is-new" : ""}`, iconSize: [30, 30], html: `<svg viewBox="0 0 24 24"><path class="sev-shape" d="${SHAPES[level]}"/></svg>${found.length > 1 ? `<b>${found.length}</b>` : ""}` });
        L.marker([found[0].latitude, found[0].longitude], { icon, title: found.map((a) => this.w("kind." + a.kind)).slice(0, 5).join(", "), alt: this.w("kind." + found[0].kind) })
          .bindPopup(() => this.card(found))
          .addTo(this.incidents);
      }
    },
    drawDevices() {
      if (!this.map) return;
      this.gear.clearLayers();
      for (const device of this.devices) {
        if (device.latitude === null) continue;
        const icon = L.divIcon({ className: `gear ${device.online ? "is-good" : "is-bad"}`, iconSize: [16, 16] });
        L.marker([device.latitude, device.longitude], { icon, zIndexOffset: -500, title: `${device.name}: ${this.w(device.online ? "online" : "offline")}` }).addTo(this.gear);
      }
    },
    // Built of elements, never of text: names come from outside.
    card(found) {
      const list = document.createElement("div");
      list.className = "map-card";
      for (const a of found.slice(0, 12)) {
        const line = document.createElement("a");
        line.href = `/?id=${encodeURIComponent(a.id)}`;
        const kind = document.createElement("strong");
        kind.textContent = this.w("kind." + a.kind);
        kind.className = `lvl-word lvl-${a.severity}`;
        const where = document.createElement("span");
        where.textContent = [a.zone, a.camera, this.w("ago", { t: ago((Date.now() - Date.parse(a.started_at)) / 1000) }), this.w("status." + a.status)].filter(Boolean).join(" · ");
        line.append(kind, where);
        list.append(line);
      }
      return list;
    },
    wards(found) {
      for (const ward of found) {
        const radius = Math.sqrt((ward.area_km2 || 1) / Math.PI) * 1000;
        L.circle([ward.latitude, ward.longitude], { radius, className: "ward", interactive: false }).addTo(this.ground);
        const name = L.divIcon({ className: "ward-name", iconSize: null, html: "" });
        const marker = L.marker([ward.latitude, ward.longitude], { icon: name, interactive: false, keyboard: false }).addTo(this.ground);
        marker.getElement().textContent = ward.name;
      }
    },
  },
  async mounted() {
    this.map = markRaw(L.map(this.$refs.map, { center: [this.centre.latitude, this.centre.longitude], zoom: this.centre.zoom, zoomControl: true, attributionControl: Boolean(this.tiles) }));
    if (this.tiles) L.tileLayer(this.tiles, { attribution: this.attribution }).addTo(this.map);
    this.ground = markRaw(L.layerGroup().addTo(this.map));
    this.gear = markRaw(L.layerGroup().addTo(this.map));
    this.incidents = markRaw(L.layerGroup().addTo(this.map));
    L.control.scale({ imperial: false }).addTo(this.map);
    const zoomed = () => this.$refs.map.classList.toggle("is-near", this.map.getZoom() >= 12);
    this.map.on("zoomend", zoomed);
    zoomed();
    this.drawDevices(); // news may have come before the map
    this.watcher = new ResizeObserver(() => this.map.invalidateSize());
    this.watcher.observe(this.$refs.map);
    this.$emit("ready");
    try {
      this.wards(await ask("/api/wards", {}));
    } catch (error) {
      this.problem = error.message;
    }
    this.load();
  },
  beforeUnmount() {
    this.watcher.disconnect();
    this.map.remove();
  },
  template: "#map-template",
};
