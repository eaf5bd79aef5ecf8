// @ts-check
// The records of one conversation: the list that is searched, the record that is chosen, its text, copy and link.
// verdict.html has it in one script with timeline.js, which comes before it, and conversations.js, which comes after it.
"use strict";

/**
 * The same record of each conversation that is shown; null where one of them has none.
 * @typedef {(Frame | null)[]} Row
 */

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(`talk-${id}`));

/** What a search looks for: the text as it stands, whatever its case. @param {string} text */
const sought = (text) => (text.trim() ? new RegExp(text.trim().replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu") : null);

/** @param {RegExp} pattern @param {string} text */
const found = (pattern, text) => text.search(pattern) >= 0;

/** All that a search of records looks at. @param {Frame} frame */
const textOf = ([, what, text, record]) => `${record.n} ${what} ${text} ${record.text ?? ""} ${JSON.stringify(record)}`;

/** The text in an element, with all that the pattern finds marked. @param {any} element @param {string} text @param {RegExp | null} pattern */
function write(element, text, pattern) {
  const shown = visible(text, element.tagName === "PRE"), parts = [];
  let at = 0;
  for (const hit of pattern ? shown.matchAll(pattern) : []) {
    parts.push(shown.slice(at, hit.index), make("mark", hit[0]));
    at = hit.index + hit[0].length;
  }
  element.replaceChildren(...parts, shown.slice(at));
}

/**
 * JSON with a line for each value. The text is not read and written again, which would hide a key that is there twice,
 * or round a number. What is no JSON stays as it is.
 * @param {string} text
 */
function indented(text) {
  try { JSON.parse(text); } catch { return text; }
  let depth = 0, out = "";
  const line = () => `\n${"  ".repeat(Math.min(depth, 20))}`;
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g) || [];
  tokens.forEach((token, i) => {
    const empty = /^[[{]$/.test(tokens[i - 1] || "") && /^[\]}]$/.test(token);
    if (/^[\]}]$/.test(token)) { depth -= 1; out += empty ? token : line() + token; }
    else if (/^[[{]$/.test(token)) { depth += 1; out += token + (/^[\]}]$/.test(tokens[i + 1] || "") ? "" : line()); }
    else out += token === "," ? token + line() : token === ":" ? ": " : token;
  });
  return out;
}

/** JSON in which nothing changes how it is shown; it says the same. @param {any} value */
const asJson = (value) => JSON.stringify(value, null, 2).replace(/[\p{C}\p{Z}]/gu, (char) =>
  (char === " " || char === "\n" ? char : [...Array(char.length).keys()].map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")));

/** Puts a text onto the clipboard; where the browser refuses, the text is there to be copied by hand. @param {string} text @param {string} what */
async function copy(text, what) {
  const area = $("by-hand"), focus = /** @type {HTMLElement} */ (document.activeElement);
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A page that came by plain HTTP has no clipboard of its own.
    area.hidden = false;
    area.value = text;
    area.select();
    done = document.execCommand("copy");
    area.hidden = done;
    if (done) focus.focus();
  }
  $("said").textContent = done ? `${what} copied` : `Press Ctrl and C to copy ${what.toLowerCase()}`;
}

/** A list of which one option is chosen, by pointer or keyboard. */
class Choice {
  /** @param {any} box @param {string} label @param {(option: any) => void} choose */
  constructor(box, label, choose) {
    this.box = box;
    this.choose = choose;
    /** @type {any[]} */
    this.options = [];
    this.at = -1;
    for (const [name, value] of Object.entries({ role: "listbox", tabindex: "0", "aria-label": visible(label) })) box.setAttribute(name, value);
    box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    box.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      const option = /** @type {Element} */ (event.target).closest("[role=option]");
      if (option) this.choose(option);
    });
  }

  /** @param {any[]} children of which those with the role of an option can be chosen */
  fill(children) {
    this.options = children.filter((child) => child.getAttribute("role") === "option");
    this.options.forEach((option, i) => { option.id = `${this.box.id}-${i}`; });
    this.box.replaceChildren(...children);
    this.mark(null);
  }

  /** @param {any} option */
  mark(option) {
    this.options[this.at]?.setAttribute("aria-selected", "false");
    this.at = option ? this.options.indexOf(option) : -1;
    if (this.at < 0) { this.box.removeAttribute("aria-activedescendant"); return; }
    option.setAttribute("aria-selected", "true");
    this.box.setAttribute("aria-activedescendant", option.id);
    // Only the list is scrolled: the page stays where its reader is.
    const top = option.offsetTop, bottom = top + option.offsetHeight, seen = this.box.scrollTop;
    if (top < seen || bottom > seen + this.box.clientHeight) this.box.scrollTop = (top + bottom - this.box.clientHeight) / 2;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Object<string, number>} */
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    if (!(event.key in by) || !this.options.length) return;
    event.preventDefault();
    this.choose(this.options[Math.min(Math.max(this.at + by[event.key], 0), this.options.length - 1)]);
  }
}

/** One conversation: its timeline, its records and the record that is chosen. */
class Pane {
  /** @param {Viewer} viewer @param {number} side @param {Conversation} conversation @param {Zoom} zoom @param {Row[]} rows */
  constructor(viewer, side, conversation, zoom, rows) {
    this.viewer = viewer;
    this.side = side;
    this.conversation = conversation;
    this.rows = rows;
    const session = viewer.sessions[side];
    this.element = make("div", undefined, "pane");
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", visible(`In ${session.name}`));
    if (viewer.sessions.length > 1) {
      const head = make("h4", `${session.name} `);
      head.append(make("span", session.verdict, `tone ${session.verdict}`));
      this.element.append(head, make("p", `${new Date(session.began * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC, ${session.target}`, "faint"));
    }
    this.timeline = new Timeline(conversation, zoom, (frame) => this.pick(frame), (by) => this.step(by));
    this.list = new Choice(make("div", undefined, "frames"), `Records in ${session.name}`, (option) => this.viewer.select(+option.dataset.row, this.side));
    this.list.box.id = `talk-frames-${side}`;
    this.detail = make("div", undefined, "detail");
    this.note = make("p", undefined, "faint");
    const gone = [conversation.left_out && `${numbered(conversation.left_out, "record")} in the middle had no room here`, conversation.untold && `${numbered(conversation.untold, "more finding")} had no room here`, conversation.torn && `The trace is not whole: ${conversation.torn}`];
    this.note.textContent = visible(gone.filter(Boolean).join(". "));
    this.element.append(this.timeline.svg, this.list.box, this.note, this.detail);
    /** @type {any[]} */
    this.options = rows.map((row, i) => this.row(row, i));
    this.list.fill(this.options);
  }

  /** @param {Row} row @param {number} i */
  row(row, i) {
    const frame = row[this.side], line = make("div", undefined, "row");
    if (!frame) { line.classList.add("none"); line.setAttribute("aria-hidden", "true"); return line; }
    const [kind, what, , record] = frame, rules = this.rulesOf(record.n);
    line.setAttribute("role", "option");
    line.dataset.row = String(i);
    const who = this.conversation.connections[record.connection] || record.connection;
    line.append(make("span", String(record.n), "n"), make("span", `${record.at.toFixed(3)} s`, "n"), make("span", who), make("span", what, "what"), make("span", undefined, "text"));
    line.children[3].prepend(icon(kind));
    if (rules.length) { line.classList.add("proof"); line.append(make("span", `◀ ${rules.join(", ")}`, "rule")); }
    if (this.viewer.sessions.length > 1 && row.some((other) => !other) && this.viewer.shown?.sides.every(Boolean)) line.classList.add("only");
    return line;
  }

  /** @param {number} n */
  rulesOf(n) { return [...new Set(this.conversation.findings.filter((each) => each.records.includes(n)).map((each) => each.rule))]; }

  /** @param {RegExp | null} pattern @param {boolean[]} matching which rows it matches */
  search(pattern, matching) {
    this.options.forEach((option, i) => {
      const frame = this.rows[i][this.side];
      option.hidden = !matching[i];
      if (frame && matching[i]) write(option.querySelector(".text"), frame[2], pattern);
    });
    this.list.options = this.options.filter((option) => !option.hidden && option.getAttribute("role") === "option");
    const frames = new Set(this.rows.filter((_, i) => matching[i]).map((row) => row[this.side]));
    this.timeline.matches = (frame) => frames.has(frame);
    this.timeline.draw();
    this.select(this.chosen ?? -1);
  }

  /** @param {Frame} frame */
  pick(frame) { this.viewer.select(this.rows.findIndex((row) => row[this.side] === frame), this.side); }

  /** @param {number} by */
  step(by) {
    const options = this.list.options;
    if (options.length) this.list.choose(options[Math.min(Math.max(this.list.at + by, 0), options.length - 1)]);
  }

  /** @param {number} i the row */
  select(i) {
    const frame = this.rows[i]?.[this.side] ?? null;
    this.chosen = i;
    this.list.mark(frame && !this.options[i].hidden ? this.options[i] : null);
    if (!frame) { this.timeline.selected = null; this.timeline.draw(); this.detail.replaceChildren(); return; }
    this.timeline.select(frame);
    const [, what, , record] = frame, raw = record.text ?? record.data;
    const head = make("h4", `Record ${record.n}: ${what}`), tools = make("div", undefined, "tools"), text = make("pre");
    const whole = raw === undefined ? asJson(record) : this.viewer.pretty ? indented(raw) : raw;
    write(text, whole, this.viewer.pattern);
    text.tabIndex = 0;
    text.setAttribute("role", "region");
    text.setAttribute("aria-label", `Record ${record.n}`);
    const link = make("a", "Link to this record");
    link.href = this.viewer.link(this.side, record.n);
    tools.append(button("Copy as JSON", () => copy(asJson(record), `Record ${record.n}`)),
      button("Copy link", () => copy(link.href, "Link")), link);
    if (raw !== undefined) tools.append(button(this.viewer.pretty ? "As received" : "Indented", () => this.viewer.toggle(this.side)));
    const said = this.conversation.findings.filter((each) => each.records.includes(record.n));
    this.detail.replaceChildren(head, ...said.map((each) => make("p", `${each.rule}: ${sentence(each)}`, "proves")), tools, text);
  }
}

/** @param {string} text @param {() => void} does */
function button(text, does) {
  const element = make("button", text);
  element.type = "button";
  element.addEventListener("click", does);
  return element;
}

/** What was expected of a user's conversation, and what came; of a long id, which the frame has whole, only its beginning. @param {Finding} finding */
const sentence = (finding) => (`${finding.user ? `${finding.user} ` : ""}expected ${finding.expected}, and got ${finding.actual}`
  + `${finding.follows ? `; it may follow from '${finding.follows}'` : ""}${finding.waived ? `; waived: ${finding.waived}` : ""}`).replace(/(?<![0-9a-f])([0-9a-f]{8})[0-9a-f]{16,}/g, "$1…");
