// An address taken apart for showing: the host that is really asked stands out, and what could make
// a person take it for another one is said.

/** What is said of an address that begins so; anything else is not one to take apart. */
const WEB = /^\s*[a-z][a-z0-9+.-]*:[/\\]{2}/i;

export interface Address {
  /** The text, in three: what stands before the host, the host, and the rest. Together they are the
   * text as it was written. */
  before: string;
  host: string;
  after: string;
  /** The host that is asked, when it is not written so. */
  asked: string | null;
  /** How an international name (`xn--…`) looks to a reader. */
  looksLike: string | null;
  /** What to beware of, in sentences. */
  warnings: string[];
}

/** True for a text that is one web address. */
export function isAddress(text: string): boolean {
  return /^https?:[/\\]{2}\S+$/i.test(text.trim());
}

/** Takes an address apart; `null` for a text that is none. */
export function readAddress(text: string): Address | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  const start = WEB.exec(text)?.[0];
  if (start === undefined || url.hostname === '') return null;
  const from = start.length;
  const end = from + (/[/\\?#]/.exec(text.slice(from))?.index ?? text.length - from);
  const authority = text.slice(from, end);
  const name = authority.slice(authority.lastIndexOf('@') + 1);
  const host = name.startsWith('[') ? name.slice(0, name.indexOf(']') + 1) : (name.split(':')[0] ?? name);
  const hostAt = end - name.length;

  const warnings: string[] = [];
  if (authority.includes('@')) {
    const shown = authority.slice(0, authority.lastIndexOf('@'));
    warnings.push(`What stands before the “@” (${shown}) is a user name, not the host. The host is ${url.hostname}.`);
  }
  if (/[\\\t\n\r]/.test(text)) warnings.push('It has backslashes, tabs or line breaks, which a program may read otherwise than you do.');
  const unicode = url.hostname.split('.').some((label) => label.startsWith('xn--'));
  const looksLike = unicode ? url.hostname.split('.').map(readPunycode).join('.') : null;
  if (looksLike !== null) warnings.push('The host has letters that are not ASCII; some look like others.');
  if (/^\d+(\.\d+){3}$/.test(url.hostname) && host !== url.hostname) warnings.push(`The host is a number, written in an unusual way: ${url.hostname}.`);
  if (/^(localhost|127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|\[(::1|f[cd]|fe80))/i.test(url.hostname)) {
    warnings.push('The host is this computer, or one of its own network.');
  }
  if (url.protocol === 'http:') warnings.push('It is not encrypted (http): others on the way can read and change it.');
  return {
    before: text.slice(0, hostAt),
    host,
    after: text.slice(hostAt + host.length),
    asked: url.hostname === host.toLowerCase() ? null : url.hostname,
    looksLike,
    warnings,
  };
}

/** The letters that a label `xn--…` stands for (RFC 3492); the label itself when it stands for none. */
export function readPunycode(label: string): string {
  if (!label.startsWith('xn--')) return label;
  const encoded = label.slice(4);
  const cut = encoded.lastIndexOf('-');
  const out = [...encoded.slice(0, Math.max(0, cut))].map((c) => c.codePointAt(0) ?? 0);
  let [n, i, bias] = [128, 0, 72];
  for (let at = cut + 1; at < encoded.length; ) {
    const before = i;
    for (let weight = 1, k = 36; ; k += 36) {
      const digit = '0123456789abcdefghijklmnopqrstuvwxyz'.indexOf(encoded.charAt(at) || '!');
      if (digit < 0) return label;
      at += 1;
      // `a` is 0, `z` is 25, `0` is 26.
      const value = digit >= 10 ? digit - 10 : digit + 26;
      i += value * weight;
      const limit = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
      if (value < limit) break;
      weight *= 36 - limit;
      if (!Number.isSafeInteger(weight) || !Number.isSafeInteger(i)) return label;
    }
    const length = out.length + 1;
    bias = adapt(i - before, length, before === 0);
    n += Math.floor(i / length);
    i %= length;
    if (n > 0x10ffff) return label;
    out.splice(i, 0, n);
    i += 1;
  }
  return String.fromCodePoint(...out);
}

function adapt(delta: number, length: number, first: boolean): number {
  let d = Math.floor(delta / (first ? 700 : 2));
  d += Math.floor(d / length);
  let k = 0;
  for (; d > 455; k += 36) d = Math.floor(d / 35);
  return k + Math.floor((36 * d) / (d + 38));
}
