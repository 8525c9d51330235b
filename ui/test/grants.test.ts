import { expect, test } from 'vitest';

import type { GrantView } from '../src/bindings/GrantView';
import type { MissedView } from '../src/bindings/MissedView';
import { aTeam } from '../src/lib/fake';
import { all, click, find, get, open, settle, text } from './kit';

const GRANT: GrantView = {
  id: 'g1',
  team: 'api',
  session: 's1',
  rules: ['Bash(ls:*)'],
  tool: 'Bash',
  summary: 'ls',
  until: { lifetime: 'minutes', minutes: 5 },
  expiresAt: new Date(Date.now() + 200_000).toISOString(),
  grantedBy: 'human:window:ann',
  grantedAt: new Date().toISOString(),
  hits: 2,
  lastUsed: new Date().toISOString(),
  lastSummary: 'ls -la\u202e',
};

const MISSED: MissedView = {
  id: 'm1', team: 'api', session: 's1', host: 'local', tool: 'Bash', input: { command: 'make' }, summary: 'make',
  why: 'No rule covers it.', time: new Date().toISOString(),
};

test('a grant shows its owner, its scope, its end and its use', async () => {
  const { api } = await open({ teams: [aTeam('api')], grants: [GRANT, { ...GRANT, id: 'g2', expiresAt: undefined, session: undefined, until: { lifetime: 'team' }, rules: [], hits: 0 }] });
  expect(text('grants-count')).toContain('2');
  await click('nav-grants');
  const [first, second] = all('grant-row');
  expect(first?.textContent).toMatch(/Bash\(ls:\*\).*ends in 3 min.*in one conversation.*by you in this window.*Used 2 times/s);
  expect(first?.textContent, 'nothing hides in it').toContain('⟨U+202E⟩');
  expect(second?.textContent).toMatch(/only with.*ends when the team stops.*every agent.*Not used yet/s);
  expect(all('grant-extend')).toHaveLength(1);
  await click('grant-extend');
  expect(api.calls.at(-1)).toMatchObject({ name: 'extendGrant', args: ['g1'] });
  await click('grant-revoke');
  expect(api.calls.at(-1)).toMatchObject({ name: 'revokeGrant', args: ['g1'] });
  expect(all('grant-row')).toHaveLength(1);
});

test('without a grant it says what one is', async () => {
  await open({ teams: [aTeam('api')] });
  await click('nav-grants');
  expect(document.body.textContent).toContain('Nothing is granted');
  expect(find('grants-count')).toBeNull();
});

test('the next try of what was missed is allowed, and that is said until it happens', async () => {
  const { api } = await open({ teams: [aTeam('api')], missed: [MISSED, { ...MISSED, id: 'm2', summary: 'make b' }] });
  await click('nav-approvals');
  expect(all('missed-row')).toHaveLength(2);
  await click('missed-allow');
  expect(api.calls.at(-1)).toMatchObject({ name: 'allowMissed', args: ['m1'] });
  expect(get('missed').textContent).toContain('Allowed once until');
  await click('missed-dismiss');
  expect(all('missed-row')).toHaveLength(1);
});

test('what is frozen is said with its proof, and thawed from there', async () => {
  const { api } = await open({ teams: [aTeam('api', { state: 'working' })] });
  await click('freeze-all');
  expect(text('frozen')).toMatch(/Everything is frozen.*7 of 7 processes stopped in 0\.4 s/s);
  expect(find('freeze-all')).toBeNull();
  await click('thaw');
  expect(api.calls.at(-1)?.name).toBe('thaw');
  expect(find('frozen')).toBeNull();
});

test('another surface leads to the grants and to what was missed', async () => {
  const { api } = await open({ teams: [aTeam('api')], missed: [MISSED] });
  api.showView('grants');
  await settle();
  expect(document.querySelector('h1')?.textContent).toBe('Grants');
  api.showView('missed');
  await settle();
  expect(document.activeElement).toBe(get('missed-heading'));
});
