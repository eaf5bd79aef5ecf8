// A chat route as the AI SDK's guides describe it, with persistence of messages: POST /api/chat. It has no sign-in.
import { createServer } from 'node:http';
import {
  convertToModelMessages, isStepCount, pipeUIMessageStreamToResponse, streamText, tool, toUIMessageStream,
  validateUIMessages,
} from 'ai';
import { z } from 'zod';
import { model } from './model.js';

const tools = {
  calculator: tool({
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    execute: async ({ a, b }) => a * b,
  }),
  weather: tool({
    inputSchema: z.object({ place: z.string() }),
    execute: async ({ place }) => {
      if (place === 'Mars') throw new Error('the weather service is unavailable');
      return `4 degrees in ${place}`;
    },
  }),
  research: tool({
    inputSchema: z.object({ topic: z.string() }),
    execute: async () => {
      await new Promise(done => setTimeout(done, 800));
      return 'The moon draws the tides';
    },
  }),
  send_email: tool({
    inputSchema: z.object({ to: z.string() }),
    execute: async ({ to }) => `sent to ${to}`,
  }),
};
const chats = new Map();

async function chat(request, response) {
  let body = '';
  for await (const chunk of request) body += chunk;
  let messages;
  try {
    const { id, messages: sent } = z.object({ id: z.string(), messages: z.array(z.any()).min(1) }).parse(JSON.parse(body));
    const known = (chats.get(id) ?? []).filter(message => !sent.some(each => each.id === message.id));
    messages = await validateUIMessages({ messages: [...known, ...sent], tools });
    chats.set(id, messages);
    const left = new AbortController();
    response.on('close', () => response.writableEnded || left.abort());
    const result = streamText({
      model, tools, stopWhen: isStepCount(5), maxRetries: 0, abortSignal: left.signal,
      messages: await convertToModelMessages(messages), toolApproval: { send_email: 'user-approval' }, onError() {},
    });
    pipeUIMessageStreamToResponse({
      response,
      stream: toUIMessageStream({
        stream: result.stream, tools, originalMessages: messages, onEnd: ({ messages: all }) => chats.set(id, all),
        onError: error => (error instanceof Error ? error.message : String(error)),
      }),
    });
  } catch (error) {
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: String(error.message ?? error).slice(0, 200) }));
  }
}

createServer((request, response) => {
  if (request.url === '/api/chat' && request.method === 'POST') return void chat(request, response);
  response.writeHead(404).end();
}).listen(Number(process.env.PORT ?? 18761), '127.0.0.1');
