// The record in words, and what is asked of it.
import type { Filter } from '../bindings/Filter';
import type { Kind } from '../bindings/Kind';
import type { Row } from '../bindings/Row';
import type { Verb } from '../bindings/Verb';
import type { ChainCheck } from './api';
import { heart, isObject, oneLine } from './display';

/** Rows fetched at a time. */
export const PAGE = 50;

/** The kinds of rows, as a filter names them. */
export const KINDS: Record<Kind, string> = {
  permission: 'Requests',
  call: 'Refused calls',
  auth: 'Refused callers',
  config: 'Changes of the config',
  operation: 'What people and Iris did',
};

/** What decides, by the first part of `decidedBy`. */
export const DECIDERS: Record<string, string> = {
  human: 'A person',
  rule: 'A rule',
  grant: 'A grant',
  mode: 'The team’s mode',
  session: 'Another session',
  timeout: 'The time limit',
  withdrawn: 'The agent stopped waiting',
  iris: 'Iris',
  token: 'A wrong token',
};

/** How far back, in hours. */
export const SPANS: Record<string, { label: string; hours: number }> = {
  hour: { label: 'Last hour', hours: 1 },
  day: { label: 'Last 24 hours', hours: 24 },
  week: { label: 'Last 7 days', hours: 168 },
  month: { label: 'Last 30 days', hours: 720 },
};

/** What the fields above the list say; empty: it does not matter. */
export interface Wanted {
  search: string;
  team: string;
  kind: string;
  decision: string;
  by: string;
  /** A key of `SPANS`, or `between`. */
  time: string;
  /** Days of `between`, as a date field has them. */
  from: string;
  to: string;
}

export const ALL: Wanted = { search: '', team: '', kind: '', decision: '', by: '', time: '', from: '', to: '' };

export function filterOf(wanted: Wanted, now: number): Filter {
  const filter: Filter = {};
  if (wanted.search.trim()) filter.search = wanted.search.trim();
  if (wanted.team) filter.team = wanted.team;
  if (wanted.kind) filter.kind = wanted.kind as Kind;
  if (wanted.decision) filter.decision = wanted.decision as Verb;
  if (wanted.by) filter.by = wanted.by;
  const span = SPANS[wanted.time];
  if (span) filter.since = new Date(now - span.hours * 3_600_000).toISOString();
  if (wanted.time === 'between') {
    // Days as they begin here; the last one is meant whole.
    if (wanted.from) filter.since = new Date(`${wanted.from}T00:00:00`).toISOString();
    if (wanted.to) {
      const end = new Date(`${wanted.to}T00:00:00`);
      end.setDate(end.getDate() + 1);
      filter.until = end.toISOString();
    }
  }
  return filter;
}

/** Events that have no words of their own in the record. */
const EVENTS: Record<string, string> = {
  'audit.exported': 'The record was exported',
  'audit.pruned': 'Old rows were taken out of the record',
  'audit.recovered': 'The record can be written again',
  'config.broken': 'The config file has a mistake',
  'config.changed': 'The config changed',
  endpoint: 'A caller was turned away',
  freeze: 'Agents were frozen',
  'grant.ended': 'A grant ended',
  'grant.extended': 'A grant got more time',
  'grant.made': 'A grant was made',
  'grant.revoked': 'A grant was taken back',
  'iris.started': 'Iris started',
  'iris.stopped': 'Iris ended',
  'key.revoked': 'Keys of a team were taken',
  'key.rotated': 'A team got new keys',
  'message.cancel': 'A message was cancelled',
  'missed.allowed': 'A missed request was allowed',
  'missed.dismissed': 'A missed request was dismissed',
  'prompt.answered': 'A question of ssh was answered',
  'prompt.cancelled': 'A question of ssh was not answered',
  'rule.added': 'A rule was added',
  'secret.forgotten': 'A secret was forgotten',
  'secret.set': 'A secret was kept',
  'session.delete': 'A conversation was deleted',
  'session.fork': 'A conversation was opened in a terminal',
  'session.reboot': 'A conversation was begun anew',
  'session.sleep': 'An agent was put to sleep',
  'slack.press': 'A press in Slack was refused',
  'slack.test': 'Slack was tested',
  'team.cutOff': 'A team was cut off',
  'team.interrupt': 'A turn was interrupted',
  'team.send': 'A team was given a task',
  'team.start': 'A team was started',
  'team.stop': 'A team was stopped',
  'team.test': 'A connection was tested',
  thaw: 'Agents were thawed',
  'tunnel.killed': 'A tunnel was cut',
  'webhook.test': 'The webhooks were tested',
};

/** A row in one line: what it is, and the heart of its input. */
export function headline(row: Row): { what: string; heart: string } {
  const event = row.kind === 'permission' ? undefined : EVENTS[row.tool];
  const input = edited(row)?.ran ?? row.input;
  const empty = isObject(input) && Object.keys(input).length === 0;
  return { what: event ?? oneLine(row.tool, 60), heart: empty ? '' : oneLine(heart(input), 160) };
}

/** What was asked and what ran instead, when a person edited it. Only the digest of a request tells:
 * an agent may send an input with these two keys, but then its row says why it was not edited. */
export function edited(row: Row): { asked: unknown; ran: unknown } | null {
  const { input, kind, decision } = row;
  if (kind !== 'permission' || decision !== 'allow' || !isObject(input)) return null;
  const keys = Object.keys(input).sort();
  return keys.length === 2 && keys[0] === 'asked' && keys[1] === 'ran' ? { asked: input.asked, ran: input.ran } : null;
}

/** Why, where the row itself does not say. */
export function reason(row: Row): string {
  if (row.why) return row.why;
  switch (row.kind) {
    case 'auth':
      return 'Somebody called without a token, or with one that is not theirs. Nothing was done for them.';
    case 'call':
      return 'A call of one of Iris’s own tools was refused before it did anything.';
    case 'permission':
    case 'config':
    case 'operation':
      return '';
  }
}

/** What a check of the chain found. */
export function checkWords(check: ChainCheck): string {
  const rows = check.rows.toLocaleString();
  if (check.broken) return `Row ${check.broken[0].toLocaleString()} does not fit: ${check.broken[1]}.`;
  if (!check.pruned) return `All ${rows} rows are there and unchanged.`;
  const day = new Date(check.pruned.time).toLocaleDateString();
  return `Rows 1 to ${check.pruned.seq.toLocaleString()} were pruned, the last of them on ${day}. The other ${rows} are all there and unchanged.`;
}
