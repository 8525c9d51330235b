// Made-up data for looking at the window in a browser (`npm run dev`). The address chooses the
// state (`#empty`, `#broken`, `#loading`, `#problem`, `#busy`, `#alike`, `#flood`, `#ended`, `#long`, `#task`, `#frozen`, `#badtest`, `#badslack`, `#pruned`, `#badrecord`, `#edited`, those of `demo-sessions.ts`, or a kind of question
// of ssh: `#hostKey`; `#rules,2,team-edit,team-rules` types a rule, `#policy,2,team-edit` chooses a template) and, after a comma, keys to press, then test ids to click: `#,2j,team-edit` edits the second team.
import type { PromptView } from '../bindings/PromptView';
import type { Row } from '../bindings/Row';
import type { Api } from './api';
import { demoRules } from './demo-rules';
import { demoSessions } from './demo-sessions';
import { FakeApi, aPrompt, aTeam, anApproval, emptySnapshot, GOOD_TEST, problem } from './fake';

const MIGRATE = `set -euo pipefail
# Bring the staging database up to date, then check it.
export PGHOST=db.staging.internal PGUSER=billing
psql -v ON_ERROR_STOP=1 -f migrations/0042_invoice_state.sql
psql -c "select state, count(*) from invoices group by 1" | tee /tmp/after.txt
curl -fsS https://hooks.internal/notify -d @/tmp/after.txt \u202e# gnp.exe\u200b
rm -rf ./build && make deploy`;

const before = (ms: number) => new Date(Date.now() - ms).toISOString();
const after = (ms: number) => new Date(Date.now() + ms).toISOString();

/** What ssh may ask, by kind. */
const QUESTIONS: Record<string, Partial<PromptView>> = {
  passphrase: {},
  retry: { retry: true },
  password: { kind: { type: 'password', who: 'ml@gpu-box.lab' }, text: "ml@gpu-box.lab's password:" },
  code: { kind: { type: 'code' }, text: '(ml@gpu-box.lab) Verification code:', rememberable: false },
  hostKey: {
    kind: { type: 'hostKey', host: 'gpu-box.lab (192.0.2.17)', keyType: 'ED25519', fingerprint: 'SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDQTkPjtDl1eBxDLdE' },
    text: "The authenticity of host 'gpu-box.lab (192.0.2.17)' can't be established.\nED25519 key fingerprint is SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDQTkPjtDl1eBxDLdE.\nThis key is not known by any other names.\nAre you sure you want to continue connecting (yes/no/[fingerprint])?",
    rememberable: false,
  },
  confirm: { kind: { type: 'confirm' }, text: 'Allow use of key /home/you/.ssh/id_ed25519?', rememberable: false },
  touch: { kind: { type: 'touch' }, text: 'Confirm user presence for key ED25519-SK SHA256:b3hq3dM1DuQ1a', rememberable: false },
  other: { kind: { type: 'other' }, text: '(ml@gpu-box.lab) Which tenant? \u202e[lab/prod]:', rememberable: false },
};

export function demo(): Api {
  const [wanted = '', keys = '', ...clicks] = location.hash.slice(1).split(',');
  setTimeout(() => {
    for (const key of keys) {
      setTimeout(() => window.dispatchEvent(new KeyboardEvent('keydown', { key })));
    }
    for (const [i, id] of clicks.entries()) {
      setTimeout(() => document.querySelector<HTMLElement>(`[data-testid="${id}"]`)?.click(), 700 * (i + 1));
    }
  }, 1000);
  const api = new FakeApi(emptySnapshot(), 400);
  if (wanted === 'broken') {
    api.failures.set('snapshot', problem('unavailable', 'Iris does not answer.', 'Start Iris again from your applications menu; its logs are in ~/.iris/logs.'));
    return api;
  }
  if (wanted === 'loading') {
    return new FakeApi(emptySnapshot(), 1e9);
  }
  if (wanted === 'empty') return api;

  api.outcome = {
    status: 'answered',
    response:
      'The flaky test was a race in `InvoiceClock`: two tests shared one temporary folder.\n\n- each test now gets its own folder\n- the suite ran 50 times in a row without a failure\n\nI did not touch the release branch.',
  };
  api.state = {
    ...emptySnapshot(),
    teams: [
      aTeam('api', {
        state: 'waiting', waiting: 2, color: '#3b7dd8', description: 'HTTP API and its database',
        sessions: [{ id: '6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11', from: 'console', state: 'waiting', pid: 48213, queued: 0, stderrTail: [], lastActivity: before(8_000) }],
      }),
      aTeam('docs', { state: 'working', color: '#5a9e6f', description: 'The handbook', mode: 'yes', waiting: 1,
        sessions: [{ id: '2b9d11aa-8f5d-4d39-a3f4-0d7b2a41c2f0', from: 'api', state: 'working', pid: 48377, queued: 1, stderrTail: [], lastActivity: before(2_000) }] }),
      aTeam('edge', { state: 'working', host: 'ssh -J gate edge-7', path: '~/edge', color: '#2f9aa0', description: 'The box in the hall',
        link: { state: 'degraded', verifiedAt: before(31_000), rttMs: 220, port: 1615,
          problem: problem('network', 'The last proof did not come back within 8 s.', 'Iris tries again in a moment; look at the network if it stays.'),
          warning: "Plain HTTP inside the tunnel (allowHttp): other users of that host who can listen in could read the team's token." } }),
      aTeam('fleet', { state: 'trouble', host: 'ops@fleet.example', path: '/srv/fleet', color: '#c8553d',
        link: { state: 'needsYou', problem: problem('network', 'The host key of fleet.example changed.', 'Ask its owner whether it was set up anew; then remove the old key with `ssh-keygen -R fleet.example` and start the team.') } }),
      aTeam('gpu-box', { state: 'idle', host: 'ml@gpu-box.lab', path: '~/train', color: '#a565b5',
        link: { state: 'up', verifiedAt: before(4_000), rttMs: 12.4, port: 1615 },
        sessions: [{ id: '91ac4c7e-4f4b-4e8c-8d4a-7f0a1fb5d2c3', from: 'console', state: 'idle', pid: 2210, queued: 0, stderrTail: [], lastActivity: before(640_000) }] }),
      aTeam('pi', { state: 'waking', host: 'pi@pi.local', path: '~/lamp', link: { state: 'reconnecting', retryAt: after(28_000),
        problem: problem('network', 'pi.local does not answer.', 'See that it is on; Iris keeps trying.') } }),
      aTeam('site', {
        state: 'trouble', color: '#c98a2b', description: 'Public web site',
        problem: problem('agent', 'Claude Code is not signed in on this computer.', 'Run `claude` once in a terminal and sign in, then start the team again.'),
        sessions: [{ id: 'c1c4e0cf-57ad-45ab-9d1a-9c6f2c8d4e10', from: 'console', state: 'trouble', queued: 0, lastActivity: before(95_000),
          problem: problem('agent', 'Claude Code ended with exit code 1.', 'See its last words below.'),
          stderrTail: ['claude: no credentials found', 'Invalid API key · Please run /login'] }],
      }),
      aTeam('tools', { mode: 'no', description: 'Scripts everybody uses' }),
    ],
    approvals: [
      anApproval('k7mx', { input: { command: MIGRATE, description: 'Migrate staging and deploy', timeout: 600000 }, summary: 'set -euo pipefail⏎# Bring the staging database up to date …81… make deploy' }),
      anApproval('p2dq', { tool: 'Edit', offers: { input: true, exact: ['Edit(//home/you/code/api/src/clock.rs)'], suggested: ['Edit(//home/you/code/api/src/**)'], tool: ['Edit'] }, createdAt: before(48_000), summary: '~/code/api/src/clock.rs',
        input: { file_path: '~/code/api/src/clock.rs', old_string: 'let dir = std::env::temp_dir();\nlet clock = InvoiceClock::open(&dir);', new_string: 'let dir = tempfile::tempdir()?;\nlet clock = InvoiceClock::open(dir.path());', replace_all: false } }),
      anApproval('w9ta', { team: 'docs', path: '~/code/docs', from: 'api', tool: 'AskUserQuestion', createdAt: before(190_000), summary: 'Which database should the guide use?',
        why: 'The agent asks you something; only you can answer it.',
        input: { questions: [
          { question: 'Which database should the guide use?', header: 'Database', multiSelect: false, options: [
            { label: 'PostgreSQL', description: 'What production runs', preview: '# Install\n\n    sudo apt-get install postgresql\n    createdb handbook\n' }, { label: 'SQLite', description: 'Nothing to install for readers', preview: '# Install\n\n<script>nothing()</script> \u202eneddih\n' } ] },
          { question: 'Which chapters should it touch?', header: 'Chapters', multiSelect: true, options: [
            { label: 'Install', description: '' }, { label: 'Operations', description: 'Backups and upgrades' }, { label: 'Reference', description: '' } ] } ] } }),
      anApproval('z4hn', { team: 'gpu-box', host: 'ml@gpu-box.lab', path: '~/train', tool: 'mcp__github__create_issue', createdAt: before(260_000), summary: '{"labels":["bug"],"repo":"acme/train","title":"Loss is NaN"}',
        input: { repo: 'acme/train', title: 'Loss is NaN after 3 epochs', labels: ['bug', 'training'], assignees: [], body: { format: 'markdown', text: 'Seen on two of eight cards.\nSeed 17.' }, draft: false, milestone: null } }),
    ],
    recent: [
      { id: 'a1', team: 'api', tool: 'Bash', summary: 'cargo test --workspace', decision: 'allow', decidedBy: 'human:notification:you', time: before(90_000) },
      { id: 'a2', team: 'docs', tool: 'WebFetch', summary: 'https://www.postgresql.org/docs/', decision: 'allow', decidedBy: 'human:tray:you', time: before(400_000) },
      { id: 'a3', team: 'api', tool: 'Bash', summary: 'git push --force origin main', decision: 'deny', decidedBy: 'human:window:you', time: before(1_500_000) },
      { id: 'a4', team: 'site', tool: 'Write', summary: '~/code/site/.env', decision: 'deny', decidedBy: 'timeout', time: before(5_000_000) },
    ],
    grants: [
      { id: 'g4', team: 'api', session: '6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11', rules: ['Bash(cargo test:*)'], tool: 'Bash', summary: 'cargo test', until: { lifetime: 'minutes', minutes: 15 },
        expiresAt: after(412_000), grantedBy: 'human:window:you', grantedAt: before(488_000), hits: 12, lastUsed: before(20_000), lastSummary: 'cargo test -p billing' },
      { id: 'h2', team: 'docs', rules: [], tool: 'WebFetch', summary: 'https://docs.rs/axum', until: { lifetime: 'team' }, grantedBy: 'human:notification:you', grantedAt: before(4_000_000), hits: 0 },
    ],
    missed: [
      { id: 'm3', team: 'edge', session: '91ac4c7e-4f4b-4e8c-8d4a-7f0a1fb5d2c3', host: 'edge-7', tool: 'Bash', input: { command: 'systemctl restart lamp' }, summary: 'systemctl restart lamp', why: 'No rule covers it.', time: before(4_000_000) },
      { id: 'm4', team: 'docs', session: '2b9d11aa-8f5d-4d39-a3f4-0d7b2a41c2f0', host: 'local', tool: 'Bash', input: { command: 'mdbook build' }, summary: 'mdbook build', why: 'No rule covers it.', time: before(9_000_000), allowedUntil: after(900_000) },
    ],
    frozen: wanted === 'frozen' ? { since: before(5_000), by: 'human:tray:you', order: 1, proof: { found: 7, stopped: 7, tookMs: 412, unreached: {} } } : undefined,
    prompts: QUESTIONS[wanted] ? [aPrompt('q1', QUESTIONS[wanted]), ...(wanted === 'password' ? [aPrompt('q2')] : [])] : [],
    problems: wanted === 'problem' ? [problem('config', 'The config file has a mistake in line 12: “denny” is not a key of approvalPolicy; did you mean “deny”?', 'Correct the line; until then Iris works with the last good config.')] : [],
  };
  api.hosts = {
    edge: { host: 'edge-7.hall.lab', port: 22, via: 'gate' },
    fleet: { user: 'ops', host: 'fleet.example' },
    'gpu-box': { user: 'ml', host: 'gpu-box.lab', port: 2222, via: 'you@gate.lab' },
    gate: { host: 'gate.lab' },
  };
  api.settings.set('gpu-box', {
    env: { CI: { from: 'text' }, GITHUB_TOKEN: { from: 'keychain', name: 'GITHUB_TOKEN' }, WANDB_API_KEY: { from: 'keychain', name: 'wandb' } },
    enableReverseMcp: true,
    remoteOptions: { port: 2222, strictHostKeyChecking: 'yes', extraSshArgs: ['-J', 'you@gate.lab'] },
    reverseMcpPermissions: { deniedTargets: ['site', 'fleet'] },
  });
  api.secrets = [
    { name: 'env GITHUB_TOKEN', place: 'keychain', keptAt: before(90_000_000) },
    { name: 'ssh passphrase /home/you/.ssh/id_ed25519', place: 'keychain', keptAt: before(7_000_000) },
    { name: 'ssh password ops@fleet.example:22', place: 'thisRun', keptAt: null },
  ];
  api.outside = {
    slack: { channel: 'C0429OPS7', approvers: ['U01ANN2', 'U02BOB9'], appToken: 'slack-app', botToken: 'slack-bot' },
    webhooks: [{ url: 'https://hooks.example.org', secret: 'pager' }, { url: 'http://127.0.0.1:9000', secret: 'hook', events: ['team.trouble', 'link.lost'] }],
  };
  api.state.slack = { state: 'up', channel: 'C0429OPS7', approvers: 2 };
  api.state.webhooks = [
    { url: 'https://hooks.example.org', lost: 0 },
    { url: 'http://127.0.0.1:9000', lost: 3, problem: problem('network', 'The webhook at http://127.0.0.1:9000 answered 503 Service Unavailable.', 'It is tried again for 15 minutes; look at the receiver if it lasts.') },
  ];
  if (wanted === 'badslack') {
    api.state.slack = { state: 'needsYou', channel: 'C0429OPS7', approvers: 2, problem: problem('forbidden', "Slack does not take the bot's token (`botToken`): invalid_auth.", "Install the app with the scope `chat:write`, and put the bot's token away with `iris secrets set`.") };
  }
  demoRules(api, wanted === 'rules');
  demoSessions(api, wanted);
  if (wanted === 'badtest') {
    api.test = [
      ...GOOD_TEST.slice(0, 6),
      { name: 'Find Claude Code', state: 'failed', detail: 'it is not in PATH, ~/.local/bin, ~/.claude/local and 9 other places', hint: 'Install it there, or name its place under “Claude Code there”.' },
      { name: 'Enter the folder', state: 'skipped' },
      { name: 'Start the agent', state: 'skipped' },
    ];
  }
  // The core proves a link that is up every 15 s.
  setInterval(() => {
    const link = { state: 'up' as const, verifiedAt: before(0), rttMs: 11 + Math.random() * 4, port: 1615 };
    api.publish({ teams: api.state.teams.map((t) => (t.link?.state === 'up' ? { ...t, link } : t)) });
  }, 15_000);
  if (wanted === 'ended') {
    setTimeout(() => api.end('k7mx', 'allow', 'human:notification:you'), 1500);
  }
  if (wanted === 'task') {
    setTimeout(() => {
      const text = document.querySelector<HTMLTextAreaElement>('[data-testid="team-send-text"]');
      if (!text) return;
      text.value = 'Find out why the invoice test fails now and then, and mend it.';
      text.dispatchEvent(new Event('input', { bubbles: true }));
      setTimeout(() => document.querySelector<HTMLElement>('[data-testid="team-send"]')?.click(), 100);
    }, 1500);
  }
  if (wanted === 'alike') {
    const targets = ['clock', 'invoice', 'invoice::late', 'mail', 'export -- --ignored', 'api::smoke'];
    api.state.approvals = [
      ...targets.map((target, n) => anApproval(`c${n}st`, { like: 'api cargo test', createdAt: before(9_000 * n), summary: `cargo test ${target}`, input: { command: `cargo test ${target}` } })),
      anApproval('f0rw', { from: 'docs', forwardedTo: 'docs', summary: 'git push', input: { command: 'git push' } }),
      ...api.state.approvals,
    ];
  }
  if (wanted === 'flood') {
    api.state.approvals = Array.from({ length: 1000 }, (_, n) => anApproval(`id${n}`, { like: `like ${n % 20}`, team: `team${n % 20}`, createdAt: before(900 * n), summary: `cargo test case_${n} -- --exact`, input: { command: `cargo test case_${n} -- --exact` } }));
  }
  if (wanted === 'long') {
    const content = Array.from({ length: 400 }, (_, i) => `line ${i + 1} of a generated file`).join('\n');
    api.state.approvals = [anApproval('long', { tool: 'Write', summary: '~/code/api/src/generated.rs', input: { file_path: '~/code/api/src/generated.rs', content } })];
  }
  if (wanted === 'pruned') api.check = { pruned: { seq: 48_211, hash: 'a1'.repeat(32), rows: 640, time: before(40_000_000) } };
  if (wanted === 'badrecord') api.check = { broken: [41, 'row 41 was changed after it was written'] };
  api.rows = Array.from({ length: wanted === 'edited' ? 69 : 70 }, (_, i) => row(70 - i - (wanted === 'edited' ? 1 : 0)));
  // Now and then somebody asks, so that arming and announcements can be seen.
  let n = 0;
  if (wanted === 'busy') {
    setInterval(() => {
      n += 1;
      api.publish({ approvals: [...api.state.approvals, anApproval(`new${n}`, { createdAt: before(0), expiresAt: after(3.6e6), summary: `echo ${n}`, input: { command: `echo ${n}` } })] });
    }, 5000);
  }
  return api;
}

function row(seq: number): Row {
  const kinds: Partial<Row>[] = [
    { tool: 'Bash', input: { command: 'cargo test --workspace', description: 'Run the tests' }, decision: 'allow', decidedBy: 'human:notification:you', waitMs: 4200, why: 'No rule covers `cargo test --workspace`, and this team asks you then (its mode, grantPermission, is “ask”).' },
    { tool: 'mcp__iris__list_teams', input: {}, decision: 'allow', decidedBy: 'rule:autoApprove:mcp__iris__*', waitMs: 0, why: 'The rule mcp__iris__* of autoApprove allows it (built in).' },
    { tool: 'Write', team: 'site', input: { file_path: '~/code/site/.env', content: 'KEY=[redacted]' }, decision: 'deny', decidedBy: 'timeout', waitMs: 3_600_000, why: 'No rule covers it, and nobody answered within 1 h.' },
    { tool: 'Bash', team: 'docs', input: { command: 'git push --force origin main \u202e# niam' }, decision: 'deny', decidedBy: 'rule:deny:Bash(git push --force:*)', waitMs: 0, why: 'The rule Bash(git push --force:*) of deny matches `git push --force origin main` (config.json, line 41).' },
    { kind: 'config', caller: 'unknown', team: 'docs', host: '', session: '', digest: '', policyHash: '', tool: 'config.changed', input: { fields: ['approvalPolicy.deny'] }, decision: 'noted', decidedBy: 'file', waitMs: 0 },
    { tool: 'Bash', input: { asked: { command: 'rm -rf build dist' }, ran: { command: 'rm -rf build' } }, decision: 'allow', decidedBy: 'human:window:you', waitMs: 31_000, why: 'The rule Bash(rm:*) of requireApproval asks you (config.json, line 38).' },
    { kind: 'auth', caller: 'unknown', team: '', host: '', session: '', digest: '', policyHash: '', tool: 'endpoint', input: { path: '/mcp' }, decision: 'deny', decidedBy: 'token:unknown', waitMs: 0 },
    { kind: 'operation', caller: 'console', host: '', session: '', digest: '', policyHash: '', tool: 'key.rotated', input: { revoked: 2 }, decision: 'noted', decidedBy: 'human:cli:you', waitMs: 0 },
  ];
  return {
    seq, prev: '0'.repeat(64), hash: 'b7'.repeat(32), time: before((70 - seq) * 431_000), kind: 'permission', caller: 'api', team: 'api',
    session: '6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11', host: 'local', tool: 'Bash', digest: '9c'.repeat(32), input: null, decision: 'noted',
    decidedBy: '', policyHash: '1f'.repeat(32), waitMs: 0, ...kinds[seq % kinds.length],
  };
}
