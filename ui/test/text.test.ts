import { describe, expect, test } from 'vitest';

import { clip, heart, oneLine, segments, visible } from '../src/lib/display';
import { nameProblem, proposeName } from '../src/lib/names';
import { inOneText } from '../src/lib/problem';
import { ago, span } from '../src/lib/time';
import { decider } from '../src/lib/words';

describe('hidden characters', () => {
  // One of each range of the core's rule.
  const HIDDEN = [0x00, 0x1b, 0x0d, 0x7f, 0x9b, 0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180f, 0x200b, 0x200f,
    0x2028, 0x202e, 0x2060, 0x206f, 0x3164, 0xfe00, 0xfe0f, 0xfeff, 0xffa0, 0xfff0, 0xfffb, 0xe0000, 0xe0041, 0xe0fff,
    0xa0, 0x200a, 0x202f, 0x205f, 0x3000, 0x2800, 0x338, 0xe0b0, 0xfdd0, 0xfffc, 0x1d173, 0x10ffff];

  test.each(HIDDEN)('U+%i is named', (code) => {
    const name = `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
    expect(visible(`a${String.fromCodePoint(code)}b`)).toBe(`a${name}b`);
    expect(segments(`a${String.fromCodePoint(code)}b`)).toEqual([
      { text: 'a', hidden: false },
      { text: name, hidden: true },
      { text: 'b', hidden: false },
    ]);
  });

  test('marks do not pile up', () => expect(visible('a\u0301\u0302\u0303')).toBe('a\u0301\u0302⟨U+0303⟩'));

  test.each(['\n', '\t', ' ', 'é', 'שלום', '日本', '😀', '\u2027', 'tie\u0302\u0301ng'])('%j stays', (c) => {
    expect(visible(c)).toBe(c);
  });
});

describe('long texts', () => {
  test('short ones are whole', () => expect(clip('a\nb', 10, 3)).toBeNull());

  test('nothing of the ends is lost, and the gap is counted', () => {
    const text = `HEAD${'x'.repeat(1000)}TAIL`;
    const clipped = clip(text, 90, 10)!;
    expect(clipped.head.startsWith('HEAD')).toBe(true);
    expect(clipped.tail.endsWith('TAIL')).toBe(true);
    expect(clipped.head.length + clipped.tail.length + clipped.characters).toBe(text.length);
  });

  test('a cut never halves a character', () => {
    const clipped = clip('😀'.repeat(100), 31, 10)!;
    expect(clipped.head + clipped.tail).toMatch(/^(😀)+$/u);
  });

  test('one line keeps head and tail', () => {
    expect(oneLine(' a\nb ', 10)).toBe('a⏎b');
    const line = oneLine(`start${'.'.repeat(100)}end`, 20);
    expect(line.startsWith('start')).toBe(true);
    expect(line.endsWith('end')).toBe(true);
    expect([...line].length).toBeLessThanOrEqual(20);
  });
});

describe('team names', () => {
  test.each(['api', 'a', '_x', '@me', 'a.b-c_d@e', '9', 'x'.repeat(64)])('%s is good', (name) => {
    expect(nameProblem(name)).toBeNull();
  });

  test.each(['', '.a', '-a', 'a b', 'ä', 'a/b', 'console', 'Console', 'x'.repeat(65), 'a\u200b'])('%j is not', (name) => {
    expect(nameProblem(name)).not.toBeNull();
  });

  test('a taken one is not', () => expect(nameProblem('api', ['api'])).toContain('already'));

  test.each([
    ['/home/me/code/api', 'api'],
    ['/home/me/My Project/', 'My-Project'],
    ['C:\\code\\Café', 'Cafe'],
    ['/srv/.dotfiles', 'dotfiles'],
    ['/srv/日本', 'team'],
    ['~', 'team'],
    ['/', 'team'],
    ['/x/console', 'console-team'],
    [`/x/${'n'.repeat(200)}`, 'n'.repeat(60)],
  ])('%s gives %s', (path, name) => {
    expect(proposeName(path)).toBe(name);
    expect(nameProblem(proposeName(path)), 'what is proposed is good').toBeNull();
  });

  test('a taken proposal is counted up', () => expect(proposeName('/x/api', ['api', 'api-2'])).toBe('api-3'));
});

test('spans', () => {
  expect([250, 42_000, 185_000, 7_800_000, 90_000_000].map(span)).toEqual(['250 ms', '42 s', '3 min 5 s', '2 h 10 min', '1 d 1 h']);
  expect(ago(new Date(0).toISOString(), 61_000)).toBe('1 min ago');
});

test('deciders in words; an unknown one is shown as it is', () => {
  expect(decider('rule:autoApprove:mcp__iris__*')).toBe('by the autoApprove rule mcp__iris__*');
  expect(decider('rule:deny:WebFetch(domain:x.org)')).toBe('by the deny rule WebFetch(domain:x.org)');
  expect(decider('mode:yes')).toBe('by the team’s mode “yes”');
  expect(decider('iris:audit')).toBe('by Iris: the audit log could not be written');
  expect(decider('iris:')).toBe('by Iris');
  expect(decider('console')).toBe('by you');
  expect(decider('file')).toBe('in the config file');
  expect(decider('human:watch:me')).toBe('by you (watch)');
  expect(decider('something new')).toBe('by something new');
});

test('the heart of an input', () => {
  expect(heart({ description: 'list', command: 'ls' })).toBe('ls');
  const questions = [{ question: 'Which database?' }];
  expect(heart({ asked: { questions }, ran: { questions, answers: { 'Which database?': 'SQLite' } } })).toBe('Which database?');
  expect(heart({ asked: { command: 'rm x' }, ran: { command: 'ls' } }), 'what ran, not what was asked').toBe('ls');
  expect(heart({})).toBe('');
});

describe('a problem in one text', () => {
  const said = (message: string) => inOneText({ message, hint: 'Look.' });

  test('has each full stop once', () => {
    expect(said('It is gone.')).toBe('It is gone. Look.');
    expect(said('no such file')).toBe('no such file. Look.');
    expect(said('Is it?')).toBe('Is it? Look.');
  });
});
