import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { ARMING_MS } from '../src/lib/arming';
import { anApproval, aTeam, problem } from '../src/lib/fake';
import { all, click, find, get, open, press, settle, text, type } from './kit';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const two = () => ({ teams: [aTeam('api')], approvals: [anApproval('one'), anApproval('two', { summary: 'make', input: { command: 'make' } })] });

async function arm() {
  await vi.advanceTimersByTimeAsync(ARMING_MS);
  await settle();
}

function answers(api: { calls: { name: string; args: unknown[] }[] }) {
  return api.calls.filter((c) => c.name === 'answer').map((c) => c.args);
}

describe('what Claude Code says beside a request', () => {
  test('is shown, with what it hides in sight', async () => {
    const beside = { suggestedRules: ['Bash(make *)', 'Read'], blockedPath: '/srv/\u202ex', decisionReason: 'outside of the project', agentId: 'sub-1' };
    await open({ teams: [aTeam('api')], approvals: [anApproval('one', beside)] });
    expect(all('approval-rule').map((rule) => rule.textContent?.trim())).toEqual(beside.suggestedRules);
    expect(text('approval-reason')).toContain('outside of the project');
    expect(text('approval-blocked')).toContain('U+202E');
    expect(document.body.textContent).toContain('sub-1');
  });

  test('takes no room where nothing is said', async () => {
    await open(two());
    for (const id of ['approval-rule', 'approval-reason', 'approval-blocked']) expect(find(id)).toBeNull();
  });
});

describe('Allow', () => {
  test('does nothing until it is armed', async () => {
    const { api } = await open(two());
    expect(get('approval-allow').getAttribute('aria-disabled'), 'said to assistive technology').toBe('true');
    await click('approval-allow');
    await press('Enter', { ctrlKey: true });
    await vi.advanceTimersByTimeAsync(ARMING_MS - 1);
    await click('approval-allow');
    expect(answers(api), 'nothing may be allowed before the arming time').toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    await settle();
    expect(get('approval-allow').getAttribute('aria-disabled')).toBe('false');
    await click('approval-allow');
    expect(answers(api)).toEqual([['one', { answer: 'allow' }]]);
  });

  test('is inert again for the next request, so that a double click allows one thing only', async () => {
    const { api } = await open(two());
    await arm();
    await click('approval-allow');
    expect(get('approval-row').getAttribute('aria-current'), 'the next request came on show').toBe('true');
    await click('approval-allow');
    await press('Enter', { ctrlKey: true });
    expect(answers(api), 'the second click hit an inert button').toHaveLength(1);
    expect(document.activeElement, 'the keyboard goes on from the list').toBe(get('approval-row'));
    await arm();
    await click('approval-allow');
    expect(answers(api).map(([id]) => id)).toEqual(['one', 'two']);
  });

  test('is inert again when another row is chosen, and when another surface shows an approval', async () => {
    const { api } = await open(two());
    await arm();
    await click(all('approval-row')[1]!);
    await click('approval-allow');
    await arm();
    api.show('one');
    await settle();
    await click('approval-allow');
    expect(answers(api)).toEqual([]);
  });

  test('stays armed for the request on show when others come', async () => {
    const { api } = await open(two());
    await arm();
    api.publish({ approvals: [...api.state.approvals, anApproval('three')] });
    await settle();
    expect(get('approval-allow').getAttribute('aria-disabled')).toBe('false');
    await click('approval-allow');
    expect(answers(api)).toEqual([['one', { answer: 'allow' }]]);
  });

  test('is never focused by itself, and Enter alone does not allow', async () => {
    const { api } = await open(two());
    await arm();
    expect(document.activeElement).not.toBe(get('approval-allow'));
    await press('Enter');
    await press('Enter', {}, get('approval-row'));
    await press('Enter', { ctrlKey: true, repeat: true });
    expect(answers(api)).toEqual([]);
    await press('Enter', { ctrlKey: true });
    expect(answers(api)).toHaveLength(1);
  });

  test('is inert again after the window was out of sight', async () => {
    const { api } = await open(two());
    await arm();
    document.dispatchEvent(new Event('visibilitychange'));
    await settle();
    await click('approval-allow');
    expect(answers(api)).toEqual([]);
  });
});

describe('Deny', () => {
  test('works at once, by button and by key', async () => {
    const { api } = await open(two());
    await click('approval-deny');
    await press('d');
    expect(answers(api)).toEqual([['one', { answer: 'deny' }], ['two', { answer: 'deny' }]]);
  });

  test('with a message tells it; Ctrl+Enter there denies and never allows', async () => {
    const { api } = await open(two());
    await arm();
    await click('approval-deny-message');
    expect(document.activeElement, 'ready to type').toBe(get('approval-message-input'));
    expect(find('approval-allow'), 'Allow is away while a denial is written').toBeNull();
    await type('approval-message-input', '  use the staging host  ');
    await press('d', {}, get('approval-message-input'));
    expect(answers(api), 'a letter typed is not a shortcut').toEqual([]);
    await press('Enter', { ctrlKey: true }, get('approval-message-input'));
    expect(answers(api)).toEqual([['one', { answer: 'deny', message: 'use the staging host' }]]);
  });

  test('Esc leaves the message without an answer', async () => {
    const { api } = await open(two());
    await click('approval-deny-message');
    await press('Escape', {}, get('approval-message-input'));
    expect(find('approval-message-input')).toBeNull();
    expect(answers(api)).toEqual([]);
  });
});

test('an edited command is allowed in place of the asked one, its other fields stay', async () => {
  const { api } = await open(two());
  await arm();
  await click('approval-edit');
  await type('approval-edit-input', 'cargo test -p domain');
  await press('Enter', { ctrlKey: true }, get('approval-edit-input'));
  expect(answers(api)).toEqual([
    ['one', { answer: 'allow', input: { command: 'cargo test -p domain', description: 'Run the tests' } }],
  ]);
});

test('an edit that is not a JSON object cannot be allowed', async () => {
  const { api } = await open({ approvals: [anApproval('one', { tool: 'mcp__x__y', input: { a: 1 } })] });
  await arm();
  await click('approval-edit');
  await type('approval-edit-input', '[1]');
  await click('approval-allow');
  expect(answers(api)).toEqual([]);
  await type('approval-edit-input', '{"a": 2}');
  await click('approval-allow');
  expect(answers(api)).toEqual([['one', { answer: 'allow', input: { a: 2 } }]]);
});

test('an edited text shows what it hides, and loses it when asked', async () => {
  const { api } = await open({ approvals: [anApproval('one', { input: { command: 'ls \u202etxt' } })] });
  await arm();
  await click('approval-edit');
  expect(text('approval-input')).toContain('ls ⟨U+202E⟩txt');
  await click('approval-edit-clean');
  await click('approval-allow');
  expect(answers(api)).toEqual([['one', { answer: 'allow', input: { command: 'ls txt' } }]]);
});

describe('questions of an agent', () => {
  const input = {
    questions: [
      { question: 'Which database?', header: 'DB', multiSelect: false, options: [{ label: 'SQLite', description: 'small' }, { label: 'PostgreSQL' }] },
      { question: 'Which parts?', header: 'Parts', multiSelect: true, options: [{ label: 'A' }, { label: 'B' }, { label: 'C' }] },
    ],
  };

  test('are answered by an edited input, once each has an answer', async () => {
    const { api } = await open({ approvals: [anApproval('q', { tool: 'AskUserQuestion', input })] });
    await arm();
    const options = all('question-option');
    await click(options[0]!);
    await click('approval-allow');
    expect(answers(api), 'one question is still open').toEqual([]);
    await click(options[4]!);
    await click(options[2]!);
    await click('approval-allow');
    expect(answers(api)).toEqual([
      ['q', { answer: 'allow', input: { questions: input.questions, answers: { 'Which database?': 'SQLite', 'Which parts?': 'A, C' } } }],
    ]);
  });

  test('take own words, which replace a single choice', async () => {
    const { api } = await open({ approvals: [anApproval('q', { tool: 'AskUserQuestion', input: { questions: input.questions.slice(0, 1) } })] });
    await arm();
    await click(all('question-option')[1]!);
    await type('question-other', 'DuckDB');
    await click('approval-allow');
    expect(answers(api)[0]?.[1]).toMatchObject({ input: { answers: { 'Which database?': 'DuckDB' } } });
  });

  test('previews of choices stand beside them as plain text that hides nothing', async () => {
    const preview = '# Title\n<b onclick="x()">bold</b> \u202eneddih\n  indented';
    const options = [{ label: 'SQLite', preview }, { label: 'PostgreSQL', preview: 7 }];
    const { api } = await open({ approvals: [anApproval('q', { tool: 'AskUserQuestion', input: { questions: [{ question: 'Which?', options }] } })] });
    await arm();
    expect(all('question-preview')).toHaveLength(1);
    expect(get('question-preview').textContent).toBe(preview.replace('\u202e', '⟨U+202E⟩'));
    expect(get('question-preview').querySelector('b')).toBeNull();
    await click('question-preview');
    expect(all('question-option').some((o) => (o as HTMLInputElement).checked), 'looking chooses nothing').toBe(false);
    await click('question-option');
    await click('approval-allow');
    expect(answers(api)).toEqual([['q', { answer: 'allow', input: { questions: [{ question: 'Which?', options }], answers: { 'Which?': 'SQLite' } } }]]);
  });

  test('of an unknown shape are shown as they are', async () => {
    await open({ approvals: [anApproval('q', { tool: 'AskUserQuestion', input: { questions: 'odd' } })] });
    expect(find('question-option')).toBeNull();
    expect(text('approval-input')).toContain('odd');
  });
});

describe('what is shown', () => {
  test('hidden characters stand out by their name', async () => {
    await open({ approvals: [anApproval('x', { input: { command: 'ls \u202e# txt.exe\u200b\u0007' } })] });
    expect(text('approval-input')).toContain('ls ⟨U+202E⟩# txt.exe⟨U+200B⟩⟨U+0007⟩');
    expect(get('approval-input').querySelectorAll('mark')).toHaveLength(3);
  });

  test('every field of an input is there, also of well-known tools', async () => {
    await open({ approvals: [anApproval('x', { input: { command: 'make', timeout: 5, run_in_background: true, odd: { deep: ['value'] } } })] });
    for (const part of ['make', 'timeout', 'run_in_background', 'true', 'odd', 'deep', 'value']) {
      expect(text('approval-input')).toContain(part);
    }
  });

  test('a long command keeps its head and its tail, and shows all when asked', async () => {
    const command = `first\n${'x\n'.repeat(500)}middle\n${'y\n'.repeat(500)}rm -rf last`;
    await open({ approvals: [anApproval('x', { input: { command } })] });
    expect(text('approval-input')).toContain('first');
    expect(text('approval-input')).toContain('rm -rf last');
    expect(text('approval-input')).not.toContain('middle');
    await click(get('approval-input').querySelector('button')!);
    expect(text('approval-input')).toContain('middle');
  });

  test('an edit shows the old and the new text', async () => {
    await open({ approvals: [anApproval('x', { tool: 'Edit', input: { file_path: '/a', old_string: 'before', new_string: 'after', replace_all: true } })] });
    for (const part of ['/a', 'before', 'after', 'replace_all']) expect(text('approval-input')).toContain(part);
  });
});

describe('somebody else', () => {
  test('answered first: said in place, and nothing can be answered any more', async () => {
    const { api } = await open(two());
    await arm();
    api.end('one', 'allow', 'human:notification:alice');
    await settle();
    expect(text('approval-ended')).toContain('Allowed by you in the notification');
    expect(find('approval-allow')).toBeNull();
    await press('d');
    await press('Enter', { ctrlKey: true });
    expect(answers(api)).toEqual([]);
  });

  test.each([
    ['human:tray:alice', 'Denied by you in the tray menu'],
    ['human:cli:alice', 'Denied by you on the command line'],
    ['timeout', 'Denied because nobody answered in time'],
    ['withdrawn:interrupted', 'Denied because the agent stopped waiting (interrupted)'],
  ])('%s', async (by, said) => {
    const { api } = await open({ approvals: [anApproval('one')] });
    api.end('one', 'deny', by);
    await settle();
    expect(text('approval-ended')).toContain(said);
  });

  test('asks to show an approval before the window knows it', async () => {
    const { api, iris } = await open(two());
    api.show('late');
    api.publish({ approvals: [...api.state.approvals, anApproval('late')] });
    await settle();
    expect(iris.shown?.id).toBe('late');
    expect(get('approval-allow').getAttribute('aria-disabled')).toBe('true');
  });

  test('a new request after an ended one comes on show and is announced', async () => {
    const { api, iris } = await open({ approvals: [anApproval('one')] });
    api.end('one', 'deny', 'timeout');
    await settle();
    api.publish({ approvals: [anApproval('new', { summary: 'make install' })] });
    await settle();
    expect(iris.shown?.id).toBe('new');
    expect(document.querySelector('[aria-live]')?.textContent).toContain('make install');
  });
});

test('an answer that fails shows its message and its hint, and can be dismissed', async () => {
  await open(two(), (api) => api.failures.set('answer', problem('storage', 'The audit log is full.', 'Free some space.')));
  await click('approval-deny');
  expect(text('error-notice')).toContain('The audit log is full.');
  expect(text('error-notice')).toContain('Free some space.');
  expect(all('approval-row'), 'it still waits').toHaveLength(2);
  await click(get('error-notice').querySelector('button')!);
  expect(find('error-notice')).toBeNull();
});

function together(api: { calls: { name: string; args: unknown[] }[] }) {
  return api.calls.filter((c) => c.name === 'answerTogether').map((c) => c.args);
}

describe('answers together', () => {
  const three = () => ({
    teams: [aTeam('api'), aTeam('docs')],
    approvals: [
      anApproval('one', { like: 'x', summary: 'cargo test a' }),
      anApproval('two', { like: 'x', summary: 'cargo test b' }),
      anApproval('odd', { summary: 'rm x' }),
      anApproval('far', { team: 'docs' }),
    ],
  });

  test('those that are alike are shown, then allowed, and none that came meanwhile', async () => {
    const { api } = await open(three());
    expect(text('allow-like')).toBe('Allow all 2 like this…');
    await click('allow-like');
    expect(all('together-row').map((row) => row.textContent)).toEqual([expect.stringContaining('cargo test a'), expect.stringContaining('cargo test b')]);
    await click('together-send');
    expect(together(api), 'a click that was meant for something else').toEqual([]);
    api.publish({ approvals: [...api.state.approvals, anApproval('late', { like: 'x' })] });
    await arm();
    expect(text('together-send')).toBe('Allow these 2');
    await click('together-send');
    expect(together(api)).toEqual([[['one', 'two'], { answer: 'allow' }]]);
    expect(find('together')).toBeNull();
    expect(all('approval-row')).toHaveLength(3);
  });

  test('all of a team are denied, with words; one that was answered first is told of', async () => {
    const { api } = await open(three());
    expect(text('deny-team')).toBe('Deny all 3 from api…');
    await click('deny-team');
    await type('together-message', 'Not now');
    api.end('two', 'allow', 'human:cli:ann');
    await settle();
    expect(all('together-row')[1]?.textContent).toContain('no longer waits');
    expect(text('together-send')).toBe('Deny these 2');
    await arm();
    await click('together-send');
    expect(together(api)).toEqual([[['one', 'two', 'odd'], { answer: 'deny', message: 'Not now' }]]);
    expect(text('error-notice')).toContain('2 of 3 were answered.');
  });

  test('one that is like no other has no button for it', async () => {
    await open({ teams: [aTeam('docs')], approvals: [anApproval('far', { team: 'docs' })] });
    expect(find('allow-like')).toBeNull();
    expect(find('deny-team')).toBeNull();
  });
});

describe('a global shortcut', () => {
  afterEach(() => void vi.restoreAllMocks());

  const focused = (has: boolean) => vi.spyOn(document, 'hasFocus').mockReturnValue(has);

  test('answers what the person has before their eyes', async () => {
    focused(true);
    const { api } = await open(two());
    expect(api.onShow).toBe('approvals');
    api.press('allow');
    await settle();
    expect(answers(api), 'not before it is armed').toEqual([]);
    await arm();
    api.press('allow');
    await settle();
    expect(answers(api)).toEqual([['one', { answer: 'allow' }]]);
    api.press('deny');
    await settle();
    expect(answers(api)[1]).toEqual(['two', { answer: 'deny' }]);
  });

  test('allows nothing that was not seen, and nothing that is covered', async () => {
    focused(false);
    const { api, iris } = await open(two());
    await arm();
    api.press('allow');
    api.press('deny');
    await settle();
    expect(answers(api), 'the window never was in front').toEqual([]);
    window.dispatchEvent(new Event('focus'));
    iris.view = 'teams';
    await settle();
    expect(api.onShow).toBe('teams');
    api.press('allow');
    await settle();
    expect(answers(api), 'another view is on show').toEqual([]);
    iris.view = 'approvals';
    await settle();
    window.dispatchEvent(new Event('focus'));
    await arm();
    await click('approval-deny-message');
    api.press('allow');
    await settle();
    expect(answers(api), 'words are being typed').toEqual([]);
  });
});
