// Conversations of ordered pairs, in words and in order.
import type { ListedSession } from '../bindings/ListedSession';
import type { Message } from '../bindings/Message';
import type { MessageState } from '../bindings/MessageState';
import type { Party } from '../bindings/Party';
import type { Problem } from '../bindings/Problem';
import type { Spent } from '../bindings/Spent';
import type { TeamName } from '../bindings/TeamName';
import type { TeamView } from '../bindings/TeamView';

/** Whose conversation, with which team. */
export interface Pair {
  from: Party;
  to: TeamName;
}

/** A conversation as it is now. */
export interface Session extends ListedSession {
  /** What its agent does just now. */
  doing?: string;
  /** Why it is in trouble. */
  problem?: Problem;
}

/** A team's conversations. */
export interface Group {
  team: TeamView;
  sessions: Session[];
}

/** One word for a pair. */
export function keyOf({ from, to }: Pair): string {
  return `${from}>${to}`;
}

/** `you`, or the team. */
export function name(party: Party): string {
  return party === 'console' ? 'you' : party;
}

/** Every conversation as it is now: as listed, with what the snapshot knows better, by team; those that
 * the person began come first. */
export function grouped(listed: readonly ListedSession[], teams: readonly TeamView[]): Group[] {
  return teams.flatMap((team) => {
    const rest = listed.filter((it) => it.to === team.name && !team.sessions.some((s) => s.from === it.from));
    const used = team.sessions.map((view): Session => {
      const known = listed.find((it) => it.to === team.name && it.from === view.from);
      return {
        from: view.from,
        to: team.name,
        id: view.id,
        begun: known?.begun ?? true,
        state: view.state,
        queued: view.queued,
        lastUsed: view.lastActivity,
        messages: known?.messages ?? 0,
        ...(view.pid === undefined ? {} : { pid: view.pid }),
        ...(view.spent === undefined ? {} : { spent: view.spent }),
        ...(view.doing === undefined ? {} : { doing: view.doing }),
        ...(view.problem === undefined ? {} : { problem: view.problem }),
      };
    });
    const first = (it: Session) => (it.from === 'console' ? '' : it.from);
    const sessions = [...used, ...rest].sort((a, b) => first(a).localeCompare(first(b)));
    return sessions.length === 0 ? [] : [{ team, sessions }];
  });
}

/** Changes when a list that was read may be old. */
export function ageOf(teams: readonly TeamView[]): string {
  return teams
    .flatMap((team) => team.sessions.map((s) => `${team.name} ${s.from} ${s.id} ${s.state} ${s.queued} ${s.lastActivity}`))
    .join('\n');
}

/** Money: `$0.42`, `less than $0.01`. */
export function cost(usd: number): string {
  if (usd > 0 && usd < 0.01) return '< $0.01';
  return `$${usd.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

/** A number in few characters: `950`, `12.4 k`, `3.1 M`. */
export function few(n: number): string {
  if (n < 1000) return String(n);
  const [value, unit] = n < 999_950 ? [n / 1000, 'k'] : [n / 1_000_000, 'M'];
  return `${value < 99.95 ? value.toFixed(1).replace(/\.0$/, '') : Math.round(value).toString()} ${unit}`;
}

/** All tokens of some turns. */
export function tokens({ tokens: t }: Spent): number {
  return t.input + t.output + t.cacheRead + t.cacheWritten;
}

/** What was spent, in full, for tooltips. */
export function spentWords(spent: Spent): string {
  const { tokens: t, turns, costUsd } = spent;
  const n = (of: number) => of.toLocaleString();
  return `${turns === 1 ? '1 turn' : `${n(turns)} turns`}, $${costUsd.toFixed(4)} as Claude Code reckons; tokens: ${n(t.input)} read, ${n(t.cacheRead)} read from the cache, ${n(t.cacheWritten)} put into it, ${n(t.output)} written`;
}

/** What each state of a message means. */
export const MESSAGE_STATES: Record<MessageState, { word: string; says: string }> = {
  queued: { word: 'queued', says: 'Iris has it, on disk. The agent has not got it yet.' },
  delivered: { word: 'delivered', says: 'The agent has it, and has not answered yet.' },
  answered: { word: 'answered', says: 'The agent answered.' },
  failed: { word: 'failed', says: 'It will not be answered.' },
  expired: { word: 'expired', says: 'Its time was over before it could be delivered.' },
  cancelled: { word: 'cancelled', says: 'It was taken back, or its turn was stopped.' },
};

/** It ended and the agent never got it: no transcript tells of it. */
export function isUndelivered(message: Message): boolean {
  return message.deliveredAt === undefined && message.settledAt !== undefined;
}
