// A chat route as the AI SDK's guides describe it, with persistence of messages: POST /api/chat, for users with a token,
// who each have chats of their own. The model is the scripted one at LIVE_MODEL_URL.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  convertToModelMessages, createUIMessageStream, isStepCount, pipeUIMessageStreamToResponse, streamText, tool,
  toUIMessageStream, validateUIMessages,
} from 'ai';
import { jwtVerify } from 'jose';
import { createServer } from 'node:http';
import { z } from 'zod';

const secret = new TextEncoder().encode(process.env.LIVE_SECRET);
const provider = createOpenAICompatible({ name: 'scripted', baseURL: process.env.LIVE_MODEL_URL, apiKey: 'any-key' });
const model = provider.chatModel('scripted');
const chats = new Map(), notes = new Map(), busy = new Map();

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const toolsOf = user => ({
  calculator: tool({
    inputSchema: z.object({ expression: z.string() }),
    execute: async ({ expression }) => String(expression.match(/\d+/g).reduce((product, each) => product * each, 1)),
  }),
  notes: tool({
    inputSchema: z.object({
      action: z.enum(['add', 'search']), text: z.string().default(''), topic: z.string().default(''),
    }),
    execute: async ({ action, text, topic }) => {
      if (topic === 'lunch') return 'lunch is at noon';
      if (action === 'search') return notes.get(user) ?? 'there is no such note';
      notes.set(user, text);
      return `Noted: ${text}`;
    },
  }),
  weather: tool({
    inputSchema: z.object({ place: z.string() }),
    execute: async ({ place }) => { throw new Error(`the station on ${place} is unavailable`); },
  }),
  research: tool({
    inputSchema: z.object({ topic: z.string() }),
    execute: async ({ topic }) => {
      await new Promise(done => setTimeout(done, 500));
      return `What is known about ${topic} is shown in many books, and none contradicts the others about the moon.`;
    },
  }),
});

async function userOf(request) {
  const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
  if (scheme !== 'Bearer') throw new Refused(401, 'no token');
  try {
    const demands = { audience: 'live', algorithms: ['HS256'], requiredClaims: ['exp', 'sub'] };
    return (await jwtVerify(token, secret, demands)).payload.sub;
  } catch {
    throw new Refused(401, 'no token of ours');
  }
}

/** What a user has to approve: what they ask to be asked about. */
function approval({ messages }) {
  const asked = messages.findLast(message => message.role === 'user').content;
  return JSON.stringify(asked).includes('Ask me') ? 'user-approval' : undefined;
}

/** The stored messages with what is new: messages of the user, and answers to approvals that are waited for. */
function withNew(stored, sent) {
  const given = sent.flatMap(message => message.parts).filter(part => part?.state === 'approval-responded');
  let changed = false;
  const answered = part => {
    const answer = part.state === 'approval-requested' && given.find(each => each.approval?.id === part.approval.id);
    changed ||= Boolean(answer);
    if (!answer) return part;
    return { ...part, state: answer.state, approval: { ...part.approval, approved: answer.approval.approved } };
  };
  const known = stored.map(message => ({ ...message, parts: message.parts.map(answered) }));
  const asked = sent.filter(message => message.role === 'user' && !stored.some(each => each.id === message.id));
  if (!changed && !asked.length) throw new Refused(409, 'nothing is waited for');
  return [...known, ...asked];
}

/** A model that says nothing has not answered. */
function demandAnAnswer() {
  let said = false;
  return new TransformStream({
    transform(chunk, out) {
      said ||= chunk.type === 'text-delta';
      const none = chunk.type === 'finish' && chunk.finishReason === 'stop' && !said;
      out.enqueue(none ? { type: 'error', errorText: 'the model gave no answer' } : chunk);
    },
  });
}

async function chat(request, response) {
  const user = await userOf(request);
  let body = '';
  for await (const chunk of request) body += chunk;
  let id, messages;
  const tools = toolsOf(user);
  try {
    const message = z.looseObject({ parts: z.array(z.any()) });
    const sent = z.object({ id: z.string(), messages: z.array(message).min(1) }).parse(JSON.parse(body));
    id = sent.id;
    if ((chats.get(id)?.user ?? user) !== user) throw new Refused(404, 'no such chat');
    messages = await validateUIMessages({ messages: withNew(chats.get(id)?.messages ?? [], sent.messages), tools });
    const isAnswer = sent.messages.some(each => each.role !== 'user');
    if (isAnswer && busy.has(id)) throw new Refused(409, 'an answer is in progress');
  } catch (error) {
    throw error instanceof Refused ? error : new Refused(400, String(error.message).slice(0, 200));
  }
  // Who asks again no longer waits for the answer before.
  busy.get(id)?.abort();
  chats.set(id, { user, messages });
  const left = new AbortController();
  busy.set(id, left);
  response.on('close', () => {
    if (busy.get(id) === left) busy.delete(id);
    left.abort();
  });
  const result = streamText({
    model, tools, stopWhen: isStepCount(20), abortSignal: left.signal, timeout: { chunkMs: 2000 }, maxRetries: 1,
    onError() {},
    // A call that was stopped, or cut, has no result.
    messages: await convertToModelMessages(messages, { ignoreIncompleteToolCalls: true }), toolApproval: approval,
  });
  const said = error => String(error?.message ?? error);
  // Merged, since a model that breaks off is then an error in the stream: by itself it ends the process.
  const stream = createUIMessageStream({
    originalMessages: messages, onError: said,
    onEnd: ({ messages: all }) => busy.get(id) === left && chats.set(id, { user, messages: all }),
    execute: ({ writer }) => writer.merge(
      toUIMessageStream({ stream: result.stream, tools, onError: said }).pipeThrough(demandAnAnswer()),
    ),
  });
  pipeUIMessageStreamToResponse({ response, stream });
}

createServer((request, response) => {
  const path = `${request.method} ${request.url.split('?')[0]}`;
  if (path === 'GET /health') return void response.end('{"status":"ok"}');
  if (path !== 'POST /api/chat') return void response.writeHead(404).end();
  chat(request, response).catch(error => {
    response.writeHead(error.status ?? 500, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: error.message }));
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
