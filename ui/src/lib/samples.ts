// What the fake core, tests and the demo are made of: one of each, with what a caller cares about.
import type { ApprovalId } from '../bindings/ApprovalId';
import type { ApprovalView } from '../bindings/ApprovalView';
import type { Code } from '../bindings/Code';
import type { Consequences } from '../bindings/Consequences';
import type { GrantId } from '../bindings/GrantId';
import type { GrantView } from '../bindings/GrantView';
import type { MissedView } from '../bindings/MissedView';
import type { Preview } from '../bindings/Preview';
import type { Problem } from '../bindings/Problem';
import type { PromptId } from '../bindings/PromptId';
import type { PromptView } from '../bindings/PromptView';
import type { RulesView } from '../bindings/RulesView';
import type { Snapshot } from '../bindings/Snapshot';
import type { TeamName } from '../bindings/TeamName';
import type { TeamView } from '../bindings/TeamView';
import type { TestStep } from './api';

export function problem(code: Code, message: string, hint: string): Problem {
  return { code, message, hint };
}

/** An empty Iris. */
export function emptySnapshot(): Snapshot {
  return {
    version: '0.1.0',
    endpoint: 'http://127.0.0.1:1615/mcp',
    teams: [],
    approvals: [],
    recent: [],
    missed: [],
    grants: [],
    prompts: [],
    webhooks: [],
    problems: [],
  };
}

/** A team that sleeps, with what a caller cares about. */
export function aTeam(name: TeamName, more: Partial<TeamView> = {}): TeamView {
  return { name, state: 'asleep', host: 'local', waiting: 0, path: `~/code/${name}`, mode: 'ask', sessions: [], ...more };
}

/** A waiting approval, with what a caller cares about. */
export function anApproval(id: ApprovalId, more: Partial<ApprovalView> = {}): ApprovalView {
  return {
    id,
    team: 'api',
    session: '6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11',
    from: 'console',
    host: 'local',
    path: '~/code/api',
    tool: 'Bash',
    input: { command: 'cargo test', description: 'Run the tests' },
    summary: 'cargo test',
    why: 'No rule covers it, and this team asks you then (its mode, grantPermission, is “ask”).',
    digest: id.padEnd(64, '3a9f0c'),
    offers: { input: true, exact: ['Bash(cargo test)'], suggested: ['Bash(cargo test:*)'], tool: ['Bash'] },
    createdAt: new Date(Date.now() - 12_000).toISOString(),
    expiresAt: new Date(Date.now() + 3_588_000).toISOString(),
    ...more,
  };
}

/** A grant that holds for ten minutes more, with what a caller cares about. */
export function aGrant(id: GrantId, more: Partial<GrantView> = {}): GrantView {
  return {
    id,
    team: 'api',
    session: '6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11',
    rules: ['Bash(cargo test:*)'],
    tool: 'Bash',
    summary: 'cargo test',
    until: { lifetime: 'minutes', minutes: 15 },
    expiresAt: new Date(Date.now() + 600_000).toISOString(),
    grantedBy: 'human:window:you',
    grantedAt: new Date(Date.now() - 300_000).toISOString(),
    hits: 0,
    ...more,
  };
}

/** A request that nobody answered in time, with what a caller cares about. */
export function aMissed(id: ApprovalId, more: Partial<MissedView> = {}): MissedView {
  return {
    id,
    team: 'api',
    session: '6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11',
    host: 'local',
    tool: 'Bash',
    input: { command: 'make deploy' },
    summary: 'make deploy',
    why: 'No rule covers it, and this team asks you then (its mode, grantPermission, is “ask”).',
    time: new Date(Date.now() - 1_200_000).toISOString(),
    ...more,
  };
}

/** What a grant would mean, with what a caller cares about. */
export function aPreview(more: Partial<Preview> = {}): Preview {
  return { rules: ['Bash(cargo test:*)'], of: 500, matched: 0, denied: 0, riskiest: [], ...more };
}

/** The rules of a team that says nothing of them, with what a caller cares about. */
export function aRulesView(more: Partial<RulesView> = {}): RulesView {
  return {
    deny: { common: [], builtIn: [] },
    requireApproval: { common: [], builtIn: ['session_fork', 'session_delete', 'session_reboot'] },
    autoApprove: { common: [], builtIn: ['mcp__iris__*'] },
    ...more,
  };
}

/** What an edit of rules would mean, with what a caller cares about. */
export function someConsequences(more: Partial<Consequences> = {}): Consequences {
  return { of: 500, newlyAllowed: [], newlyAsked: [], newlyDenied: [], config: { before: '{}\n', after: '{}\n' }, ...more };
}

/** What `ssh` asks, with what a caller cares about. */
export function aPrompt(id: PromptId, more: Partial<PromptView> = {}): PromptView {
  return {
    id,
    kind: { type: 'passphrase', key: '/home/you/.ssh/id_ed25519' },
    host: 'ml@gpu-box.lab',
    text: "Enter passphrase for key '/home/you/.ssh/id_ed25519':",
    rememberable: true,
    retry: false,
    createdAt: new Date(Date.now() - 3_000).toISOString(),
    ...more,
  };
}

/** What a connection test says when all is well. */
export const GOOD_TEST: TestStep[] = [
  { name: 'Find ssh', state: 'ok', detail: 'OpenSSH 9.2' },
  { name: 'Find the host', state: 'ok', detail: 'gpu-box.lab, port 22, as ml' },
  { name: 'Sign in', state: 'ok', detail: 'took 340 ms' },
  { name: 'Run a program there', state: 'ok' },
  { name: 'Open the tunnel', state: 'ok', detail: 'port 1615 there leads to Iris here, for that host alone' },
  { name: 'Prove the way', state: 'ok', detail: 'back after 12 ms' },
  { name: 'Find Claude Code', state: 'ok', detail: '/home/ml/.local/bin/claude, 2.1.330' },
  { name: 'Enter the folder', state: 'ok', detail: '/home/ml/train' },
  { name: 'Start the agent', state: 'ok', detail: "ready and ended again after 1.4 s, with Iris's tools; no model turn was spent" },
];
