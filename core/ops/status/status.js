// The status page: reads status.json again and again, and shows what changed between readings.
"use strict";

const PERIOD_MS = 2000;
const WINDOW_MS = 60_000;
const SPARK_POINTS = 60;

// --- Of readings. A reading is what status.json says; `name` is a metric's.

function metricsOf(reading, name, labels = {}) {
  const all = (reading && reading.metrics[name]) || [];
  return all.filter((metric) => Object.entries(labels).every(([key, value]) => metric.labels[key] === value));
}

// The sum over all labels; null where there is no such metric.
function total(reading, name, labels) {
  const found = metricsOf(reading, name, labels);
  return found.length === 0 ? null : found.reduce((sum, metric) => sum + metric.value, 0);
}

// How much a counter grew; from nothing where the server was started anew in between.
function grown(now, then, name, labels) {
  const after = total(now, name, labels);
  if (after === null) return null;
  const before = total(then, name, labels) || 0;
  return after >= before ? after - before : after;
}

function rate(now, then, name, labels) {
  const seconds = now.time_s - then.time_s;
  const more = grown(now, then, name, labels);
  return more === null || seconds <= 0 ? null : more / seconds;
}

// What a histogram counted between two readings, all that match together: {le, counts}, cumulative; null: there is none.
function counted(now, then, name, labels) {
  const found = metricsOf(now, name, labels);
  if (found.length === 0) return null;
  const counts = new Array(found[0].counts.length).fill(0);
  const add = (metrics, sign) => {
    for (const metric of metrics) metric.counts.forEach((count, i) => { counts[i] += sign * count; });
  };
  add(found, 1);
  add(metricsOf(then, name, labels), -1);
  if (counts[counts.length - 1] < 0) return counted(now, null, name, labels);  // Started anew.
  return { le: found[0].le, counts };
}

// As Prometheus' histogram_quantile: straight within a bucket; null where nothing was counted.
function quantile(q, histogram) {
  if (histogram === null) return null;
  const { le, counts } = histogram;
  const all = counts[counts.length - 1];
  if (all === 0) return null;
  const rank = q * all;
  const i = counts.findIndex((count) => count >= rank);
  if (i >= le.length) return le[le.length - 1];
  const low = i === 0 ? 0 : le[i - 1];
  const below = i === 0 ? 0 : counts[i - 1];
  const inside = counts[i] - below;
  return inside === 0 ? low : low + (le[i] - low) * ((rank - below) / inside);
}

// --- Of numbers.

function short(value) {
  if (value === null || Number.isNaN(value)) return "–";
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(value >= 10 ? 1 : 2);
}

function octets(value) {
  if (value === null || Number.isNaN(value)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`;
}

function time(seconds) {
  if (seconds === null || Number.isNaN(seconds)) return "–";
  if (seconds < 1e-3) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return `${seconds.toPrecision(3)} s`;
}

function long(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([length]) => seconds >= length);
  if (first === -1) return "0 s";
  return parts.slice(first, first + 2)
    .map(([length, unit], i) => `${Math.floor((i === 0 ? seconds : seconds % parts[first][0]) / length)} ${unit}`).join(" ");
}

// --- What is shown. Names of metrics stand here and nowhere else.

// [name, text of the value, more, what the line under it draws]
const TILES = [
  ["Sessions", (r) => short(total(r.now, "poplar_pop3_sessions")), () => "POP3, logged in",
    (now) => total(now, "poplar_pop3_sessions")],
  ["Log-ins", (r) => `${short(r.rate("poplar_pop3_logins_total", { outcome: "ok" }))}/s`,
    (r) => `${short(["bad_credentials", "too_many_failures"].reduce((sum, outcome) => sum + r.rate("poplar_pop3_logins_total", { outcome }), 0))}/s wrong`,
    (now, then) => rate(now, then, "poplar_pop3_logins_total")],
  ["Messages fetched", (r) => `${short(r.rate("poplar_pop3_messages_sent_total"))}/s`,
    (r) => `${octets(r.rate("poplar_pop3_message_octets_sent_total"))}/s`,
    (now, then) => rate(now, then, "poplar_pop3_messages_sent_total")],
  ["Messages deleted", (r) => `${short(r.rate("poplar_pop3_messages_deleted_total"))}/s`, () => "by QUIT",
    (now, then) => rate(now, then, "poplar_pop3_messages_deleted_total")],
  ["Messages stored", (r) => `${short(r.rate("poplar_lmtp_deliveries_total", { outcome: "stored" }))}/s`,
    (r) => `${octets(r.rate("poplar_store_delivered_bytes_total"))}/s`,
    (now, then) => rate(now, then, "poplar_lmtp_deliveries_total", { outcome: "stored" })],
  ["Recipients refused", (r) => `${short(r.rate("poplar_lmtp_recipients_total") - r.rate("poplar_lmtp_recipients_total", { outcome: "ok" }))}/s`,
    (r) => `${short(r.rate("poplar_lmtp_recipients_total", { outcome: "unknown" }))}/s unknown`,
    (now, then) => rate(now, then, "poplar_lmtp_recipients_total") - rate(now, then, "poplar_lmtp_recipients_total", { outcome: "ok" })],
  ["CPU", (r) => `${short(r.rate("process_cpu_seconds_total") * 100)} %`, () => "of one core",
    (now, then) => rate(now, then, "process_cpu_seconds_total")],
  ["Memory", (r) => octets(total(r.now, "process_resident_memory_bytes")),
    (r) => `${short(total(r.now, "process_threads"))} threads`, (now) => total(now, "process_resident_memory_bytes")],
];

const LATENCIES = [
  ["Log-in", "poplar_pop3_command_seconds", { command: "login" }],
  ["of it, opening the maildrop", "poplar_pop3_open_seconds", {}],
  ["RETR", "poplar_pop3_command_seconds", { command: "RETR" }],
  ["TOP", "poplar_pop3_command_seconds", { command: "TOP" }],
  ["QUIT, until durable", "poplar_pop3_command_seconds", { command: "QUIT" }],
  ["TLS handshake", "poplar_tls_handshake_seconds", {}],
  ["RCPT", "poplar_lmtp_recipient_seconds", {}],
  ["Delivery, until durable", "poplar_lmtp_delivery_seconds", {}],
  ["Flush of the log", "poplar_store_flush_seconds", {}],
  ["Checkpoint", "poplar_store_checkpoint_seconds", {}],
  ["Wait for a hashing thread", "poplar_offload_wait_seconds", { pool: "hash" }],
  ["Wait for a disk thread", "poplar_offload_wait_seconds", { pool: "disk" }],
];

// [name, what there is, its limit, labels of both, text of a number]
const LIMITS = [
  ["POP3 connections", "poplar_pop3_connections", "poplar_pop3_connections_max", {}, short],
  ["LMTP connections", "poplar_lmtp_connections", "poplar_lmtp_connections_max", {}, short],
  ["File descriptors", "process_open_fds", "process_max_fds", {}, short],
  ["Jobs for hashing", "poplar_offload_queued", "poplar_offload_queued_max", { pool: "hash" }, short],
  ["Jobs for the disk", "poplar_offload_queued", "poplar_offload_queued_max", { pool: "disk" }, short],
  ["Log-ins that wait for a penalty", "poplar_auth_delayed", "poplar_auth_delayed_max", {}, short],
  ["Refusals held back", "poplar_refusals_held_back", "poplar_refusals_held_back_max", {}, short],
  ["Messages read from disk", "poplar_chunks_in_use", "poplar_chunks_max", {}, short],
  ["Memory of arriving mail", "poplar_store_arriving_body_bytes", "poplar_store_arriving_body_bytes_max", {}, octets],
  ["Memory of maildrops' lists", "poplar_store_list_cache_bytes", "poplar_store_list_cache_bytes_max", {}, octets],
  ["Changes for a checkpoint", "poplar_store_pending_changes", "poplar_store_pending_changes_max", {}, short],
];

// A cache is meant to be full.
const MAY_BE_FULL = new Set(["poplar_store_list_cache_bytes"]);

function latencyRows(r) {
  return LATENCIES.map(([name, metric, labels]) => {
    const histogram = counted(r.now, r.then, metric, labels);
    if (histogram === null) return null;
    const seconds = r.now.time_s - r.then.time_s;
    const all = histogram.counts[histogram.counts.length - 1];
    return [name, short(seconds > 0 ? all / seconds : null),
      ...[0.5, 0.95, 0.99].map((q) => (seconds > 0 ? time(quantile(q, histogram)) : "–"))];
  }).filter((row) => row !== null);
}

function limitRows(r) {
  return LIMITS.map(([name, metric, limit, labels, text]) => {
    const now = total(r.now, metric, labels);
    const max = total(r.now, limit, labels);
    if (now === null || max === null) return null;
    return [name, text(now), text(max), { share: now / max, alarms: !MAY_BE_FULL.has(metric) }];
  }).filter((row) => row !== null);
}

function laneRows(r) {
  const all = r.rate("poplar_body_lane_bytes_total");
  return ["small", "sendfile", "copy"].map((lane) => {
    const bytes = r.rate("poplar_body_lane_bytes_total", { lane });
    return [lane, short(r.rate("poplar_body_lane_uses_total", { lane })), octets(bytes), all > 0 ? `${Math.round((100 * bytes) / all)} %` : "–"];
  });
}

function diskRows(r) {
  return metricsOf(r.now, "poplar_disk_bytes").map(({ labels, value }) => {
    const free = total(r.now, "poplar_disk_free_bytes", labels);
    return [labels.of, octets(free), octets(value), { share: 1 - free / value, alarms: true }];
  });
}

function storeText(r) {
  const live = total(r.now, "poplar_store_log_live_bytes");
  if (live === null) return "";
  const words = [`The logs take ${octets(total(r.now, "poplar_store_log_disk_bytes"))} for ${octets(live)} of mail, in ${short(total(r.now, "poplar_store_segments"))} segments.`];
  if (total(r.now, "poplar_store_starved_partitions") > 0) words.push("No room for further segments: mail is, or soon will be, deferred.");
  if (total(r.now, "poplar_store_resting_partitions") > 0) words.push("The index cannot be written: mail is deferred.");
  const damages = total(r.now, "poplar_store_damages_total");
  if (damages > 0) words.push(`Damage was found in ${short(damages)} places.`);
  return words.join(" ");
}

const BREAKER = ["asked", "tried", "left alone"];

function backendRows(r) {
  const names = new Set(metricsOf(r.now, "poplar_backend_answers_total").map((metric) => metric.labels.backend));
  return [...names].map((backend) => {
    const late = r.grown("poplar_backend_late_total", { backend });
    const breaker = total(r.now, "poplar_backend_breaker", { backend });
    return [backend, short(r.rate("poplar_backend_answers_total", { backend })),
      time(quantile(0.95, counted(r.now, r.then, "poplar_backend_answer_seconds", { backend }))),
      short(total(r.now, "poplar_backend_waiting", { backend })), late > 0 ? `${short(late)} late` : "yes",
      breaker === null ? "asked" : BREAKER[Math.min(breaker, 2)]];
  });
}

function tenantRows(r) {
  return metricsOf(r.now, "poplar_tenant_octets").map(({ labels, value }) => {
    const quota = total(r.now, "poplar_tenant_quota_octets", labels);
    return [labels.tenant, short(total(r.now, "poplar_tenant_sessions", labels)), octets(value),
      quota === null ? "–" : `${Math.round((100 * value) / quota)} %`,
      `${octets(r.rate("poplar_tenant_fetched_octets_total", labels))}`, `${octets(r.rate("poplar_tenant_delivered_octets_total", labels))}`,
      short(r.grown("poplar_tenant_refused_total", labels))];
  });
}

// "2026-11-23T12:26:59.683Z error store_damage partition=1 …" in its parts.
function faultParts(line) {
  const match = /^(\S+) (\S+) (\S+) ?(.*)$/s.exec(line);
  return match ? { at: match[1], level: match[2], event: match[3], rest: match[4] } : { at: "", level: "error", event: line, rest: "" };
}

// --- The page.

function startPage() {
  const readings = [];
  const tiles = [];
  let paused = false;
  let failed = 0;
  const byId = (id) => document.getElementById(id);
  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  // What is the same is left alone, so that nothing is read out or selected anew.
  const say = (node, text, className) => {
    if (node.textContent !== text) node.textContent = text;
    if (className !== undefined && node.className !== className) node.className = className;
  };

  const meter = (cell, { share, alarms }) => {
    let bar = cell.querySelector("meter");
    if (bar === null) {
      cell.textContent = "";
      bar = cell.appendChild(element("meter"));
      Object.assign(bar, { min: 0, max: 1, optimum: 0 });
      cell.append(" ", element("span"));
    }
    Object.assign(bar, { low: alarms ? 0.8 : 1, high: alarms ? 0.95 : 1, value: share });
    const text = `${Math.round(share * 100)} %`;
    bar.setAttribute("aria-label", text);
    say(cell.querySelector("span"), text);
  };

  const fill = (id, rows, columns) => {
    const body = byId(id);
    if (rows.length === 0) rows = [["none"].concat(new Array(columns - 1).fill(""))];
    while (body.rows.length > rows.length) body.deleteRow(-1);
    rows.forEach((row, y) => {
      const line = body.rows[y] || body.insertRow();
      row.forEach((value, x) => {
        let cell = line.cells[x];
        if (!cell) {
          cell = line.appendChild(element(x === 0 ? "th" : "td"));
          if (x === 0) cell.scope = "row";
        }
        if (typeof value === "object") meter(cell, value);
        else say(cell, value);
      });
    });
  };

  const spark = (svg, values) => {
    const most = Math.max(...values, 1e-9);
    const points = values.map((value, i) => `${((i / (SPARK_POINTS - 1)) * 100).toFixed(1)},${(19 - (value / most) * 18).toFixed(1)}`);
    svg.firstChild.setAttribute("points", points.join(" "));
  };

  const makeTiles = () => {
    for (const [name] of TILES) {
      const item = element("li");
      const value = element("span", "value", "–");
      const more = element("span", "more");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 100 20");
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("aria-hidden", "true");
      svg.append(document.createElementNS("http://www.w3.org/2000/svg", "polyline"));
      item.append(element("span", "name", name), value, more, svg);
      byId("tiles").append(item);
      tiles.push({ value, more, svg, drawn: [] });
    }
  };

  const showTiles = (r, last) => {
    TILES.forEach(([, text, more, draws], i) => {
      const tile = tiles[i];
      say(tile.value, text(r));
      say(tile.more, more(r));
      const value = last === undefined && draws.length > 1 ? null : draws(r.now, last);
      if (value !== null && Number.isFinite(value)) tile.drawn.push(Math.max(value, 0));
      if (tile.drawn.length > SPARK_POINTS) tile.drawn.shift();
      spark(tile.svg, tile.drawn);
    });
  };

  const showFaults = (reading) => {
    const warnings = total(reading, "poplar_log_events_total", { level: "warning" }) || 0;
    const errors = total(reading, "poplar_log_events_total", { level: "error" }) || 0;
    say(byId("faults-count"), `${short(errors)} errors and ${short(warnings)} warnings since the start`);
    const list = byId("faults-rows");
    const shown = reading.faults.join("\n");
    if (list.dataset.shown === shown) return;
    list.dataset.shown = shown;
    list.replaceChildren(...reading.faults.map((line) => {
      const { at, level, event, rest } = faultParts(line);
      const item = element("li");
      const when = element("time", "", at.replace("T", " ").replace(/\.\d+Z$/, " UTC"));
      when.dateTime = at;
      item.append(when, " ", element("strong", level === "error" ? "bad" : "warn", level), " ", element("code", "", event), " ", element("code", "none", rest));
      return item;
    }));
    if (reading.faults.length === 0) list.append(element("li", "none", "none"));
  };

  const show = () => {
    const now = readings[readings.length - 1];
    const last = readings[readings.length - 2];
    const then = readings[0];
    const r = {
      now, then,
      rate: (name, labels) => rate(now, then, name, labels),
      grown: (name, labels) => grown(now, then, name, labels),
    };
    say(byId("state"), now.not_ready === "" ? "ready" : now.not_ready, now.not_ready === "" ? "good" : "warn");
    const info = metricsOf(now, "poplar_build_info")[0];
    say(byId("version"), info ? info.labels.version : "");
    const began_s = total(now, "process_start_time_seconds");
    say(byId("age"), began_s === null ? "" : `up ${long(now.time_s - began_s)}`);
    showTiles(r, last);
    fill("latency-rows", latencyRows(r), 5);
    fill("limits-rows", limitRows(r), 4);
    fill("lanes-rows", laneRows(r), 4);
    fill("disks-rows", diskRows(r), 4);
    fill("backends-rows", backendRows(r), 6);
    fill("tenants-rows", tenantRows(r), 7);
    say(byId("store"), storeText(r));
    showFaults(now);
  };

  const read = async () => {
    try {
      const reply = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(PERIOD_MS * 5) });
      if (!reply.ok) throw new Error(`status ${reply.status}`);
      readings.push(await reply.json());
      failed = 0;
      const now = readings[readings.length - 1];
      while (readings.length > 2 && (now.time_s - readings[1].time_s) * 1000 >= WINDOW_MS) readings.shift();
      show();
    } catch (error) {
      failed += 1;
      if (failed >= 2) say(byId("state"), `no answer (${error.message})`, "bad");
    }
  };

  const loop = async () => {
    if (!paused && !document.hidden) await read();
    setTimeout(loop, PERIOD_MS);
  };

  byId("pause").addEventListener("click", () => {
    paused = !paused;
    byId("pause").setAttribute("aria-pressed", String(paused));
  });
  makeTiles();
  loop();
}

if (typeof document !== "undefined") startPage();
if (typeof module !== "undefined") {
  module.exports = { total, rate, grown, counted, quantile, short, octets, time, long, faultParts, latencyRows, limitRows, laneRows, diskRows, backendRows, tenantRows, storeText, TILES };
}
