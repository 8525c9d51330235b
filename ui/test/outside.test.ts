// Slack and webhooks in the settings.
import { describe, expect, test } from 'vitest';

import { aTeam, problem } from '../src/lib/fake';
import type { FakeApi } from '../src/lib/fake';
import { click, find, get, open, press, settle, text, type } from './kit';

const SLACK = { channel: 'C1', approvers: ['U1', 'U2'], appToken: 'app', botToken: 'bot' };

async function settings(prepare: (api: FakeApi) => void = () => undefined) {
  const opened = await open({ teams: [aTeam('api')] }, prepare);
  await press('6');
  await settle();
  return opened;
}

function told(api: FakeApi, ...names: string[]) {
  return api.calls.filter((c) => names.includes(c.name)).map((c) => [c.name, ...c.args]);
}

async function submit(form: string) {
  get<HTMLFormElement>(form).dispatchEvent(new SubmitEvent('submit', { bubbles: true, cancelable: true }));
  // It saves, keeps the secrets, and reads anew.
  for (let i = 0; i < 3; i += 1) await settle();
}

describe('Slack', () => {
  test('is off, is set up, and its tokens go to the keychain and out of the page', async () => {
    const { api } = await settings();
    expect(find('slack-state')).toBeNull();
    await click('slack-edit');
    await type('slack-channel', ' C1 ');
    await type('slack-approvers', 'U1, U2');
    await type('slack-app-token', 'xapp-1');
    await type('slack-bot-token', 'xoxb-1');
    await submit('slack-form');
    expect(told(api, 'editSlack', 'keepSecret')).toEqual([
      ['editSlack', { channel: 'C1', approvers: ['U1', 'U2'], appToken: 'slack-app', botToken: 'slack-bot' }],
      ['keepSecret', 'slack-app', 'xapp-1'],
      ['keepSecret', 'slack-bot', 'xoxb-1'],
    ]);
    expect(text('slack-is')).toContain('Answers are taken from U1, U2.');
    expect(document.body.innerHTML).not.toContain('xoxb-1');
  });

  test('says how it is, what is wrong, and is tried and turned off', async () => {
    const { api } = await settings((api) => {
      api.outside = { slack: SLACK, webhooks: [] };
      api.state.slack = { state: 'needsYou', channel: 'C1', approvers: 2, problem: problem('forbidden', 'It is not in the channel.', 'Invite it.') };
    });
    expect(text('slack-state')).toBe('needs you');
    expect(text('slack-problem')).toContain('Invite it.');
    await click('slack-test');
    expect(text('slack-tested')).toContain('in the channel');
    await click('slack-remove');
    expect(told(api, 'editSlack')).toEqual([]);
    await click('slack-remove-confirm');
    expect(told(api, 'editSlack')).toEqual([['editSlack', null]]);
  });

  test('keeps what was typed when it cannot be saved', async () => {
    const { api } = await settings((api) => api.failures.set('editSlack', problem('invalidInput', '`#ops` is not the id of a channel', 'Write the id.')));
    await click('slack-edit');
    await type('slack-channel', '#ops');
    await type('slack-bot-token', 'xoxb-1');
    await submit('slack-form');
    expect(text('slack-form-problem')).toContain('Write the id.');
    expect(get<HTMLInputElement>('slack-channel').value).toBe('#ops');
    expect(told(api, 'keepSecret')).toEqual([]);
  });
});

describe('webhooks', () => {
  test('come with a secret and chosen events, and go', async () => {
    const { api } = await settings();
    expect(find('webhooks-none')).not.toBeNull();
    await click('webhook-add');
    await type('webhook-url', 'https://a.example.org/secret');
    await type('webhook-name', 'pager');
    await type('webhook-secret', 's3cret');
    await submit('webhook-form');
    expect(told(api, 'addWebhook', 'keepSecret')).toEqual([
      ['addWebhook', { url: 'https://a.example.org/secret', secret: 'pager', events: undefined }],
      ['keepSecret', 'pager', 's3cret'],
    ]);
    expect(text('webhook-row')).toContain('https://a.example.org');
    expect(document.body.innerHTML).not.toContain('/secret');
    await click('webhooks-test');
    expect(text('webhook-tested')).toBe('It has the test.');
    await click('webhook-remove');
    await click('webhook-remove-confirm');
    await settle();
    expect(told(api, 'removeWebhook')).toEqual([['removeWebhook', 0, 'https://a.example.org']]);
    expect(find('webhooks-none')).not.toBeNull();
  });

  test('show what they lost and why', async () => {
    await settings((api) => {
      api.outside = { webhooks: [{ url: 'https://a.example.org', secret: 'pager', events: ['freeze'] }] };
      api.state.webhooks = [{ url: 'https://a.example.org', lost: 3, problem: problem('network', 'It answered 500.', 'Look there.') }];
    });
    expect(text('webhook-row')).toContain('freeze · signed with “pager” · 3 lost');
    expect(text('webhook-problem')).toBe('It answered 500. Look there.');
  });
});
