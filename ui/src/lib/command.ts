// The parts of a shell command, for showing it: which words are programs, where one command ends and
// the next begins, what is written to files, what the shell puts in before anything runs. It marks
// and decides nothing: rules are for the core, whose parser reads commands for real. Nothing of the
// text is lost or changed: the parts, one after the other, are the text.

/** What a stretch of a command is. */
export type PartKind =
  | 'plain'
  /** What is run. */
  | 'program'
  /** `if`, `for`, `do` … */
  | 'keyword'
  /** What ends a command and begins another: `;`, `&&`, `|`, `&`, `(`. */
  | 'separator'
  /** `>` and the like, with the file. */
  | 'redirect'
  /** Text in quotes, or of a here-document. */
  | 'string'
  /** `$NAME`, `NAME=`. */
  | 'variable'
  /** The signs around a command whose output is put in: `$(`, `)`, a backquote. */
  | 'substitution'
  | 'comment';

export interface Part {
  kind: PartKind;
  text: string;
}

const KEYWORDS = new Set(['if', 'then', 'else', 'elif', 'fi', 'while', 'until', 'do', 'done', 'esac', '{', '}', '!', 'time', 'coproc']);
/** Keywords that a name follows, not a command. */
const NAMING = new Set(['for', 'case', 'select', 'function', 'in']);
/** Programs that run another one, and their options that take a word. */
const WRAPPERS: Record<string, string> = {
  sudo: 'ugpChDRTU', doas: 'uC', env: 'uCS', command: '', builtin: '', exec: 'a', nohup: '', nice: 'n', ionice: 'cnp',
  timeout: 'sk', xargs: 'nIPLdaEs', setsid: '', stdbuf: 'ioe', time: 'fo',
};

/** Takes a command apart. */
export function commandParts(text: string): Part[] {
  return new Reader(text).read();
}

/** What a closing sign goes back to. */
interface Open {
  close: ')' | '`' | '"';
  kind: PartKind;
  /** What the word outside of it was. */
  word: PartKind | null;
}

class Reader {
  #parts: Part[] = [];
  #at = 0;
  #open: Open[] = [];
  /** The next word is a program. */
  #first = true;
  /** The kind of the word being read; `null` between words. */
  #word: PartKind | null = null;
  /** The text of that word. */
  #name = '';
  /** The options with a word of the wrapper whose program is awaited. */
  #wrapper: string | null = null;
  /** The next word belongs to an option of the wrapper. */
  #ofOption = false;
  /** The next word is the file of a redirection. */
  #file = false;
  /** Here-documents whose text begins on the next line. */
  #documents: { end: string; tabs: boolean; literal: boolean }[] = [];

  constructor(
    readonly text: string,
    /** The text is one in double quotes. */
    readonly quoted = false,
  ) {
    if (quoted) this.#word = 'string';
  }

  read(): Part[] {
    while (this.#at < this.text.length) {
      if (this.quoted && this.#open.length === 0) this.#inQuotes(null);
      else if (this.#open.at(-1)?.close === '"') this.#inQuotes('"');
      else this.#inCommand();
    }
    this.#endWord();
    return this.#parts;
  }

  #inQuotes(close: '"' | null) {
    const kind = this.#word === null || this.#word === 'plain' ? 'string' : this.#word;
    if (close !== null && this.#is(close)) {
      this.#take(1, kind);
      this.#open.pop();
    } else if (this.#is('\\')) this.#take(2, kind);
    else if (!this.#expansion()) this.#takeWhile(/[^"\\$`]+/y, kind, 1);
  }

  #inCommand() {
    const separator = this.#match(/&&|\|\||;;&?|;&|\|&|[;|(]|&(?!>)/y);
    const redirect = this.#match(/[0-9]*(?:<<<|<<-?|<>|<&|>>|>&|>\||<(?!\()|>(?!\())|&>>?/y);
    if (this.#is('\n')) {
      this.#endWord();
      this.#take(1, 'plain');
      this.#begin();
      this.#hereDocuments();
    } else if (this.#match(/[ \t\r]+/y)) {
      this.#endWord();
      this.#takeWhile(/[ \t\r]+/y, 'plain', 1);
    } else if (this.#is('\\\n')) {
      this.#take(2, 'plain');
    } else if (this.#is('#') && this.#word === null) {
      this.#takeWhile(/[^\n]*/y, 'comment', 1);
    } else if (this.#is(')')) {
      this.#endWord();
      const open = this.#open.at(-1)?.close === ')' ? this.#open.pop() : undefined;
      this.#take(1, open?.kind ?? 'separator');
      this.#resume(open);
    } else if (redirect !== null && (this.#word === null || !/^[0-9]/.test(redirect))) {
      this.#endWord();
      this.#take(redirect.length, 'redirect');
      if (/<<-?$/.test(redirect)) this.#announceDocument(redirect.endsWith('-'));
      else this.#file = true;
    } else if (separator !== null) {
      this.#endWord();
      if (separator === '(') this.#open.push({ close: ')', kind: 'separator', word: null });
      this.#take(separator.length, 'separator');
      this.#begin();
    } else if (this.#is("'") || this.#is("$'")) {
      const kind = this.#startWord('string');
      this.#takeWhile(this.#is('$') ? /\$'(?:[^'\\]|\\[^])*'?/y : /'[^']*'?/y, kind, 1);
    } else if (this.#is('"')) {
      const kind = this.#startWord('string');
      this.#open.push({ close: '"', kind: 'string', word: this.#word });
      this.#take(1, kind);
    } else if (this.#is('\\')) {
      this.#name += this.text.charAt(this.#at + 1);
      this.#take(2, this.#startWord('plain'));
    } else if (!this.#expansion()) {
      this.#plainWord();
    }
  }

  /** A stretch of a word without any sign in it. */
  #plainWord() {
    const piece = this.#match(/[^\s;|&()<>'"\\$`]+/y) ?? this.text.charAt(this.#at);
    if (this.#word === null && (this.#first || this.#wrapper !== null)) {
      const assigned = /^[A-Za-z_][A-Za-z0-9_]*\+?=/.exec(piece);
      if (assigned && !this.#file) {
        this.#word = 'plain';
        this.#name = '=';
        this.#take(assigned[0].length, 'variable');
        return;
      }
    }
    const kind = this.#startWord('plain', piece);
    this.#name += piece;
    this.#take(piece.length, kind);
  }

  /** What the shell puts in: a variable, or the output of a command. */
  #expansion(): boolean {
    const outside = this.#word;
    const start = this.#match(/\$\(|[<>]\(/y);
    if (start !== null && (start === '$(' || this.#open.at(-1)?.close !== '"')) {
      this.#startWord('plain');
      this.#open.push({ close: ')', kind: 'substitution', word: this.#word ?? outside });
      this.#take(start.length, 'substitution');
      this.#begin();
      return true;
    }
    if (this.#is('`')) {
      const open = this.#open.findLastIndex((o) => o.close === '`');
      if (open >= 0) {
        const closed = this.#open[open];
        this.#open.length = open;
        this.#endWord();
        this.#take(1, 'substitution');
        this.#resume(closed);
      } else {
        this.#startWord('plain');
        this.#open.push({ close: '`', kind: 'substitution', word: this.#word });
        this.#take(1, 'substitution');
        this.#begin();
      }
      return true;
    }
    const variable = this.#match(/\$(?:\{[^}]*\}?|[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])/y);
    if (variable !== null) {
      this.#startWord('plain');
      this.#name += variable;
      this.#take(variable.length, 'variable');
      return true;
    }
    if (this.#is('$')) {
      this.#take(1, this.#startWord('plain'));
      return true;
    }
    return false;
  }

  /** A new command begins. */
  #begin() {
    this.#word = null;
    this.#name = '';
    this.#first = true;
    this.#wrapper = null;
    this.#ofOption = false;
    this.#file = false;
  }

  /** Goes on with the word around what was closed. */
  #resume(open: Open | undefined) {
    this.#begin();
    this.#first = false;
    this.#word = open?.word ?? null;
  }

  /** The kind of this stretch; decides what the word is where it begins. */
  #startWord(kind: PartKind, piece = ''): PartKind {
    if (this.#word === null) {
      this.#word = kind === 'string' ? 'plain' : kind;
      if (this.#file) this.#word = 'redirect';
      else if (this.#first) this.#word = KEYWORDS.has(piece) || NAMING.has(piece) ? 'keyword' : 'program';
      else if (this.#wrapper !== null && !this.#ofOption && !/^[-+0-9]/.test(piece)) this.#word = 'program';
      else if (piece === 'in' || piece === 'do') this.#word = piece === 'in' ? 'keyword' : 'plain';
    }
    return this.#word === 'plain' ? kind : this.#word;
  }

  /** The word is over: what may the next one be? */
  #endWord() {
    if (this.#word === null) return;
    const name = this.#name;
    if (this.#word === 'redirect') this.#file = false;
    else if (this.#word === 'keyword') this.#first = KEYWORDS.has(name);
    else if (this.#word === 'program') {
      this.#first = false;
      this.#wrapper = WRAPPERS[name.slice(name.lastIndexOf('/') + 1)] ?? null;
    } else if (this.#wrapper !== null) {
      this.#ofOption = /^-[A-Za-z]$/.test(name) && this.#wrapper.includes(name.charAt(1));
    }
    this.#word = null;
    this.#name = '';
  }

  #announceDocument(tabs: boolean) {
    this.#takeWhile(/[ \t]*/y, 'plain', 0);
    const word = this.#match(/(?:'[^']*'|"[^"]*"|\\[^]|[^\s;|&()<>'"\\])+/y);
    if (word === null) return;
    this.#take(word.length, 'redirect');
    this.#documents.push({ end: word.replace(/['"\\]/g, ''), tabs, literal: /['"\\]/.test(word) });
  }

  /** The texts of the here-documents that were announced on the line before. */
  #hereDocuments() {
    for (const { end, tabs, literal } of this.#documents.splice(0)) {
      const rest = this.text.slice(this.#at);
      let length = 0;
      let last = '';
      for (const line of rest.split(/(?<=\n)/)) {
        const bare = line.replace(/\n$/, '');
        if ((tabs ? bare.replace(/^\t+/, '') : bare) === end) {
          last = line;
          break;
        }
        length += line.length;
      }
      // The shell looks for substitutions in it, unless the end was quoted.
      const body = rest.slice(0, length);
      for (const part of literal ? [{ kind: 'string' as const, text: body }] : new Reader(body, true).read()) this.#push(part);
      this.#push({ kind: 'redirect', text: last });
      this.#at += length + last.length;
    }
  }

  #is(text: string): boolean {
    return this.text.startsWith(text, this.#at);
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.text)?.[0] ?? null;
  }

  #take(length: number, kind: PartKind) {
    this.#push({ kind, text: this.text.slice(this.#at, this.#at + length) });
    this.#at += length;
  }

  /** As far as the pattern goes, at least so many characters. */
  #takeWhile(pattern: RegExp, kind: PartKind, least: number) {
    this.#take(Math.max(this.#match(pattern)?.length ?? 0, least), kind);
  }

  #push(part: Part) {
    if (part.text === '') return;
    const last = this.#parts.at(-1);
    if (last?.kind === part.kind) last.text += part.text;
    else this.#parts.push({ ...part });
  }
}

/** The parts of a stretch of the text, from one place to another. */
export function sliceParts(parts: readonly Part[], from: number, to: number): Part[] {
  const out: Part[] = [];
  let at = 0;
  for (const { kind, text } of parts) {
    const piece = text.slice(Math.max(0, from - at), Math.max(0, to - at));
    if (piece !== '') out.push({ kind, text: piece });
    at += text.length;
  }
  return out;
}
