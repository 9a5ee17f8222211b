// The board of live alerts. Its alerts come from the server as they change; what the operator does goes to the API.
import { Elapsed, Row, Severity, clock, format, span } from "/static/alert.js";
import { SEVERITIES, ago } from "/static/severity.js";

const STEP = 60; // rows that are added when the operator asks for more
const MOST = 1500; // alerts held; the oldest closed ones go first

export default {
  components: { Severity, Elapsed, Row },
  props: { words: Object, me: String, acts: Boolean, timezone: String, stale: Number },
  data: () => ({
    severities: SEVERITIES,
    alerts: {}, // by id; frozen, so Vue compares them by identity only
    ready: false,
    selected: null,
    opened: false, // the narrow screen shows the chosen alert instead of the list
    tab: "active",
    kind: "",
    severity: "",
    find: "",
    shown: STEP,
    above: 0,
    pulse: { database: true, problem: null },
    pulseAt: Date.now(),
    today: "",
    offset: 0, // server's clock minus this one's, ms
    devices: [],
    toast: null,
    note: "",
    assignee: "",
    busy: false,
    sound: false,
    natural: null,
    announced: "",
  }),
  computed: {
    self() {
      return this;
    },
    every() {
      return Object.values(this.alerts).sort((a, b) => (a.received < b.received ? 1 : a.received > b.received ? -1 : a.id < b.id ? 1 : -1));
    },
    // One event is one card, whose cameras see it: the first to be received stands for all.
    cards() {
      return this.every.filter((a) => !a.linked.some((l) => this.before(this.alerts[l.id], a)));
    },
    counts() {
      const n = { active: 0, new: 0, closed: 0, all: this.cards.length };
      for (const a of this.cards) {
        if (a.status === "new") n.new++;
        n[this.closed(a) ? "closed" : "active"]++;
      }
      return n;
    },
    kinds() {
      return [...new Set(this.every.map((a) => a.kind))].sort();
    },
    filtered() {
      const words = this.find.toLowerCase().split(/\s+/).filter(Boolean);
      return this.cards.filter((a) => {
        if (this.kind && a.kind !== this.kind) return false;
        if (this.severity && a.severity !== this.severity) return false;
        if (this.tab === "active" ? this.closed(a) : this.tab === "closed" ? !this.closed(a) : this.tab === "new" ? a.status !== "new" : false) return false;
        const text = `${a.device} ${a.camera} ${a.zone || ""} ${this.w("kind." + a.kind)} ${a.id} ${this.others(a)}`.toLowerCase();
        return words.every((word) => text.includes(word));
      });
    },
    ordered() {
      const group = (a) => (a.status === "new" ? 0 : a.status === "acknowledged" ? 1 : 2);
      return [...this.filtered].sort((a, b) => group(a) - group(b)); // stable: newest first within each
    },
    rows() {
      return this.ordered.slice(0, this.shown);
    },
    groups() {
      const n = { new: 0, acknowledged: 0, closed: 0 };
      for (const a of this.ordered) n[this.groupOf(a)]++;
      return n;
    },
    current() {
      return this.alerts[this.selected] || null;
    },
    filtering() {
      return this.kind || this.severity || this.find;
    },
    trouble() {
      const silent = (clock.now - this.pulseAt) / 1000;
      if (silent > 8) return { level: "bad", text: this.w("console_away", { t: ago(silent) }) };
      if (!this.pulse.database) return { level: "bad", text: this.w("database_away"), detail: this.pulse.problem };
      if (!this.ready) return null;
      if (!this.pulse.devices) return { level: "info", text: this.w("never_heard") };
      if (this.quiet > this.stale) return { level: "bad", text: this.w("stale", { t: ago(this.quiet) }) };
      return null;
    },
    quiet() {
      return this.pulse.last_message ? (clock.now + this.offset - Date.parse(this.pulse.last_message)) / 1000 : 0;
    },
    models() {
      const found = {};
      for (const device of this.devices) for (const camera of device.cameras) if (camera.model) found[camera.model.name] = camera.model;
      return Object.values(found);
    },
    olderWaiting() {
      return this.counts.new < 500 ? 0 : Math.max(0, (this.pulse.waiting || 0) - this.counts.new);
    },
    shape() {
      const a = this.current;
      if (this.natural) return `${this.natural.width} / ${this.natural.height}`;
      return a.picture_width && a.picture_height ? `${a.picture_width} / ${a.picture_height}` : "4 / 3";
    },
    box() {
      const a = this.current;
      if (!a || !a.place.box) return null;
      const [x1, y1, x2, y2] = a.place.box;
      const width = a.picture_width || (this.natural && this.natural.width);
      const height = a.picture_height || (this.natural && this.natural.height);
      if (!width || !height) return null;
      const moved = a.still_at && Math.abs(Date.parse(a.still_at) - Date.parse(a.at)) > 1500;
      return { x: x1, y: y1, width: x2 - x1, height: y2 - y1, view: `0 0 ${width} ${height}`, moved, stroke: width / 320 };
    },
  },
  methods: {
    w(key, values = {}) {
      const text = this.words[key];
      return text === undefined ? key.split(".").pop().replaceAll("_", " ") : text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
    },
    before: (a, b) => a !== undefined && (a.received < b.received || (a.received === b.received && a.id < b.id)),
    others: (a) => a.linked.map((l) => `${l.device} ${l.camera}`).join(", "),
    closed: (a) => a.status === "resolved" || a.status === "false_alarm",
    groupOf(a) {
      return a.status === "new" ? "new" : a.status === "acknowledged" ? "acknowledged" : "closed";
    },
    ago,
    span,
    when(iso, day = false) {
      const date = new Date(iso);
      const time = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
      const today = !day && this.dayOf(date) === this.today;
      return format(this.timezone, today ? time : { ...time, day: "2-digit", month: "2-digit" }).format(date);
    },
    dayOf(date) {
      return format(this.timezone, { day: "2-digit", month: "2-digit", year: "numeric" }).format(date);
    },
    // What the camera said, as its sentence names it: speeds in km/h without their suffix, times in words.
    whyKnown(a) {
      const known = { zone: a.zone };
      for (const [key, value] of Object.entries(a.why)) {
        if (key === "class") known.class = this.w("class." + value);
        else if (key === "seconds") known.lasting = ago(value);
        else if (typeof value !== "number") known[key] = value;
        else if (key.endsWith("_mps")) known[key.slice(0, -4)] = Math.round(value * 3.6);
        else known[key.replace(/_s$/, "")] = Math.round(value * 10) / 10;
      }
      return known;
    },
    // The first sentence whose every name the camera gave.
    whyKey(a) {
      const known = this.whyKnown(a);
      const fits = (key) => [...(this.words[key] ?? "{?}").matchAll(/\{(.*?)\}/g)].every((m) => known[m[1]] != null);
      return ["why." + a.kind, "why.lasting", "why.zone"].find(fits);
    },
    why(a) {
      const key = this.whyKey(a);
      const text = key ? this.w(key, this.whyKnown(a)) : "";
      return text.charAt(0).toUpperCase() + text.slice(1);
    },
    whyFacts(a) {
      const told = [...(this.words[this.whyKey(a)] ?? "").matchAll(/\{(\w+)\}/g)].map((m) => m[1]);
      const name = (key) => (key === "seconds" ? "lasting" : key.replace(/_mps$|_s$/, ""));
      const shown = (key, value) => {
        if (key === "class") return this.w("class." + value);
        if (typeof value !== "number") return value;
        if (key.endsWith("_mps")) return `${Math.round(value * 36) / 10} km/h`;
        const unit = key.endsWith("_mps2") ? " m/s²" : key === "seconds" || key.endsWith("_s") ? " s" : key === "metres" || key.endsWith("_m") ? " m" : "";
        return Math.round(value * 100) / 100 + unit;
      };
      return Object.entries(a.why)
        .filter(([key]) => key !== "zone" && !told.includes(name(key)))
        .map(([key, value]) => [this.words["fact." + key] || key.replaceAll("_", " "), shown(key, value)]);
    },
    place: (a) => [a.zone, a.camera].filter(Boolean).join(" · "),
    handled(a) {
      for (let i = a.actions.length - 1; i >= 0; i--) if (["acknowledge", "resolve", "false_alarm"].includes(a.actions[i].action)) return a.actions[i];
      return null;
    },
    late: (a) => (Date.parse(a.received) - Date.parse(a.decided_at)) / 1000,

    // ---- from the server
    put(alert) {
      const known = this.alerts[alert.id];
      if (known && (known.rev > alert.rev || known.actions.length > alert.actions.length)) return false;
      this.alerts[alert.id] = Object.freeze(alert);
      return !known;
    },
    reset(facts) {
      for (const alert of facts.alerts) this.put(alert);
      this.ready = true;
      this.wanted();
      if (!this.selected && window.innerWidth > 900 && this.ordered.length) this.selected = this.ordered[0].id;
    },
    // Another page's link names an alert, which may be too old for the board.
    async wanted() {
      const id = new URLSearchParams(location.search).get("id");
      if (!id) return;
      history.replaceState(null, "", "/");
      const answer = this.alerts[id] ? null : await fetch(`/api/incidents/${encodeURIComponent(id)}`);
      if (answer?.ok) this.put(await answer.json());
      if (this.alerts[id]) this.choose(id);
    },
    // The first is drawn at once; in a flood the list is drawn four times a second, not for each of them.
    apply(facts) {
      (this.pending ??= []).push(...facts.alerts);
      const wait = (this.drawn || 0) + 250 - Date.now();
      if (wait <= 0) this.flush();
      else this.flushing ??= setTimeout(this.flush, wait);
    },
    flush() {
      clearTimeout(this.flushing);
      this.flushing = null;
      this.drawn = Date.now();
      const hold = this.anchor();
      const arrived = this.pending.splice(0).filter((alert) => this.put(alert) && alert.status === "new");
      if (Object.keys(this.alerts).length > MOST) this.trim();
      if (arrived.length) this.tell(arrived);
      this.$nextTick(() => this.keep(hold, arrived.length));
    },
    beat(facts) {
      this.pulse = Object.freeze(facts);
      this.pulseAt = Date.now();
      clock.now = Date.now();
      if (facts.now) this.offset = Date.parse(facts.now) - Date.now();
    },
    refill() {
      this.$emit("ready");
    },
    fleet(facts) {
      this.devices = Object.freeze(facts.devices);
    },
    trim() {
      const last = [...this.every].sort((a, b) => this.closed(a) - this.closed(b)).slice(MOST);
      for (const alert of last) if (alert.id !== this.selected) delete this.alerts[alert.id];
    },
    tell(arrived) {
      const first = arrived[0];
      this.announced = arrived.length > 1 ? this.w("new_above", { n: arrived.length }) : `${this.w("severity." + first.severity)}: ${this.w("kind." + first.kind)}, ${this.place(first)}`;
      if (this.sound) this.beep(arrived.some((a) => a.severity === "critical") ? 3 : 1);
      if (!this.current && window.innerWidth > 900) this.selected = first.id;
    },

    // ---- nothing moves under the operator's hand
    anchor() {
      const list = this.$refs.list;
      if (!list) return null;
      let row = list.querySelector(".row:hover") || (list.contains(document.activeElement) && document.activeElement.closest(".row"));
      if (!row && list.scrollTop > 4) row = [...list.querySelectorAll(".row")].find((r) => r.getBoundingClientRect().bottom > list.getBoundingClientRect().top + 40);
      return row ? { row, top: row.getBoundingClientRect().top } : null;
    },
    keep(hold, arrived) {
      const list = this.$refs.list;
      if (!hold || !list || !hold.row.isConnected) return;
      list.scrollTop += hold.row.getBoundingClientRect().top - hold.top;
      if (arrived && list.scrollTop > 40) this.above += arrived;
    },
    scrolled() {
      if (this.$refs.list.scrollTop < 40) this.above = 0;
    },
    toTop() {
      this.$refs.list.scrollTo({ top: 0, behavior: "smooth" });
      this.above = 0;
    },

    // ---- from the operator
    choose(id, focus = false) {
      this.selected = id;
      this.opened = true;
      this.natural = null;
      this.note = this.assignee = "";
      if (focus) this.$nextTick(() => this.$el.querySelector(`[data-incident-id="${CSS.escape(id)}"]`)?.focus({ preventScroll: false }));
    },
    move(step) {
      const at = this.rows.findIndex((a) => a.id === this.selected);
      const next = this.rows[Math.min(Math.max(at + step, 0), this.rows.length - 1)];
      if (next) this.choose(next.id, true);
    },
    async act(action, extra = {}, id = this.selected) {
      if (!id || this.busy) return;
      if (!this.acts) return this.say(this.w("read_only"), true);
      this.busy = true;
      try {
        const answer = await fetch(`/api/incidents/${encodeURIComponent(id)}/actions`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ action, ...extra }),
        });
        const facts = await answer.json().catch(() => ({ detail: answer.statusText }));
        if (answer.ok) {
          const hold = this.anchor();
          this.put(facts);
          this.$nextTick(() => this.keep(hold, 0));
          const undo = ["acknowledge", "resolve", "false_alarm"].includes(action) ? id : null;
          const status = this.w("status." + facts.status);
          this.say(undo ? `${status} · ${this.w("kind." + facts.kind)}` : `${this.me} ${this.w("did." + action, facts)}`, false, undo);
          this.note = this.assignee = "";
        } else if (answer.status === 409) {
          this.put(facts.alert);
          const by = this.handled(facts.alert);
          this.say(by ? this.w("quicker", { who: by.who, at: this.when(by.at) }) : facts.detail, true);
        } else if (answer.status === 401) {
          this.say(this.w("log_in_again"), true);
          location.assign("/login?next=" + encodeURIComponent(location.pathname));
        } else this.say(this.w("failed", { detail: facts.detail }), true);
      } catch (error) {
        this.say(this.w("failed", { detail: error.message }), true);
      } finally {
        this.busy = false;
      }
    },
    undo() {
      const id = this.toast?.undo || (this.current && this.current.status !== "new" ? this.selected : null);
      this.toast = null;
      if (id) this.act("reopen", {}, id);
    },
    say(text, bad = false, undo = null) {
      clearTimeout(this.toastTimer);
      this.toast = { text, bad, undo };
      this.toastTimer = setTimeout(() => (this.toast = null), undo ? 8000 : 6000);
    },
    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = event.target.closest("input, textarea, select");
      if (event.key === "Escape") {
        if (typing) event.target.blur();
        else this.opened = false;
        return;
      }
      if (typing) return;
      const row = document.activeElement?.closest?.("[data-incident-id]");
      const keys = {
        a: () => this.act("acknowledge", {}, row?.dataset.incidentId || this.selected),
        r: () => this.act("resolve", {}, row?.dataset.incidentId || this.selected),
        f: () => this.act("false_alarm", {}, row?.dataset.incidentId || this.selected),
        u: () => this.undo(),
        j: () => this.move(1),
        k: () => this.move(-1),
        ArrowDown: () => this.move(1),
        ArrowUp: () => this.move(-1),
        "/": () => this.$refs.find.focus(),
      };
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    },
    toggleSound() {
      this.sound = !this.sound;
      localStorage.setItem("ngatu-sound", this.sound ? "1" : "");
      if (this.sound) this.beep(1);
    },
    beep(times) {
      this.audio ??= new AudioContext();
      this.audio.resume();
      for (let i = 0; i < times; i++) {
        const tone = this.audio.createOscillator();
        const gain = this.audio.createGain();
        const at = this.audio.currentTime + i * 0.28;
        tone.frequency.value = 880;
        gain.gain.setValueAtTime(0.0001, at);
        gain.gain.exponentialRampToValueAtTime(0.25, at + 0.02);
        gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.22);
        tone.connect(gain).connect(this.audio.destination);
        tone.start(at);
        tone.stop(at + 0.24);
      }
    },
    measured(event) {
      this.natural = { width: event.target.naturalWidth, height: event.target.naturalHeight };
    },
  },
  watch: {
    "counts.new"(n) {
      document.title = `${n ? `(${n}) ` : ""}${this.w("alerts")} · Ngã Tư`;
    },
    tab() {
      this.shown = STEP;
    },
  },
  mounted() {
    this.sound = localStorage.getItem("ngatu-sound") === "1";
    const tick = () => {
      clock.now = Date.now();
      this.today = this.dayOf(new Date());
    };
    this.ticking = setInterval(tick, 1000);
    tick();
    document.addEventListener("keydown", this.key);
    this.$emit("ready");
  },
  beforeUnmount() {
    clearInterval(this.ticking);
    document.removeEventListener("keydown", this.key);
  },
  template: "#board-template",
};
