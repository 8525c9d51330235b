import { expect, test } from 'vitest';

import { anApproval, aTeam } from '../src/lib/fake';
import { LONG, rowsInView } from '../src/lib/rows';
import { all, open } from './kit';

test('the rows that can be seen are there, and some around them', () => {
  expect(rowsInView(1000, 60, 0, 600)).toEqual({ from: 0, to: 20 });
  expect(rowsInView(1000, 60, 6000, 600)).toEqual({ from: 90, to: 120 });
  expect(rowsInView(1000, 60, 59_400, 600)).toEqual({ from: 980, to: 1000 });
  expect(rowsInView(1000, 60, 90_000, 600), 'scrolled to what stands below it').toEqual({ from: 1000, to: 1000 });
  expect(rowsInView(1000, 60, -300, 600), 'something stands above it').toEqual({ from: 0, to: 15 });
  expect(rowsInView(5, 60, 0, 600)).toEqual({ from: 0, to: 5 });
});

test('a long list has few rows on the page, and says how long it is', async () => {
  const many = Array.from({ length: 1000 }, (_, n) => anApproval(`id${n}`, { summary: `echo ${n}` }));
  const { api } = await open({ teams: [aTeam('api')], approvals: many });
  expect(all('approval-row').length).toBeLessThan(LONG);
  expect(document.querySelector('[aria-setsize]')?.getAttribute('aria-setsize')).toBe('1000');
  api.publish({ approvals: many.slice(0, LONG) });
  await new Promise((resolve) => setTimeout(resolve));
  expect(all('approval-row')).toHaveLength(LONG);
});
