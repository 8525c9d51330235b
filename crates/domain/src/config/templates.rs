//! Ready-made policies for a team: rules that a human looks at, takes over and changes.
//!
//! All have the same rules that deny and ask; what they allow grows from one to the next. Nothing is
//! allowed because it is not known: what no rule names asks.

use serde::Serialize;

use super::GrantPermission;

/// A ready-made policy. It is a proposal: the rules are copied into a team, and are the team's own then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct PolicyTemplate {
    /// How it is chosen.
    pub name: &'static str,
    /// In one sentence.
    pub says: &'static str,
    /// What an agent does without asking, for people.
    pub allows: &'static [&'static str],
    /// What asks, for people.
    pub asks: &'static [&'static str],
    /// What is denied, for people.
    pub denies: &'static [&'static str],
    /// What it cannot promise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub mind: Option<&'static str>,
    /// What happens to the rest.
    pub grant_permission: GrantPermission,
    /// Denied without asking.
    pub deny: Vec<&'static str>,
    /// Always asked.
    pub require_approval: Vec<&'static str>,
    /// Allowed without asking.
    pub auto_approve: Vec<&'static str>,
}

impl PolicyTemplate {
    /// Those that there are, the strictest first.
    pub fn all() -> [Self; 3] {
        [Self::conservative(), Self::balanced(), Self::autonomous()]
    }

    /// Looks at the project; all else asks.
    pub fn conservative() -> Self {
        Self::of(
            "conservative",
            "The agent looks at the project, and asks before anything else.",
            &[
                "Reading and searching files in the project",
                "Asking Iris which teams there are, how they are, and what became of a message",
            ],
            &[
                "Every edit and every command",
                "Every message to another team",
                "The web, other MCP servers, and files outside of the project",
                "Files that look like secrets",
            ],
            None,
            &[&LOOKING],
        )
    }

    /// Edits the project, builds and tests it, too.
    pub fn balanced() -> Self {
        Self::of(
            "balanced",
            "The agent edits the project, builds and tests it, and asks for what goes further.",
            &[
                "Reading, searching and editing files in the project",
                "Building, testing and linting with the usual commands; looking at files and at git’s state",
                "Subagents, and messages to other teams",
            ],
            &[
                "Every other command: commits, installing, deleting, scripts",
                "The web, other MCP servers, and what lies outside of the project",
                "Files that look like secrets, and those that change what runs by itself (.git, .claude, CI)",
            ],
            Some(RUNS_THE_PROJECT),
            &[&LOOKING, &BUILDING],
        )
    }

    /// Works a task through in the project, up to the commit.
    pub fn autonomous() -> Self {
        Self::of(
            "autonomous",
            "The agent works a task through in the project, up to the commit, and asks for what is dangerous or leaves it.",
            &[
                "Reading, searching and editing files in the project",
                "The project’s own npm, pnpm and yarn scripts, and the usual commands on its files: copying, moving, comparing",
                "Branches and commits in the project’s own repository",
                "Subagents, and messages to other teams",
            ],
            &[
                "Deleting, throwing work away, pushing, publishing, deploying, installing",
                "The web, other hosts, other MCP servers, and what lies outside of the project",
                "Files that look like secrets, and those that change what runs by itself (.git, .claude, CI)",
                "Programs that are not on the list",
            ],
            Some(RUNS_THE_PROJECT),
            &[&LOOKING, &BUILDING, &WORKING],
        )
    }

    fn of(
        name: &'static str,
        says: &'static str,
        allows: &'static [&'static str],
        asks: &'static [&'static str],
        mind: Option<&'static str>,
        allowed: &[&[&'static str]],
    ) -> Self {
        Self {
            name,
            says,
            allows,
            asks,
            denies: &["Changing Iris’s own files and your SSH settings"],
            mind,
            grant_permission: GrantPermission::Ask,
            deny: DENIED.to_vec(),
            require_approval: ASKED.to_vec(),
            auto_approve: allowed.concat(),
        }
    }
}

const RUNS_THE_PROJECT: &str = "A build or a test runs what stands in the project, with your rights: who may edit it can run what they \
    want that way. Run what you do not trust as another user or on another host.";

/// The agent's own leash: no answer of a human lets it go.
const DENIED: [&str; 2] = ["Edit(~/.iris/**)", "Edit(~/.ssh/**)"];

/// Stays with a human, whatever else allows it: wide rules below, grants, and the allow rules that Claude
/// Code has of its own.
const ASKED: [&str; 74] = [
    "session_fork",
    "session_delete",
    "session_reboot",
    // What leaves the machine.
    "WebFetch",
    "WebSearch",
    "Bash(*://*)",
    "Bash(curl:*)",
    "Bash(wget:*)",
    "Bash(ssh:*)",
    "Bash(scp:*)",
    "Bash(rsync:*)",
    "Bash(git push:*)",
    "Bash(gh:*)",
    "Bash(* deploy*)",
    "Bash(* publish*)",
    "Bash(* release*)",
    // What lies outside of the project: from the root, from a home, from the folder above.
    "Bash(/*)",
    "Bash(* /*)",
    "Bash(*=/*)",
    "Bash(~*)",
    "Bash(* ~*)",
    "Bash(*=~*)",
    "Bash(*../*)",
    "Bash(* ..:*)",
    // What cannot be undone, or needs other rights.
    "Bash(rm:*)",
    "Bash(dd:*)",
    "Bash(sudo:*)",
    "Bash(su:*)",
    "Bash(kill:*)",
    "Bash(pkill:*)",
    "Bash(killall:*)",
    "Bash(git reset:*)",
    "Bash(git clean:*)",
    "Bash(git config:*)",
    "Bash(docker:*)",
    "Bash(kubectl:*)",
    "Bash(terraform:*)",
    "Bash(git * -f*)",
    "Bash(git * --force*)",
    "Bash(git * --discard-changes*)",
    // What runs an argument, or installs.
    "Bash(* --config*)",
    "Bash(* --node-options*)",
    "Bash(* --script-shell*)",
    "Bash(go * -exec*)",
    "Bash(go * --exec*)",
    "Bash(go * -toolexec*)",
    "Bash(go * --toolexec*)",
    "Bash(*--install-types*)",
    // An agent that nobody watches.
    "Bash(claude:*)",
    // What looks like a secret.
    "Read(.env*)",
    "Read(.netrc)",
    "Read(.npmrc)",
    "Read(*.pem)",
    "Read(*.key)",
    "Read(id_rsa*)",
    "Read(id_ed25519*)",
    "Read(*credentials*)",
    "Bash(*.env*)",
    "Bash(*.netrc*)",
    "Bash(*.npmrc*)",
    "Bash(*.pem*)",
    "Bash(*.key*)",
    "Bash(*id_rsa*)",
    "Bash(*id_ed25519*)",
    "Bash(*credentials*)",
    // What changes what runs by itself.
    "Edit(.git)",
    "Edit(.claude)",
    "Edit(.mcp.json)",
    "Edit(.github)",
    "Edit(.env*)",
    "Bash(*.git/*)",
    "Bash(* .git)",
    "Bash(*.claude*)",
    "Bash(*.github*)",
];

const LOOKING: [&str; 7] = [
    "Read(/**)",
    "list_teams",
    "team_status",
    "get_date",
    "get_agent",
    "session_report",
    "permissions_pending",
];

const BUILDING: [&str; 52] = [
    "mcp__iris__*",
    "Edit(/**)",
    "Task",
    "Agent",
    "Bash(cat:*)",
    "Bash(grep:*)",
    "Bash(head:*)",
    "Bash(ls:*)",
    "Bash(pwd)",
    "Bash(tail:*)",
    "Bash(wc:*)",
    "Bash(git status:*)",
    "Bash(git diff:*)",
    "Bash(git log:*)",
    "Bash(git show:*)",
    "Bash(make)",
    "Bash(make all)",
    "Bash(make build)",
    "Bash(make check)",
    "Bash(make lint)",
    "Bash(make test)",
    "Bash(npm test:*)",
    "Bash(npm run test:*)",
    "Bash(npm run build:*)",
    "Bash(npm run check:*)",
    "Bash(npm run lint:*)",
    "Bash(pnpm test:*)",
    "Bash(pnpm build:*)",
    "Bash(pnpm lint:*)",
    "Bash(yarn test:*)",
    "Bash(yarn build:*)",
    "Bash(yarn lint:*)",
    "Bash(cargo build:*)",
    "Bash(cargo check:*)",
    "Bash(cargo clippy:*)",
    "Bash(cargo fmt:*)",
    "Bash(cargo test:*)",
    "Bash(go build:*)",
    "Bash(go test:*)",
    "Bash(go vet:*)",
    "Bash(pytest:*)",
    "Bash(python -m pytest:*)",
    "Bash(python3 -m pytest:*)",
    "Bash(ruff check:*)",
    "Bash(mypy:*)",
    "Bash(mvn test)",
    "Bash(mvn verify)",
    "Bash(./gradlew build)",
    "Bash(./gradlew test)",
    "Bash(dotnet build:*)",
    "Bash(dotnet test:*)",
    "Bash(mix test:*)",
];

/// Programs that do one thing to what they are given: no interpreter is among them, nor one that runs
/// what an argument says.
const WORKING: [&str; 29] = [
    "Bash(git add:*)",
    "Bash(git blame:*)",
    "Bash(git branch)",
    "Bash(git branch --show-current)",
    "Bash(git checkout -b:*)",
    "Bash(git commit:*)",
    "Bash(git ls-files:*)",
    "Bash(git mv:*)",
    "Bash(git rev-parse:*)",
    "Bash(git stash)",
    "Bash(git stash pop)",
    "Bash(git switch -c:*)",
    "Bash(npm run:*)",
    "Bash(pnpm run:*)",
    "Bash(yarn run:*)",
    "Bash(cargo run:*)",
    "Bash(go run .:*)",
    "Bash(cp:*)",
    "Bash(cut:*)",
    "Bash(date)",
    "Bash(diff:*)",
    "Bash(echo:*)",
    "Bash(find:*)",
    "Bash(mkdir:*)",
    "Bash(mv:*)",
    "Bash(sort:*)",
    "Bash(touch:*)",
    "Bash(uniq:*)",
    "Bash(which:*)",
];
