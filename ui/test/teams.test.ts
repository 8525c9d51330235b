import { describe, expect, test } from 'vitest';

import { anApproval, aTeam, problem } from '../src/lib/fake';
import { all, choose, click, find, get, open, press, settle, text, type } from './kit';

async function teams(...args: Parameters<typeof open>) {
  const opened = await open(...args);
  await click('nav-teams');
  return opened;
}

test('quitting asks first', async () => {
  const { api } = await open();
  await click('quit');
  expect(api.calls.some((c) => c.name === 'quit')).toBe(false);
  await click('quit-confirm');
  expect(api.calls.at(-1)?.name).toBe('quit');
});

test('the first look is where the first step is', async () => {
  const { iris } = await open();
  expect(iris.view).toBe('teams');
  expect(find('team-add')).not.toBeNull();
});

test('a config that cannot be read is not taken for one without teams', async () => {
  await teams({ problems: [problem('config', 'config.json, line 3: a comma is missing here', 'Put one.')] });
  expect(find('team-add'), 'it could not be added').toBeNull();
  expect(document.body.textContent).toContain('Iris does not know your teams');
});

describe('adding a team', () => {
  test('an empty form is not scolded', async () => {
    await teams();
    await click('team-add');
    expect(get('team-name-problem').classList.contains('bad')).toBe(false);
    await type('team-name-input', 'not good');
    expect(get('team-name-problem').classList.contains('bad')).toBe(true);
  });

  test('a chosen folder proposes a free name; only what was said is sent', async () => {
    const { api } = await teams({ teams: [aTeam('billing')] });
    await click('team-add');
    await click('team-pick-folder');
    expect(get<HTMLInputElement>('team-path-input').value).toBe('/home/you/code/billing');
    expect(get<HTMLInputElement>('team-name-input').value).toBe('billing-2');
    await choose('team-mode-select', 'no');
    await click('team-save');
    expect(api.calls.at(-1)).toEqual({
      name: 'addTeam',
      args: ['billing-2', { path: '/home/you/code/billing', grantPermission: 'no' }],
    });
    expect(all('team-row').map((r) => r.dataset.team)).toEqual(['billing', 'billing-2']);
    expect(find('team-name-input'), 'the dialog is closed').toBeNull();
  });

  test('a typed name is not overwritten by a folder, and is checked while typing', async () => {
    const { api } = await teams();
    await click('team-add');
    await type('team-name-input', 'mine');
    await click('team-pick-folder');
    expect(get<HTMLInputElement>('team-name-input').value).toBe('mine');
    await type('team-name-input', 'not good');
    expect(text('team-name-problem')).toContain('A space is not allowed');
    expect(get<HTMLButtonElement>('team-save').disabled).toBe(true);
    await press('Enter', { ctrlKey: true }, get('team-name-input'));
    expect(api.calls.some((c) => c.name === 'addTeam')).toBe(false);
  });

  test('an error of the core stays in the dialog', async () => {
    await teams({}, (api) => api.failures.set('addTeam', problem('config', 'The folder cannot be read.', 'Choose another.')));
    await click('team-add');
    await click('team-pick-folder');
    await click('team-save');
    expect(text('error-notice')).toContain('Choose another.');
    expect(find('team-save')).not.toBeNull();
  });

  test('Esc closes the dialog', async () => {
    await teams();
    await click('team-add');
    await press('Escape', {}, get('team-path-input'));
    expect(find('team-path-input')).toBeNull();
  });
});

test('an edit sends only what changed; an emptied field is removed; a new name stays chosen', async () => {
  const { api, iris } = await teams({ teams: [aTeam('api', { description: 'old', color: '#3b7dd8' })] });
  await click('team-edit');
  await type('team-description-input', '');
  await type('team-name-input', 'core');
  await click('team-save');
  expect(api.calls.at(-1)).toEqual({ name: 'editTeam', args: ['api', { name: 'core', description: '' }] });
  expect(iris.team?.name).toBe('core');
  expect(iris.team?.description).toBeUndefined();
});

test('removing asks first and says what stays', async () => {
  const { api } = await teams({ teams: [aTeam('api')] });
  await click('team-remove');
  expect(document.querySelector('dialog')?.textContent).toContain('Its folder and conversations stay');
  expect(api.calls.some((c) => c.name === 'removeTeam')).toBe(false);
  await click('team-remove-confirm');
  expect(api.calls.at(-1)).toEqual({ name: 'removeTeam', args: ['api'] });
  expect(find('team-row')).toBeNull();
});

describe('a task', () => {
  test('is sent with Ctrl+Enter, its answer outlives a change of view', async () => {
    const { api } = await teams({ teams: [aTeam('api')] });
    await type('team-send-text', 'Fix it');
    await press('Enter', {}, get('team-send-text'));
    expect(api.calls.some((c) => c.name === 'send'), 'Enter alone is a new line').toBe(false);
    await press('Enter', { ctrlKey: true }, get('team-send-text'));
    expect(api.calls.at(-1)).toEqual({ name: 'send', args: ['api', 'Fix it', 600_000] });
    await click('nav-approvals');
    await click('nav-teams');
    expect(text('team-answer')).toContain('Answered after 14 s');
    expect(text('team-answer')).toContain('Done.');
    expect(get('team-answer').dataset.status).toBe('answered');
  });

  test('that timed out says that the agent goes on', async () => {
    await teams({ teams: [aTeam('api')] }, (api) => (api.outcome = { status: 'timeout' }));
    await type('team-send-text', 'Fix it');
    await click('team-send');
    expect(text('team-answer')).toContain('The agent goes on working');
    expect(text('team-answer')).not.toContain('Answered');
  });

  test('that failed shows the error with its hint', async () => {
    const error = problem('agent', 'Claude Code is not signed in.', 'Run `claude` once.');
    await teams({ teams: [aTeam('api')] }, (api) => (api.outcome = { status: 'failed', error }));
    await type('team-send-text', 'Fix it');
    await click('team-send');
    expect(text('team-answer')).toContain('Failed');
    expect(text('team-answer')).toContain('Run `claude` once.');
  });

  test('whose call is refused shows why', async () => {
    await teams({ teams: [aTeam('api')] }, (api) => api.failures.set('send', problem('busy', 'The queue is full.', 'Wait.')));
    await type('team-send-text', 'Fix it');
    await click('team-send');
    expect(get('team-answer').dataset.status).toBe('failed');
    expect(text('team-answer')).toContain('The queue is full.');
  });
});

test('tasks can be queued; the newest stands first', async () => {
  await teams({ teams: [aTeam('api')] });
  for (const task of ['one', 'two']) {
    await type('team-send-text', task);
    await click('team-send');
  }
  expect(all('team-answer').map((a) => a.querySelector('.task')?.textContent)).toEqual(['“two”', '“one”']);
});

test('a team that is still starting can be stopped', async () => {
  const { api } = await teams({ teams: [aTeam('api')] }, (api) => (api.wake = () => new Promise(() => undefined)));
  await click('team-start');
  expect(get<HTMLButtonElement>('team-start').disabled, 'one start is enough').toBe(true);
  api.publish({ teams: [aTeam('api', { state: 'waking' })] });
  await settle();
  await click('team-stop');
  expect(api.calls.at(-1)).toEqual({ name: 'sleep', args: ['api'] });
});

test('start and stop', async () => {
  const { api } = await teams({ teams: [aTeam('api')] });
  await click('team-start');
  expect(get('team-row').dataset.state).toBe('idle');
  await click('team-stop');
  expect(get('team-row').dataset.state).toBe('asleep');
  expect(api.calls.map((c) => c.name)).toEqual(['snapshot', 'wake', 'sleep']);
});

test('trouble shows the reason, the next step and the last words of the agent', async () => {
  const trouble = problem('agent', 'Claude Code ended.', 'Sign in.');
  const session = { id: 's', from: 'console', state: 'trouble' as const, queued: 0, stderrTail: ['no \u202ecredentials'], lastActivity: new Date().toISOString() };
  await teams({ teams: [aTeam('api', { state: 'trouble', problem: trouble, sessions: [session] })] });
  const shown = document.querySelector('main')?.textContent ?? '';
  for (const part of ['Claude Code ended.', 'Sign in.', 'no ⟨U+202E⟩credentials']) expect(shown).toContain(part);
});

test('a session without last words is no trouble to show', async () => {
  // The core leaves an empty list out.
  const session = { id: 's', from: 'console', state: 'idle', queued: 0, lastActivity: new Date().toISOString() };
  await teams({ teams: [aTeam('api', { sessions: [session as never] })] });
  expect(find('team-send')).not.toBeNull();
});

test('keys switch views and move through a list, but not while typing', async () => {
  const { iris } = await open({ teams: [aTeam('a'), aTeam('b')], approvals: [anApproval('one'), anApproval('two')] });
  await press('j');
  expect(iris.shown?.id).toBe('two');
  await press('2');
  expect(iris.view).toBe('teams');
  await press('j');
  expect(iris.teamName).toBe('b');
  await press('1', {}, get('team-send-text'));
  expect(iris.view, 'a digit in a text is text').toBe('teams');
  await press('5');
  expect(iris.view).toBe('activity');
});

describe('the whole window', () => {
  test('says that Iris is not reachable, and tries again', async () => {
    const { api } = await open({}, (api) => api.failures.set('snapshot', problem('unavailable', 'Iris does not answer.', 'Start it.')));
    expect(document.body.textContent).toContain('Iris is not reachable');
    expect(document.body.textContent).toContain('Start it.');
    api.failures.clear();
    await click(document.querySelector<HTMLElement>('main button')!);
    expect(document.body.textContent).not.toContain('not reachable');
  });

  test('shows the problems of Iris itself', async () => {
    await open({ problems: [problem('config', 'Line 12 is wrong.', 'Correct it.')] });
    expect(text('problem-banner')).toContain('Line 12 is wrong.');
    expect(text('problem-banner')).toContain('Correct it.');
  });

  test('activity lists decisions and filters by team', async () => {
    const row = { prev: '', hash: '', time: new Date().toISOString(), kind: 'permission' as const, caller: 'api', session: '', host: 'local', tool: 'Bash', digest: '', input: { command: 'ls' }, decision: 'allow' as const, decidedBy: 'human:tray:me', policyHash: '', waitMs: 1 };
    const { api } = await open({ teams: [aTeam('a'), aTeam('b')] }, (api) => (api.rows = [{ ...row, seq: 2, team: 'a' }, { ...row, seq: 1, team: 'b' }]));
    await click('nav-activity');
    await settle();
    expect(all('activity-row')).toHaveLength(2);
    expect(document.body.textContent).toContain('by you in the tray menu');
    await choose('activity-team', 'b');
    await settle();
    expect(api.calls.at(-1)?.args).toEqual([{ filter: { team: 'b' }, limit: 50 }]);
    expect(all('activity-row')).toHaveLength(1);
  });
});
