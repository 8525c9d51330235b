// Ready-made policies in the team form: what they mean is on show, and nothing holds until it is saved.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { aRulesView, aTeam, type FakeApi } from '../src/lib/fake';
import { TEMPLATES } from '../src/lib/templates';
import { choose, click, find, get, open, settle, text, type } from './kit';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const [, balanced] = TEMPLATES;

async function form(button: 'team-add' | 'team-edit', prepare: (api: FakeApi) => void = () => undefined) {
  const opened = await open({ teams: [aTeam('api')] }, prepare);
  await click('nav-teams');
  await click(button);
  await settle();
  return opened;
}

const sent = (api: FakeApi, name: string) => api.calls.filter((c) => c.name === name).map((c) => c.args);
const chosen = () => get<HTMLSelectElement>('team-policy-select').value;

test('a new team begins with a template: in words, rule by rule, and only when it is added', async () => {
  const { api } = await form('team-add');
  expect([chosen(), find('policy-told')]).toEqual(['', null]);
  await choose('team-policy-select', 'balanced');
  expect(chosen()).toBe('balanced');
  for (const word of [...balanced!.allows, ...balanced!.asks, ...balanced!.denies, balanced!.mind!]) expect(text('policy-told')).toContain(word);
  expect(text('policy-rules'), 'the rules are compared with those without it').toContain('Bash(cargo test:*)');
  expect(text('team-rules')).toContain('2 denied · 9 always asked · 8 allowed');
  expect(sent(api, 'addTeam'), 'nothing is applied by choosing').toEqual([]);
  await type('team-path-input', '~/code/new');
  await click('team-save');
  const { deny, requireApproval, autoApprove } = balanced!;
  expect(sent(api, 'addTeam')).toEqual([['new', { path: '~/code/new', approvalPolicy: { deny, requireApproval, autoApprove } }]]);
});

test('of a team that there is, the change is shown before it is saved, and can be taken back', async () => {
  const { api } = await form('team-edit', (api) => {
    api.rules.set('api', aRulesView({ deny: { own: [{ text: 'WebFetch', line: 3 }], common: [], builtIn: [] } }));
    api.settings.set('api', { grantPermission: 'yes' });
  });
  await choose('team-policy-select', 'conservative');
  await vi.advanceTimersByTimeAsync(300);
  await settle();
  expect(find('policy-rules'), 'the preview of the config shows it').toBeNull();
  expect(find('rule-preview')).not.toBeNull();
  expect(get<HTMLSelectElement>('team-mode-select').value, 'what no rule decides asks').toBe('ask');
  const [, edit] = sent(api, 'previewTeam').at(-1)! as [string, { approvalPolicy: { autoApprove: string[] } }];
  expect(edit.approvalPolicy.autoApprove).toEqual(TEMPLATES[0]!.autoApprove);
  await choose('team-policy-select', '');
  expect([get<HTMLSelectElement>('team-mode-select').value, find('rule-preview'), find('policy-told')]).toEqual(['yes', null, null]);
});

test('who changes a rule of it has rules of their own, and one that a team has is known again', async () => {
  const own = (list: string[]) => ({ own: list.map((text, i) => ({ text, line: i + 1 })), common: [], builtIn: [] });
  await form('team-edit', (api) => {
    const { deny, requireApproval, autoApprove } = balanced!;
    api.rules.set('api', aRulesView({ deny: own(deny), requireApproval: own(requireApproval), autoApprove: own(autoApprove) }));
  });
  expect(chosen()).toBe('balanced');
  await click('rule-remove');
  expect([chosen(), find('policy-told')]).toEqual(['', null]);
  await choose('team-mode-select', 'yes');
  await choose('team-policy-select', 'balanced');
  await choose('team-mode-select', 'yes');
  expect(chosen(), 'a mode that allows the rest is not the template').toBe('');
});
