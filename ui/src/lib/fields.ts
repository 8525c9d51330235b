// The fields of the team form: texts while they are typed, an edit when they are sent.
import type { GrantPermission } from '../bindings/GrantPermission';
import type { TargetMistakes } from '../bindings/TargetMistakes';
import type { PermissionsEdit, RateLimitEdit, RemoteOptionsEdit, TeamEdit } from './api';
import { envOf, envProblem, rowsOf, type EnvRow } from './env';
import { join, split, takeJump } from './shell';

export interface TeamFields {
  path: string;
  description: string;
  color: string;
  mode: GrantPermission;
  /** It runs on another host. */
  away: boolean;
  remote: string;
  port: string;
  identity: string;
  jump: string;
  /** As typed after `ssh`. */
  extraArgs: string;
  connectTimeout: string;
  hostKeys: 'ask' | 'yes';
  aliveInterval: string;
  aliveCount: string;
  compression: OnOff;
  forwardAgent: OnOff;
  /** Carry Iris's tools to the host. */
  irisTools: boolean;
  reversePort: string;
  https: boolean;
  /** Comma lists. */
  allowedTools: string;
  deniedTools: string;
  allowedTargets: string;
  deniedTargets: string;
  ratePoints: string;
  rateDuration: string;
  rateBlock: string;
  claudePath: string;
  env: EnvRow[];
}

/** Said by the team, or left to the user's own configuration of ssh. */
export type OnOff = '' | 'yes' | 'no';

/** The fields of a team that is set to this; of a new one without it. */
export function fieldsOf(team: TeamEdit = {}): TeamFields {
  const options = team.remoteOptions ?? {};
  const permissions = team.reverseMcpPermissions ?? {};
  const limit = team.reverseMcpRateLimit ?? {};
  const { jump, rest } = takeJump(options.extraSshArgs ?? []);
  return {
    path: team.path ?? '',
    description: team.description ?? '',
    color: team.color ?? '',
    mode: team.grantPermission ?? 'ask',
    away: (team.remote ?? '') !== '',
    remote: team.remote ?? '',
    port: number(options.port),
    identity: options.identity ?? '',
    jump,
    extraArgs: join(rest),
    connectTimeout: number(options.connectTimeout),
    hostKeys: options.strictHostKeyChecking ?? 'ask',
    aliveInterval: numberOrZero(options.serverAliveInterval),
    aliveCount: number(options.serverAliveCountMax),
    compression: onOff(options.compression),
    forwardAgent: onOff(options.forwardAgent),
    irisTools: team.enableReverseMcp ?? false,
    reversePort: number(team.reverseMcpPort),
    https: !(team.allowHttp ?? false),
    allowedTools: list(permissions.allowedTools),
    deniedTools: list(permissions.deniedTools),
    allowedTargets: list(permissions.allowedTargets),
    deniedTargets: list(permissions.deniedTargets),
    ratePoints: number(limit.points),
    rateDuration: number(limit.duration),
    rateBlock: numberOrZero(limit.blockDuration),
    claudePath: team.claudePath ?? '',
    env: rowsOf(team.env),
  };
}

/** What is wrong with which field, in one sentence. */
export type FieldProblems = Partial<Record<keyof TeamFields, string>>;

/** `found`: what the core says of the host as it is typed. */
export function problemsOf(fields: TeamFields, found: TargetMistakes = {}): FieldProblems {
  const problems: FieldProblems = {};
  if (fields.path.trim() === '') {
    problems.path = fields.away ? 'Name the project’s folder on that host.' : 'Choose the project’s folder.';
  }
  if (fields.env.some((_, i) => envProblem(fields.env, i) !== null)) problems.env = 'One of the variables needs correcting.';
  if (!fields.away) return problems;
  if (fields.remote.trim() === '') problems.remote = 'Name the host as you would after ssh.';
  else if (found.remote !== undefined) problems.remote = found.remote;
  if (!isPort(fields.port)) problems.port = 'A port is a number from 1 to 65535.';
  if (!isWhole(fields.connectTimeout)) problems.connectTimeout = SECONDS;
  if (!isWholeOrZero(fields.aliveInterval)) problems.aliveInterval = 'Whole seconds; 0 for none.';
  if (!isWhole(fields.aliveCount)) problems.aliveCount = COUNT;
  if (/\s/.test(fields.jump.trim())) problems.jump = 'One host, or several with commas between them.';
  if (split(fields.extraArgs) === null) problems.extraArgs = 'A quote is not closed.';
  else if (found.extraSshArgs !== undefined) problems.extraArgs = found.extraSshArgs;
  if (!fields.irisTools) return problems;
  if (!isPort(fields.reversePort)) problems.reversePort = 'A port is a number from 1 to 65535.';
  if (!isWhole(fields.ratePoints)) problems.ratePoints = COUNT;
  if (!isWhole(fields.rateDuration)) problems.rateDuration = SECONDS;
  if (!isWholeOrZero(fields.rateBlock)) problems.rateBlock = 'Whole seconds; 0: only until the time is over.';
  return problems;
}

const SECONDS = 'Whole seconds, at least 1.';
const COUNT = 'A whole number, at least 1.';

/** Only what differs from the team as it was. What the form does not show now stays as it is. */
export function editOf(start: TeamEdit | undefined, fields: TeamFields): TeamEdit {
  const was = fieldsOf(start);
  const edit: TeamEdit = {};
  if (start === undefined || text(fields.path) !== was.path) edit.path = text(fields.path);
  if (text(fields.description) !== was.description) edit.description = text(fields.description);
  if (fields.color !== was.color) edit.color = fields.color;
  if (fields.mode !== was.mode) edit.grantPermission = fields.mode;
  const env = envOf(fields.env, start?.env);
  if (Object.keys(env).length > 0) edit.env = env;
  if (!fields.away) {
    // Without a host there is nothing to carry the tools to: the config would be wrong.
    if (was.away) Object.assign(edit, { remote: '', ...(was.irisTools ? { enableReverseMcp: false } : {}) });
    return edit;
  }
  if (text(fields.remote) !== was.remote) edit.remote = remoteOf(fields.remote);
  const options = optionsOf(was, fields);
  if (Object.keys(options).length > 0) edit.remoteOptions = options;
  if (text(fields.claudePath) !== was.claudePath) edit.claudePath = text(fields.claudePath);
  if (fields.irisTools !== was.irisTools) edit.enableReverseMcp = fields.irisTools;
  if (!fields.irisTools) return edit;
  if (text(fields.reversePort) !== was.reversePort) edit.reverseMcpPort = Number(text(fields.reversePort));
  if (fields.https !== was.https) edit.allowHttp = !fields.https;
  const permissions = permissionsOf(was, fields);
  if (Object.keys(permissions).length > 0) edit.reverseMcpPermissions = permissions;
  const limit = limitOf(was, fields);
  if (Object.keys(limit).length > 0) edit.reverseMcpRateLimit = limit;
  return edit;
}

function optionsOf(was: TeamFields, is: TeamFields): RemoteOptionsEdit {
  const options: RemoteOptionsEdit = {};
  if (text(is.identity) !== was.identity) options.identity = text(is.identity);
  // An empty field is a zero: it removes what was there.
  if (text(is.port) !== was.port) options.port = Number(text(is.port));
  if (text(is.connectTimeout) !== was.connectTimeout) options.connectTimeout = Number(text(is.connectTimeout));
  if (text(is.aliveInterval) !== was.aliveInterval) options.serverAliveInterval = orNull(is.aliveInterval);
  if (text(is.aliveCount) !== was.aliveCount) options.serverAliveCountMax = Number(text(is.aliveCount));
  if (is.compression !== was.compression) options.compression = truth(is.compression);
  if (is.forwardAgent !== was.forwardAgent) options.forwardAgent = truth(is.forwardAgent);
  if (is.hostKeys !== was.hostKeys) options.strictHostKeyChecking = is.hostKeys;
  if (text(is.jump) !== was.jump || text(is.extraArgs) !== was.extraArgs) {
    options.extraSshArgs = argsOf(is);
  }
  return options;
}

const LISTS = ['allowedTools', 'deniedTools', 'allowedTargets', 'deniedTargets'] as const;

function permissionsOf(was: TeamFields, is: TeamFields): PermissionsEdit {
  const permissions: PermissionsEdit = {};
  for (const name of LISTS) {
    const items = itemsOf(is[name]);
    if (list(items) !== was[name]) permissions[name] = items;
  }
  return permissions;
}

function limitOf(was: TeamFields, is: TeamFields): RateLimitEdit {
  const limit: RateLimitEdit = {};
  if (text(is.ratePoints) !== was.ratePoints) limit.points = Number(text(is.ratePoints));
  if (text(is.rateDuration) !== was.rateDuration) limit.duration = Number(text(is.rateDuration));
  if (text(is.rateBlock) !== was.rateBlock) limit.blockDuration = orNull(is.rateBlock);
  return limit;
}

/** What `ssh` is to be asked for, as the fields are now; `null`: there is no host, or an argument is
 * not finished. */
export function hostOf(fields: TeamFields): { remote: string; options: RemoteOptionsEdit } | null {
  const remote = remoteOf(fields.remote);
  const { port, connectTimeout, extraArgs, aliveInterval, aliveCount } = problemsOf({ ...fields, away: true });
  const unfinished = port ?? connectTimeout ?? extraArgs ?? aliveInterval ?? aliveCount;
  if (remote === '' || split(remote) === null || unfinished !== undefined) return null;
  return { remote, options: optionsOf(fieldsOf(), fields) };
}

/** The items of a comma list. */
export function itemsOf(text: string): string[] {
  return text
    .split(/[,\s]+/)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The arguments for `ssh`, the jump host among them. */
export function argsOf(fields: TeamFields): string[] {
  const jump = text(fields.jump);
  return [...(jump ? ['-J', jump] : []), ...(split(fields.extraArgs) ?? [])];
}

/** What is typed after `ssh`, as the config has it: with options it is the whole command. */
export function remoteOf(typed: string): string {
  const remote = text(typed);
  return /\s/.test(remote) && !/^ssh\s/.test(remote) ? `ssh ${remote}` : remote;
}

const text = (typed: string) => typed.trim();
const list = (items: string[] | undefined) => (items ?? []).join(', ');
const number = (n: number | undefined) => (n === undefined || n === 0 ? '' : String(n));
const numberOrZero = (n: number | null | undefined) => (n === undefined || n === null ? '' : String(n));
const onOff = (on: boolean | null | undefined): OnOff => (on === undefined || on === null ? '' : on ? 'yes' : 'no');
const orNull = (typed: string) => (text(typed) === '' ? null : Number(text(typed)));
const truth = (said: OnOff) => (said === '' ? null : said === 'yes');
const isWholeOrZero = (typed: string) => /^\d*$/.test(text(typed));
const isWhole = (typed: string) => isWholeOrZero(typed) && !/^0+$/.test(text(typed));
const isPort = (typed: string) => isWhole(typed) && Number(text(typed)) <= 65535;
