// @ts-check
// The timeline of one conversation as SVG: a line for each connection, a mark for each record, zoom and pan.
// verdict.html has it in one script with records.js and conversations.js, which come after it.
"use strict";

/**
 * One record of a trace: a kind of event, sent, opened, closed, more, control, other or suite; what it is; its readable
 * text; and the record itself as the trace has it.
 * @typedef {[kind: string, what: string, text: string, record: TraceRecord]} Frame
 * @typedef {{record: string, n: number, at: number, connection: string, text?: string, data?: string}} TraceRecord
 * @typedef {{rule: string, severity: string, requirement: string, expected: string, actual: string, user: string,
 *   records: number[], follows: string, waived: string}} Finding
 * @typedef {{trace: string, scenario: string, category: string, outcome: string, connections: Object<string, string>,
 *   findings: Finding[], untold: number, frames: Frame[], left_out: number, torn: string}} Conversation
 */

const SVG = "http://www.w3.org/2000/svg";
const LANE = 50, AXIS = 26, PAD = 16, NEAR = 26, SLIP = 4;
const SHORTEST_S = 0.0005;

/** Marks differ in shape as well as in colour. @type {Object<string, string>} */
const SHAPES = {
  circle: "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z", dot: "M-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0Z", up: "M0,-7L6,5H-6Z",
  right: "M-5,-6L6,0L-5,6Z", square: "M-5,-5H5V5H-5Z", diamond: "M0,-7L6,0L0,7L-6,0Z", bar: "M-1.5,-10H1.5V10H-1.5Z",
  cross: "M-5,-3L-3,-5L0,-2L3,-5L5,-3L2,0L5,3L3,5L0,2L-3,5L-5,3L-2,0Z",
};
/** The shape of each kind of record, and what the legend says. @type {Object<string, [string, string]>} */
const KINDS = {
  sent: ["up", "sent by the user"], agent_started: ["circle", "started"], agent_thinking: ["dot", "thinking"],
  tool_executing: ["right", "tool executing"], tool_completed: ["square", "tool completed"],
  agent_completed: ["diamond", "completed"], agent_failed: ["cross", "failed"], agent_stopped: ["cross", "stopped"],
  more: ["dot", "more of it"], control: ["dot", "protocol"], other: ["square", "not readable, ignored or foreign"],
  opened: ["bar", "connected"], closed: ["bar", "closed"], suite: ["cross", "by the suite itself"],
};

/** @param {string} char */
const escaped = (char) => {
  const code = /** @type {number} */ (char.codePointAt(0)), hex = code.toString(16);
  return code < 256 ? `\\x${hex.padStart(2, "0")}` : code < 65536 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
};
/** Text of a target as one line or as lines: what would change how it is shown becomes visible. @param {string} text */
const visible = (text, lines = false) =>
  String(text).replace(/[\p{C}\p{Z}]/gu, (char) => (char === " " || (lines && char === "\n") ? char : escaped(char)));

/** @param {number} n @param {string} noun */
const numbered = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

/**
 * An element with text. Everything shown is set as text: conversations hold what a target sent.
 * @param {string} name @param {string} [text] @param {string} [cls] @returns {any}
 */
function make(name, text, cls) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = visible(text);
  if (cls) element.className = cls;
  return element;
}

/** @param {string} name @param {Object<string, string | number>} attributes @param {string} [text] */
function draw(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = visible(text);
  return element;
}

/** The mark of a kind of record, for the legend and the list. @param {string} kind */
function icon(kind) {
  const picture = draw("svg", { viewBox: "-12 -12 24 24", width: 18, height: 18, "aria-hidden": "true" });
  const mark = draw("g", { class: `mark ${kind}` });
  mark.append(draw("path", { d: SHAPES[(KINDS[kind] || KINDS.other)[0]] }));
  picture.append(mark);
  return picture;
}

/** The part of the time that is shown, in seconds since the first record; two conversations side by side share one. */
class Zoom {
  /** @param {number} whole seconds of the longest conversation */
  constructor(whole) {
    this.whole = Math.max(whole, 0.01);
    this.from = 0;
    this.to = this.whole;
    /** @type {(() => void)[]} */
    this.listeners = [];
  }

  /** @param {number} from @param {number} to */
  set(from, to) {
    const span = Math.min(Math.max(to - from, SHORTEST_S), this.whole);
    this.from = Math.min(Math.max(from, 0), this.whole - span);
    this.to = this.from + span;
    this.listeners.forEach((listener) => listener());
  }

  /** Shows more (a factor above 1) or less around a time. @param {number} factor @param {number} [around] */
  by(factor, around = (this.from + this.to) / 2) {
    this.set(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  /** Moves by a part of what is shown. @param {number} part */
  move(part) {
    const by = part * (this.to - this.from);
    this.set(this.from + by, this.to + by);
  }

  /** Moves as little as makes a time visible. @param {number} at */
  reveal(at) {
    const span = this.to - this.from, edge = span / 20;
    if (at < this.from) this.set(at - edge, at - edge + span);
    else if (at > this.to) this.set(at + edge - span, at + edge);
  }
}

class Timeline {
  /**
   * @param {Conversation} conversation @param {Zoom} zoom @param {(frame: Frame) => void} pick
   * @param {(by: number) => void} step to the next or the last record
   */
  constructor(conversation, zoom, pick, step) {
    this.conversation = conversation;
    this.zoom = zoom;
    this.pick = pick;
    this.step = step;
    /** @type {Frame | null} */
    this.selected = null;
    /** @type {(frame: Frame) => boolean} */
    this.matches = () => true;
    this.begin = conversation.frames.length ? Math.min(...conversation.frames.map(([, , , record]) => record.at)) : 0;
    const used = conversation.frames.map(([, , , record]) => record.connection);
    this.lanes = [...new Set(used)];
    this.proofs = new Map();
    for (const finding of conversation.findings) for (const n of finding.records) this.proofs.set(n, finding.rule);
    this.svg = draw("svg", { tabindex: 0, role: "application", class: "timeline" });
    this.svg.setAttribute("aria-label", `Timeline of ${numbered(conversation.frames.length, "record")}. Plus and minus zoom, 0 shows all, `
      + "arrows left and right step from record to record, with Shift they move.");
    this.width = 600;
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("dblclick", (event) => this.zoom.by(0.4, this.at(this.place(event).x)));
    this.svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.height = 0;
    this.stretch(this.lanes.length * LANE + AXIS + 6);
    this.drag();
    zoom.listeners.push(() => this.draw());
    new ResizeObserver(([entry]) => { this.width = Math.max(entry.contentRect.width, 200); this.draw(); }).observe(this.svg);
  }

  /** Side by side, both are as high as the higher one. @param {number} height */
  stretch(height) {
    this.height = height;
    this.svg.setAttribute("height", String(height));
  }

  /** @param {number} at seconds since the first record */
  x(at) { return PAD + ((at - this.zoom.from) / (this.zoom.to - this.zoom.from)) * (this.width - 2 * PAD); }

  /** @param {number} x */
  at(x) { return this.zoom.from + ((x - PAD) / (this.width - 2 * PAD)) * (this.zoom.to - this.zoom.from); }

  /** @param {TraceRecord} record */
  y(record) { return this.lanes.indexOf(record.connection) * LANE + 30; }

  draw() {
    const parts = [...this.axis(), ...this.lanes.flatMap((lane, i) => this.lane(lane, i))];
    const marks = /** @type {Element[]} */ ([]), proofs = /** @type {Element[]} */ ([]);
    for (const frame of this.conversation.frames) {
      const [kind, what, text, record] = frame, x = this.x(record.at - this.begin);
      if (x < 0 || x > this.width) continue;
      const rule = this.proofs.get(record.n), chosen = frame === this.selected;
      const mark = draw("g", { transform: `translate(${x.toFixed(1)},${this.y(record)})`, class: `mark ${kind}` });
      if (chosen) mark.append(draw("path", { d: "M0,11L7,21H-7Z", class: "chosen" }));
      if (rule) mark.append(draw("circle", { r: 10, class: "ring" }));
      mark.append(draw("path", { d: SHAPES[(KINDS[kind] || KINDS.other)[0]] }));
      mark.append(draw("title", {}, `${record.n}: ${what} ${text}`.slice(0, 200)));
      if (!chosen && !rule && !this.matches(frame)) mark.classList.add("dim");
      (rule || chosen ? proofs : marks).push(mark);
    }
    this.svg.replaceChildren(...parts, ...marks, ...proofs);
  }

  axis() {
    const span = this.zoom.to - this.zoom.from, most = Math.max(2, Math.floor(this.width / 90)), rough = span / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((each) => each >= rough) || rough;
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), parts = [], y = this.height - AXIS;
    for (let tick = Math.ceil((this.zoom.from + this.begin) / step); tick * step <= this.zoom.to + this.begin + step / 1e6; tick += 1) {
      const x = this.x(tick * step - this.begin).toFixed(1);
      parts.push(draw("path", { d: `M${x},4V${y}`, class: "grid" }));
      parts.push(draw("text", { x, y: y + 17, "text-anchor": "middle" }, `${(tick * step).toFixed(digits)} s`));
    }
    return parts;
  }

  /** @param {string} connection @param {number} i */
  lane(connection, i) {
    const records = this.conversation.frames.map(([, , , record]) => record).filter((record) => record.connection === connection);
    const times = records.map((record) => record.at - this.begin);
    const from = Math.max(this.x(Math.min(...times)), 0), to = Math.min(this.x(Math.max(...times)), this.width), y = i * LANE + 30;
    const name = this.conversation.connections[connection] || "";
    const parts = [draw("text", { x: 4, y: y - 16, class: "name" }, connection ? `${name || "?"} (${connection})` : "the suite")];
    if (to > from) parts.push(draw("path", { d: `M${from.toFixed(1)},${y}H${to.toFixed(1)}`, class: "line" }));
    return parts;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Object<string, () => void>} */
    const does = {
      "+": () => this.zoom.by(0.5), "=": () => this.zoom.by(0.5), "-": () => this.zoom.by(2), "0": () => this.zoom.set(0, this.zoom.whole),
      ArrowLeft: () => (event.shiftKey ? this.zoom.move(-0.25) : this.step(-1)),
      ArrowRight: () => (event.shiftKey ? this.zoom.move(0.25) : this.step(1)),
      Home: () => this.step(-Infinity), End: () => this.step(Infinity),
    };
    if (!(event.key in does)) return;
    event.preventDefault();
    does[event.key]();
  }

  /** Ctrl with the wheel, as a touchpad sends for a pinch, zooms; the wheel alone scrolls the page. @param {WheelEvent} event */
  wheel(event) {
    if (event.ctrlKey || event.metaKey) this.zoom.by(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 100), this.at(this.place(event).x));
    else if (event.deltaX || event.shiftKey) this.zoom.move((event.deltaX || event.deltaY) / this.width);
    else return;
    event.preventDefault();
  }

  /** @param {MouseEvent} event */
  place(event) {
    const box = this.svg.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** One pointer drags or picks a record, two pointers zoom. */
  drag() {
    /** @type {Map<number, number>} */
    const down = new Map();
    let moved = 0;
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      if (!down.size) moved = 0;
      down.set(event.pointerId, this.place(event).x);
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointermove", (event) => {
      const before = down.get(event.pointerId), { x } = this.place(event);
      if (before === undefined) return;
      moved = Math.max(moved, Math.abs(x - before));
      if (moved <= SLIP) return;
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
      if (other === undefined) this.zoom.move((before - x) / (this.width - 2 * PAD));
      else this.zoom.by(Math.max(Math.abs(before - other), 10) / Math.max(Math.abs(x - other), 10), this.at((x + other) / 2));
      down.set(event.pointerId, x);
    });
    const up = (/** @type {PointerEvent} */ event) => {
      const { x, y } = this.place(event);
      if (down.delete(event.pointerId) && !down.size && moved <= SLIP && event.type === "pointerup") this.nearest(x, y);
    };
    this.svg.addEventListener("pointerup", up);
    this.svg.addEventListener("pointercancel", up);
  }

  /** Picks the record at a place. @param {number} x @param {number} y */
  nearest(x, y) {
    /** @type {Frame | null} */
    let best = null;
    let least = NEAR;
    for (const frame of this.conversation.frames) {
      const record = frame[3];
      const away = Math.abs(this.x(record.at - this.begin) - x) + Math.max(0, Math.abs(this.y(record) - y) - 8) / 2;
      // A record that proves a finding, or that the search has found, comes before its neighbours.
      const from = this.proofs.has(record.n) ? away - 3 : this.matches(frame) ? away : away + 6;
      if (from < least) [best, least] = [frame, from];
    }
    if (best) this.pick(best);
  }

  /** @param {Frame} frame */
  select(frame) {
    this.selected = frame;
    this.zoom.reveal(frame[3].at - this.begin);
    this.draw();
  }
}
