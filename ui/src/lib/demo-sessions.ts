// Made-up conversations for the demo: `#talk`, `#talk20` (twenty teams), `#talklong` (a long transcript),
// `#quiet` (nobody talked yet).
import type { Entry } from '../bindings/Entry';
import type { Line } from '../bindings/Line';
import type { Message } from '../bindings/Message';
import type { Spent } from '../bindings/Spent';
import type { FakeApi } from './fake';
import { aTeam, problem } from './fake';

const before = (ms: number) => new Date(Date.now() - ms).toISOString();
const spent = (turns: number, costUsd: number): Spent => ({ turns, costUsd, tokens: { input: turns * 420, output: turns * 1330, cacheRead: turns * 31_000, cacheWritten: turns * 2100 } });
const id = (n: number) => `6f1c2c8e-3f0b-4a55-9f3e-${String(n).padStart(12, '0')}`;

const TOOLS: Entry[] = [
  { kind: 'toolCall', call: 'c1', tool: 'Bash', input: { command: 'cargo test -p billing', description: 'Run the tests' } },
  { kind: 'decision', call: 'c1', tool: 'Bash', decision: 'allow', by: 'human:notification:you' },
  { kind: 'toolCall', call: 'c2', tool: 'mcp__iris__send_message', input: { toTeam: 'docs', message: 'Which chapter tells of InvoiceClock?', timeout: 60000 } },
  { kind: 'decision', call: 'c2', tool: 'mcp__iris__send_message', decision: 'allow', by: 'rule:autoApprove:mcp__iris__*' },
  { kind: 'toolResult', call: 'c1', text: 'running 48 tests\n' + Array.from({ length: 48 }, (_, i) => `test clock::t${i} ... ok`).join('\n') + '\ntest result: ok. 48 passed', error: false },
  { kind: 'toolResult', call: 'c2', text: '{"status":"answered","response":"Chapter 7, Time and clocks."}', error: false },
  { kind: 'toolCall', call: 'c3', tool: 'Bash', input: { command: 'git push --force origin main' } },
  { kind: 'decision', call: 'c3', tool: 'Bash', decision: 'deny', by: 'human:window:you' },
  { kind: 'toolResult', call: 'c3', text: 'The user denied this: not to main, please open a pull request.', error: true },
];

function talk(api: FakeApi): void {
  let at = 3_600_000 * 26;
  const line = (entry: Entry, more: Partial<Line> = {}) => {
    at = Math.max(at - 41_000, 1000);
    api.lines.push({ id: api.lines.length + 1, time: before(at), session: id(1), from: 'console', to: 'api', entry, ...more });
  };
  line({ kind: 'started', host: 'local', resumed: false });
  line({ kind: 'message', message: 'm1', text: 'One of the billing tests fails now and then. Find out which, and why.' });
  line({ kind: 'thinking', text: 'The clock is shared between two tests. I should look at how the temporary folder is made.' });
  line({ kind: 'text', text: 'I will run the suite first, then look at the shared fixtures.' });
  for (const entry of TOOLS) line(entry);
  line({ kind: 'text', text: 'Reading the fixtures.' }, { within: 'c2' });
  line({ kind: 'text', text: 'The flaky test was a race in `InvoiceClock`: two tests shared one temporary folder.\n\n- each test now gets its own folder\n- the suite ran 50 times in a row without a failure\n\nI did not touch the release branch.' });
  line({ kind: 'turnEnd', messages: ['m1'], costUsd: 0.1834, tokens: { input: 420, output: 1330, cacheRead: 31_000, cacheWritten: 2100 }, durationMs: 214_000, model: 'claude-opus-4' });
  line({ kind: 'ended' });
  at = 900_000;
  line({ kind: 'started', host: 'local', resumed: true });
  line({ kind: 'message', message: 'm3', text: 'Now deploy it to staging \u202eplease.' });
  line({ kind: 'toolCall', call: 'd1', tool: 'Bash', input: { command: 'make deploy ENV=staging' } });
  const message = (n: string, more: Partial<Message>): Message => ({ id: n, from: 'console', to: 'api', text: '', persist: false, depth: 1, state: 'answered', createdAt: before(3_600_000 * 26), deliveredAt: before(3_600_000 * 26), settledAt: before(90_000_000), ...more });
  api.posted = [
    message('m1', {}),
    { ...message('m2', { state: 'expired', text: 'If you have time, tidy up the old migrations.', createdAt: before(5_000_000), error: problem('timeout', 'The message could not be delivered in its time (`ttlDays`).', 'See why the team did not take it, and send it again if it still holds.') }), deliveredAt: undefined },
    { ...message('m3', { state: 'delivered', createdAt: before(860_000), deliveredAt: before(859_000) }), settledAt: undefined },
    { ...message('m4', { state: 'queued', text: 'And write the changelog.', createdAt: before(20_000) }), settledAt: undefined, deliveredAt: undefined },
  ];
}

/** Gives the fake core conversations. */
export function demoSessions(api: FakeApi, wanted: string): void {
  if (wanted === 'quiet') {
    api.state = { ...api.state, approvals: [], teams: api.state.teams.map((team) => ({ ...team, sessions: [], waiting: 0, state: 'asleep' as const })) };
    return;
  }
  if (wanted === 'talk20' || wanted === 'talk2') {
    const n = wanted === 'talk2' ? 2 : 20;
    const names = ['api', 'web', 'billing', 'docs', 'edge-gateway', 'fleet', 'gpu-box', 'hub', 'infra', 'jobs', 'kitchen', 'lamp', 'mailer', 'notes', 'observability', 'pi', 'queue', 'release-train', 'site', 'tools'].slice(0, n).sort();
    const colors = ['#3b7dd8', '#5a9e6f', '#a565b5', '#c98a2b', '#2f9aa0', '#c8553d'];
    const states = ['idle', 'working', 'asleep', 'asleep', 'waiting', 'idle', 'asleep', 'trouble'] as const;
    let k = 0;
    const teams = names.map((to, i) =>
      aTeam(to, {
        color: colors[i % colors.length], state: n === 2 ? 'working' : (states[i % states.length] ?? 'idle'), spent: spent(i + 1, 0.3 * i + 0.004),
        sessions: ['console', ...names].flatMap((from, j) => {
          if (from === to || (n === 20 && from !== 'console' && (i * 7 + j * 3) % 11 > 1) || (from === 'console' && i % 3 === 1 && n === 20)) return [];
          k += 1;
          return [{ id: id(k), from, state: (from === 'console' ? states[i % states.length] : states[(i + j) % states.length]) ?? ('idle' as const), pid: 4000 + k, queued: k % 7 === 0 ? 2 : 0, stderrTail: [], lastActivity: before(k * 61_000), spent: spent(k, 0.07 * k) }];
        }),
      }),
    );
    api.state = { ...api.state, teams, approvals: [] };
    const posts = teams.flatMap((team) => team.sessions.flatMap((s, i) => Array.from({ length: (i * 13 + team.name.length * 5) % 60 }, () => ({ from: s.from, to: team.name }))));
    api.posted = posts.map((pair, i): Message => ({ ...pair, id: `p${i}`, text: 'hello', persist: false, depth: 1, state: 'answered', createdAt: before(1000), deliveredAt: before(1000), settledAt: before(1000) }));
    return;
  }
  talk(api);
  const sessions = (name: string) => api.state.teams.find((team) => team.name === name)?.sessions ?? [];
  for (const it of sessions('api')) Object.assign(it, { id: id(1), state: 'working', queued: 1, spent: spent(12, 2.413) });
  const [first] = api.state.approvals;
  if (first && wanted === 'talkasks') Object.assign(first, { session: id(1) });
  for (const it of sessions('docs')) Object.assign(it, { spent: spent(3, 0.004) });
  for (const team of api.state.teams) if (team.sessions.length > 0) team.spent = spent(12, 2.413);
  api.resting = [
    { id: id(8), from: 'docs', to: 'api', begun: true, state: 'asleep', queued: 0, lastUsed: before(400_000_000), messages: 31, spent: spent(40, 6.02) },
    { id: id(9), from: 'console', to: 'tools', begun: true, state: 'asleep', queued: 0, lastUsed: before(90_000_000), messages: 4, spent: spent(4, 0.31) },
    { id: id(10), from: 'gpu-box', to: 'docs', begun: true, state: 'asleep', queued: 0, lastUsed: before(190_000_000), messages: 2 },
  ];
  const say = (text: string) => api.say({ time: before(0), session: id(1), from: 'console', to: 'api', entry: { kind: 'text', text } });
  if (wanted === 'talklong') {
    const old = Array.from({ length: 900 }, (_, i): Line => ({ id: 0, time: before(3_600_000 * 27 - i * 1000), session: id(1), from: 'console', to: 'api', entry: { kind: 'text', text: `Step ${i} of the migration is done.` } }));
    api.lines = [...old, ...api.lines].map((line, i) => ({ ...line, id: i + 1 }));
  }
  let n = 0;
  setInterval(() => say(`Still deploying: pod ${(n += 1)} of 40 is up.`), 4000);
}
