// Text from agents made safe to show. The rule is that of the core (`iris_domain::display`): what
// text hides is made visible, what is long keeps its head and its tail.

/** Marks that stand above or below the letter before; more than two in a row cover other lines. */
const MARKS = '[\\u{300}-\\u{36F}\\u{483}-\\u{489}\\u{1AB0}-\\u{1AFF}\\u{1DC0}-\\u{1DFF}\\u{20D0}-\\u{20FF}\\u{FE20}-\\u{FE2F}]';

/**
 * What cannot be seen, or changes how the text around it looks: control, bidi, zero-width and tag
 * characters, blanks that are no space, private glyphs, strokes, and marks that pile up.
 */
const HIDDEN = new RegExp(
  '[\\u{0}-\\u{8}\\u{B}-\\u{1F}\\u{7F}-\\u{A0}' +
    '\\u{AD}\\u{334}-\\u{338}\\u{34F}\\u{61C}\\u{70F}\\u{115F}\\u{1160}\\u{1680}\\u{17B4}\\u{17B5}' +
    '\\u{180B}-\\u{180F}\\u{2000}-\\u{200F}\\u{2028}-\\u{202F}' +
    '\\u{205F}-\\u{206F}\\u{2800}\\u{3000}\\u{3164}\\u{FE00}-\\u{FE0F}\\u{FEFF}' +
    '\\u{FFA0}\\u{FFF0}-\\u{FFFC}\\u{13430}-\\u{1343F}\\u{1BCA0}-\\u{1BCA3}' +
    '\\u{1D159}\\u{1D173}-\\u{1D17A}\\u{E0000}-\\u{E0FFF}' +
    '\\p{Private_Use}\\p{Surrogate}\\p{Noncharacter_Code_Point}]' +
    `|(?<=${MARKS}{2})${MARKS}`,
  'gu',
);

/** A stretch of text: as it is, or one hidden character by its name. */
export interface Segment {
  text: string;
  hidden: boolean;
}

/** Splits text so that each hidden character stands alone, written `⟨U+XXXX⟩`. */
export function segments(text: string): Segment[] {
  const out: Segment[] = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > from) out.push({ text: text.slice(from, match.index), hidden: false });
    out.push({ text: nameOf(match[0]), hidden: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) out.push({ text: text.slice(from), hidden: false });
  return out;
}

/** The text with every hidden character written `⟨U+XXXX⟩`; line breaks and tabs stay. */
export function visible(text: string): string {
  return text.replace(HIDDEN, nameOf);
}

/** The text without its hidden characters. */
export function withoutHidden(text: string): string {
  return text.replace(HIDDEN, '');
}

/** How many hidden characters a text has. */
export function countHidden(text: string): number {
  return [...text.matchAll(HIDDEN)].length;
}

function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

/** What is shown of a long text: its head and its tail, and what was left out between them. */
export interface Clipped {
  head: string;
  tail: string;
  /** Characters left out. */
  characters: number;
}

/** Longer texts are clipped: what the window shows of them as it opens, so that the end is in sight
 * together with the start. */
export const CLIP_CHARACTERS = 1500;
/** The same in lines. */
export const CLIP_LINES = 20;

/** Head and tail of a long text, `null` for one that is short enough to show whole. */
export function clip(text: string, maxChars = CLIP_CHARACTERS, maxLines = CLIP_LINES): Clipped | null {
  const lines = text.split('\n');
  if (lines.length <= maxLines && text.length <= maxChars) return null;
  // Two thirds head: the beginning says most, the end hides most.
  const share = (n: number) => Math.floor((n * 2) / 3);
  let head = text;
  let tail = text;
  if (lines.length > maxLines) {
    head = lines.slice(0, share(maxLines)).join('\n');
    tail = lines.slice(lines.length - (maxLines - share(maxLines))).join('\n');
  }
  head = whole(head.slice(0, share(maxChars)), 'end');
  tail = whole(tail.slice(Math.max(0, tail.length - (maxChars - share(maxChars)))), 'start');
  return { head, tail, characters: text.length - head.length - tail.length };
}

/** Drops half of a surrogate pair at a cut. */
function whole(text: string, side: 'start' | 'end'): string {
  if (side === 'end') return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
  return /^[\uDC00-\uDFFF]/.test(text) ? text.slice(1) : text;
}

/** One line of at most `max` characters, safe to show: head and tail of a longer text. */
export function oneLine(text: string, max: number): string {
  const line = [...visible(text.trim()).replaceAll('\n', '⏎').replaceAll('\t', ' ')];
  if (line.length <= max) return line.join('');
  const room = Math.max(0, max - 3);
  const head = Math.floor((room * 2) / 3);
  return `${line.slice(0, head).join('')} … ${line.slice(line.length - (room - head)).join('')}`;
}

/** True for a JSON object (not an array, not null). */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The field of an input that says most: the command, the file, the URL, or all of it. */
export function heart(input: unknown): string {
  if (input === null || input === undefined) return '';
  if (isObject(input)) {
    // What ran instead of what was asked.
    if (isObject(input.ran)) return heart(input.ran);
    const [first] = Array.isArray(input.questions) ? (input.questions as unknown[]) : [];
    if (isObject(first) && typeof first.question === 'string') return first.question;
    for (const key of ['command', 'file_path', 'notebook_path', 'url', 'query', 'description']) {
      const value = input[key];
      if (typeof value === 'string') return value;
    }
    if (Object.keys(input).length === 0) return '';
  }
  return typeof input === 'string' ? input : JSON.stringify(input);
}

/** The text with a capital at its beginning. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
