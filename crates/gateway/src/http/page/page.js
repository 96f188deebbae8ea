// Reads /metrics once a second, and shows what it says. What is written comes from names that users choose, so it is set
// as text, never as markup.
"use strict";

const EVERY_MS = 1_000;
// As long a time as rates and quantiles are of, in scrapes.
const WINDOW = 10;
// And the longest that this may take, where answers are slow or missing.
const LONGEST_MS = 30_000;
// As many points as a curve has.
const POINTS = 120;
// How long a scrape may take.
const PATIENCE_MS = 5_000;

const byId = (id) => document.getElementById(id);

// OpenMetrics, as series by family: each with its labels, its value, and the trace id of its last one, where it has that.
function parse(text) {
  const families = new Map();
  const line = /^([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)(?: # \{trace_id="(\w+)"\} \S+)?$/;
  const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
  for (const row of text.split("\n")) {
    if (row === "" || row.startsWith("#")) continue;
    const found = line.exec(row);
    if (found === null) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(label)) {
      labels[name] = value.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
    }
    if (!families.has(found[1])) families.set(found[1], []);
    families.get(found[1]).push({ labels, value: Number(found[3].replace("+Inf", "Infinity")), trace: found[4] });
  }
  return families;
}

// One reading of everything, and the questions that are asked of it.
class Scrape {
  constructor(text, at) {
    this.families = parse(text);
    this.at = at;
  }

  all(family, where = {}) {
    const asked = Object.entries(where);
    const series = this.families.get(family) ?? [];
    return series.filter(({ labels }) => asked.every(([name, value]) => labels[name] === value));
  }

  has(family) {
    return this.families.has(family);
  }

  sum(family, where) {
    return this.all(family, where).reduce((sum, { value }) => sum + value, 0);
  }

  values(family, label) {
    return [...new Set(this.all(family).map(({ labels }) => labels[label]))];
  }
}

// Two readings, the older of which is some seconds old: what happened between.
class Between {
  constructor(older, newer) {
    this.older = older;
    this.newer = newer;
    this.seconds = Math.max((newer.at - older.at) / 1_000, 0.001);
  }

  more(family, where) {
    return Math.max(this.newer.sum(family, where) - this.older.sum(family, where), 0);
  }

  rate(family, where) {
    return this.more(family, where) / this.seconds;
  }

  // A histogram's quantile in seconds: within its bucket evenly, as Prometheus has it. `undefined` if nothing was measured.
  quantile(share, family, where) {
    const counts = new Map();
    const add = (scrape, sign) => {
      for (const { labels, value } of scrape.all(`${family}_bucket`, where)) {
        const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
        counts.set(bound, (counts.get(bound) ?? 0) + sign * value);
      }
    };
    add(this.newer, 1);
    add(this.older, -1);
    const bounds = [...counts.keys()].sort((a, b) => a - b);
    const total = counts.get(Infinity) ?? 0;
    if (total <= 0) return undefined;
    const rank = share * total;
    let [below, from] = [0, 0];
    for (const bound of bounds) {
      const count = counts.get(bound);
      if (count >= rank) {
        if (bound === Infinity) return from;
        return from + (bound - from) * ((rank - below) / Math.max(count - below, 1e-9));
      }
      [below, from] = [count, bound];
    }
    return from;
  }
}

const three = (number) => (number >= 99.5 || number === 0 ? number.toFixed(0) : number.toPrecision(2));

function count(number) {
  if (number < 10_000) return Math.round(number).toString();
  if (number < 10_000_000) return `${three(number / 1e3)} k`;
  if (number < 1e10) return `${three(number / 1e6)} M`;
  return `${three(number / 1e9)} G`;
}

function rate(number) {
  if (number > 0 && number < 10) return number < 0.1 ? "<0.1" : number.toFixed(1);
  return count(number);
}

function time(seconds) {
  if (seconds === undefined) return "–";
  if (seconds < 1e-6) return `${three(seconds * 1e9)} ns`;
  if (seconds < 1e-3) return `${three(seconds * 1e6)} µs`;
  if (seconds < 1) return `${three(seconds * 1e3)} ms`;
  return `${three(seconds)} s`;
}

function span(seconds) {
  const [days, rest] = [Math.floor(seconds / 86_400), seconds % 86_400];
  const [hours, minutes] = [Math.floor(rest / 3_600), Math.floor((rest % 3_600) / 60)];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${Math.floor(rest % 60)} s`;
  return `${Math.floor(rest)} s`;
}

function bytes(number) {
  if (number < 1 << 20) return `${three(number / 1_024)} KiB`;
  if (number < 2 ** 30) return `${three(number / (1 << 20))} MiB`;
  return `${three(number / 2 ** 30)} GiB`;
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Rows of a table, each a list of cells: a text, or what `cell` makes.
function fill(table, rows, nothing) {
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const made = rows.map((cells) => {
    const row = element("tr");
    cells.forEach((of, index) => {
      const { text, level, bar, parts, kind } = typeof of === "object" ? of : { text: of };
      const cell = index === 0 ? element("th", text, { scope: "row" }) : element("td", text);
      cell.dataset.name = names[index];
      if (level !== undefined) cell.dataset.level = level;
      if (kind !== undefined) cell.className = kind;
      if (parts !== undefined) cell.append(...parts);
      if (bar > 0) {
        const line = element("span", undefined, { class: "bar" });
        line.style.inlineSize = `${Math.min(Math.max(bar, 0), 1) * 100}%`;
        cell.append(line);
      }
      row.append(cell);
    });
    return row;
  });
  if (made.length === 0) {
    const row = element("tr");
    row.append(element("td", nothing, { class: "nothing wide", colspan: names.length }));
    made.push(row);
  }
  table.tBodies[0].replaceChildren(...made);
}

// A list of figures: name, value, what is said below it, and its level or curve.
function figures(list, rows) {
  list.replaceChildren(...rows.map(([name, value, below, { level, points } = {}]) => {
    const tile = element("div");
    const figure = element("dd", value);
    if (level !== undefined) figure.dataset.level = level;
    if (points !== undefined) figure.append(curve(points));
    figure.append(element("small", below ?? ""));
    tile.append(element("dt", name), figure);
    return tile;
  }));
}

function curve(points) {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawing.setAttribute("viewBox", `0 0 ${POINTS} 24`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  const most = Math.max(...points, 1e-9);
  const at = (value, index) => `${POINTS - points.length + index},${23 - (22 * value) / most}`;
  line.setAttribute("points", points.map(at).join(" "));
  line.setAttribute("fill", "none");
  line.setAttribute("stroke", "currentColor");
  line.setAttribute("vector-effect", "non-scaling-stroke");
  drawing.append(line);
  return drawing;
}

// What needs attention, the worst first: of what is in the metrics, the part that somebody should look at.
function findings(between) {
  const { newer } = between;
  const found = [];
  const say = (level, text) => found.push({ level, text });
  const since = (family, text) => {
    const number = newer.sum(family);
    if (number > 0) say("bad", `${count(number)} ${text}`);
  };
  since("dispatcher_dead_letters_total", "critical messages went to the dead-letter sink, unhandled");
  since("nats_critical_missing_total", "critical messages were gone from the stream before they came here");
  since("recycler_double_puts_total", "tickets were returned twice: a bug in a consumer or here");
  since("recycler_uses_after_put_total", "tickets were used after their return: a bug in a consumer or here");
  since("recycler_stray_writes_total", "pooled objects were written to while nobody held them");
  for (const { labels, value } of newer.all("nats_connected")) {
    if (value === 0) say("bad", `NATS ${labels.connection.replace("_", " ")} is not connected`);
  }
  for (const { labels, value } of newer.all("venue_connected")) {
    if (value === 0) say("bad", `${labels.venue} is not connected`);
  }
  for (const { labels, value } of newer.all("book_verified")) {
    if (value === 0) say("warn", `the book of ${labels.instrument} at ${labels.venue} cannot be trusted, and is held back`);
  }
  for (const pool of newer.values("recycler_pool_capacity", "event_kind")) {
    const where = { event_kind: pool };
    if (between.more("recycler_exhausted_total", where) > 0) say("warn", `the pool of ${pool} was empty`);
  }
  for (const consumer of newer.values("dispatcher_lane_depth", "consumer_id")) {
    const where = { consumer_id: consumer };
    const waiting = newer.sum("dispatcher_lane_depth", where);
    const delivered = between.more("dispatcher_lane_delivered_total", where);
    const panics = between.more("consumer_panics_total", where);
    const dropped = between.rate("dispatcher_dropped_total", where);
    const unmade = between.rate("dispatcher_dropped_total", { ...where, reason: "no_duplicate" });
    const folded = between.rate("dispatcher_conflated_total", where);
    if (newer.sum("dispatcher_lane_paused", where) > 0) say("note", `${consumer} is paused; ${count(waiting)} wait`);
    else if (waiting > 0 && delivered === 0 && between.seconds > 3) say("bad", `${consumer} stands still; ${count(waiting)} wait`);
    if (between.more("dispatcher_lane_critical_alarms_total", where) > 0) say("bad", `too many critical messages wait for ${consumer}`);
    const { trace } = newer.all("consumer_failures_total", where)[0] ?? {};
    const last = trace === undefined ? "" : `; the last failure was of trace ${trace}`;
    if (panics > 0) say("warn", `${consumer} panics, ${rate(panics / between.seconds)} times a second${last}`);
    if (unmade > 0) say("warn", `${consumer} does not get ${rate(unmade)} messages a second, whose pool is empty`);
    if (dropped > unmade) say("warn", `${consumer} is too slow: it does not get ${rate(dropped - unmade)} messages a second`);
    else if (folded > 0) say("note", `${consumer} lags: ${rate(folded)} messages a second are folded for it`);
  }
  const order = ["bad", "warn", "note"];
  return found.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
}

const ratesOf = { published: [] };
let version;
let flippedAt;

function show(between, healthy) {
  const { newer } = between;
  const found = findings(between);
  const worst = found[0]?.level;
  const [level, word] = !healthy ? ["warn", "stopping"]
    : worst === "bad" ? ["bad", "not well"]
    : worst === "warn" ? ["warn", "look here"]
    : ["good", "well"];
  state(level, word);
  byId("findings").replaceChildren(...found.map(({ level, text }) => element("li", text, { "data-level": level })));

  const build = newer.all("meltica_build_info")[0]?.labels.version ?? "";
  byId("about").textContent = `version ${build}, up for ${span(newer.sum("meltica_uptime_seconds"))}`;

  const present = newer.sum("dispatcher_routing_version");
  if (version !== undefined && present > version) flippedAt = newer.at;
  version = present;
  const published = between.rate("dispatcher_published_total");
  ratesOf.published = [...ratesOf.published, published].slice(-POINTS);
  const books = newer.all("book_verified");
  const trusted = books.filter(({ value }) => value > 0).length;
  const venues = newer.all("venue_connected");
  const connected = venues.filter(({ value }) => value > 0).length;
  const fullest = Math.max(0, ...newer.all("recycler_pool_capacity").map(({ labels, value }) =>
    value > 0 ? newer.sum("recycler_pool_leased", { event_kind: labels.event_kind }) / value : 0));
  const commands = newer.sum("dispatcher_commands_total", { outcome: "applied" });
  const fanOut = (share) => between.quantile(share, "dispatcher_fan_out_duration_seconds");
  const tiles = [
    ["events a second", rate(published), "", { points: ratesOf.published }],
    ["deliveries a second", rate(between.rate("dispatcher_lane_delivered_total")),
      `to ${count(newer.sum("dispatcher_lanes"))} consumers`],
    ["publish to consumer, p50", time(fanOut(0.5)), `p99 ${time(fanOut(0.99))}`],
    ["folded a second", rate(between.rate("dispatcher_conflated_total")),
      `${rate(between.rate("dispatcher_dropped_total"))} dropped a second`],
    ["panics a second", rate(between.rate("consumer_panics_total")),
      `${count(newer.sum("consumer_panics_total"))} since the start`],
    ["fullest pool", `${Math.round(fullest * 100)} %`, `${count(newer.sum("recycler_pool_leased"))} objects out`],
    ["routing version", present.toString(),
      flippedAt === undefined ? `${count(commands)} commands` : `flipped ${span((newer.at - flippedAt) / 1_000)} ago`],
  ];
  if (books.length > 0) {
    tiles.push(["books verified", `${trusted} of ${books.length}`, `${connected} of ${venues.length} venues connected`,
      { level: trusted === books.length && connected === venues.length ? "good" : "warn" }]);
  }
  figures(byId("tiles"), tiles);

  const most = Math.max(1, ...newer.all("dispatcher_lane_depth").map(({ value }) => value));
  fill(byId("consumers"), newer.values("dispatcher_lane_depth", "consumer_id").map((consumer) => {
    const where = { consumer_id: consumer };
    const waiting = newer.sum("dispatcher_lane_depth", where);
    const wait = (share) => time(between.quantile(share, "consumer_delivery_latency_seconds", where));
    const alarming = (number, text) => ({ text, level: number > 0 ? "warn" : undefined });
    const [folded, dropped] = [between.rate("dispatcher_conflated_total", where), between.rate("dispatcher_dropped_total", where)];
    const [failures, panics] = [newer.sum("consumer_failures_total", where), newer.sum("consumer_panics_total", where)];
    const paused = newer.sum("dispatcher_lane_paused", where) > 0;
    return [
      paused ? `${consumer} (paused)` : consumer,
      rate(between.rate("dispatcher_lane_delivered_total", where)),
      { text: count(waiting), bar: waiting / most },
      wait(0.5),
      wait(0.99),
      time(between.quantile(0.99, "consumer_processing_duration_seconds", where)),
      alarming(folded, rate(folded)),
      alarming(dropped, rate(dropped)),
      alarming(failures, count(failures)),
      alarming(panics, count(panics)),
    ];
  }), "nobody is subscribed");

  fill(byId("venues"), newer.values("venue_connected", "venue").map((venue) => {
    const where = { venue };
    const up = newer.sum("venue_connected", where) > 0;
    const wrong = newer.sum("venue_decode_errors_total", where);
    const gaps = newer.sum("book_gaps_total", where) + newer.sum("book_mismatches_total", where);
    const chips = newer.all("book_verified", where).map(({ labels, value }) =>
      element("span", `${value > 0 ? "✓" : "✗"} ${labels.instrument}`, {
        "data-level": value > 0 ? "good" : "bad",
        title: value > 0 ? "verified" : "cannot be trusted, and is held back",
      }));
    const list = element("span", undefined, { class: "books" });
    list.append(...chips);
    return [
      venue,
      { text: up ? "connected" : "not connected", level: up ? "good" : "bad", kind: "text" },
      rate(between.rate("venue_frames_total", where)),
      count(newer.sum("venue_connections_ended_total", where)),
      { text: count(wrong), level: wrong > 0 ? "warn" : undefined },
      { text: count(gaps), level: gaps > 0 ? "warn" : undefined },
      { parts: [list], kind: "text wide" },
    ];
  }), "no venue feeds this pipeline");

  fill(byId("merges"), newer.values("orchestrator_windows_open", "rule").map((rule) => {
    const came = (outcome) => newer.sum("orchestrator_windows_total", { rule, outcome });
    const nothing = came("suppressed") + came("unmade");
    const merged = (outcome) => between.rate("orchestrator_windows_total", { rule, outcome });
    return [
      rule,
      rate(merged("complete") + merged("marked")),
      rate(merged("marked")),
      { text: count(nothing), level: nothing > 0 ? "warn" : undefined },
      count(newer.sum("orchestrator_windows_open", { rule })),
    ];
  }), "there is no merge rule");

  fill(byId("pools"), newer.values("recycler_pool_capacity", "event_kind").map((pool) => {
    const where = { event_kind: pool };
    const capacity = newer.sum("recycler_pool_capacity", where);
    const out = newer.sum("recycler_pool_leased", where);
    const [refused, heap] = [newer.sum("recycler_exhausted_total", where), newer.sum("recycler_heap_fallbacks_total", where)];
    return [
      pool,
      { text: count(out), bar: capacity > 0 ? out / capacity : 0 },
      count(newer.sum("recycler_pool_leased_peak", where)),
      count(capacity),
      rate(between.rate("recycler_leases_total", where)),
      { text: count(refused), level: refused > 0 ? "warn" : undefined },
      { text: count(heap), level: heap > 0 ? "warn" : undefined },
    ];
  }), "there is no pool");

  byId("remote").hidden = !newer.has("nats_connected");
  figures(byId("nats"), [
    ["market data a second", rate(between.rate("nats_frames_total")), `${rate(between.rate("nats_folded_total"))} folded`],
    ["critical a second", rate(between.rate("nats_critical_total")),
      `${rate(between.rate("nats_critical_acknowledged_total"))} acknowledged`],
    ["critical waiting", count(newer.sum("nats_critical_waiting")), `outbox ${bytes(newer.sum("nats_outbox_bytes"))}`],
    ["market data lost", count(newer.sum("nats_lost_total")), "since the start"],
    ["connections", `${newer.sum("nats_connected")} of ${newer.all("nats_connected").length}`,
      `${count(newer.sum("nats_connections_total"))} made`],
  ]);

  if (newer.has("process_resident_memory_bytes")) {
    const cpu = between.rate("process_cpu_seconds_total");
    byId("process").textContent = `${bytes(newer.sum("process_resident_memory_bytes"))} of memory, `
      + `${cpu.toFixed(2)} cores, ${count(newer.sum("process_threads"))} threads, `
      + `${count(newer.sum("process_open_fds"))} of ${count(newer.sum("process_max_fds"))} files.`;
  }
}

function state(level, text) {
  const shown = byId("health");
  // What has not changed is not told again to who listens.
  if (shown.textContent !== text) shown.textContent = text;
  shown.dataset.level = level;
}

const scrapes = [];

function forget() {
  scrapes.length = 0;
  ratesOf.published = [];
  version = flippedAt = undefined;
}

async function look() {
  try {
    const limit = AbortSignal.timeout(PATIENCE_MS);
    const [metrics, health] = await Promise.all([
      fetch("/metrics", { signal: limit, headers: { accept: "application/openmetrics-text" }, cache: "no-store" }),
      fetch("/healthz", { signal: limit, cache: "no-store" }),
    ]);
    if (!metrics.ok) throw new Error(`/metrics answers ${metrics.status}`);
    const scrape = new Scrape(await metrics.text(), performance.now());
    // What another process counted is nothing to count from.
    const began = (of) => of?.sum("process_start_time_seconds");
    if (scrapes.length > 0 && began(scrapes.at(-1)) !== began(scrape)) forget();
    scrapes.push(scrape);
    // Nor is what is too old, as after a time without answers.
    while (scrapes.length > WINDOW + 1 || scrape.at - scrapes[0].at > LONGEST_MS) scrapes.shift();
    if (scrapes.length > 1) show(new Between(scrapes[0], scrapes.at(-1)), health.ok);
    delete document.body.dataset.stale;
  } catch {
    document.body.dataset.stale = "";
    state("bad", "does not answer");
  }
}

async function go() {
  // Whoever does not look needs nothing; after a pause, what was before it is too old.
  if (!document.hidden) await look();
  else scrapes.length = 0;
  setTimeout(go, scrapes.length < 2 ? EVERY_MS / 4 : EVERY_MS);
}

document.addEventListener("visibilitychange", () => {
  scrapes.length = 0;
});
go();
