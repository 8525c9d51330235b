import { afterEach, describe, expect, test, vi } from 'vitest';

import type { Entry } from '../src/bindings/Entry';
import type { Line } from '../src/bindings/Line';
import type { Message } from '../src/bindings/Message';
import type { SessionView } from '../src/bindings/SessionView';
import { anApproval, aTeam, FakeApi, problem } from '../src/lib/fake';
import { arrow, places, RADIUS, shortName } from '../src/lib/graph';
import { KEPT, PAGE, Reading } from '../src/lib/reading.svelte';
import { cost, few, grouped, keyOf } from '../src/lib/sessions';
import { UNDO_MS } from '../src/lib/sessions.svelte';
import { fold, withUndelivered } from '../src/lib/transcript';
import { all, click, find, get, open, press, settle, text, type } from './kit';

const ID = '6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11';

function aSession(more: Partial<SessionView> = {}): SessionView {
  return { id: ID, from: 'console', state: 'idle', pid: 7, queued: 0, stderrTail: [], lastActivity: '2026-11-26T10:00:00Z', ...more };
}

function aMessage(id: string, more: Partial<Message> = {}): Message {
  return { id, from: 'console', to: 'api', text: `text of ${id}`, persist: false, depth: 1, state: 'queued', createdAt: '2026-11-26T10:00:30Z', ...more };
}

let place = 0;
function aLine(entry: Entry, more: Partial<Line> = {}): Line {
  place += 1;
  return { id: place, time: new Date(Date.parse('2026-11-26T10:00:00Z') + place * 1000).toISOString(), session: ID, from: 'console', to: 'api', entry, ...more };
}

const said = (words: string) => aLine({ kind: 'text', text: words });
const call = (id: string): Entry => ({ kind: 'toolCall', call: id, tool: 'Bash', input: { command: `run ${id}` } });
const result = (id: string, error = false): Entry => ({ kind: 'toolResult', call: id, text: `out of ${id}`, error });
const decision = (id: string): Entry => ({ kind: 'decision', call: id, tool: 'Bash', decision: 'allow', by: 'human:window:you' });

afterEach(() => {
  place = 0;
  vi.useRealTimers();
});

describe('a transcript', () => {
  test('has each call with its answer and its decision, wherever they came', () => {
    const items = fold([decision('a'), call('a'), call('b'), said('x').entry, result('b', true), result('a'), result('gone')].map((entry) => aLine(entry)));
    expect(items.map((it) => (it.kind === 'tool' ? `${it.call.call} ${it.result?.text} ${it.decisions.length}` : it.line.entry.kind))).toEqual(['a out of a 1', 'b out of b 0', 'text', 'toolResult']);
  });

  test('has messages that the agent never got in their places, as far back as it goes', () => {
    const items = fold([said('one'), said('two')]);
    const ended = { settledAt: '2026-11-26T11:00:00Z' };
    const messages = [aMessage('late', { state: 'failed', ...ended }), aMessage('waits'), aMessage('got', { state: 'answered', deliveredAt: '2026-11-26T10:00:31Z', ...ended }), aMessage('old', { state: 'expired', createdAt: '2026-11-20T10:00:00Z', ...ended })];
    const ids = (begin: boolean) => withUndelivered(items, messages, begin).map((it) => (it.kind === 'undelivered' ? it.message.id : it.kind));
    expect(ids(false)).toEqual(['entry', 'entry', 'late']);
    expect(ids(true)).toEqual(['old', 'entry', 'entry', 'late']);
  });
});

describe('a reading', () => {
  async function reading(lines: number) {
    const api = new FakeApi();
    api.lines = Array.from({ length: lines }, (_, i) => said(`line ${i}`));
    const it = new Reading(api, { team: 'api', from: 'console' });
    await it.begin();
    return { api, it };
  }
  const comes = async (api: FakeApi, n = 1) => {
    for (let i = 0; i < n; i += 1) api.say({ time: '', session: ID, from: 'console', to: 'api', entry: { kind: 'text', text: 'new' } });
    await settle();
  };

  test('begins with the newest, and gets what comes, once', async () => {
    const { api, it } = await reading(PAGE + 20);
    expect(it.lines.map((line) => line.id)).toEqual(Array.from({ length: PAGE }, (_, i) => i + 21));
    expect(it.older).toBe(true);
    await comes(api, 3);
    expect(it.lines.at(-1)?.id).toBe(PAGE + 23);
    expect(new Set(it.lines.map((line) => line.id)).size).toBe(it.lines.length);
    expect(it.unseen).toBe(0);
    it.stop();
  });

  test('never has more than fit, and finds the way back to the end', async () => {
    const { api, it } = await reading(KEPT * 3);
    while (it.live) await it.showOlder();
    expect(it.lines.length).toBe(KEPT);
    it.following = false;
    await comes(api, 5);
    expect(it.unseen, 'it is said that something came').toBe(5);
    expect(it.lines.at(-1)?.id, 'and nothing moves under the reader').toBeLessThan(KEPT * 3);
    while (!it.live) await it.newer();
    expect(it.lines.at(-1)?.id).toBe(KEPT * 3 + 5);
    expect(it.lines.length).toBe(KEPT);
    const ids = it.lines.map((line) => line.id);
    expect(ids).toEqual(ids.map((_, i) => (ids[0] ?? 0) + i));
    it.following = true;
    await comes(api);
    expect(it.lines.at(-1)?.id).toBe(KEPT * 3 + 6);
    it.stop();
  });

  test('takes nothing away above one who reads there', async () => {
    const { api, it } = await reading(KEPT);
    while (it.lines.length < KEPT) await it.showOlder();
    it.following = false;
    const [first] = it.lines;
    await comes(api, 2);
    expect(it.lines[0]).toBe(first);
    expect(it.live).toBe(false);
    it.following = true;
    await it.begin();
    expect(it.lines.at(-1)?.id).toBe(KEPT + 2);
    it.stop();
  });

  test('shows a place among its neighbours', async () => {
    const { it } = await reading(KEPT);
    await it.at(150);
    expect(it.target).toBe(150);
    expect(it.lines[0]?.id).toBe(51);
    expect(it.lines.at(-1)?.id).toBe(250);
    expect(it.live).toBe(false);
    it.stop();
  });

  test('says why there is no more, and can begin again', async () => {
    const api = new FakeApi();
    api.failures.set('transcript', problem('storage', 'The disk is gone.', 'Look at it.'));
    const it = new Reading(api, {});
    await it.begin();
    expect(it.failure?.message).toBe('The disk is gone.');
    api.failures.clear();
    await it.begin();
    expect([it.failure, it.ready]).toEqual([null, true]);
    it.stop();
  });
});

describe('the map', () => {
  const names = (n: number) => Array.from({ length: n }, (_, i) => `team-${i}`);

  test.each([1, 2, 3, 8, 20])('has room for %i teams', (n) => {
    const nodes = places('console', names(n), 640, 480);
    expect(nodes.length).toBe(n + 1);
    for (const [i, a] of nodes.entries()) {
      expect(a.x > RADIUS && a.x < 640 - RADIUS && a.y > RADIUS && a.y < 480 - RADIUS, a.name).toBe(true);
      for (const b of nodes.slice(i + 1)) expect(Math.hypot(a.x - b.x, a.y - b.y), `${a.name} ${b.name}`).toBeGreaterThan(2 * RADIUS);
    }
  });

  test('has an arrow of its own for each direction, thicker where more goes', () => {
    const nodes = places('console', ['a', 'b'], 640, 480);
    const there = arrow({ from: 'a', to: 'b', messages: 40 }, nodes, 40);
    const back = arrow({ from: 'b', to: 'a', messages: 1 }, nodes, 40);
    expect(there?.path).not.toBe(back?.path);
    expect(there?.width).toBeGreaterThan(back?.width ?? Infinity);
    expect(Math.abs((there?.y ?? 0) - (back?.y ?? 0)), 'they bend apart').toBeGreaterThan(20);
    expect(arrow({ from: 'gone', to: 'a', messages: 1 }, nodes, 1)).toBeNull();
    expect(`${there?.path}${there?.head}`).not.toContain('NaN');
  });

  test('shortens long names', () => {
    expect(shortName('observability', 8)).toBe('observa…');
    expect(shortName('api', 8)).toBe('api');
  });
});

test('money and numbers are short', () => {
  expect([0, 0.004, 0.4, 1234.5].map(cost)).toEqual(['$0.00', '< $0.01', '$0.40', '$1,234.50']);
  expect([950, 1000, 12_400, 999_960, 3_100_000].map(few)).toEqual(['950', '1 k', '12.4 k', '1 M', '3.1 M']);
});

test('sleeping conversations are listed with the living ones, yours first', () => {
  const rests = { from: 'docs', to: 'api', id: ID, begun: true, state: 'asleep' as const, queued: 0, lastUsed: '2026-11-20T10:00:00Z', messages: 3 };
  const stale = { ...rests, from: 'console', state: 'asleep' as const, messages: 9 };
  const groups = grouped([rests, stale, { ...rests, to: 'removed' }], [aTeam('api', { sessions: [aSession({ state: 'working' })] }), aTeam('web')]);
  expect(groups.map((g) => g.team.name)).toEqual(['api']);
  expect(groups[0]?.sessions.map((s) => `${keyOf(s)} ${s.state} ${s.messages}`)).toEqual(['console>api working 9', 'docs>api asleep 3']);
});

describe('the view', () => {
  async function sessions(prepare: (api: FakeApi) => void = () => undefined, session: Partial<SessionView> = {}) {
    const opened = await open({ teams: [aTeam('api', { sessions: [aSession(session), aSession({ id: 'x', from: 'web' })] }), aTeam('web')] }, prepare);
    await press('3');
    return opened;
  }
  const row = (pair: string) => get('session-map').closest('.scroll')?.querySelector<HTMLElement>(`[data-pair="${pair}"]`) as HTMLElement;
  async function chosen(prepare: (api: FakeApi) => void = () => undefined, session: Partial<SessionView> = {}) {
    const opened = await sessions(prepare, session);
    await click(row('console>api'));
    await settle();
    return opened;
  }

  test('says what to do where nobody talked yet', async () => {
    const { iris } = await open({ teams: [aTeam('api')] });
    await press('3');
    expect(document.body.textContent).toContain('Nobody has talked yet');
    await click('sessions-first');
    expect(iris.view).toBe('teams');
  });

  test('begins with the map, which says the same as a table and leads to a session', async () => {
    await sessions((api) => (api.posted = [aMessage('m')]));
    expect(all('session-arrow').length).toBe(2);
    expect(text('session-table')).toContain('youapi1idle');
    all('session-arrow')[0]?.dispatchEvent(new MouseEvent('click', { bubbles: true }));
    await settle();
    expect(get('session').dataset.pair).toBe('console>api');
  });

  test('goes through the list with the keyboard', async () => {
    await sessions();
    await press('j');
    expect(get('session').dataset.pair).toBe('console>api');
    await press('j');
    expect(get('session').dataset.pair).toBe('web>api');
  });

  test('shows what happens as it happens, and folds calls', async () => {
    const { api } = await chosen((api) => (api.lines = [aLine(call('a')), aLine(decision('a')), aLine(result('a'))]));
    expect(all('tool-call').length).toBe(1);
    expect(get('tool-call').dataset.outcome).toBe('done');
    expect(text('tool-decision')).toBe('Allowed by you in this window');
    expect(find('tool-body')).toBeNull();
    await click('tool-fold');
    expect(text('tool-body')).toContain('out of a');
    api.say({ ...said('it came'), time: '2026-11-26T10:10:00Z' });
    await settle();
    expect(text('transcript')).toContain('it came');
    expect(find('tool-body'), 'it stays open').not.toBeNull();
    await click('tool-fold');
    expect(find('tool-body')).toBeNull();
  });

  test('says which call waits for the person', async () => {
    const { api } = await chosen((api) => (api.lines = [aLine(call('a'))]), { state: 'waiting' });
    expect(get('tool-call').dataset.outcome).toBe('running');
    api.publish({ approvals: [anApproval('k1', { session: ID })] });
    await settle();
    expect(get('tool-call').dataset.outcome).toBe('waits for you');
    await click('session-review');
    expect(find('approval-allow')).not.toBeNull();
  });

  test('a slash begins a search', async () => {
    await chosen();
    await press('/');
    expect(document.activeElement).toBe(get('session-search'));
  });

  test('marks messages, and takes one back that waits', async () => {
    const { api } = await chosen((api) => {
      api.lines = [aLine({ kind: 'message', message: 'm1', text: 'first' })];
      api.posted = [aMessage('m1', { state: 'delivered', deliveredAt: '2026-11-26T10:00:31Z' }), aMessage('m2')];
    });
    expect(all('message-mark').map((it) => it.dataset.state)).toEqual(['delivered', 'queued']);
    expect(all('message-mark')[1]?.title).toContain('The agent has not got it yet');
    await click('message-cancel');
    await settle();
    expect(api.calls.some((c) => c.name === 'cancelMessage' && c.args[0] === 'm2')).toBe(true);
    expect(all('message-mark').map((it) => it.dataset.state)).toEqual(['delivered', 'cancelled']);
  });

  test('searches, and shows what it found in its place', async () => {
    vi.useFakeTimers();
    await chosen((api) => (api.lines = [said('one needle'), said('two'), said('three')]));
    await type('session-search', 'needle');
    vi.advanceTimersByTime(300);
    await settle();
    await settle();
    expect(all('transcript-item').length).toBe(1);
    await click('transcript-place');
    await settle();
    expect(all('transcript-item').length).toBe(3);
  });

  test('sends into your own session, and says when Iris did not take it', async () => {
    const { api, iris } = await sessions((api) => (api.outcome = { id: 'no', status: 'failed', error: problem('busy', 'The queue is full.', 'Wait.') }));
    await click(row('web>api'));
    await type('session-send-text', 'hello');
    await click('session-send');
    await settle();
    expect(iris.sessions.chosen).toEqual({ from: 'console', to: 'api' });
    expect(api.calls.find((c) => c.name === 'send')?.args.slice(0, 2)).toEqual(['api', 'hello']);
    expect(text('error-notice')).toContain('The queue is full.');
  });

  test('interrupts, sleeps, forks and begins anew this very pair', async () => {
    const { api } = await sessions();
    await click(row('web>api'));
    expect(find('session-interrupt'), 'nothing runs').toBeNull();
    for (const act of ['sleep', 'fork']) await click(`session-${act}`);
    expect(text('session-said')).toContain('A copy is open in kitty');
    await click('session-reboot');
    expect(api.calls.some((c) => c.name === 'rebootSession'), 'asks first').toBe(false);
    await click('session-reboot-confirm');
    const done = api.calls.filter((c) => ['sleepSession', 'forkSession', 'rebootSession'].includes(c.name));
    expect(done.map((c) => c.args)).toEqual([['web', 'api'], ['web', 'api'], ['web', 'api']]);
  });

  test('cancels what runs', async () => {
    const { api } = await chosen(() => undefined, { state: 'working' });
    await click('session-interrupt');
    expect(api.calls.find((c) => c.name === 'interrupt')?.args).toEqual(['console', 'api']);
  });

  const deleted = (api: FakeApi) => api.calls.filter((c) => c.name === 'deleteSession').map((c) => c.args);

  test('deletes only after a moment, also when the view is left', async () => {
    vi.useFakeTimers();
    const { api } = await chosen();
    await click('session-delete');
    expect(text('leaving')).toContain('you → api is deleted in');
    await press('1');
    vi.advanceTimersByTime(UNDO_MS - 1);
    await settle();
    expect(deleted(api)).toEqual([]);
    expect(find('leaving'), 'it can be undone from every view').not.toBeNull();
    vi.advanceTimersByTime(1);
    await settle();
    expect(deleted(api)).toEqual([['console', 'api']]);
    expect(find('leaving')).toBeNull();
  });

  test('keeps it with Undo, with Ctrl+Z, and when the window is closed', async () => {
    vi.useFakeTimers();
    const { api, iris } = await chosen();
    const ends: (() => Promise<void> | void)[] = [() => click('leaving-undo'), () => press('z', { ctrlKey: true }), () => iris.disconnect()];
    for (const end of ends) {
      await click('session-delete');
      await end();
      vi.advanceTimersByTime(UNDO_MS * 2);
      await settle();
      expect(deleted(api)).toEqual([]);
    }
  });

  test('says when it could not be deleted', async () => {
    vi.useFakeTimers();
    const { api } = await chosen((api) => api.failures.set('deleteSession', problem('storage', 'The disk is full.', 'Make room.')));
    await click('session-delete');
    vi.advanceTimersByTime(UNDO_MS);
    await settle();
    expect(deleted(api).length).toBe(1);
    expect(text('error-notice')).toContain('The disk is full.');
    expect(find('session')).not.toBeNull();
  });
});
