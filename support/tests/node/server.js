// A healthy chat server of the default wire on Node's `ws`, with the default settings of that library.
//
//     node server.js        prints the port on which it listens (PORT, or any); CHAT_JWT_SECRET signs its tokens
//
// Ten whole runs of the suite on it, with the verdict and the seconds of each:
//
//     npm install --no-save ws@8.23.0
//     export CHAT_JWT_SECRET=a-secret-of-at-least-32-characters
//     PORT=18080 node server.js &
//     python -m greenlight_gate.assurance.false_alarms 10 --whole 1 --at-once 1 --environment node.toml
//
// The judge and the bundled backend are written in Python: this server shares no code and no stack with either.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const { WebSocketServer } = require("ws");

const SECRET = process.env.CHAT_JWT_SECRET;
const MOST_BYTES = 65536;
const MOST_THREADS = 500;
const HEARTBEAT_MS = 2000;
const LONG_MS = 1000;

const threads = new Map(); // id -> { owner, seq, events, asked, restored }
const runs = new Map(); // id -> { user, connection, stopped }
const memory = new Map(); // user -> what to remember
const signedOut = new Set();
const connections = new Set();

const id = () => crypto.randomUUID();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const now = () => new Date().toISOString();

// Tokens ------------------------------------------------------------------------------------------------------------

function claimsOf(token) {
  const parts = (token || "").split(".");
  if (parts.length !== 3) return null;
  try {
    const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
    const due = crypto.createHmac("sha256", SECRET).update(`${parts[0]}.${parts[1]}`).digest();
    const signature = Buffer.from(parts[2], "base64url");
    const at = Date.now() / 1000;
    const isSigned =
      header.alg === "HS256" && signature.length === due.length && crypto.timingSafeEqual(signature, due);
    const isValid = isSigned && claims.sub && [claims.aud].flat().includes("chat") && claims.exp > at;
    const isBegun = !(claims.nbf > at + 1) && !(claims.iat > at + 2);
    return isValid && isBegun && !signedOut.has(claims.jti) ? claims : null;
  } catch {
    return null;
  }
}

function tokenIn(request) {
  const bearer = /^Bearer (.+)$/.exec(request.headers.authorization || "");
  if (bearer) return bearer[1];
  const offered = (request.headers["sec-websocket-protocol"] || "").split(",").map((name) => name.trim());
  const carrier = offered.find((name) => name.startsWith("jwt.")) || "";
  return Buffer.from(carrier.slice(4), "base64url").toString();
}

// Events ------------------------------------------------------------------------------------------------------------

function emit(run, type, payload, parent) {
  const thread = run.thread;
  const event = {
    type, request_id: run.request, run_id: parent ? parent.helper : run.id, thread_id: thread.id, user_id: run.user,
    agent_name: parent ? "helper" : "assistant", seq: ++thread.seq, event_id: id(), timestamp: now(), payload,
    ...(parent && { parent_run_id: run.id }),
  };
  thread.events.push(event);
  const text = JSON.stringify(event);
  for (const connection of new Set([run.connection, ...thread.restored])) {
    if (connection.readyState === 1) connection.send(text);
  }
}

async function useTool(run, name, parameters, work, ms = 20) {
  if (run.stopped) return;
  const call = { tool_name: name, tool_call_id: id() };
  emit(run, "tool_executing", { ...call, parameters });
  const began = Date.now();
  for (const step of [1, 2, 3, 4]) {
    await pause(ms / 4);
    if (run.stopped) return;
    if (ms >= LONG_MS) emit(run, "agent_thinking", { reasoning: `part ${step} of ${name} is done`, step_number: step });
  }
  const took = { execution_time_ms: Date.now() - began };
  try {
    emit(run, "tool_completed", { ...call, status: "ok", result: work(), ...took });
  } catch (error) {
    emit(run, "tool_completed", { ...call, status: "error", error_message: error.message, ...took });
  }
}

const productsIn = (text) => [...text.matchAll(/(\d+)\*(\d+)/g)].map(([sum, a, b]) => [sum, a * b]);
const calculate = (run, [sum, product]) => useTool(run, "calculator", { expression: sum }, () => String(product));

async function askHelper(run, [, product]) {
  const parent = { helper: id() };
  emit(run, "agent_started", { message: "the helper has begun" }, parent);
  await pause(5);
  emit(run, "agent_completed", { result: `It is ${product}.`, execution_time_ms: 5 }, parent);
}

// Resolves to why the tool may not run, "" if it may.
async function refusal(run, question, [expression]) {
  const asks = /Ask me(?: within (\d+) seconds?)? before/.exec(question);
  if (!asks) return "";
  const input = id();
  const choice = await new Promise((resolve) => {
    run.asked.set(input, resolve);
    emit(run, "input_requested", {
      input_id: input, question: "May I use the calculator?", choices: ["approve", "deny"], tool_name: "calculator",
      parameters: { expression },
    });
    setTimeout(() => resolve("expired"), 1000 * Number(asks[1] || 60)).unref();
  });
  run.asked.delete(input);
  if (run.stopped) return "stopped";
  emit(run, "input_received", { input_id: input, choice });
  return choice === "approve" ? "" : `I have not used the calculator: ${choice}.`;
}

async function answer(run, question, previous) {
  const products = productsIn(question);
  const why = products.length ? await refusal(run, question, products[0]) : "";
  if (why) return why;
  const secret = /secret word is (.+)\./.exec(question);
  if (question.includes("another user's account")) return "I do not answer that."; // moderation
  if (question.includes("previous question")) return `You asked: ${previous}`;
  if (secret) {
    await useTool(run, "notes", { write: "secret word" }, () => "written");
    memory.set(run.user, secret[1]);
    return `I shall remember ${secret[1]}.`;
  }
  if (question.includes("my secret word")) {
    await useTool(run, "notes", { read: "secret word" }, () => memory.get(run.user) || "there is no note");
    return `Your secret word is ${memory.get(run.user)}.`;
  }
  if (question.includes("weather")) {
    await useTool(run, "weather", { place: "Mars" }, () => { throw new Error("no station there"); });
    return "I could not find out: the weather service has no station there.";
  }
  if (question.includes("one after the other")) {
    const topics = [...question.matchAll(/the (\w+)(?=,| and)/g)].map(([, topic]) => topic);
    for (const topic of topics) await useTool(run, "research", { topic }, () => "much is known", LONG_MS / 2);
    return `I know more of ${topics.join(", ")} now.`;
  }
  if (question.includes("tides")) {
    await useTool(run, "research", { topic: "tides" }, () => "the moon", LONG_MS);
    return "The tides follow the moon.";
  }
  if (question.includes("helper")) {
    for (const product of products) await askHelper(run, product);
  } else if (question.includes("at the same time")) {
    await Promise.all(products.map((product) => calculate(run, product)));
  } else {
    for (const product of products) await calculate(run, product);
  }
  const wish = /repeat "([^"]+)"(?: (\d+) times)?/.exec(question);
  const again = !wish ? "" : !wish[2] ? `${wish[1]}\n`
    : Array.from({ length: Number(wish[2]) }, (_, index) => `${index + 1}. ${wish[1]}\n`).join("");
  const said = products.map(([sum, product]) => `${sum} is ${product}`);
  if (question.includes("lunch")) {
    await useTool(run, "notes", { read: "lunch" }, () => "lunch is at noon");
    said.push("your notes say that lunch is at noon");
  }
  if (again || said.length) return `${again}${said.join(", and ")}`.trim();
  return "Good morning! I am the reference assistant, in JavaScript.";
}

async function play(run, question, previous) {
  const began = Date.now();
  runs.set(run.id, run);
  emit(run, "agent_started", { message: "on it" });
  await pause(5);
  if (!run.stopped) emit(run, "agent_thinking", { reasoning: "let me see what is asked", step_number: 1 });
  if (question.includes("give up") && !run.stopped) {
    emit(run, "agent_failed", {
      error_code: "GAVE_UP", error_message: "I was asked to give up", recovery_suggestion: "ask something else",
    });
  } else {
    const result = await answer(run, question, previous);
    if (!run.stopped) emit(run, "agent_completed", { result, execution_time_ms: Date.now() - began });
  }
  runs.delete(run.id);
}

// Messages ----------------------------------------------------------------------------------------------------------

function threadFor(user, wanted) {
  if (wanted !== null && wanted !== undefined) {
    const known = threads.get(wanted);
    return known && known.owner === user ? known : null;
  }
  const thread = { id: id(), owner: user, seq: 0, events: [], asked: [], restored: new Set() };
  threads.set(thread.id, thread);
  if (threads.size > MOST_THREADS) threads.delete(threads.keys().next().value);
  return thread;
}

function take(connection, user, text) {
  const refuse = (error_code, error_message, request_id = null) =>
    connection.send(JSON.stringify({ type: "error_message", error_code, error_message, request_id }));
  let message;
  try {
    message = JSON.parse(text);
  } catch (error) {
    return refuse("BAD_JSON", `this is not JSON: ${error.message.slice(0, 80)}`);
  }
  if (message === null || typeof message !== "object" || typeof message.type !== "string") {
    return refuse("BAD_REQUEST", "a message is an object with a type");
  }
  const request = typeof message.request_id === "string" ? message.request_id : null;
  const forbidden = () => refuse("FORBIDDEN_THREAD", "there is no such conversation or run of yours", request);
  if (message.type === "ping") {
    return connection.send(JSON.stringify({ type: "pong", nonce: message.nonce, server_time: now() }));
  }
  if (message.type === "start_agent") {
    const { user_request: question, thread_id: wanted } = message.payload || {};
    if (typeof question !== "string" || !question.trim()) {
      return refuse("BAD_REQUEST", "payload.user_request is a text that is not empty", request);
    }
    const isAsked = (run) => run.connection === connection && run.request === request;
    if (request !== null && [...runs.values()].some(isAsked)) return undefined; // a double click
    const thread = threadFor(user, wanted);
    if (!thread) return forbidden();
    const { replaces_run_id: replaced } = message.payload;
    if (replaced) {
      const first = thread.asked.findIndex((each) => each.run === replaced);
      if (first < 0) return forbidden();
      thread.asked.splice(first);
    }
    const previous = thread.asked.at(-1)?.question;
    const asked = new Map(); // what is asked of the user -> who waits for the answer
    const run = { id: id(), request, user, thread, connection, stopped: false, asked };
    thread.asked.push({ run: run.id, question });
    return play(run, question, previous);
  }
  if (message.type === "stop_agent") {
    const run = runs.get(message.run_id);
    if (!run || run.user !== user) return forbidden();
    if (!run.stopped) {
      run.stopped = true;
      for (const resolve of run.asked.values()) resolve("stopped");
      emit(run, "agent_stopped", { reason: "stopped by the user" });
    }
    return undefined;
  }
  if (message.type === "input_response") {
    const run = runs.get(message.run_id);
    if (!run || run.user !== user) return forbidden();
    const resolve = run.asked.get(message.input_id);
    if (!resolve) return refuse("INPUT_CLOSED", "nothing is asked under this id any more", request);
    run.asked.delete(message.input_id);
    return resolve(message.choice);
  }
  if (message.type === "session_restore") {
    const thread = threads.get(message.thread_id);
    if (!thread || thread.owner !== user) return forbidden();
    const missed = thread.events.filter((event) => event.seq > message.last_seq);
    for (const event of missed) connection.send(JSON.stringify(event));
    connection.send(
      JSON.stringify({ type: "session_restored", thread_id: thread.id, replayed: missed.length }));
    thread.restored.add(connection);
    connection.on("close", () => thread.restored.delete(connection));
    return undefined;
  }
  return refuse("UNKNOWN_TYPE", "this type of message is not known", request);
}

// Connections -------------------------------------------------------------------------------------------------------

function serve(connection, claims) {
  connections.add(connection);
  let isAlive = true;
  const heartbeat = setInterval(() => {
    if (!isAlive) return connection.terminate();
    isAlive = false;
    return connection.ping();
  }, HEARTBEAT_MS);
  const end = setTimeout(() => {
    connection.send(JSON.stringify(
      { type: "error_message", error_code: "UNAUTHENTICATED", error_message: "sign in again", request_id: null }));
    connection.close(4401, "the token has expired");
  }, Math.min(claims.exp * 1000 - Date.now(), 2 ** 31 - 1));
  connection.on("pong", () => { isAlive = true; });
  connection.on("error", () => {}); // `ws` closes with the code that says what was wrong
  connection.on("close", () => {
    clearInterval(heartbeat);
    clearTimeout(end);
    connections.delete(connection);
  });
  connection.on("message", (data, isBinary) => {
    if (isBinary) connection.close(1003, "only text messages are accepted");
    else take(connection, claims.sub, data.toString());
  });
  connection.send(JSON.stringify({
    type: "connection_established", connection_id: id(), user_id: claims.sub, server_time: now(), resumable: true,
    config: { heartbeat_interval_s: HEARTBEAT_MS / 1000, max_message_bytes: MOST_BYTES },
  }));
}

const server = http.createServer((request, response) => {
  const respond = (status, text, media) => response.writeHead(status, { "Content-Type": media }).end(text);
  if (request.url === "/health") {
    const health = { status: "healthy", service: "node-chat", version: "2.0.0", timestamp: Date.now() / 1000 };
    return respond(200, JSON.stringify(health), "application/json");
  }
  if (request.url === "/metrics") {
    const figures = {
      process_resident_memory_bytes: process.memoryUsage().rss, chat_connections_open: connections.size,
      chat_runs_open: runs.size,
      process_open_fds: fs.existsSync("/proc/self/fd") ? fs.readdirSync("/proc/self/fd").length : 0,
    };
    return respond(200, Object.entries(figures).map((pair) => `${pair.join(" ")}\n`).join(""), "text/plain");
  }
  if (request.url === "/auth/logout" && request.method === "POST") {
    const claims = claimsOf(tokenIn(request));
    if (claims) signedOut.add(claims.jti);
    return response.writeHead(claims ? 204 : 401).end();
  }
  return respond(404, "there is nothing here", "text/plain");
});
const sockets = new WebSocketServer({
  noServer: true, maxPayload: MOST_BYTES, handleProtocols: (offered) => (offered.has("jwt-auth") ? "jwt-auth" : false),
});
server.on("upgrade", (request, socket, head) => {
  socket.on("error", () => {});
  const claims = request.url === "/ws" ? claimsOf(tokenIn(request)) : null;
  if (!claims) return socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  return sockets.handleUpgrade(request, socket, head, (connection) => serve(connection, claims));
});
process.on("SIGTERM", () => process.exit(0));
server.listen(Number(process.env.PORT || 0), "127.0.0.1", 4096, () => console.log(server.address().port));
