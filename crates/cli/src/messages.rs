//! Messages, and what became of them.

use iris_domain::{
    Problem,
    display::one_line,
    message::{Message, MessageState},
};
use iris_engine::control::Command;
use serde_json::Value;

use crate::{
    Context, DONE,
    args::{Messages, MessagesCommand},
    output::table,
};

/// Characters of a text in the table.
const TEXT_MAX: usize = 60;

pub fn messages(context: &Context, args: Messages) -> Result<u8, Problem> {
    let client = context.client();
    match args.command {
        None => {
            let messages: Vec<Message> = client.ask(&Command::Messages {
                team: args.team,
                from: args.from,
                limit: args.limit,
            })?;
            context.out.show(&messages, || listed(&messages))?;
        }
        Some(MessagesCommand::Cancel { id }) => {
            let reply = client.call(&Command::MessageCancel { id })?;
            context.out.show(&reply, || match reply["cancelled"] {
                Value::Bool(true) => "The message is being cancelled.".to_owned(),
                _ => "The message had ended; `iris messages` says how.".to_owned(),
            })?;
        }
    }
    Ok(DONE)
}

fn listed(messages: &[Message]) -> String {
    if messages.is_empty() {
        return "No message is known of. `iris send TEAM TEXT` sends one.".to_owned();
    }
    table(
        ["ID", "SENT", "FROM", "TEAM", "STATE", "TEXT"],
        messages.iter().map(|message| {
            [
                message.id.to_string(),
                message.created_at.strftime("%F %H:%M UTC").to_string(),
                message.from.to_string(),
                message.to.to_string(),
                state(message),
                one_line(&message.text, TEXT_MAX),
            ]
        }),
    )
}

/// The word for it, and why it waits.
fn state(message: &Message) -> String {
    let word = message.state.as_str();
    match (&message.error, message.state) {
        (Some(why), MessageState::Queued) => {
            format!("{word}: {}", one_line(&why.message, TEXT_MAX))
        }
        (Some(_) | None, _) => word.to_owned(),
    }
}
