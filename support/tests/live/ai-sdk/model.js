// The AI SDK's own mock model, with answers to the prompts of the target file: it thinks, calls tools, and says what they gave.
import { simulateReadableStream } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};
let made = 0;

const call = (toolName, input) => ({
  type: 'tool-call', toolCallId: `call_${++made}`, toolName, input: JSON.stringify(input),
});
const text = message => message.content.filter(part => part.type === 'text').map(part => part.text).join(' ');

/** What the model does next: tools to call, or what it says. */
function next(asked, results, before) {
  const said = results.map(({ output }) => output.value ?? output.reason ?? output.type).join(' and ');
  const sums = [...asked.matchAll(/(\d+)\*(\d+)/g)].map(([, a, b]) => call('calculator', { a: +a, b: +b }));
  if (/give up/.test(asked)) throw new Error('the model is overloaded');
  if (/previous question/.test(asked)) return { say: `Before this you asked: ${before.at(-1)}` };
  const lines = /repeat "([^"]+)" (\d+) times/.exec(asked);
  if (lines) return { say: Array.from({ length: +lines[2] }, (_, n) => `${n + 1}. ${lines[1]}\n`).join('') };
  const tools = /mail/.test(asked) ? [call('send_email', { to: 'ada' })]
    : /research/.test(asked) ? [call('research', { topic: asked })]
    : /Mars/.test(asked) ? [call('weather', { place: 'Mars' })]
    : /at the same time/.test(asked) ? sums
    : /weather/.test(asked) ? [[sums[0]], [call('weather', { place: 'Oslo' })]][results.length]
    : sums.slice(0, 1);
  if (tools?.length && (/weather in Oslo/.test(asked) ? results.length < 2 : !results.length)) return { tools };
  return { say: said ? `${said}, for: ${asked}` : `I am the test assistant, for: ${asked}` };
}

export const model = new MockLanguageModelV4({
  doStream: async ({ prompt }) => {
    const last = prompt.findLastIndex(message => message.role === 'user');
    const before = prompt.slice(0, last).filter(message => message.role === 'user').map(text);
    const results = prompt.slice(last).filter(message => message.role === 'tool')
      .flatMap(message => message.content).filter(part => part.type === 'tool-result');
    const { tools = [], say = '' } = next(text(prompt[last]), results, before);
    const pieces = say.match(/(\s*\S+){1,8}\s*/g) ?? [];
    return {
      stream: simulateReadableStream({
        initialDelayInMs: 5,
        chunkDelayInMs: pieces.length > 100 ? 0 : 5,
        chunks: [
          { type: 'stream-start', warnings: [] },
          { type: 'reasoning-start', id: 'r' },
          { type: 'reasoning-delta', id: 'r', delta: 'Let me ' },
          { type: 'reasoning-delta', id: 'r', delta: 'think.' },
          { type: 'reasoning-end', id: 'r' },
          ...tools,
          ...(pieces.length ? [{ type: 'text-start', id: 't' }] : []),
          ...pieces.map(delta => ({ type: 'text-delta', id: 't', delta })),
          ...(pieces.length ? [{ type: 'text-end', id: 't' }] : []),
          { type: 'finish', finishReason: { unified: tools.length ? 'tool-calls' : 'stop', raw: undefined }, usage },
        ],
      }),
    };
  },
});
