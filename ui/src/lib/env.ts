// The variables of a team's environment: rows while they are typed, an edit when they are sent.
import type { EnvEdit, Place } from './api';
import type { Problem } from '../bindings/Problem';

/** A row of the table. */
export interface EnvRow {
  /** The variable's name. */
  name: string;
  from: 'text' | 'keychain';
  /** The new value of one that stands in the config. */
  text: string;
  /** The name in the keychain; empty: the variable's own. */
  key: string;
  /** A secret that goes into the keychain when the form is saved. It comes from the keyboard, and never
   * from the core. */
  secret: string;
  /** Where the keychain's value is, as far as that is known. */
  kept: 'unknown' | 'missing' | Place | Problem;
  /** The config has this variable: its name stays, and a text is not told. */
  saved: boolean;
}

export function newRow(name = ''): EnvRow {
  return { name, from: 'text', text: '', key: '', secret: '', kept: 'unknown', saved: false };
}

/** The rows of a team that has these. */
export function rowsOf(env: Record<string, EnvEdit> = {}): EnvRow[] {
  return Object.entries(env).map(([name, value]) => ({
    ...newRow(name),
    from: value.from === 'keychain' ? 'keychain' : 'text',
    key: value.from === 'keychain' ? value.name : '',
    saved: true,
  }));
}

/** The name under which the keychain has a row's value. */
export const keyOf = (row: EnvRow) => row.key.trim() || row.name.trim();

/** What is wrong with a row, in one sentence. A row of which nothing was typed is not there. */
export function envProblem(rows: readonly EnvRow[], at: number): string | null {
  const row = rows[at];
  if (row === undefined || isBlank(row)) return null;
  const name = row.name.trim();
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return name === '' ? 'Name the variable.' : 'A variable’s name has letters, digits and “_”, and does not start with a digit.';
  }
  if (rows.some((other, i) => i !== at && other.name.trim() === name)) return `There is “${name}” twice.`;
  if (row.from === 'keychain' && row.secret === '' && row.kept === 'missing' && !row.saved) {
    return `Type the secret: the keychain has none of the name “${keyOf(row)}” yet.`;
  }
  return null;
}

/** Only what differs from the variables as they were. */
export function envOf(rows: readonly EnvRow[], start: Record<string, EnvEdit> = {}): Record<string, EnvEdit> {
  const edit: Record<string, EnvEdit> = {};
  for (const name of Object.keys(start)) {
    if (!rows.some((row) => row.saved && row.name === name)) edit[name] = { from: 'nowhere' };
  }
  for (const row of rows) {
    if (isBlank(row)) continue;
    const name = row.name.trim();
    const was = start[name];
    if (row.from === 'keychain') {
      if (was?.from !== 'keychain' || was.name !== keyOf(row)) edit[name] = { from: 'keychain', name: keyOf(row) };
    } else if (row.text !== '' || was?.from !== 'text') {
      edit[name] = { from: 'text', value: row.text };
    }
  }
  return edit;
}

const isBlank = (row: EnvRow) => !row.saved && [row.name, row.text, row.key, row.secret].every((typed) => typed.trim() === '');
