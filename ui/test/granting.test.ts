import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import type { Preview } from '../src/bindings/Preview';
import { readAddress, readPunycode } from '../src/lib/address';
import { ARMING_MS } from '../src/lib/arming';
import { commandParts, sliceParts } from '../src/lib/command';
import { diffOf, folded } from '../src/lib/diff';
import { anApproval, aPreview, aTeam, problem } from '../src/lib/fake';
import { DEBOUNCE_MS } from '../src/lib/granting.svelte';
import { readPlan } from '../src/lib/plan';
import { all, click, find, get, open, press, settle, text, type } from './kit';

describe('a command', () => {
  const kinds = (command: string, kind: string) => commandParts(command).filter((p) => p.kind === kind).map((p) => p.text);

  test.each([
    ['cd /tmp && rm -rf x; ls | sort', ['cd', 'rm', 'ls', 'sort']],
    ['sudo -u bob env A=1 make', ['sudo', 'env', 'make']],
    ['echo "$(whoami)" `id`', ['echo', 'whoami', 'id']],
    ['"rm" -rf /', ['"rm"']],
    ['cat > out <<EOF\nrm $(id)\nEOF\nls', ['cat', 'id', 'ls']],
    ["cat <<'EOF'\nrm $(id)\nEOF\nls", ['cat', 'ls']],
  ])('%s: its programs are marked', (command, programs) => {
    expect(kinds(command, 'program')).toEqual(programs);
  });

  test('separators, redirections, variables and what is put in are marked', () => {
    const command = 'A=$B x 2>/dev/null && y > "$HOME/f" || z # end';
    expect(kinds(command, 'separator')).toEqual(['&&', '||']);
    expect(kinds(command, 'redirect').join(' ')).toContain('2>');
    expect(kinds(command, 'redirect').join(' ')).toContain('>');
    expect(kinds(command, 'variable')).toEqual(expect.arrayContaining(['$HOME']));
    expect(kinds(command, 'comment')).toEqual(['# end']);
    expect(kinds('x "y z"', 'string')).toEqual(['"y z"']);
    expect(kinds('x $(y)', 'substitution')).toEqual(['$(', ')']);
  });

  test('nothing of any text is lost, whatever it is', () => {
    const pieces = ['$(', ')', '`', '"', "'", '\\', '\n', ' ', 'rm', '<<E', 'E\n', '${', '}', '>', '2>&1', '&&', '#', '$x', '(', '|', 'for', 'é', '$'];
    let seed = 7;
    for (let n = 0; n < 3000; n += 1) {
      let command = '';
      for (let i = 0; i < 12; i += 1) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        command += pieces[seed % pieces.length];
      }
      const parts = commandParts(command);
      expect(parts.map((p) => p.text).join('')).toBe(command);
      expect(sliceParts(parts, 2, 9).map((p) => p.text).join('')).toBe(command.slice(2, 9));
    }
  });
});

describe('an address', () => {
  test.each([
    ['https://good.example@evil.example/x', 'evil.example', 'user name'],
    ['https://good.example%2F@evil.example', 'evil.example', 'user name'],
    ['http://evil.example/', 'evil.example', 'not encrypted'],
    ['https://xn--pple-43d.com/', 'xn--pple-43d.com', 'not ASCII'],
    ['https://0x7f.1/', '0x7f.1', 'unusual'],
    ['https:\\\\evil.example\\@good.example/', 'evil.example', 'backslashes'],
  ])('%s: the host that is asked, and what to beware of', (address, host, warning) => {
    const read = readAddress(address);
    expect(read?.host).toBe(host);
    expect(read?.warnings.join(' ')).toContain(warning);
    expect(`${read?.before}${read?.host}${read?.after}`).toBe(address);
  });

  test('an international name is shown as it looks and as it is asked', () => {
    expect(readPunycode('xn--pple-43d')).toBe('\u0430pple');
    expect(readPunycode('xn--mnchen-3ya')).toBe('münchen');
    expect(readAddress('https://m\u00fcnchen.example/')).toMatchObject({ asked: 'xn--mnchen-3ya.example', looksLike: 'münchen.example' });
    expect(readAddress('not one')).toBeNull();
  });
});

test('a diff has every line of both sides, and leaves out what is far from a change', () => {
  const before = Array.from({ length: 40 }, (_, i) => `line ${i}`).join('\n');
  const after = before.replace('line 20', 'line twenty');
  const lines = diffOf(before, after);
  const side = (drop: string) => lines.filter((l) => l.side !== drop).map((l) => l.stretches.map((s) => s.text).join('')).join('\n');
  expect(side('new')).toBe(before);
  expect(side('old')).toBe(after);
  expect(folded(lines).map((b) => [b.shown, b.lines.length])).toEqual([[false, 17], [true, 8], [false, 16]]);
  expect(lines.find((l) => l.side === 'new')?.stretches.filter((s) => s.changed).map((s) => s.text)).toEqual(['twenty']);
});

test('a plan is read as blocks, and links stay as they are written', () => {
  expect(readPlan('# Do\n\n- one\n```sh\nrm x\n```\nsee [docs](https://evil.example)')).toEqual([
    { type: 'heading', level: 1, text: 'Do' },
    { type: 'item', mark: '•', depth: 0, text: 'one' },
    { type: 'code', text: 'rm x' },
    { type: 'text', text: 'see [docs](https://evil.example)' },
  ]);
});

describe('the choice beside Allow', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  async function pass(ms: number) {
    await vi.advanceTimersByTimeAsync(ms);
    await settle();
  }
  const calls = (api: { calls: { name: string; args: unknown[] }[] }, name: string) => api.calls.filter((c) => c.name === name).map((c) => c.args);
  const one = () => ({ teams: [aTeam('api')], approvals: [anApproval('one')] });

  test('stays at once until something is chosen, and is reached by a key', async () => {
    const { api } = await open(one());
    await pass(ARMING_MS);
    expect(find('grant-panel')).toBeNull();
    await press('f');
    expect(document.activeElement).toBe(get('grant-for-once'));
    await click('approval-allow');
    expect(calls(api, 'answer')).toEqual([['one', { answer: 'allow' }]]);
    expect(calls(api, 'previewGrant'), 'nothing is asked for nothing').toEqual([]);
  });

  test('shows what it means before Allow works, and sends scope and time', async () => {
    const seen = { seq: 4, time: new Date().toISOString(), team: 'api', tool: 'Bash', summary: 'cargo test --release', decision: 'deny' as const, decidedBy: 'human:tray:you' };
    const { api } = await open(one(), (fake) => (fake.preview = () => aPreview({ matched: 12, denied: 2, riskiest: [seen] })));
    await pass(ARMING_MS);
    await click('grant-for-15');
    await click('approval-allow');
    expect(calls(api, 'answer'), 'not before its meaning was seen').toEqual([]);
    await pass(DEBOUNCE_MS);
    expect(text('grant-matched')).toContain('12 of the last 500 requests');
    expect(text('grant-denied')).toContain('denied 2');
    expect(all('grant-risky')[0]?.textContent).toContain('cargo test --release');
    expect(text('approval-allow')).toBe('Allow for 15 minutes');
    await click('approval-allow');
    expect(calls(api, 'answer')).toEqual([
      ['one', { answer: 'allow', remember: { what: { scope: 'rules', rules: ['Bash(cargo test:*)'] }, until: { lifetime: 'minutes', minutes: 15 } } }],
    ]);
  });

  test('an answer to an older choice never stands beside a newer one', async () => {
    const answers: ((p: Preview) => void)[] = [];
    await open(one(), (fake) => (fake.preview = () => new Promise((done) => answers.push(done))));
    await click('grant-for-5');
    await pass(DEBOUNCE_MS);
    await type('grant-rule', 'Bash(cargo:*)');
    await pass(DEBOUNCE_MS);
    answers[1]?.(aPreview({ matched: 7 }));
    await settle();
    answers[0]?.(aPreview({ matched: 1 }));
    await settle();
    expect(text('grant-matched')).toContain('7 of');
  });

  test('a rule that cannot be used says why, and Allow rests', async () => {
    const { api } = await open(one(), (fake) => (fake.preview = () => Promise.reject(problem('invalidInput', 'This cannot be granted: no.', 'Change it.'))));
    await pass(ARMING_MS);
    await click('grant-for-5');
    await type('grant-rule', 'Bash(');
    await pass(DEBOUNCE_MS);
    expect(text('grant-refused')).toContain('This cannot be granted: no.');
    await click('approval-allow');
    expect(calls(api, 'answer')).toEqual([]);
    await press('Escape');
    expect(text('approval-allow')).toBe('Allow once');
  });

  test('always shows what the config becomes', async () => {
    await open(one(), (fake) => (fake.preview = () => aPreview({ config: { before: 'a\n', after: 'a\nb\n' } })));
    await click('grant-for-always');
    await pass(DEBOUNCE_MS);
    expect(get('grant-config').querySelector('[data-side="new"]')?.textContent).toContain('b');
    await click('grant-what-exact');
    expect(find('grant-config'), 'the last answer stays until the next comes').not.toBeNull();
  });

  test('where a rule always asks, only once is offered, and it says so', async () => {
    await open({ approvals: [anApproval('one', { offers: { input: false, exact: [], suggested: [], tool: [] } })] });
    expect(text('grant-once-only')).toContain('a rule asks every time');
    expect(find('grant-for-5')).toBeNull();
  });

  test('an edited input shows its change and is previewed as it would run', async () => {
    const { api } = await open(one());
    await click('approval-edit');
    expect(find('approval-changes')).toBeNull();
    await type('approval-edit-input', 'cargo test -p x');
    expect(get('approval-changes').querySelector('[data-side="new"]')?.textContent).toContain('cargo test -p x');
    await click('grant-for-5');
    await pass(DEBOUNCE_MS);
    expect(calls(api, 'previewGrant')[0]?.[2]).toEqual({ command: 'cargo test -p x', description: 'Run the tests' });
  });

  test('a forwarded request says who is asked first, and stops saying so', async () => {
    const { api } = await open({ approvals: [anApproval('one', { forwardedTo: 'lead' })] });
    expect(text('approval-forwarded')).toContain('team lead');
    expect(text('asking')).toBe('asking team lead');
    expect(find('waiting-count'), 'it does not wait for the person').toBeNull();
    api.publish({ approvals: [anApproval('one')] });
    await settle();
    expect(find('approval-forwarded')).toBeNull();
    expect(find('asking')).toBeNull();
    expect(text('waiting-count')).toContain('1');
  });
});
