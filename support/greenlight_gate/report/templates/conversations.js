// @ts-check
// The viewer of conversations: filters, the list, and one conversation, or the same one of two sessions side by side.
// verdict.html has it in one script with timeline.js and records.js, which come before it.
"use strict";

/**
 * @typedef {{name: string, target: string, began: number, verdict: string, conversations: Conversation[], left_out: number}} Session
 * The same conversation in each session of the page; the second one is null, or there is none, where it has no counterpart.
 * @typedef {{sides: (Conversation | null)[], change: string, texts?: string}} Entry
 */

const MOST_ALIGNED = 1400, MOST_OF_A_RULE = 3;

/** @param {string} packed base64 of deflated JSON @returns {Promise<Session>} */
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.trim()), (char) => char.charCodeAt(0));
  return JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text());
}

/** The records of two conversations side by side: the longest sequence that both have in common stands in the same rows. @param {Frame[]} a @param {Frame[]} b @returns {Row[]} */
function aligned(a, b) {
  const keys = [a, b].map((frames) => frames.map(([kind, what, , record]) => `${kind} ${what} ${record.connection}`));
  const width = b.length + 1;
  if (a.length > MOST_ALIGNED || b.length > MOST_ALIGNED) return [...Array(Math.max(a.length, b.length)).keys()].map((i) => [a[i] ?? null, b[i] ?? null]);
  const common = new Uint16Array((a.length + 1) * width), rows = /** @type {Row[]} */ ([]);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      common[i * width + j] = keys[0][i] === keys[1][j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && keys[0][i] === keys[1][j]) rows.push([a[i++], b[j++]]);
    else if (j >= b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) rows.push([a[i++], null]);
    else rows.push([null, b[j++]]);
  }
  return rows;
}

/** @param {Conversation | null} conversation */
const rulesIn = (conversation) => new Set(conversation ? conversation.findings.map((finding) => finding.rule) : []);

/** How a conversation has changed from the earlier session to the later one. @param {Conversation | null} before @param {Conversation | null} after */
function changed(before, after) {
  if (!before || !after) return "only in one";
  const [was, is] = [rulesIn(before), rulesIn(after)], bad = (/** @type {Conversation} */ each) => each.outcome === "failed" || each.outcome === "broken";
  if ([...is].some((rule) => !was.has(rule)) || (bad(after) && !bad(before))) return "worse";
  if ([...was].some((rule) => !is.has(rule)) || (bad(before) && !bad(after))) return "better";
  return "same";
}

/** The conversations of the first session, each with its counterpart: the same scenario's, in order. @param {Session[]} sessions @returns {Entry[]} */
function paired(sessions) {
  const [first, second] = sessions;
  if (!second) return first.conversations.map((conversation) => ({ sides: [conversation], change: "" }));
  const later = first.began >= second.began ? 0 : 1;
  /** @type {Map<string, Conversation[]>} */
  const others = new Map();
  const inOrder = (/** @type {Session} */ session) => [...session.conversations].sort((a, b) => a.trace.localeCompare(b.trace, "en", { numeric: true }));
  for (const each of inOrder(second)) others.set(each.scenario, [...(others.get(each.scenario) || []), each]);
  const of = new Map(inOrder(first).map((each) => [each, others.get(each.scenario)?.shift() ?? null]));
  const sides = [...first.conversations.map((each) => [each, of.get(each) ?? null]), ...[...others.values()].flat().map((each) => [null, each])];
  return sides.map((pair) => ({ sides: pair, change: changed(pair[1 - later], pair[later]) }));
}

/** Whatever stands in the address, be it no address at all. @param {string} text */
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

class Viewer {
  /** @param {Session[]} sessions */
  constructor(sessions) {
    this.sessions = sessions;
    this.entries = paired(sessions);
    this.order = sessions.map((_, i) => i).sort((a, b) => sessions[a].began - sessions[b].began || b - a);
    /** @type {RegExp | null} */
    this.pattern = null; // what is searched for among the records
    this.pretty = true;
    /** @type {Entry | null} */
    this.shown = null;
    /** @type {Pane[]} */
    this.panes = [];
    /** @type {Row[]} */
    this.rows = [];
    this.zoom = new Zoom(1);
    this.list = new Choice($("list"), "Conversations", (option) => {
      // The address named a record of the conversation that was shown before.
      history.replaceState(null, "", location.href.split("#")[0]);
      this.open(this.entries[+option.dataset.entry], $("by-text").value);
    });
    const all = this.entries.flatMap((entry) => entry.sides.filter((side) => side !== null));
    this.options("by-category", "all", all.map((each) => each.category));
    this.options("by-rule", "all", all.flatMap((each) => [...rulesIn(each)]), [["*", "any finding"]]);
    this.options("by-user", "all", all.flatMap((each) => Object.values(each.connections)));
    this.options("by-change", "all", this.entries.map((entry) => entry.change));
    $("by-change").closest("label").hidden = sessions.length < 2;
    for (const name of ["by-category", "by-rule", "by-user", "by-change"]) $(name).addEventListener("change", () => this.filter());
    $("by-text").addEventListener("input", () => this.filter());
    $("search").addEventListener("input", () => this.search());
    $("closer").addEventListener("click", () => this.zoom.by(0.5));
    $("wider").addEventListener("click", () => this.zoom.by(2));
    $("earlier").addEventListener("click", () => this.zoom.move(-0.5));
    $("later").addEventListener("click", () => this.zoom.move(0.5));
    $("guilty").addEventListener("click", () => this.reveal());
    $("whole").addEventListener("click", () => this.zoom.set(0, this.zoom.whole));
    window.addEventListener("hashchange", () => this.follow());
    // A link to the record that the address names already changes no address.
    document.addEventListener("click", (event) => {
      const link = /** @type {Element} */ (event.target).closest("a");
      if (link && link.hash === location.hash) this.follow();
    });
    this.filter();
    if (!this.follow()) this.open(this.entries[0], "");
  }

  /** Fills a list of choices with what there is. @param {string} id @param {string} all @param {string[]} values @param {string[][]} more */
  options(id, all, values, more = []) {
    const known = [...new Set(values.filter(Boolean))].sort();
    const choices = [["", all], ...(known.length ? more : []), ...known.map((value) => [value, value])];
    $(id).replaceChildren(...choices.map(([value, text]) => { const option = make("option", text); option.value = value; return option; }));
  }

  /** Shows in the list what all filters let through. */
  filter() {
    const [category, rule, user, change] = ["by-category", "by-rule", "by-user", "by-change"].map((id) => $(id).value);
    const pattern = sought($("by-text").value);
    const keep = (/** @type {Entry} */ entry) => (!change || entry.change === change)
      && entry.sides.some((side) => side && (!category || side.category === category)
        && (!rule || (rule === "*" ? side.findings.length > 0 : rulesIn(side).has(rule)))
        && (!user || Object.values(side.connections).includes(user)))
      && (!pattern || found(pattern, this.texts(entry)));
    const kept = this.entries.filter(keep), left = this.sessions.reduce((sum, session) => sum + session.left_out, 0);
    this.list.fill(kept.map((entry) => this.option(entry)));
    this.list.mark(this.list.options[kept.indexOf(/** @type {any} */ (this.shown))] ?? null);
    $("count").textContent = `${kept.length} of ${numbered(this.entries.length, "conversation")}${left ? `; ${left} more had no room in this page, and are in evidence/traces` : ""}`;
  }

  /** All that a search of conversations looks at. @param {Entry} entry */
  texts(entry) {
    entry.texts ??= entry.sides.filter((side) => side !== null).map((side) =>
      [side.scenario, side.trace, ...side.findings.map((each) => `${each.rule} ${each.requirement} ${sentence(each)}`), ...side.frames.map(textOf)].join("\n")).join("\n");
    return entry.texts;
  }

  /** @param {Entry} entry */
  option(entry) {
    const line = make("div", undefined, "entry"), [first] = entry.sides.filter((side) => side !== null);
    line.setAttribute("role", "option");
    line.dataset.entry = String(this.entries.indexOf(entry));
    const users = [...new Set(Object.values(first.connections))], outcomes = this.order.map((i) => entry.sides[i]?.outcome.replaceAll("_", " ") ?? "absent").filter(Boolean);
    const about = [first.category, [...new Set(outcomes)].join(" → "), users.slice(0, 4).join(", ") + (users.length > 4 ? ` and ${users.length - 4} more` : ""), numbered(first.frames.length + first.left_out, "record")];
    line.append(make("strong", first.scenario), make("span", about.filter(Boolean).join(" · "), "faint"));
    const rules = [...new Set(entry.sides.flatMap((side) => [...rulesIn(side)]))];
    if (rules.length) line.append(make("span", rules.join(", "), "broken"));
    if (entry.change === "worse" || entry.change === "better") line.append(make("span", entry.change, entry.change === "worse" ? "broken" : "met"));
    return line;
  }

  /** Shows a conversation. @param {Entry} entry @param {string} search */
  open(entry, search) {
    this.shown = entry;
    this.list.mark(this.list.options.find((option) => this.entries[+option.dataset.entry] === entry) ?? null);
    const [first] = entry.sides.filter((side) => side !== null), both = entry.sides.length > 1 && entry.sides.every(Boolean);
    this.rows = both ? aligned(/** @type {any} */ (entry.sides[0]).frames, /** @type {any} */ (entry.sides[1]).frames)
      : first.frames.map((frame) => entry.sides.map((side) => (side ? frame : null)));
    const spans = entry.sides.map((side) => side?.frames.map((frame) => frame[3].at) ?? []).map((at) => (at.length ? Math.max(...at) - Math.min(...at) : 0));
    this.zoom = new Zoom(Math.max(...spans));
    const shown = this.order.filter((i) => entry.sides[i]);
    this.panes = shown.map((i) => new Pane(this, i, /** @type {Conversation} */ (entry.sides[i]), this.zoom, this.rows));
    const tallest = Math.max(...this.panes.map((pane) => pane.timeline.height));
    this.panes.forEach((pane) => pane.timeline.stretch(tallest));
    const absent = this.order.filter((i) => i in entry.sides && !entry.sides[i]).map((i) => make("p", `${this.sessions[i].name} has no such conversation.`, "faint pane"));
    $("panes").replaceChildren(...this.panes.map((pane) => pane.element), ...absent);
    $("panes").classList.toggle("two", this.order.length > 1);
    const boxes = this.panes.map((pane) => pane.list.box);
    // Side by side, rows that belong together stay beside each other.
    for (const box of boxes) box.addEventListener("scroll", () => boxes.filter((other) => other.scrollHeight === box.scrollHeight).forEach((other) => { other.scrollTop = box.scrollTop; }));
    $("title").textContent = visible(first.scenario);
    $("about").replaceChildren(make("span", [first.category, first.outcome.replaceAll("_", " "), ""].filter(Boolean).join(" · ")), ...this.files(entry));
    $("findings").replaceChildren(...this.panes.flatMap((pane) => this.findings(pane)));
    $("guilty").hidden = !this.panes.some((pane) => pane.timeline.proofs.size);
    this.legend();
    $("search").value = search;
    this.search();
    const guilty = shown.find((i) => entry.sides[i]?.findings.length) ?? shown[0], proof = entry.sides[guilty]?.findings[0]?.records[0];
    this.select(Math.max(this.rows.findIndex((row) => row[guilty]?.[3].n === proof), 0), guilty, false);
  }

  /** @param {Entry} entry */
  files(entry) {
    return this.order.flatMap((i) => {
      const side = entry.sides[i];
      if (!side) return [];
      // The evidence of the other session lies in a folder of its own, and only the reader knows where.
      const file = i === 0 ? make("a", side.trace) : make("span", `${side.trace} of ${this.sessions[i].name}`);
      if (i === 0) file.href = `evidence/${side.trace.split("/").map(encodeURIComponent).join("/")}`;
      return [" ", file];
    });
  }

  /** A line for each rule that was broken: what it demands, and the first findings of it. @param {Pane} pane */
  findings(pane) {
    /** @type {Map<string, Finding[]>} */
    const byRule = new Map();
    for (const each of pane.conversation.findings) byRule.set(each.rule, [...(byRule.get(each.rule) || []), each]);
    return [...byRule].map(([rule, all]) => {
      const line = make("li"), shown = make("ul");
      const where = this.sessions.length > 1 ? ` (in ${this.sessions[pane.side].name})` : "";
      line.append(make("strong", rule, "broken"), visible(` ${all[0].requirement}${where}`), shown);
      shown.append(...all.slice(0, MOST_OF_A_RULE).map((finding) => this.finding(pane, finding)));
      if (all.length > MOST_OF_A_RULE) shown.append(make("li", `and ${numbered(all.length - MOST_OF_A_RULE, "more finding")} of this rule`, "faint"));
      return line;
    });
  }

  /** @param {Pane} pane @param {Finding} finding */
  finding(pane, finding) {
    const line = make("li", `${sentence(finding)} `);
    for (const n of finding.records.slice(0, 8)) {
      const row = this.rows.findIndex((each) => each[pane.side]?.[3].n === n);
      if (row >= 0) line.append(button(`record ${n}`, () => this.select(row, pane.side)), " ");
    }
    return line;
  }

  /** Zooms to the records that prove the findings, and some time around them. */
  reveal() {
    const at = this.panes.flatMap(({ timeline, conversation }) =>
      conversation.frames.map(([, , , record]) => record).filter((record) => timeline.proofs.has(record.n)).map((record) => record.at - timeline.begin));
    const from = Math.min(...at), to = Math.max(...at), around = Math.max((to - from) / 4, this.zoom.whole / 50);
    this.zoom.set(from - around, to + around);
  }

  legend() {
    const kinds = new Set(this.panes.flatMap((pane) => pane.conversation.frames.map(([kind]) => (kind in KINDS ? kind : "other"))));
    $("legend").replaceChildren(...Object.keys(KINDS).filter((kind) => kinds.has(kind)).map((kind) => {
      const item = make("span");
      item.append(icon(kind), KINDS[kind][1]);
      return item;
    }));
  }

  /** Shows the records in which a text occurs. */
  search() {
    const pattern = sought($("search").value);
    this.pattern = pattern;
    const matching = this.rows.map((row) => !pattern || row.some((frame) => frame && found(pattern, textOf(frame))));
    this.panes.forEach((pane) => pane.search(pattern, matching));
    $("found").textContent = pattern ? `${matching.filter(Boolean).length} of ${numbered(matching.length, "record")}` : numbered(matching.length, "record");
  }

  /** @param {number} i the row @param {number} side the one in which it was chosen */
  select(i, side, linked = true) {
    if (i < 0) return;
    this.panes.forEach((pane) => pane.select(i));
    const n = this.rows[i]?.[side]?.[3].n;
    if (linked && n !== undefined) history.replaceState(null, "", this.link(side, n));
  }

  /** @param {number} side */
  toggle(side) {
    this.pretty = !this.pretty;
    this.panes.forEach((pane) => pane.select(pane.chosen ?? -1));
    /** @type {any} */ (this.panes.find((pane) => pane.side === side)).detail.querySelector("button:last-child").focus();
  }

  /** The address of a record. @param {number} side @param {number} n */
  link(side, n) {
    const conversation = /** @type {Conversation} */ (this.shown?.sides[side]);
    return `${location.href.split("#")[0]}#${side ? "other-frame" : "frame"}=${encodeURIComponent(conversation.trace).replaceAll("%2F", "/")}:${n}`;
  }

  /** Shows the record that the address names. Returns whether there is one. */
  follow() {
    const named = /^#(other-)?frame=(.+):(\d+)$/.exec(location.hash);
    if (!named) return false;
    const side = named[1] ? 1 : 0, trace = decoded(named[2]), n = +named[3];
    const entry = this.entries.find((each) => each.sides[side]?.trace === trace);
    $("said").textContent = entry ? "" : visible(`This page does not hold ${trace}; see evidence/${trace}`);
    document.getElementById("conversations")?.scrollIntoView();
    if (!entry) return false;
    if (!this.list.options.some((option) => this.entries[+option.dataset.entry] === entry)) {
      for (const id of ["by-category", "by-rule", "by-user", "by-change", "by-text"]) $(id).value = "";
      this.filter();
    }
    this.open(entry, "");
    const row = this.rows.findIndex((each) => each[side]?.[3].n === n);
    if (row < 0) $("said").textContent = `Record ${n} had no room in this page; see evidence/${visible(trace)}`;
    else this.select(row, side, false);
    return true;
  }
}

async function begin() {
  const packed = [...document.querySelectorAll("script.packed")].map((element) => element.textContent || "");
  try {
    const sessions = await Promise.all(packed.map(unpack));
    $("viewer").hidden = false;
    new Viewer(sessions);
    $("absent").hidden = true;
    // Without this script they lead to what the page says without it.
    for (const link of document.querySelectorAll("a[data-frame]")) link.setAttribute("href", `#frame=${link.getAttribute("data-frame")}`);
    for (const place of document.querySelectorAll(".in-viewer")) place.removeAttribute("hidden");
  } catch (error) {
    $("viewer").hidden = true;
    $("absent").textContent = `The conversations cannot be shown by this browser (${error}). They are in evidence/traces.`;
    throw error;
  }
}
begin();
