// Two texts, line by line: what goes, what comes, what stays.
import { diffLines, diffWordsWithSpace } from 'diff';

/** A stretch of a line; `changed` where it differs from its other side. */
export interface Stretch {
  text: string;
  changed: boolean;
}

export interface DiffLine {
  side: 'same' | 'old' | 'new';
  stretches: Stretch[];
  /** Its number in the old text, from 1; of a new line in the new text. */
  number: number;
  /** It ends without a line break, while its other side has one. */
  unended?: boolean;
}

/** Lines that stand together: shown, or left out between changes. */
export type DiffBlock = { shown: true; lines: DiffLine[] } | { shown: false; lines: DiffLine[] };

/** Unchanged lines on show around a change. */
export const CONTEXT_LINES = 3;
/** Texts that differ in more lines than that are shown one after the other: no reader follows more, and
 * the search for a short difference takes the square of it. */
const EDITS_MAX = 4000;
/** A pair of lines longer than that is not compared word by word. */
const LINE_MAX = 2000;

/** Every line of both texts. */
export function diffOf(before: string, after: string): DiffLine[] {
  const chunks = diffLines(before, after, { maxEditLength: EDITS_MAX }) ?? [
    { value: before, removed: true, added: false },
    { value: after, removed: false, added: true },
  ];
  const out: DiffLine[] = [];
  let [old, now] = [1, 1];
  for (const [i, { value, added, removed }] of chunks.entries()) {
    const lines = linesOf(value);
    const side = added ? 'new' : removed ? 'old' : 'same';
    const other = chunks[side === 'old' ? i + 1 : i - 1];
    const pair = side === 'old' ? other?.added : side === 'new' ? other?.removed : false;
    const others = pair && other ? linesOf(other.value) : [];
    for (const [j, line] of lines.entries()) {
      const twin = others.length === lines.length ? others[j] : undefined;
      out.push({
        side,
        stretches: twin === undefined ? [{ text: line.text, changed: false }] : stretches(line.text, twin.text, side),
        number: side === 'new' ? now : old,
        ...(twin !== undefined && !line.ended && twin.ended ? { unended: true } : {}),
      });
      if (side !== 'new') old += 1;
      if (side !== 'old') now += 1;
    }
  }
  return out;
}

/** The lines with those left out that are far from any change. */
export function folded(lines: DiffLine[], context = CONTEXT_LINES): DiffBlock[] {
  const near = lines.map(() => false);
  for (const [i, line] of lines.entries()) {
    if (line.side !== 'same') near.fill(true, Math.max(0, i - context), i + context + 1);
  }
  const out: DiffBlock[] = [];
  for (const [i, line] of lines.entries()) {
    const last = out.at(-1);
    if (last?.shown === (near[i] ?? false)) last.lines.push(line);
    else out.push({ shown: near[i] ?? false, lines: [line] });
  }
  // To leave out a line or two saves nothing.
  return out.map((block) => (block.lines.length <= 2 ? { shown: true as const, lines: block.lines } : block));
}

function linesOf(text: string): { text: string; ended: boolean }[] {
  return text === '' ? [] : text.split(/(?<=\n)/).map((line) => ({ text: line.replace(/\n$/, ''), ended: line.endsWith('\n') }));
}

function stretches(line: string, twin: string, side: 'old' | 'new' | 'same'): Stretch[] {
  if (line.length > LINE_MAX || twin.length > LINE_MAX) return [{ text: line, changed: false }];
  const parts = side === 'old' ? diffWordsWithSpace(line, twin) : diffWordsWithSpace(twin, line);
  const mine = parts.filter((p) => (side === 'old' ? !p.added : !p.removed));
  // Where all is new, marking every word tells nothing.
  const same = mine.filter((p) => !p.added && !p.removed && p.value.trim() !== '').length;
  return mine.map((p) => ({ text: p.value, changed: same > 0 && (p.added || p.removed) }));
}
