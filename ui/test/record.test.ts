// The record in the window.
import { describe, expect, test, vi } from 'vitest';

import type { Row } from '../src/bindings/Row';
import { aTeam, problem } from '../src/lib/fake';
import { ALL, checkWords, edited, filterOf, headline } from '../src/lib/record';
import { all, choose, click, find, get, open, settle, text, type } from './kit';

const aRow = (seq: number, more: Partial<Row> = {}): Row => ({
  seq, prev: '0'.repeat(64), hash: 'b7'.repeat(32), time: new Date(Date.now() - (1000 - seq) * 60_000).toISOString(), kind: 'permission', caller: 'api', team: 'api',
  session: '', host: 'local', tool: 'Bash', digest: '9c'.repeat(32), input: { command: `echo ${seq}` }, decision: 'allow', decidedBy: 'human:tray:me', policyHash: '', waitMs: 1500,
  why: 'No rule covers it.', ...more,
});

async function activity(rows: Row[], prepare: Parameters<typeof open>[1] = () => undefined) {
  const opened = await open({ teams: [aTeam('api'), aTeam('web')] }, (api) => {
    api.rows = rows;
    prepare(api);
  });
  await click('nav-activity');
  await settle();
  return opened;
}

describe('the record', () => {
  test('is asked for a page at a time, never whole', async () => {
    const { api } = await activity(Array.from({ length: 120 }, (_, i) => aRow(120 - i)));
    expect(all('activity-row')).toHaveLength(50);
    const queries = () => api.calls.filter((c) => c.name === 'audit').map((c) => c.args[0]);
    expect(queries()).toEqual([{ filter: {}, limit: 50 }]);
    await click(document.querySelector<HTMLElement>('.older button')!);
    await settle();
    expect(queries().at(-1)).toEqual({ filter: {}, limit: 50, before: 71 });
    expect(all('activity-row')).toHaveLength(100);
  });

  test('is searched when typing pauses, and all filters hold together', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { api } = await activity([aRow(3), aRow(2, { team: 'web', decision: 'deny', decidedBy: 'timeout' }), aRow(1, { kind: 'auth', team: '' })]);
      const before = api.calls.length;
      await type('activity-search', 'ec');
      await type('activity-search', 'echo 2');
      expect(api.calls.length).toBe(before);
      vi.advanceTimersByTime(250);
      await settle();
      expect(api.calls.at(-1)?.args).toEqual([{ filter: { search: 'echo 2' }, limit: 50 }]);
      expect(all('activity-row')).toHaveLength(1);
      await choose('activity-team', 'web');
      await choose('activity-decision', 'deny');
      await choose('activity-by', 'timeout');
      await choose('activity-kind', 'permission');
      await settle();
      expect(api.calls.at(-1)?.args).toEqual([{ filter: { search: 'echo 2', team: 'web', kind: 'permission', decision: 'deny', by: 'timeout' }, limit: 50 }]);
      await choose('activity-kind', 'auth');
      await settle();
      expect(document.body.textContent).toContain('No row is like that');
      await click('activity-clear');
      await settle();
      expect(all('activity-row')).toHaveLength(3);
      expect(get<HTMLInputElement>('activity-search').value).toBe('');
    } finally {
      vi.useRealTimers();
    }
  });

  test('a row says what was asked, by whom it was decided, and why', async () => {
    await activity([aRow(7, { why: 'The rule Bash(echo:*) of requireApproval asks you (config.json, line 4).', input: { command: 'echo \u202e7' } })]);
    expect(find('activity-detail')).toBeNull();
    await click('activity-open');
    expect(text('activity-why')).toContain('config.json, line 4');
    const detail = text('activity-detail');
    expect(detail).toContain('Allowed by you in the tray menu, after 1 s');
    expect(detail).toContain('⟨U+202E⟩');
    expect(detail).toContain('9c9c');
    expect(detail).toContain('b7b7');
  });

  test('an edited input is shown as it was asked and as it ran', async () => {
    await activity([aRow(7, { input: { asked: { command: 'rm -rf a b' }, ran: { command: 'rm -rf a' } } })]);
    await click('activity-open');
    expect(text('activity-detail')).toContain('What was asked rm -rf a b What ran instead rm -rf a');
    expect(edited(aRow(1, { decision: 'deny', input: { asked: 1, ran: 2 } }))).toBeNull();
  });

  test('verifying says in words what was found', async () => {
    const { api } = await activity([aRow(1)]);
    await click('activity-verify');
    await settle();
    expect(text('activity-check')).toContain('All 1 rows are there and unchanged.');
    api.check = { broken: [4, 'row 4 was changed after it was written'] };
    await click('activity-verify');
    await settle();
    expect(text('activity-check')).toContain('Row 4 does not fit');
    const pruned = checkWords({ rows: 5, broken: null, pruned: { seq: 9, hash: '', rows: 9, time: '2026-01-02T12:00:00Z' } });
    expect(pruned).toContain('Rows 1 to 9 were pruned');
  });

  test('an export has the filter, says where it is, and what went wrong', async () => {
    const { api } = await activity([aRow(2), aRow(1, { team: 'web' })]);
    await choose('activity-team', 'web');
    await settle();
    await click('activity-export-csv');
    await settle();
    expect(api.calls.at(-1)).toEqual({ name: 'exportAudit', args: [{ team: 'web' }, 'csv'] });
    expect(text('activity-exported')).toContain('1 rows are in /home/you/Documents/iris-audit.csv.');
    api.failures.set('exportAudit', problem('storage', 'The disk is full.', 'Make room.'));
    await click('activity-export-jsonl');
    await settle();
    expect(text('error-notice')).toContain('The disk is full.');
  });
});

test('days are meant whole, as they are here', () => {
  const filter = filterOf({ ...ALL, time: 'between', from: '2026-11-02', to: '2026-11-03' }, 0);
  expect(Date.parse(filter.until!) - Date.parse(filter.since!)).toBe(2 * 86_400_000);
  expect(filterOf({ ...ALL, time: 'hour' }, 7_200_000)).toEqual({ since: '1970-01-01T01:00:00.000Z' });
  expect(filterOf({ ...ALL, search: '  ' }, 0)).toEqual({});
});

test('an event has words, a tool of that name has not', () => {
  expect(headline(aRow(1, { kind: 'operation', tool: 'team.stop', input: null })).what).toBe('A team was stopped');
  expect(headline(aRow(1, { tool: 'team.stop' })).what).toBe('team.stop');
});
