// The team form: suggested hosts and what ssh makes of them, the fields few need, the environment.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { envOf, envProblem, newRow, rowsOf } from '../src/lib/env';
import { aTeam, problem, type FakeApi } from '../src/lib/fake';
import { editOf, fieldsOf, hostOf, problemsOf } from '../src/lib/fields';
import { all, choose, click, find, get, open, press, settle, text, type } from './kit';

const HOSTS = { gate: {}, 'gpu-box': { user: 'ml', host: 'gpu.lab', port: 2222, via: 'gate' }, 'gpu-old': {} };

async function adding(prepare: (api: FakeApi) => void = () => undefined) {
  const opened = await open({}, (api) => {
    api.hosts = HOSTS;
    prepare(api);
  });
  await click('nav-teams');
  await click('team-add');
  await click('team-where-remote');
  return opened;
}

async function editing(settings: Parameters<FakeApi['settings']['set']>[1], prepare: (api: FakeApi) => void = () => undefined) {
  const opened = await open({ teams: [aTeam('box', { host: 'me@box' })] }, (api) => {
    api.settings.set('box', settings);
    prepare(api);
  });
  await click('nav-teams');
  await click('team-edit');
  return opened;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Lets what waits for the end of typing happen. */
async function pause() {
  await vi.advanceTimersByTimeAsync(300);
  await settle();
}

const remote = () => get<HTMLInputElement>('team-remote-input');
const offered = () => all('team-remote-input-option').map((o) => o.textContent?.trim());
const active = () => document.getElementById(remote().getAttribute('aria-activedescendant') ?? '')?.textContent?.trim();

describe('the host', () => {
  test('is chosen of those in ~/.ssh/config, with the keyboard alone', async () => {
    const { api } = await adding();
    expect(offered(), 'nothing pops up by itself').toEqual([]);
    await press('ArrowDown', {}, remote());
    expect([offered(), active()]).toEqual([['gate', 'gpu-box', 'gpu-old'], 'gate']);
    expect(remote().getAttribute('aria-expanded')).toBe('true');
    await type('team-remote-input', 'GPU');
    expect([offered(), active()], 'what is typed narrows it').toEqual([['gpu-box', 'gpu-old'], undefined]);
    await press('ArrowUp', {}, remote());
    expect(active(), 'up is from the end').toBe('gpu-old');
    await press('ArrowDown', {}, remote());
    expect(active(), 'and round').toBe('gpu-box');
    await press('Enter', {}, remote());
    expect([remote().value, offered()]).toEqual(['gpu-box', []]);
    expect(api.calls.some((c) => c.name === 'addTeam'), 'Enter chose and sent nothing').toBe(false);
  });

  test('is chosen with a click; Esc closes the list and not the dialog; anything may be typed', async () => {
    await adding();
    await click('team-remote-input');
    await click(all('team-remote-input-option')[1]!);
    expect([remote().value, offered()]).toEqual(['gpu-box', []]);
    await click('team-remote-input');
    expect(offered(), 'who has chosen sees the others').toHaveLength(3);
    await press('Escape', {}, remote());
    expect([offered(), remote().isConnected]).toEqual([[], true]);
    await type('team-remote-input', 'me@elsewhere');
    expect(offered()).toEqual([]);
    await press('Escape', {}, remote());
    expect(find('team-remote-input'), 'now there is only the dialog to close').toBeNull();
  });

  test('shows what ssh makes of it, with the options of the form', async () => {
    const { api } = await adding();
    await type('team-remote-input', 'gpu');
    await type('team-remote-input', 'gpu-box');
    expect(text('team-remote-hint')).toBe('Asking ssh where that leads …');
    await pause();
    expect(text('team-remote-hint')).toBe('ssh connects to ml@gpu.lab:2222, via gate');
    await type('team-remote-input', '-4 me@::1');
    await type('team-port-input', '7');
    await pause();
    expect(text('team-remote-hint')).toContain('me@[::1]:7');
    await type('team-port-input', 'x');
    await pause();
    const asked = api.calls.filter((c) => c.name === 'resolveHost').map((c) => c.args);
    expect(asked, 'once when the typing pauses, and never half an option').toEqual([
      ['gpu-box', {}],
      ['ssh -4 me@::1', { port: 7 }],
    ]);
  });

  test('says in words what ssh does not take', async () => {
    const bad = problem('config', 'Bad configuration option: hots.', 'Correct ~/.ssh/config.');
    const { api } = await adding((api) => api.failures.set('resolveHost', bad));
    await type('team-remote-input', 'gpu-box');
    await pause();
    expect(text('team-remote-hint')).toBe('Bad configuration option: hots. Correct ~/.ssh/config.');
    expect(get('team-remote-hint').classList.contains('bad')).toBe(true);
    api.failures.clear();
    await type('team-remote-input', 'gate');
    expect(text('team-remote-hint'), 'an old answer is not one').not.toContain('hots');
    await pause();
    expect(text('team-remote-hint')).toBe('ssh connects to you@gate:22');
  });

  test('an answer that comes too late is not shown', async () => {
    const late: ((host: { user: string; host: string; port: number; via: null }) => void)[] = [];
    await adding((api) => (api.resolveHost = () => new Promise((done) => late.push(done))));
    for (const host of ['one', 'two']) {
      await type('team-remote-input', host);
      await pause();
    }
    late[1]?.({ user: 'me', host: 'two', port: 22, via: null });
    await settle();
    late[0]?.({ user: 'me', host: 'one', port: 22, via: null });
    await settle();
    expect(text('team-remote-hint')).toBe('ssh connects to me@two:22');
  });
});

describe('the fields few need', () => {
  const start = {
    remote: 'me@box', path: '~', enableReverseMcp: true,
    remoteOptions: { serverAliveInterval: 0, serverAliveCountMax: 5, compression: true, forwardAgent: false },
    reverseMcpRateLimit: { points: 20, duration: 60, blockDuration: 0 },
  };

  test('as they are change nothing', () => expect(editOf(start, fieldsOf(start))).toEqual({}));

  test('a zero is kept where it means something; what is emptied goes', () => {
    const emptied = { aliveInterval: '', aliveCount: ' ', compression: '', forwardAgent: 'yes', ratePoints: '', rateDuration: '10', rateBlock: '' } as const;
    expect(editOf(start, { ...fieldsOf(start), ...emptied })).toEqual({
      remoteOptions: { serverAliveInterval: null, serverAliveCountMax: 0, compression: null, forwardAgent: true },
      reverseMcpRateLimit: { points: 0, duration: 10, blockDuration: null },
    });
    const zero = editOf({ remote: 'me@box', path: '~' }, { ...fieldsOf({ remote: 'me@box', path: '~' }), aliveInterval: '0' });
    expect(zero).toEqual({ remoteOptions: { serverAliveInterval: 0 } });
  });

  test('are checked while they are typed', () => {
    const wrong = { aliveInterval: '-1', aliveCount: '0', ratePoints: '0', rateDuration: 'x', rateBlock: '1.5' };
    expect(Object.keys(problemsOf({ ...fieldsOf(start), ...wrong })).sort()).toEqual(Object.keys(wrong).sort());
    expect(problemsOf({ ...fieldsOf(start), ...wrong, aliveInterval: '0', aliveCount: '1', irisTools: false }), 'without tools there is no limit').toEqual({});
  });

  test('ssh is asked as the team will be', () => {
    expect(hostOf(fieldsOf(start))).toEqual({ remote: 'me@box', options: start.remoteOptions });
    for (const change of [{ remote: ' ' }, { remote: "'a" }, { extraArgs: '"' }, { aliveCount: '0' }]) {
      expect(hostOf({ ...fieldsOf(start), ...change }), JSON.stringify(change)).toBeNull();
    }
  });

  test('stay folded while nothing is set, and say when something in them is wrong', async () => {
    await adding();
    const fold = get('team-advanced').parentElement as HTMLDetailsElement;
    expect(fold.open).toBe(false);
    await type('team-aliveCount-input', '0');
    expect(text('team-advanced')).toContain('needs correcting');
    await type('team-aliveCount-input', '');
    expect(text('team-advanced')).toBe('Advanced');
  });
});

describe('variables', () => {
  const start = { PLAIN: { from: 'text' }, TOKEN: { from: 'keychain', name: 'shared' } } as const;

  test('as they are change nothing; a row of which nothing was typed is not there', () => {
    expect(envOf([...rowsOf(start), newRow()], start)).toEqual({});
  });

  test('change, move and go', () => {
    const [plain, token] = rowsOf(start) as [ReturnType<typeof newRow>, ReturnType<typeof newRow>];
    expect(envOf([{ ...plain, text: 'new' }], start)).toEqual({ PLAIN: { from: 'text', value: 'new' }, TOKEN: { from: 'nowhere' } });
    expect(envOf([{ ...plain, from: 'keychain' }, { ...token, key: '' }], start)).toEqual({
      PLAIN: { from: 'keychain', name: 'PLAIN' },
      TOKEN: { from: 'keychain', name: 'TOKEN' },
    });
    expect(envOf([plain, { ...token, from: 'text' }], start)).toEqual({ TOKEN: { from: 'text', value: '' } });
    expect(envOf([{ ...newRow(' CI '), text: ' 1 ' }])).toEqual({ CI: { from: 'text', value: ' 1 ' } });
  });

  test.each([
    ['', 'x', 'Name the variable.'],
    ['A-B', 'x', 'letters, digits'],
    ['1A', 'x', 'letters, digits'],
    ['PLAIN', 'x', 'twice'],
    ['_a1', '', null],
  ])('the name %j', (name, value, said) => {
    const found = envProblem([...rowsOf(start), { ...newRow(name), text: value }], 2);
    if (said === null) expect(found).toBeNull();
    else expect(found).toContain(said);
  });

  test('a secret goes into the keychain and then out of the form; the config has its name', async () => {
    const { api } = await adding();
    await type('team-remote-input', 'gpu-box');
    await type('team-path-input', '~/train');
    await click('env-add');
    await type('env-name', 'API_KEY');
    await choose('env-from', 'keychain');
    await pause();
    expect(text('env-state')).toContain('Type the secret');
    expect(get<HTMLButtonElement>('team-save').disabled, 'a secret that is nowhere').toBe(true);
    expect(get<HTMLInputElement>('env-secret').type).toBe('password');
    await type('env-secret', 'hunter2');
    expect(text('env-state')).toContain('put into the keychain as “API_KEY”');
    api.failures.set('addTeam', problem('config', 'The config cannot be written.', 'Make room.'));
    await click('team-save');
    await settle();
    expect(get<HTMLInputElement>('env-secret').value, 'it is kept, and here no more').toBe('');
    expect(document.body.innerHTML).not.toContain('hunter2');
    expect(text('env-state')).toContain('Kept in the keychain');
    api.failures.clear();
    await click('team-save');
    await settle();
    const said = api.calls.filter((c) => ['keepSecret', 'addTeam'].includes(c.name));
    expect(said.map((c) => c.name)).toEqual(['keepSecret', 'addTeam', 'addTeam']);
    expect(said[0]?.args).toEqual(['API_KEY', 'hunter2']);
    expect(said[2]?.args).toEqual(['train', { path: '~/train', remote: 'gpu-box', env: { API_KEY: { from: 'keychain', name: 'API_KEY' } } }]);
  });

  test('a secret that cannot be kept stops the save', async () => {
    const { api } = await adding();
    await type('team-remote-input', 'gpu-box');
    await type('team-path-input', '~/train');
    await click('env-add');
    await type('env-name', 'API_KEY');
    await choose('env-from', 'keychain');
    await type('env-secret', 'hunter2');
    api.failures.set('keepSecret', problem('storage', 'The disk is full.', 'Make room.'));
    await click('team-save');
    await settle();
    expect(text('error-notice')).toContain('The disk is full.');
    expect(api.calls.some((c) => c.name === 'addTeam'), 'a team without its secret').toBe(false);
    expect(get<HTMLInputElement>('env-secret').value, 'what was not kept is not lost').toBe('hunter2');
  });

  test('one that the keychain lacks is said at once, and does not stop other changes', async () => {
    const { api } = await editing({ env: start });
    expect(all('env-name').map((n) => (n as HTMLInputElement).value)).toEqual(['PLAIN', 'TOKEN']);
    expect(all('env-text').map((n) => (n as HTMLInputElement).value), 'a text is not told').toEqual(['']);
    await pause();
    const [, token] = all('env-row');
    expect(token?.dataset.kept).toBe('missing');
    expect(token?.textContent).toContain('Missing: the keychain has no “shared”');
    await type('team-description-input', 'x');
    await click('team-save');
    expect(api.calls.at(-1)).toEqual({ name: 'editTeam', args: ['box', { description: 'x' }] });
  });

  test('one that is kept says where, and that replacing it concerns others', async () => {
    await editing({ env: start }, (api) => (api.secrets = [{ name: 'env shared', place: 'thisRun', keptAt: null }]));
    await pause();
    expect(all('env-row')[1]?.dataset.kept).toBe('thisRun');
    expect(all('env-state')[1]?.textContent).toContain('until Iris ends');
    await type('env-secret', 'new');
    expect(all('env-state')[1]?.textContent).toContain('for every team that uses it');
  });

  test('a keychain that does not answer is not taken for an empty one', async () => {
    await editing({ env: start }, (api) => api.failures.set('findSecret', problem('keychain', 'it is locked', 'Unlock it.')));
    await pause();
    expect(all('env-state')[1]?.textContent).toBe('it is locked. Unlock it.');
    expect(all('env-row')[1]?.dataset.kept).toBeUndefined();
  });

  test('is removed, and a local team has them too', async () => {
    const { api } = await open({ teams: [aTeam('api')] }, (api) => api.settings.set('api', { env: start }));
    await click('nav-teams');
    await click('team-edit');
    await click(all('env-remove')[0]!);
    await click('team-save');
    expect(api.calls.at(-1)?.args).toEqual(['api', { env: { PLAIN: { from: 'nowhere' } } }]);
  });
});
