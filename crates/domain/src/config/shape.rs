//! What the config file may contain, as one table: the reader checks a file against it, and the
//! JSON schema takes its constraints from it, so the two cannot disagree.

use crate::webhook::EventKind;

/// Ten years: longer is a mistake in the unit, and far below what time arithmetic can hold.
const SECONDS_MAX: u64 = 10 * 365 * 24 * 3600;
/// A hundred years of audit rows.
const DAYS_MAX: u64 = 100 * 365;
/// More processes, calls or missed keep-alives than this is a slip of the finger.
const COUNT_MAX: u64 = 100_000;

/// What may stand at a place.
#[derive(Debug)]
pub(super) enum Shape {
    /// A text that obeys a rule.
    Text(Text),
    /// A whole number in a range, both ends included.
    Whole(u64, u64),
    /// `true` or `false`.
    Truth,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list.
    List(&'static Shape),
    /// An object whose keys the user chooses.
    Map(Key, &'static Shape),
    /// An object whose keys are known.
    Object(&'static Object),
}

/// An object's keys. `shared` are those that it has in common with another object.
#[derive(Debug)]
pub(super) struct Object {
    pub own: &'static [Field],
    pub shared: &'static [Field],
    pub required: &'static [&'static str],
}

/// A key and what may stand behind it.
#[derive(Debug)]
pub(super) struct Field(pub &'static str, pub Shape);

/// Rules that texts obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// Any text.
    Any,
    /// Not empty.
    Filled,
    /// A program: not empty, and not an option.
    Program,
    /// `#rrggbb`.
    Color,
    /// An `ssh` command line or a destination.
    Remote,
    /// A rule of the approval policy.
    Rule,
    /// A name in which `*` stands for any characters.
    Glob,
    /// What an environment variable can hold, or `keychain:NAME`.
    Variable,
    /// `keychain:NAME`: the secret itself does not stand in the file.
    Keychain,
    /// `https://…`, or `http://` on this machine.
    Url,
    /// Where Slack is written to.
    SlackChannel,
    /// A person in Slack.
    SlackUser,
    /// A time of the day.
    Time,
    /// Keys that are pressed together.
    Shortcut,
}

/// Rules that keys obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A [`crate::ids::TeamName`].
    Team,
    /// The name of an environment variable.
    Variable,
}

impl Object {
    /// All its keys.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.own.iter().chain(self.shared)
    }

    /// What may stand behind a key.
    pub fn get(&self, key: &str) -> Option<&'static Shape> {
        self.fields()
            .find(|Field(name, _)| *name == key)
            .map(|Field(_, shape)| shape)
    }
}

const ANY: Shape = Shape::Text(Text::Any);
const FILLED: Shape = Shape::Text(Text::Filled);
const FILLED_LIST: Shape = Shape::List(&FILLED);
const RULES: Shape = Shape::List(&Shape::Text(Text::Rule));
const GLOBS: Shape = Shape::List(&Shape::Text(Text::Glob));
const PORT: Shape = Shape::Whole(1, 65535);
const SECONDS: Shape = Shape::Whole(1, SECONDS_MAX);
/// Where 0 means something of its own.
const SECONDS_OR_ZERO: Shape = Shape::Whole(0, SECONDS_MAX);
const COUNT: Shape = Shape::Whole(1, COUNT_MAX);

/// The file.
pub(super) static ROOT: Shape = Shape::Object(&Object {
    own: &[
        Field("$schema", ANY),
        Field("settings", Shape::Object(&SETTINGS)),
        Field("teams", Shape::Map(Key::Team, &Shape::Object(&TEAM))),
    ],
    shared: &[],
    required: &[],
});

static SETTINGS: Object = Object {
    own: &[
        Field("httpPort", PORT),
        Field("maxProcesses", COUNT),
        Field("idleTimeout", SECONDS),
        Field("spawnTimeout", SECONDS),
        Field("responseTimeout", SECONDS),
        Field("permissionTimeout", SECONDS_OR_ZERO),
        Field("auditRetentionDays", Shape::Whole(0, DAYS_MAX)),
        Field("transcriptRetentionDays", Shape::Whole(0, DAYS_MAX)),
        Field(
            "logLevel",
            Shape::Word(&["error", "warn", "info", "debug", "trace"]),
        ),
        Field("notifications", Shape::Truth),
        Field("quietHours", Shape::Object(&QUIET_HOURS)),
        Field("shortcuts", Shape::Object(&SHORTCUTS)),
        Field("startAtLogin", Shape::Truth),
        Field("slack", Shape::Object(&SLACK)),
        Field("webhooks", Shape::List(&Shape::Object(&WEBHOOK))),
        Field("defaults", Shape::Object(&TEMPLATE)),
    ],
    shared: &[],
    required: &[],
};

static QUIET_HOURS: Object = Object {
    own: &[
        Field("from", Shape::Text(Text::Time)),
        Field("to", Shape::Text(Text::Time)),
    ],
    shared: &[],
    required: &["from", "to"],
};

static SHORTCUTS: Object = Object {
    own: &[
        Field("next", Shape::Text(Text::Shortcut)),
        Field("allow", Shape::Text(Text::Shortcut)),
        Field("deny", Shape::Text(Text::Shortcut)),
        Field("freeze", Shape::Text(Text::Shortcut)),
    ],
    shared: &[],
    required: &[],
};

static SLACK: Object = Object {
    own: &[
        Field("channel", Shape::Text(Text::SlackChannel)),
        Field("approvers", Shape::List(&Shape::Text(Text::SlackUser))),
        Field("appToken", Shape::Text(Text::Keychain)),
        Field("botToken", Shape::Text(Text::Keychain)),
        Field("apiUrl", Shape::Text(Text::Url)),
    ],
    shared: &[],
    required: &["channel", "approvers", "appToken", "botToken"],
};

static WEBHOOK: Object = Object {
    own: &[
        Field("url", Shape::Text(Text::Url)),
        Field("secret", Shape::Text(Text::Keychain)),
        Field("events", Shape::List(&Shape::Word(EventKind::NAMES))),
    ],
    shared: &[],
    required: &["url", "secret"],
};

static TEAM: Object = Object {
    own: &[
        Field("path", FILLED),
        Field("description", ANY),
        Field("color", Shape::Text(Text::Color)),
        Field("remote", Shape::Text(Text::Remote)),
    ],
    shared: SHARED,
    required: &["path"],
};

static TEMPLATE: Object = Object {
    own: &[],
    shared: SHARED,
    required: &[],
};

/// What teams and the template have in common: everything but what makes a team this team.
static SHARED: &[Field] = &[
    Field("remoteOptions", Shape::Object(&REMOTE_OPTIONS)),
    Field("claudePath", Shape::Text(Text::Program)),
    Field("enableReverseMcp", Shape::Truth),
    Field("reverseMcpPort", PORT),
    Field("allowHttp", Shape::Truth),
    Field(
        "grantPermission",
        Shape::Word(&["yes", "no", "ask", "forward"]),
    ),
    Field("approvalPolicy", Shape::Object(&APPROVAL_POLICY)),
    Field(
        "reverseMcpPermissions",
        Shape::Object(&REVERSE_MCP_PERMISSIONS),
    ),
    Field("reverseMcpRateLimit", Shape::Object(&RATE_LIMIT)),
    Field("model", Shape::Text(Text::Program)),
    Field("appendSystemPrompt", ANY),
    Field("allowedTools", FILLED_LIST),
    Field("disallowedTools", FILLED_LIST),
    Field("addDirs", FILLED_LIST),
    Field(
        "env",
        Shape::Map(Key::Variable, &Shape::Text(Text::Variable)),
    ),
    Field("inheritMcpServers", Shape::Truth),
    Field("idleTimeout", SECONDS),
];

static REMOTE_OPTIONS: Object = Object {
    own: &[
        Field("identity", FILLED),
        Field("port", PORT),
        Field("connectTimeout", SECONDS),
        Field("serverAliveInterval", SECONDS_OR_ZERO),
        Field("serverAliveCountMax", COUNT),
        Field("compression", Shape::Truth),
        Field("forwardAgent", Shape::Truth),
        Field("strictHostKeyChecking", Shape::Word(&["ask", "yes"])),
        Field("extraSshArgs", FILLED_LIST),
    ],
    shared: &[],
    required: &[],
};

static APPROVAL_POLICY: Object = Object {
    own: &[
        Field("autoApprove", RULES),
        Field("requireApproval", RULES),
        Field("deny", RULES),
    ],
    shared: &[],
    required: &[],
};

static REVERSE_MCP_PERMISSIONS: Object = Object {
    own: &[
        Field("allowedTools", GLOBS),
        Field("deniedTools", GLOBS),
        Field("allowedTargets", GLOBS),
        Field("deniedTargets", GLOBS),
    ],
    shared: &[],
    required: &[],
};

static RATE_LIMIT: Object = Object {
    own: &[
        Field("points", COUNT),
        Field("duration", SECONDS),
        Field("blockDuration", SECONDS_OR_ZERO),
    ],
    shared: &[],
    required: &[],
};
