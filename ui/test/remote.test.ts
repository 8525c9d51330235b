// Teams on other hosts: their links, their form, the connection test.
import { describe, expect, test, vi } from 'vitest';

import type { LinkView } from '../src/bindings/LinkView';
import { editOf, fieldsOf, itemsOf, problemsOf } from '../src/lib/fields';
import { aTeam, GOOD_TEST, problem } from '../src/lib/fake';
import { FRESH_MS, linkLine, linkWords } from '../src/lib/link';
import { join, split, takeJump } from '../src/lib/shell';
import { all, choose, click, find, get, open, press, settle, text, type } from './kit';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const at = (ms: number) => new Date(NOW + ms).toISOString();

async function teams(...args: Parameters<typeof open>) {
  const opened = await open(...args);
  await click('nav-teams');
  return opened;
}

describe('a link in words', () => {
  const down = problem('network', 'box does not answer.', 'See that it is on.');
  test.each<[LinkView | undefined, string, string]>([
    [undefined, 'none', 'not connected'],
    [{ state: 'down' }, 'none', 'not connected'],
    [{ state: 'connecting' }, 'busy', 'connecting'],
    [{ state: 'verifying' }, 'busy', 'connected, verifying'],
    [{ state: 'up' }, 'busy', 'connected, not verified yet'],
    [{ state: 'up', verifiedAt: at(-4_000), rttMs: 12.3 }, 'good', 'verified 4 s ago, 12 ms'],
    [{ state: 'up', verifiedAt: at(-4_000), rttMs: 0.4 }, 'good', 'verified 4 s ago, under 1 ms'],
    [{ state: 'up', verifiedAt: at(0) }, 'good', 'verified just now'],
    [{ state: 'up', verifiedAt: at(-FRESH_MS - 15_000), rttMs: 12 }, 'warn', 'last verified 1 min ago'],
    [{ state: 'degraded', verifiedAt: at(-4_000), rttMs: 12, problem: down }, 'warn', 'degraded: box does not answer.'],
    [{ state: 'degraded' }, 'warn', 'degraded: The last proof did not come back.'],
    [{ state: 'reconnecting', retryAt: at(8_000) }, 'warn', 'reconnecting in 8 s'],
    [{ state: 'reconnecting', retryAt: at(-1), problem: down }, 'warn', 'reconnecting: box does not answer.'],
    [{ state: 'needsYou', problem: problem('network', 'a\u202eb', '') }, 'bad', 'needs you: a⟨U+202E⟩b'],
  ])('%j', (link, tone, line) => {
    const words = linkWords(link, NOW);
    expect([words.tone, linkLine(words)]).toEqual([tone, line]);
  });
});

describe('a remote team on show', () => {
  const remote = (link: LinkView) => aTeam('box', { host: 'me@box', state: 'idle', link });

  test('says where it is and how its link does, in the list and on its page', async () => {
    const link: LinkView = {
      state: 'degraded', port: 1616, warning: 'Plain HTTP inside the tunnel.',
      problem: problem('network', 'The last proof did not come back.', 'Look at the network.'),
    };
    await teams({ teams: [remote(link), aTeam('here')] });
    const [row, here] = all('team-row');
    expect(row?.textContent).toContain('me@box');
    expect(row?.textContent).toContain('degraded: The last proof');
    expect(here?.querySelector('[data-testid="link-state"]'), 'a local team has none').toBeNull();
    expect(text('link-problem')).toContain('Look at the network.');
    expect(text('link-warning')).toContain('Plain HTTP');
    expect(document.querySelector('.page')?.textContent).toContain('port 1616');
    expect(document.querySelectorAll('.state.idle.unsure').length, 'idle is not green: nobody knows').toBe(2);
  });

  test('gets older while nobody proves it, and is not drawn while the window is out of sight', async () => {
    vi.useFakeTimers();
    try {
      await teams({ teams: [remote({ state: 'up', verifiedAt: new Date().toISOString(), rttMs: 3 })] });
      const tone = () => get('link-state').dataset.tone;
      expect([tone(), text('link-state')]).toEqual(['good', 'verified just now, 3 ms']);
      await vi.advanceTimersByTimeAsync(4_000);
      await settle();
      expect(text('link-state')).toBe('verified 4 s ago, 3 ms');
      const seen = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
      document.dispatchEvent(new Event('visibilitychange'));
      await vi.advanceTimersByTimeAsync(60_000);
      await settle();
      expect(text('link-state'), 'no timer runs').toBe('verified 4 s ago, 3 ms');
      seen.mockRestore();
      document.dispatchEvent(new Event('visibilitychange'));
      await settle();
      expect([tone(), text('link-state')], 'and at once the truth').toEqual(['warn', 'last verified 1 min ago']);
    } finally {
      vi.useRealTimers();
    }
  });

  test('does not say the same problem twice', async () => {
    const same = problem('network', 'The host key changed.', 'Ask its owner.');
    await teams({ teams: [aTeam('box', { host: 'me@box', state: 'trouble', problem: same, link: { state: 'needsYou', problem: same } })] });
    expect(find('link-problem')).toBeNull();
  });
});

describe('arguments of ssh', () => {
  test.each([
    ['', []],
    ['  -o  A=b\t-v ', ['-o', 'A=b', '-v']],
    [`-o 'ProxyCommand=nc -X "5"' ""`, ['-o', 'ProxyCommand=nc -X "5"', '']],
    ['"a \\" b" c\\ d', ['a " b', 'c d']],
  ])('%s', (typed, words) => {
    expect(split(typed)).toEqual(words);
    expect(split(join(words)), 'and back').toEqual(words);
  });

  test('a quote that stays open is no argument', () => expect(split("-o 'x")).toBeNull());

  test.each([
    [['-v', '-J', 'gate', '-4'], 'gate', ['-v', '-4']],
    [['-Jgate,two'], 'gate,two', []],
    [['-v'], '', ['-v']],
  ])('the jump host of %j', (args, jump, rest) => expect(takeJump(args)).toEqual({ jump, rest }));
});

describe('the fields', () => {
  const start = {
    name: 'box', path: '~/x', remote: 'me@box', enableReverseMcp: true, allowHttp: true, reverseMcpPort: 1700,
    remoteOptions: { port: 2222, extraSshArgs: ['-J', 'gate', '-4'] },
    reverseMcpPermissions: { deniedTools: ['team_*'] },
  };

  test('as they are change nothing', () => expect(editOf(start, fieldsOf(start))).toEqual({}));

  test('that were emptied are removed; the others stay', () => {
    const fields = { ...fieldsOf(start), port: ' ', jump: '', reversePort: '', deniedTools: '', https: true };
    expect(editOf(start, fields)).toEqual({
      remoteOptions: { port: 0, extraSshArgs: ['-4'] },
      reverseMcpPort: 0,
      allowHttp: false,
      reverseMcpPermissions: { deniedTools: [] },
    });
  });

  test('of a team that comes home take the tools with them', () => {
    expect(editOf(start, { ...fieldsOf(start), away: false })).toEqual({ remote: '', enableReverseMcp: false });
  });

  test('are checked while they are typed', () => {
    const fields = { ...fieldsOf(start), remote: ' ', path: '', port: '70000', connectTimeout: '0', extraArgs: '"', jump: 'a b', reversePort: 'x' };
    expect(Object.keys(problemsOf(fields)).sort()).toEqual(['connectTimeout', 'extraArgs', 'jump', 'path', 'port', 'remote', 'reversePort']);
    expect(problemsOf({ ...fields, path: '/x', away: false }), 'what is not shown is not wrong').toEqual({});
    expect(problemsOf(fieldsOf(start))).toEqual({});
  });

  test.each([
    [' me@box ', 'me@box'],
    ['-J gate me@box -p 22', 'ssh -J gate me@box -p 22'],
    ['ssh me@box', 'ssh me@box'],
  ])('a host may be typed as after ssh: %s', (remote, written) => {
    expect(editOf(undefined, { ...fieldsOf(), away: true, path: '~', remote }).remote).toBe(written);
  });

  test('lists take commas and blanks', () => expect(itemsOf(' a, b,,c  d ,')).toEqual(['a', 'b', 'c', 'd']));
});

describe('the form', () => {
  test('adds a remote team, with what was said and no more', async () => {
    const { api } = await teams({ teams: [aTeam('api')] });
    await click('team-add');
    await click('team-where-remote');
    expect(find('team-pick-folder'), 'a dialog of this computer does not know that host').toBeNull();
    expect(document.querySelector('dialog')?.querySelector('.bad'), 'an empty form is not scolded').toBeNull();
    await type('team-remote-input', 'me@box');
    await type('team-path-input', '~/train');
    expect(get<HTMLInputElement>('team-name-input').value).toBe('train');
    await type('team-port-input', '2222');
    await type('team-jump-input', 'gate');
    await choose('team-hostKeys-select', 'yes');
    await click('team-irisTools');
    await type('team-deniedTargets-input', 'api, docs');
    await click('team-save');
    expect(api.calls.at(-1)).toEqual({
      name: 'addTeam',
      args: [
        'train',
        {
          path: '~/train',
          remote: 'me@box',
          remoteOptions: { port: 2222, strictHostKeyChecking: 'yes', extraSshArgs: ['-J', 'gate'] },
          enableReverseMcp: true,
          reverseMcpPermissions: { deniedTargets: ['api', 'docs'] },
        },
      ],
    });
  });

  test('does not save what is wrong', async () => {
    await teams();
    await click('team-add');
    await click('team-where-remote');
    await type('team-path-input', '~/train');
    expect(get<HTMLButtonElement>('team-save').disabled, 'no host').toBe(true);
    await type('team-remote-input', 'me@box');
    await type('team-port-input', 'x');
    expect(get('team-port-input').getAttribute('aria-invalid')).toBe('true');
    expect(get<HTMLButtonElement>('team-save').disabled).toBe(true);
  });

  test('tells while it is typed what ssh cannot be told', async () => {
    await teams();
    await click('team-add');
    await click('team-where-remote');
    await type('team-path-input', '~/train');
    await type('team-remote-input', 'ssh -M me@box');
    expect(get('team-remote-input').getAttribute('aria-invalid')).toBe('true');
    expect(get('team-remote-input').closest('.field-row')?.textContent).toContain('`-M` cannot be used');
    expect(get<HTMLButtonElement>('team-save').disabled).toBe(true);
    await type('team-remote-input', 'me@box');
    expect(get<HTMLButtonElement>('team-save').disabled).toBe(false);
    await type('team-extraArgs-input', '-4 -M');
    expect(get('team-extraArgs-input').getAttribute('aria-invalid')).toBe('true');
    expect(get<HTMLButtonElement>('team-save').disabled).toBe(true);
  });

  test('warns of plain HTTP', async () => {
    const { api } = await teams({ teams: [aTeam('box', { host: 'me@box' })] }, (api) => api.settings.set('box', { enableReverseMcp: true }));
    await click('team-edit');
    expect(find('team-http-warning')).toBeNull();
    await click('team-https');
    expect(text('team-http-warning')).toContain('token');
    await click('team-save');
    expect(api.calls.at(-1)).toEqual({ name: 'editTeam', args: ['box', { allowHttp: true }] });
  });

  test('starts from what the team is set to, and shows it', async () => {
    await teams({ teams: [aTeam('box', { host: 'me@box' })] }, (api) => api.settings.set('box', { remoteOptions: { port: 22 }, claudePath: '~/claude' }));
    await click('team-edit');
    expect(get<HTMLInputElement>('team-port-input').value).toBe('22');
    expect(get<HTMLInputElement>('team-claudePath-input').value).toBe('~/claude');
    expect(get<HTMLInputElement>('team-port-input').closest('details')?.open, 'in sight').toBe(true);
    await press('Escape', {}, get('team-port-input'));
    expect(find('team-port-input')).toBeNull();
  });
});

describe('the connection test', () => {
  const box = () => ({ teams: [aTeam('box', { host: 'me@box' })] });

  test('ticks its steps off as they come', async () => {
    let step: (s: (typeof GOOD_TEST)[number]) => void = () => undefined;
    let end: () => void = () => undefined;
    const { iris } = await teams(box(), (api) => {
      api.testConnection = (_name, onStep) => ((step = onStep), new Promise((done) => (end = done)));
    });
    await click('test-connection');
    expect(get<HTMLButtonElement>('test-connection').disabled, 'one at a time').toBe(true);
    step({ name: 'Find the host', state: 'running' });
    await settle();
    expect(all('test-step').map((s) => s.dataset.state)).toEqual(['running']);
    step({ name: 'Find the host', state: 'ok', detail: 'box, port 22' });
    step({ name: 'Sign in', state: 'running' });
    await settle();
    expect(all('test-step').map((s) => s.dataset.state)).toEqual(['ok', 'running']);
    expect(find('test-result'), 'nothing is good before the end').toBeNull();
    step({ name: 'Sign in', state: 'ok' });
    end();
    await settle();
    expect(text('test-result')).toBe('The connection works.');
    expect(iris.announcement).toBe('box: the connection works.');
  });

  test('is not called good any more when the link is not', async () => {
    const link: LinkView = { state: 'reconnecting' };
    await teams({ teams: [aTeam('box', { host: 'me@box', link })] }, (api) => {
      api.test = [{ name: 'Sign in', state: 'ok' }];
    });
    await click('test-connection');
    await settle();
    expect(text('test-result')).toBe('It worked when it was tested.');
  });

  test('says what failed and what to do', async () => {
    await teams(box(), (api) => {
      api.test = [
        { name: 'Sign in', state: 'failed', detail: 'refused', hint: 'Add the key to the agent.' },
        { name: 'Find Claude Code', state: 'skipped' },
      ];
    });
    await click('test-connection');
    await settle();
    expect(all('test-step').map((s) => s.dataset.state)).toEqual(['failed', 'skipped']);
    expect(text('test-step')).toContain('Add the key to the agent.');
    expect(text('test-result')).toBe('It does not work yet.');
  });

  test('that cannot run at all says why', async () => {
    await teams(box(), (api) => api.failures.set('testConnection', problem('unavailable', 'No ssh.', 'Install OpenSSH.')));
    await click('test-connection');
    await settle();
    expect(text('error-notice')).toContain('Install OpenSSH.');
    expect(find('test-result')).toBeNull();
  });

  test('follows a save when that is wanted', async () => {
    const { api } = await teams({ teams: [aTeam('box', { host: 'me@box' })] });
    await click('team-edit');
    await type('team-port-input', '2222');
    await click('team-save-test');
    await settle();
    expect(api.calls.slice(-2).map((c) => c.name)).toEqual(['editTeam', 'testConnection']);
    expect(all('test-step').length).toBe(GOOD_TEST.length);
  });
});
