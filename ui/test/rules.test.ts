// Rules edited in the window: rows, mistakes, what would come of them, and the edit that is sent.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Consequences } from '../src/bindings/Consequences';
import type { Differs } from '../src/bindings/Differs';
import { aRulesView, aTeam, problem, someConsequences, type FakeApi } from '../src/lib/fake';
import { all, choose, click, find, get, open, press, settle, text } from './kit';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Lets what waits for the end of typing happen. */
async function pause() {
  await vi.advanceTimersByTimeAsync(300);
  await settle();
}

const VIEW = aRulesView({
  deny: { own: [{ text: 'Read(.env)', line: 12 }, { text: 'WebFetch', line: 13 }], common: [{ text: 'Bash(git push:*)', line: 4 }], builtIn: [] },
});

function differs(summary: string, more: Partial<Differs> = {}): Differs {
  return {
    seq: summary.length, time: new Date().toISOString(), team: 'api', tool: 'Bash', summary, decision: 'allow', decidedBy: 'human:tray:ann',
    now: 'ask', then: 'allow', why: 'The rule `Bash` allows it.', ...more,
  };
}

async function editing(prepare: (api: FakeApi) => void = () => undefined) {
  const opened = await open({ teams: [aTeam('api')] }, (api) => {
    api.rules.set('api', VIEW);
    prepare(api);
  });
  await click('nav-teams');
  await click('team-edit');
  await settle();
  return opened;
}

const inList = (key: string, testid: string) => [...get(`rule-list-${key}`).querySelectorAll<HTMLInputElement>(`[data-testid="${testid}"]`)];
const texts = (key: string) => inList(key, 'rule-text').map((input) => input.value);
const save = () => get<HTMLButtonElement>('team-save');

async function write(input: HTMLInputElement | undefined, value: string) {
  if (!input) throw new Error('there is no such row');
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
  await settle();
}

test('the lists stand in the order in which they win, with those that hold besides', async () => {
  await editing();
  expect(text('team-rules')).toBe('Rules 3 denied · 3 always asked · 1 allowed');
  expect(texts('deny')).toEqual(['Read(.env)', 'WebFetch']);
  expect(get('rule-list-deny').textContent).toMatch(/Bash\(git push:\*\).*for all teams, line 4/s);
  expect(get('rule-list-autoApprove').textContent).toMatch(/mcp__iris__\*.*Iris’s own/s);
  expect(texts('autoApprove'), 'what Iris has by itself is not the team’s').toEqual([]);
  const order = ['deny', 'requireApproval', 'autoApprove'].map((key) => get(`rule-list-${key}`));
  expect(order[0]!.compareDocumentPosition(order[1]!) & order[1]!.compareDocumentPosition(order[2]!)).toBeTruthy();
  expect(find('rule-preview'), 'nothing changes').toBeNull();
});

test('a mistake is told while it is typed, and is not saved', async () => {
  const { api } = await editing();
  const [row] = inList('deny', 'rule-text');
  await write(row, 'Read(.env');
  expect(text('rule-mistake')).toBe('The rule `Read(.env` has a `(` and does not end with `)`. Perhaps you mean `Read(.env)`.');
  expect(row!.getAttribute('aria-invalid')).toBe('true');
  expect(save().disabled).toBe(true);
  await pause();
  expect(api.calls.some((c) => c.name === 'previewTeam'), 'it means nothing yet').toBe(false);
  await write(row, 'Read(.env)');
  expect([find('rule-mistake'), save().disabled]).toEqual([null, false]);
  await write(row, 'Read\u202e');
  expect(get('rule-list-deny').textContent).toContain('Read⟨U+202E⟩');
});

test('what it means is seen before it is saved; the last word wins', async () => {
  const answers: ((said: Consequences) => void)[] = [];
  const { api } = await editing((api) => {
    api.consequences = () => new Promise((told) => answers.push(told));
  });
  await click(inList('autoApprove', 'rule-add')[0]!);
  expect(texts('autoApprove'), 'a list that is written replaces Iris’s own').toEqual(['mcp__iris__*', '']);
  const row = inList('autoApprove', 'rule-text')[1]!;
  expect(document.activeElement).toBe(row);
  await write(row, 'Bash(l');
  await write(row, 'Bash(ls:*)');
  expect(save().disabled, 'nothing is saved that nobody saw').toBe(true);
  await pause();
  await write(row, 'Bash');
  await pause();
  expect(api.calls.filter((c) => c.name === 'previewTeam').map((c) => c.args[1]), 'asked when the typing rests').toEqual([
    { approvalPolicy: { autoApprove: ['mcp__iris__*', 'Bash(ls:*)'] } },
    { approvalPolicy: { autoApprove: ['mcp__iris__*', 'Bash'] } },
  ]);
  answers[1]!(
    someConsequences({
      newlyAllowed: ['rm -rf /\u202e', 'b', 'cc', 'ddd', 'eeee', 'fffff'].map((s) => differs(s)),
      newlyDenied: [differs('x', { then: 'deny', decision: 'deny' })],
      config: { before: '{ "a": 1 }\n', after: '{ "a": 2 }\n' },
    }),
  );
  await settle();
  answers[0]!(someConsequences({ of: 1 }));
  await settle();
  expect(text('rule-counts')).toBe('Of the last 500 requests: 6 newly allowed, 0 newly asked, 1 newly denied.');
  expect(all('rule-differs')).toHaveLength(5);
  expect(all('rule-differs')[0]?.textContent, 'the riskiest is the first, and hides nothing').toContain('rm -rf /⟨U+202E⟩');
  expect(all('rule-differs').at(-1)?.textContent).toContain('you denied it');
  expect(text('rule-config')).toContain('"a": 2');
  await click(get('rule-preview').querySelector<HTMLElement>('button')!);
  expect(all('rule-differs')).toHaveLength(7);
  await click('team-save');
  expect(api.calls.at(-1)).toMatchObject({ name: 'editTeam', args: ['api', { approvalPolicy: { autoApprove: ['mcp__iris__*', 'Bash'] } }] });
});

test('rows come and go with the keyboard, and a list goes back to what Iris has', async () => {
  const { api } = await editing();
  const [first] = inList('deny', 'rule-text');
  await press('Enter', {}, first!);
  expect(texts('deny')).toEqual(['Read(.env)', '', 'WebFetch']);
  expect(api.calls.some((c) => c.name === 'editTeam'), 'Enter sends nothing').toBe(false);
  await pause();
  expect(find('rule-preview'), 'an empty row is no rule').toBeNull();
  await click(inList('deny', 'rule-remove')[0]!);
  await click(inList('deny', 'rule-remove')[0]!);
  await pause();
  expect(api.calls.at(-1)).toMatchObject({ name: 'previewTeam', args: ['api', { approvalPolicy: { deny: ['WebFetch'] } }] });
  await click(inList('autoApprove', 'rule-write')[0]!);
  await click(inList('autoApprove', 'rule-unwrite')[0]!);
  await pause();
  await click('team-save');
  expect(api.calls.at(-1)?.args[1], 'as it was').toEqual({ approvalPolicy: { deny: ['WebFetch'] } });
});

test('another mode is looked at too, and what the core cannot say keeps nobody from a stricter one', async () => {
  const { api } = await editing((api) => {
    api.failures.set('previewTeam', problem('storage', 'The log cannot be read.', 'Look at the disk.'));
  });
  await choose('team-mode-select', 'no');
  expect(save().disabled).toBe(true);
  await pause();
  expect(text('rule-preview-problem')).toContain('The log cannot be read. Look at the disk.');
  await click('team-save');
  expect(api.calls.at(-1)).toMatchObject({ name: 'editTeam', args: ['api', { grantPermission: 'no' }] });
});

test('a new team starts with rules too, and there is nothing to compare', async () => {
  const { api } = await open();
  await click('nav-teams');
  await click('team-add');
  await settle();
  await click(inList('deny', 'rule-add')[0]!);
  await write(inList('deny', 'rule-text')[0], 'WebFetch');
  const path = get<HTMLInputElement>('team-path-input');
  await write(path, '~/code/new');
  await pause();
  expect(find('rule-preview')).toBeNull();
  await click('team-save');
  expect(api.calls.at(-1)).toMatchObject({ name: 'addTeam', args: ['new', { path: '~/code/new', approvalPolicy: { deny: ['WebFetch'] } }] });
});

test('the rules for all teams are edited in the settings', async () => {
  const { api } = await open({ teams: [aTeam('api')] }, (api) => {
    api.rules.set('', aRulesView({ deny: { own: [{ text: 'WebFetch', line: 4 }], common: [], builtIn: [] }, commonMode: 'no' }));
    api.consequences = () => someConsequences({ newlyAsked: [differs('ls')] });
  });
  await click('nav-settings');
  await settle();
  expect(text('common-rules')).toContain('1 denied · 3 always asked · 1 allowed');
  await click('common-edit');
  expect(get<HTMLButtonElement>('common-save').disabled, 'nothing changed').toBe(true);
  await choose('common-mode', '');
  await write(inList('deny', 'rule-text')[0], 'WebSearch');
  await pause();
  expect(text('rule-differs'), 'it says whose').toContain('api Bash ls');
  await click('common-save');
  await settle();
  const saved = api.calls.findLast((c) => c.name === 'editCommonRules');
  expect(saved?.args).toEqual([{ grantPermission: null, approvalPolicy: { deny: ['WebSearch'] } }]);
  expect(find('common-save'), 'it is closed').toBeNull();
});
