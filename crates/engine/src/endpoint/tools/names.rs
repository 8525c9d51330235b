//! The tools' names, and what clients are told about each.

use rmcp::model::{Tool, ToolAnnotations};

use super::{
    Nothing, agent, date, forwarded, logs, messages, permission, report, session, wake_all, wire,
};
use crate::endpoint::schema;

/// A tool's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// Claude Code asks whether a tool may run.
    PermissionsApprove,
    /// What the agents that the caller gave a task want to do.
    PermissionsPending,
    /// Allows or denies one of these.
    PermissionsDecide,
    /// The configured teams.
    ListTeams,
    /// How teams are.
    TeamStatus,
    /// Starts an agent.
    TeamWake,
    /// The same under its other published name.
    TeamLaunch,
    /// Starts an agent of each team.
    TeamWakeAll,
    /// Ends an agent.
    TeamSleep,
    /// Gives a team a task.
    SendMessage,
    /// The same under its other published name.
    AskMessage,
    /// Gives a team a task and does not wait.
    QuickMessage,
    /// What became of a message.
    MessageStatus,
    /// What was said in a conversation.
    SessionReport,
    /// Ends a turn, or takes a message back.
    SessionCancel,
    /// Opens a conversation in the user's terminal.
    SessionFork,
    /// Begins a new conversation.
    SessionReboot,
    /// Deletes a conversation.
    SessionDelete,
    /// What an agent of a kind is told to be.
    GetAgent,
    /// What Iris wrote down about itself.
    GetLogs,
    /// The time.
    GetDate,
}

impl Name {
    /// What agents see.
    pub(crate) const ALL: [Self; 21] = [
        Self::PermissionsApprove,
        Self::PermissionsPending,
        Self::PermissionsDecide,
        Self::ListTeams,
        Self::TeamStatus,
        Self::TeamWake,
        Self::TeamLaunch,
        Self::TeamWakeAll,
        Self::TeamSleep,
        Self::SendMessage,
        Self::AskMessage,
        Self::QuickMessage,
        Self::MessageStatus,
        Self::SessionReport,
        Self::SessionCancel,
        Self::SessionFork,
        Self::SessionReboot,
        Self::SessionDelete,
        Self::GetAgent,
        Self::GetLogs,
        Self::GetDate,
    ];
    /// Whether the console sees it: it asks nobody for permission.
    pub(crate) fn is_for_console(self) -> bool {
        !matches!(
            self,
            Self::PermissionsApprove | Self::PermissionsPending | Self::PermissionsDecide
        )
    }

    /// The tool of that name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == name)
    }

    /// The published name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PermissionsApprove => "permissions__approve",
            Self::PermissionsPending => "permissions_pending",
            Self::PermissionsDecide => "permissions_decide",
            Self::ListTeams => "list_teams",
            Self::TeamStatus => "team_status",
            Self::TeamWake => "team_wake",
            Self::TeamSleep => "team_sleep",
            Self::TeamLaunch => "team_launch",
            Self::TeamWakeAll => "team_wake_all",
            Self::SendMessage => "send_message",
            Self::AskMessage => "ask_message",
            Self::QuickMessage => "quick_message",
            Self::MessageStatus => "message_status",
            Self::SessionReport => "session_report",
            Self::SessionCancel => "session_cancel",
            Self::SessionFork => "session_fork",
            Self::SessionReboot => "session_reboot",
            Self::SessionDelete => "session_delete",
            Self::GetAgent => "get_agent",
            Self::GetLogs => "get_logs",
            Self::GetDate => "get_date",
        }
    }

    /// What clients are told about the tool.
    pub(crate) fn definition(self) -> Tool {
        let reads = |title: &str| {
            ToolAnnotations::with_title(title)
                .read_only(true)
                .idempotent(true)
                .open_world(false)
        };
        let acts = |title: &str, destructive, idempotent, open_world| {
            ToolAnnotations::with_title(title)
                .read_only(false)
                .destructive(destructive)
                .idempotent(idempotent)
                .open_world(open_world)
        };
        match self {
            // No output schema: Claude Code takes no answer that has structured content (measured
            // with 2.1.330).
            Self::PermissionsApprove => Tool::new(
                self.as_str(),
                "Asks whether a tool call may run. Decided by the team's rules, or by the human. \
                 For Claude Code's --permission-prompt-tool; only agents that Iris started may ask.",
                schema::of::<permission::Arguments>(),
            )
            .with_annotations(acts("Ask for permission", false, true, false)),
            Self::PermissionsPending => Tool::new(
                self.as_str(),
                "Lists the tool calls for which agents that you gave a task wait for your permission \
                 (teams with grantPermission: forward). Look here when such an agent does not answer.",
                schema::of::<Nothing>(),
            )
            .with_raw_output_schema(schema::of::<forwarded::Pending>())
            .with_annotations(reads("Permissions that wait for you")),
            Self::PermissionsDecide => Tool::new(
                self.as_str(),
                "Allows or denies one tool call from permissions_pending, once and as it is. You can \
                 allow only what your own team's rules let you do yourself; everything else goes on \
                 to the user.",
                schema::of::<forwarded::DecideArguments>(),
            )
            .with_raw_output_schema(schema::of::<forwarded::Decided>())
            .with_annotations(acts("Decide a permission", true, false, false)),
            Self::ListTeams => Tool::new(
                self.as_str(),
                "Lists the teams that you can send messages to, and your own: their names, what each \
                 is for, and where its project is.",
                schema::of::<Nothing>(),
            )
            .with_raw_output_schema(schema::of::<wire::TeamList>())
            .with_annotations(reads("List teams")),
            Self::TeamStatus => Tool::new(
                self.as_str(),
                "Tells how the teams are: awake or asleep, what they do, how many of their permission \
                 requests wait for the human. A team that does not answer may wait for that.",
                schema::of::<wire::StatusArguments>(),
            )
            .with_raw_output_schema(schema::of::<wire::Status>())
            .with_annotations(reads("Team status")),
            Self::TeamWake => Tool::new(
                self.as_str(),
                "Starts the team's agent for your conversation with it, and returns when it is \
                 ready. send_message wakes a team by itself.",
                schema::of::<wire::WakeArguments>(),
            )
            .with_raw_output_schema(schema::of::<wire::Woken>())
            .with_annotations(acts("Wake a team", false, true, false)),
            Self::TeamLaunch => Tool::new(
                self.as_str(),
                "The same as team_wake.",
                schema::of::<wire::WakeArguments>(),
            )
            .with_raw_output_schema(schema::of::<wire::Woken>())
            .with_annotations(acts("Launch a team", false, true, false)),
            Self::TeamWakeAll => Tool::new(
                self.as_str(),
                "Starts an agent of every other team for your conversation with it, a few at a time, \
                 as many as may run; returns when each is ready or has failed.",
                schema::of::<wake_all::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<wake_all::Woken>())
            .with_annotations(acts("Wake all teams", false, true, false)),
            Self::TeamSleep => Tool::new(
                self.as_str(),
                "Ends the agent of your conversation with the team, and returns when it is gone. The \
                 conversation is kept; other callers' agents of that team are not touched.",
                schema::of::<wire::SleepArguments>(),
            )
            .with_raw_output_schema(schema::of::<wire::Slept>())
            .with_annotations(acts("Put a team to sleep", true, true, false)),
            Self::SendMessage => Tool::new(
                self.as_str(),
                "Sends a task or question to a team, waking it if need be, and waits for its \
                 answer. Work takes minutes: give a longer timeout, or take the answer later with \
                 message_status, as the team goes on when you no longer wait.",
                schema::of::<messages::SendArguments>(),
            )
            .with_raw_output_schema(schema::of::<messages::Sent>())
            .with_annotations(acts("Send a message", true, false, true)),
            Self::AskMessage => Tool::new(
                self.as_str(),
                "The same as send_message.",
                schema::of::<messages::SendArguments>(),
            )
            .with_raw_output_schema(schema::of::<messages::Sent>())
            .with_annotations(acts("Ask a team", true, false, true)),
            Self::QuickMessage => Tool::new(
                self.as_str(),
                "Sends a task or question to a team and returns at once with its messageId, as soon as \
                 the message is safely kept. message_status has the answer later.",
                schema::of::<messages::QuickArguments>(),
            )
            .with_raw_output_schema(schema::of::<messages::Sent>())
            .with_annotations(acts("Send without waiting", true, false, true)),
            Self::MessageStatus => Tool::new(
                self.as_str(),
                "Tells what became of a message that you sent: queued, delivered, answered (with the \
                 answer), failed, expired or cancelled (with the reason). Can wait for its end.",
                schema::of::<messages::StatusArguments>(),
            )
            .with_raw_output_schema(schema::of::<messages::Status>())
            .with_annotations(reads("What became of a message")),
            Self::SessionReport => Tool::new(
                self.as_str(),
                "Reports your conversation with a team: its latest messages, how far each is, and what \
                 the team said and ran for each.",
                schema::of::<report::ReportArguments>(),
            )
            .with_raw_output_schema(schema::of::<report::Report>())
            .with_annotations(reads("Report a conversation")),
            Self::SessionCancel => Tool::new(
                self.as_str(),
                "Ends the turn that runs in your conversation with a team. With messageId, only that \
                 message: if it waits it is taken back, if it is at work its turn is ended. The \
                 conversation goes on with the next message.",
                schema::of::<report::CancelArguments>(),
            )
            .with_raw_output_schema(schema::of::<report::Cancelled>())
            .with_annotations(acts("Cancel a turn", true, true, false)),
            Self::SessionFork => Tool::new(
                self.as_str(),
                "Opens a copy of your conversation with a team in a terminal on the user's desktop, \
                 for the user to go on in it; your own conversation is not changed. When an agent \
                 calls this, the user is asked first, unless a rule of theirs allows it.",
                schema::of::<session::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<session::ForkedOut>())
            .with_annotations(acts("Open in the user's terminal", false, false, false)),
            Self::SessionReboot => Tool::new(
                self.as_str(),
                "Begins a new, empty conversation with a team, and returns when it is ready. The old \
                 one stays if that does not work; otherwise it is gone for good. A turn that runs \
                 is ended; messages that wait go to the new conversation.",
                schema::of::<session::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<session::RebootedOut>())
            .with_annotations(acts("Begin a new conversation", true, false, false)),
            Self::SessionDelete => Tool::new(
                self.as_str(),
                "Deletes your conversation with a team for good: its process, messages that wait, \
                 and Claude Code's record of it on the team's host. The next message begins a new \
                 one.",
                schema::of::<session::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<session::DeletedOut>())
            .with_annotations(acts("Delete a conversation", true, true, false)),
            Self::GetAgent => Tool::new(
                self.as_str(),
                "Gives the prompt that makes an agent a specialist (tech-writer, unit-tester, \
                 integration-tester, code-reviewer, debugger, refactorer, changeloger, error-handler, \
                 example-writer, logger, and kinds of your own), filled with what is found out about a \
                 project. Work by it yourself, or give it to a subagent.",
                schema::of::<agent::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<agent::AgentOut>())
            .with_annotations(reads("Prompt of a specialist")),
            Self::GetLogs => Tool::new(
                self.as_str(),
                "Reads Iris's own log, newest lines at the end: what it did and what went wrong. \
                 An agent sees the lines about its own team and conversation. To find out why \
                 something failed, ask with level [\"warn\", \"error\"] first.",
                schema::of::<logs::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<logs::Logs>())
            .with_annotations(reads("Read the log").idempotent(false)),
            Self::GetDate => Tool::new(
                self.as_str(),
                "Tells the current date and time, UTC.",
                schema::of::<Nothing>(),
            )
            .with_raw_output_schema(schema::of::<date::Date>())
            .with_annotations(reads("Date and time").idempotent(false)),
        }
    }
}
