// A plan's text (Markdown) as blocks to read. Only headings, lists and code are taken out of their
// signs: links, pictures and HTML stay as they are written, so that nothing hides behind anything.

export type Block =
  | { type: 'heading'; level: number; text: string }
  | { type: 'item'; mark: string; depth: number; text: string }
  | { type: 'code'; text: string }
  | { type: 'text'; text: string };

/** The blocks of a text. */
export function readPlan(text: string): Block[] {
  const out: Block[] = [];
  let code: string[] | null = null;
  for (const line of text.split('\n')) {
    if (code !== null) {
      if (/^\s*```\s*$/.test(line)) {
        out.push({ type: 'code', text: code.join('\n') });
        code = null;
      } else code.push(line);
      continue;
    }
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    const item = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/.exec(line);
    if (/^\s*```\w{0,16}\s*$/.test(line)) code = [];
    else if (heading) out.push({ type: 'heading', level: heading[1]?.length ?? 1, text: heading[2] ?? '' });
    else if (item) {
      const mark = item[2] ?? '-';
      out.push({ type: 'item', mark: /\d/.test(mark) ? mark : '•', depth: Math.min(6, Math.floor((item[1] ?? '').length / 2)), text: item[3] ?? '' });
    } else if (line.trim() !== '') out.push({ type: 'text', text: line });
  }
  // A fence that nothing closes: the rest is code all the same.
  if (code !== null) out.push({ type: 'code', text: code.join('\n') });
  return out;
}
