// Shell words, as far as arguments of `ssh` need them: quotes and backslashes, nothing is replaced.

/** The words of a text; `null` when a quote is not closed. */
export function split(text: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let i = 0; i < text.length; i += 1) {
    const c = text.charAt(i);
    if (quote !== '') {
      if (c === quote) quote = '';
      else if (c === '\\' && quote === '"' && /["\\]/.test(text.charAt(i + 1))) word += text.charAt((i += 1));
      else word += c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= '';
    } else if (c === '\\' && i + 1 < text.length) {
      word = (word ?? '') + text.charAt((i += 1));
    } else if (/\s/.test(c)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + c;
    }
  }
  if (quote !== '') return null;
  if (word !== null) words.push(word);
  return words;
}

/** The text of some words. */
export function join(words: readonly string[]): string {
  return words.map((w) => (/^[\w@%+=:,./~[\]-]+$/.test(w) ? w : `'${w.replaceAll("'", `'\\''`)}'`)).join(' ');
}

/** Arguments without their `-J`, and what that names. */
export function takeJump(args: readonly string[]): { jump: string; rest: string[] } {
  const at = args.findIndex((a) => a.startsWith('-J'));
  const found = args[at];
  if (found === undefined) return { jump: '', rest: [...args] };
  const long = found === '-J';
  const jump = long ? (args[at + 1] ?? '') : found.slice(2);
  return { jump, rest: [...args.slice(0, at), ...args.slice(at + (long ? 2 : 1))] };
}
