// What is known of a team's link, in words. Green is only what was proved a moment ago.
import type { LinkView } from '../bindings/LinkView';
import type { TeamView } from '../bindings/TeamView';
import { visible } from './display';
import { brief } from './time';

/** How it looks: proved a moment ago, on its way, doubtful, needs the user, nothing known. */
export type LinkTone = 'good' | 'busy' | 'warn' | 'bad' | 'none';

/**
 * For so long a proof is news, milliseconds. The core proves each link every 15 s and waits 8 s for
 * an answer (`iris_domain::link`); what is older than two such rounds was not verified recently.
 */
export const FRESH_MS = 46_000;

/** What to say of a link. */
export interface LinkWords {
  tone: LinkTone;
  /** Without what is wrong: `reconnecting in 8 s`. */
  state: string;
  /** What is wrong, in one sentence; empty when nothing is. */
  why: string;
}

/** A link in words; `undefined`: there never was one. */
export function linkWords(link: LinkView | undefined, now: number): LinkWords {
  if (!link) return { tone: 'none', state: 'not connected', why: '' };
  const why = link.problem ? visible(link.problem.message) : '';
  switch (link.state) {
    case 'down':
      return { tone: 'none', state: 'not connected', why };
    case 'connecting':
      return { tone: 'busy', state: 'connecting', why };
    case 'verifying':
      return { tone: 'busy', state: 'connected, verifying', why };
    case 'up':
      return up(link, now, why);
    case 'degraded':
      return { tone: 'warn', state: 'degraded', why: why || 'The last proof did not come back.' };
    case 'reconnecting':
      return { tone: 'warn', state: reconnecting(link.retryAt, now), why };
    case 'needsYou':
      return { tone: 'bad', state: 'needs you', why };
  }
}

function up(link: LinkView, now: number, why: string): LinkWords {
  if (link.verifiedAt === undefined) return { tone: 'busy', state: 'connected, not verified yet', why };
  const passed = now - Date.parse(link.verifiedAt);
  const when = passed < 1000 ? 'just now' : `${brief(passed)} ago`;
  if (passed > FRESH_MS) return { tone: 'warn', state: `last verified ${when}`, why };
  const trip = link.rttMs === undefined ? '' : `, ${milliseconds(link.rttMs)}`;
  return { tone: 'good', state: `verified ${when}${trip}`, why };
}

function reconnecting(retryAt: string | undefined, now: number): string {
  const left = retryAt === undefined ? 0 : Date.parse(retryAt) - now;
  return left < 1000 ? 'reconnecting' : `reconnecting in ${brief(left)}`;
}

function milliseconds(ms: number): string {
  return ms < 1 ? 'under 1 ms' : `${Math.round(ms)} ms`;
}

/** All in one line: `needs you: the key of the host changed`. */
export function linkLine(words: LinkWords): string {
  return words.why ? `${words.state}: ${words.why}` : words.state;
}

/** True when nothing stands between the window and what it says of the team: it runs here, or its
 * link was proved a moment ago. */
export function isSure(team: TeamView, now: number): boolean {
  return team.host === 'local' || linkWords(team.link, now).tone === 'good';
}
