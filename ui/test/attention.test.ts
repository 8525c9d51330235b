import { expect, test } from 'vitest';

import { problem } from '../src/lib/fake';
import { click, find, get, open, settle, text, type } from './kit';

const edits = (api: { calls: { name: string; args: unknown[] }[] }) => api.calls.filter((c) => c.name === 'editAttention').map((c) => c.args[0]);

test('quiet hours and shortcuts are set, and taken out', async () => {
  const { api } = await open();
  await click('nav-settings');
  await settle();
  expect(get<HTMLButtonElement>('attention-save').disabled, 'nothing is changed').toBe(true);
  expect(get<HTMLInputElement>('attention-from').disabled).toBe(true);
  await click('attention-quiet');
  await type('attention-to', '06:30');
  await type('attention-allow', 'Ctrl+Alt+A');
  get<HTMLButtonElement>('attention-save').form?.requestSubmit();
  await settle();
  expect(edits(api)).toEqual([{ notifications: true, quietHours: { from: '22:00', to: '06:30' }, shortcuts: { allow: 'Ctrl+Alt+A' } }]);
  expect(get<HTMLButtonElement>('attention-save').disabled, 'that is what holds now').toBe(true);
  await click('attention-quiet');
  await type('attention-allow', '');
  get<HTMLButtonElement>('attention-save').form?.requestSubmit();
  await settle();
  expect(edits(api)[1]).toEqual({ notifications: true, shortcuts: {} });
});

test('what the config does not take is said', async () => {
  const { api } = await open({}, (it) => it.failures.set('editAttention', problem('config', '`7` is not a time of the day', 'Write hours and minutes.')));
  await click('nav-settings');
  await settle();
  await click('attention-quiet');
  get<HTMLButtonElement>('attention-save').form?.requestSubmit();
  await settle();
  expect(text('attention-problem')).toContain('is not a time of the day');
  expect(edits(api)).toHaveLength(1);
  expect(find('attention-problem')).not.toBeNull();
});
