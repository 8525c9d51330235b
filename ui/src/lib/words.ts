// What the core writes down, in words for people.
import type { FrozenView } from '../bindings/FrozenView';
import type { GrantPermission } from '../bindings/GrantPermission';
import type { MessageStatus } from '../bindings/MessageStatus';
import type { PromptKind } from '../bindings/PromptKind';
import type { Surface } from '../bindings/Surface';
import type { TeamState } from '../bindings/TeamState';
import type { Verb } from '../bindings/Verb';
import { visible } from './display';

/** The tool with which an agent lays a plan before the person. */
export const PLAN_TOOL = 'ExitPlanMode';

const SURFACES: Record<Surface, string> = {
  notification: 'in the notification',
  tray: 'in the tray menu',
  window: 'in this window',
  cli: 'on the command line',
  slack: 'in Slack',
};

const IRIS_REASONS: Record<string, string> = {
  audit: 'the audit log could not be written',
  limit: 'too many requests were waiting',
  shutdown: 'Iris was shutting down',
  input: 'the edited input could not be used',
};

/** Why a call was turned away. */
const REFUSALS: Record<string, string> = {
  'token:missing': 'because no token came with it',
  'token:unknown': 'because its token is not one that Iris gave',
  'token:elsewhere': 'because its token is for another place',
  host: 'because it named another host than this computer',
  origin: 'because a web page sent it',
  probe: 'because it was no proof of a tunnel that Iris waits for',
  'callback:permissions': 'because the team may not call it',
  'callback:rate': 'because the team calls too often',
  'callback:breaker': 'because the team was cut off',
  identity: 'because it said to come from somebody else',
  self: 'because an agent may not act on itself',
  control: 'because a program of an agent may not control Iris',
  slack: 'because this user of Slack may not decide',
};

/** Who or what decided, as `decidedBy` of the audit log says it: `by you in the notification`. */
export function decider(decidedBy: string): string {
  const [kind = '', second = '', ...rest] = decidedBy.split(':');
  switch (kind) {
    case 'human':
      return second in SURFACES ? `by you ${SURFACES[second as Surface]}` : `by you (${visible(second)})`;
    case 'rule':
      return `by the ${visible(second)} rule ${visible(rest.join(':'))}`;
    case 'grant':
      return `by the grant ${visible(second)}`;
    case 'session':
      return `by the session of team ${visible(second)} that gave the task`;
    case 'mode':
      return `by the team’s mode “${visible(second)}”`;
    case 'timeout':
      return 'because nobody answered in time';
    case 'withdrawn':
      return `because the agent stopped waiting${second ? ` (${visible(second)})` : ''}`;
    case 'lost':
      return 'because Iris ended while it waited';
    case 'iris':
      return second ? `by Iris: ${IRIS_REASONS[second] ?? visible(second)}` : 'by Iris';
    case 'console':
      return 'by you';
    case 'file':
      return 'in the config file';
    default:
      return REFUSALS[decidedBy] ?? (decidedBy ? `by ${visible(decidedBy)}` : '');
  }
}

/** The past of a verb. */
export const OUTCOME: Record<Verb, string> = { allow: 'Allowed', deny: 'Denied', noted: 'Noted' };

/** How an approval ended, whole: `Allowed by you in the notification`. */
export function ending(decision: Verb, decidedBy: string): string {
  return `${OUTCOME[decision]} ${decider(decidedBy)}`.trim();
}

/** `you`, or the team. */
export function party(name: string): string {
  return name === 'console' ? 'you (console)' : name;
}

/** `this computer`, or the SSH destination. */
export function place(host: string): string {
  return host === 'local' ? 'this computer' : visible(host);
}

/** What each mode does, in one sentence. */
export const MODES: Record<GrantPermission, { label: string; says: string }> = {
  ask: { label: 'Ask me', says: 'What no rule decides waits here until you allow or deny it.' },
  yes: { label: 'Allow everything', says: 'What no rule decides runs at once; nobody is asked.' },
  no: { label: 'Deny everything', says: 'What no rule decides is denied, and the agent is told so.' },
  forward: {
    label: 'Forward to the sender',
    says: 'What no rule decides goes to the session that gave the task; it can allow what it may do itself. Everything else, and what it leaves unanswered, comes to you.',
  },
};

/** What a state means, for tooltips. */
export const STATES: Record<TeamState, string> = {
  asleep: 'No agent is running',
  idle: 'Ready for a task',
  waking: 'The agent is starting',
  working: 'The agent is at work',
  waiting: 'The agent waits for your answer',
  trouble: 'The agent does not work',
};

/** What `ssh` wants, as a title. */
export function promptTitle(kind: PromptKind): string {
  switch (kind.type) {
    case 'passphrase':
      return 'The passphrase of a key';
    case 'password':
      return 'A password';
    case 'code':
      return 'A one-time code';
    case 'hostKey':
      return 'Is this the right host?';
    case 'confirm':
      return 'Yes or no?';
    case 'touch':
      return 'Touch your security key';
    case 'other':
      return 'A question';
  }
}

/** A kept secret's name in words: what it is, and of what. */
export function secretWords(name: string): { what: string; of: string } {
  for (const [prefix, what] of [
    ['ssh passphrase ', 'Passphrase of the key'],
    ['ssh password ', 'Password of'],
    ['env ', 'Value for the config, keychain:'],
  ] as const) {
    if (name.startsWith(prefix)) return { what, of: visible(name.slice(prefix.length)) };
  }
  return { what: 'Secret', of: visible(name) };
}

/** What the process tables showed: `7 of 7 processes stopped in 0.4 s.` */
export function frozenWords({ proof }: FrozenView): string {
  if (!proof) return 'Agents are being stopped.';
  const cut = Object.entries(proof.unreached ?? {})
    .map(([host, agents]) => ` ${agents === 1 ? '1 agent' : `${agents} agents`} on ${visible(host)} not reached: cut off from Iris.`)
    .join('');
  if (proof.found === 0 && cut === '') return 'No agent was running.';
  const took = proof.tookMs < 100 ? 'less than 0.1\u00a0s' : `${(proof.tookMs / 1000).toFixed(1)}\u00a0s`;
  return `${proof.stopped} of ${proof.found} processes stopped in ${took}.${cut}`;
}

/** What became of a task, truthfully. */
export const STATUSES: Record<MessageStatus, { title: string; says: string }> = {
  answered: { title: 'Answered', says: '' },
  queued: { title: 'Queued', says: 'Iris has the task; the agent has not got it yet.' },
  timeout: { title: 'No answer yet', says: 'Iris stopped waiting. The agent goes on working on it.' },
  failed: { title: 'Failed', says: '' },
  expired: { title: 'Expired', says: 'It could not be delivered in its time.' },
  cancelled: { title: 'Interrupted', says: 'The turn was stopped before the agent answered.' },
};
