// What ssh asks, in the window.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import type { PromptKind } from '../src/bindings/PromptKind';
import { ARMING_MS } from '../src/lib/arming';
import { anApproval, aPrompt, aTeam, problem } from '../src/lib/fake';
import { click, find, get, open, press, settle, text, type } from './kit';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const HOST_KEY: PromptKind = { type: 'hostKey', host: 'box (192.0.2.1)', keyType: 'ED25519', fingerprint: 'SHA256:abc' };

async function arm() {
  await vi.advanceTimersByTimeAsync(ARMING_MS);
  await settle();
}

async function asked(...args: Parameters<typeof aPrompt>) {
  const opened = await open({ teams: [aTeam('api')], prompts: [aPrompt(...args)] });
  await arm();
  return opened;
}

function told(api: { calls: { name: string; args: unknown[] }[] }) {
  return api.calls.filter((c) => c.name.endsWith('Prompt'));
}

describe('a question', () => {
  test('lies over every view, oldest first, and says who asks for what', async () => {
    const { api, iris } = await open({ teams: [aTeam('api')] });
    await click('nav-activity');
    api.publish({ prompts: [aPrompt('one'), aPrompt('two', { kind: { type: 'code' } })] });
    await settle();
    expect(get('prompt').tagName, 'a modal of the browser keeps the focus inside').toBe('DIALOG');
    expect(get<HTMLDialogElement>('prompt').open).toBe(true);
    expect(text('prompt')).toContain('ml@gpu-box.lab');
    expect(text('prompt')).toContain('/home/you/.ssh/id_ed25519');
    expect(text('prompt-leave')).toBe('One more question waits after this.');
    expect(iris.announcement).toBe('ml@gpu-box.lab: The passphrase of a key.');
    expect(find('prompt-retry')).toBeNull();
  });

  test.each<[PromptKind, string]>([
    [{ type: 'password', who: 'me@box' }, 'the password of me@box'],
    [{ type: 'code' }, 'good once'],
    [{ type: 'confirm' }, 'your consent'],
    [{ type: 'touch' }, 'nothing to type'],
    [{ type: 'other' }, 'will not remember'],
  ])('%j', async (kind, says) => {
    await asked('one', { kind, text: 'evil\u202etext', rememberable: kind.type === 'password' });
    expect(text('prompt')).toContain(says);
    if (kind.type !== 'password') expect(text('prompt-text'), 'what a server writes hides nothing').toContain('⟨U+202E⟩');
    expect(find('prompt-remember') !== null, 'only what may be stored').toBe(kind.type === 'password');
    expect(find('prompt-answer') !== null).toBe(['password', 'code', 'other'].includes(kind.type));
    expect(find('prompt-yes') !== null).toBe(kind.type === 'confirm');
  });

  test('that was answered elsewhere goes away', async () => {
    const { api } = await asked('one');
    api.publish({ prompts: [] });
    await settle();
    expect(find('prompt')).toBeNull();
  });

  test('keeps keys from what lies behind it', async () => {
    const { api, iris } = await open({ teams: [aTeam('api')], approvals: [anApproval('a')], prompts: [aPrompt('one')] });
    await arm();
    await press('Enter', { ctrlKey: true });
    await press('d');
    await press('2');
    expect(api.calls.some((c) => c.name === 'answer'), 'nothing was allowed or denied unseen').toBe(false);
    expect(iris.view).toBe('approvals');
  });
});

describe('a secret', () => {
  test('is hidden, sent once, and nowhere in the window afterwards', async () => {
    const { api } = await asked('one');
    const field = get<HTMLInputElement>('prompt-answer');
    expect(field.type).toBe('password');
    expect(field.autocomplete).toBe('off');
    expect(document.activeElement, 'ready to type').toBe(field);
    // The core takes its time; the field is empty at once.
    let done: (place: null) => void = () => undefined;
    api.answerPrompt = (...args) => {
      api.calls.push({ name: 'answerPrompt', args });
      return new Promise((resolve) => (done = resolve));
    };
    await type('prompt-answer', 'hunter2');
    await click('prompt-send');
    expect(told(api)).toEqual([{ name: 'answerPrompt', args: ['one', 'hunter2', false] }]);
    expect(field.value).toBe('');
    await click('prompt-send');
    expect(told(api), 'not twice').toHaveLength(1);
    done(null);
    await settle();
    expect(document.documentElement.outerHTML).not.toContain('hunter2');
  });

  test('is remembered when that is wanted', async () => {
    const { api, iris } = await asked('one');
    await click('prompt-remember');
    await type('prompt-answer', 'x');
    await click('prompt-send');
    expect(told(api)).toEqual([{ name: 'answerPrompt', args: ['one', 'x', true] }]);
    expect(iris.notices, 'as it was said').toEqual([]);
  });

  test('that no keychain takes lasts until Iris ends, and that is said', async () => {
    const { api } = await open({ teams: [aTeam('api')], prompts: [aPrompt('one')] }, (api) => (api.place = 'thisRun'));
    await arm();
    await click('prompt-remember');
    await type('prompt-answer', 'x');
    await click('prompt-send');
    expect(text('error-notice')).toContain('until it ends');
    api.publish({ prompts: [aPrompt('two')], problems: [problem('keychain', 'No keychain.', 'Start one.')] });
    await settle();
    expect(text('prompt'), 'the next time before').toContain('Remember until Iris ends');
  });

  test('that was wrong is asked again', async () => {
    await asked('one', { retry: true });
    expect(text('prompt-retry')).toContain('wrong');
    expect(get('prompt-retry').getAttribute('role')).toBe('alert');
  });

  test('goes to no question that came just now, and an empty one goes nowhere', async () => {
    const { api } = await open({ teams: [aTeam('api')], prompts: [aPrompt('one')] });
    await type('prompt-answer', 'typed into another field');
    await click('prompt-send');
    expect(told(api), 'an Enter meant for what lies behind').toEqual([]);
    await arm();
    await type('prompt-answer', '');
    expect(get<HTMLButtonElement>('prompt-send').disabled).toBe(true);
    api.publish({ prompts: [aPrompt('two')] });
    await settle();
    expect(get<HTMLInputElement>('prompt-answer').value, 'the next question has its own field').toBe('');
  });

  test('that the core refuses can be typed again', async () => {
    const { api } = await asked('one');
    api.failures.set('answerPrompt', problem('invalidInput', 'The answer has more than one line.', 'See what was pasted.'));
    await type('prompt-answer', 'x');
    await click('prompt-send');
    expect(text('prompt')).toContain('See what was pasted.');
    api.failures.clear();
    await type('prompt-answer', 'y');
    await click('prompt-send');
    expect(told(api).map((c) => c.args[1])).toEqual(['x', 'y']);
    expect(find('prompt')).toBeNull();
  });
});

describe('giving up', () => {
  test('takes Esc twice, and another key in between takes the first one back', async () => {
    const { api } = await asked('one');
    const field = get('prompt-answer');
    await press('Escape', {}, field);
    expect(text('prompt-leave')).toContain('once more');
    await press('Escape', { repeat: true }, field);
    await press('a', {}, field);
    await press('Escape', {}, field);
    expect(told(api)).toEqual([]);
    await press('Escape', {}, field);
    expect(told(api)).toEqual([{ name: 'cancelPrompt', args: ['one'] }]);
    expect(find('prompt')).toBeNull();
  });

  test('or the button', async () => {
    const { api } = await asked('one', { kind: { type: 'touch' } });
    expect(find('prompt-send'), 'a touch is not typed').toBeNull();
    await click('prompt-cancel');
    expect(told(api)).toEqual([{ name: 'cancelPrompt', args: ['one'] }]);
  });
});

describe('a host key', () => {
  test('is shown whole, with what it means and how to compare it', async () => {
    await asked('one', { kind: HOST_KEY, host: 'me@box', rememberable: false });
    expect(text('prompt-fingerprint')).toBe('SHA256:abc');
    expect(text('prompt')).toContain('somebody in between');
    expect(text('prompt')).toContain('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub');
  });

  test('is never believed by accident', async () => {
    const { api } = await open({ teams: [aTeam('api')], prompts: [aPrompt('one', { kind: HOST_KEY })] });
    expect(document.activeElement).not.toBe(get('prompt-yes'));
    await click('prompt-yes');
    await press('Enter', {}, document.activeElement ?? document.body);
    expect(told(api), 'a click meant for what lay there before').toEqual([]);
    await arm();
    await click('prompt-yes');
    expect(told(api)).toEqual([{ name: 'answerPrompt', args: ['one', 'yes', false] }]);
  });

  test('can be refused at once', async () => {
    const { api } = await open({ teams: [aTeam('api')], prompts: [aPrompt('one', { kind: HOST_KEY })] });
    await click('prompt-no');
    expect(told(api)).toEqual([{ name: 'answerPrompt', args: ['one', 'no', false] }]);
  });
});

describe('settings', () => {
  const secrets = [
    { name: 'ssh passphrase /k', place: 'keychain' as const, keptAt: new Date().toISOString() },
    { name: 'env TOKEN', place: 'thisRun' as const, keptAt: null },
  ];

  test('name what is remembered, where, and forget it when asked twice', async () => {
    const { api } = await open({ teams: [aTeam('api')] }, (api) => (api.secrets = secrets));
    await press('6');
    const rows = () => [...document.querySelectorAll('[data-testid="secret-row"]')].map((r) => r.textContent?.replace(/\s+/g, ' '));
    expect(rows()[0]).toContain('Passphrase of the key /k');
    expect(rows()[0]).toContain('in the keychain');
    expect(rows()[1]).toContain('until Iris ends');
    await click('secret-forget');
    expect(api.calls.some((c) => c.name === 'forgetSecret')).toBe(false);
    await click('secret-forget-confirm');
    await settle();
    expect(api.calls.filter((c) => c.name === 'forgetSecret').map((c) => c.args)).toEqual([['ssh passphrase /k']]);
    expect(rows()).toHaveLength(1);
  });

  test('say that nothing lasts without a keychain', async () => {
    await open({ teams: [aTeam('api')], problems: [problem('keychain', 'No keychain.', 'Start one.')] });
    await click('nav-settings');
    expect(text('secrets-where')).toContain('lasts until Iris ends');
    expect(find('secrets-none')).not.toBeNull();
  });

  test('show why the list cannot be read', async () => {
    await open({ teams: [aTeam('api')] }, (api) => api.failures.set('listSecrets', problem('storage', 'The disk is full.', 'Make room.')));
    await click('nav-settings');
    expect(text('error-notice')).toContain('Make room.');
  });
});
