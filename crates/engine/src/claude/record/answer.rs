//! What a record says was the answer to a message. Each line is an entry that names the one before it;
//! the entry of a message has the id that it was given under (measured with 2.1.330).

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use iris_domain::ids::{MessageId, SessionId};
use serde::Deserialize;
use uuid::Uuid;

use super::{folders, projects};

/// A larger record is not read: the agent is asked instead.
const READ_MAX: u64 = 256 << 20;

/// What the record of this conversation says was the answer to what was given under this id; `None`:
/// it has none, or the turn was cut short.
///
/// # Errors
/// A file could not be read.
pub fn answer(
    config_dir: &Path,
    session: SessionId,
    given_as: MessageId,
) -> io::Result<Option<String>> {
    for folder in folders(&projects(config_dir))? {
        let path = folder?.join(format!("{session}.jsonl"));
        match fs::symlink_metadata(&path) {
            // Neither a link out nor a pipe that never ends.
            Ok(found) if found.is_file() && found.len() <= READ_MAX => {}
            Ok(_) | Err(_) => continue,
        }
        if let Some(answer) = read(&path, given_as)? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    uuid: Option<Uuid>,
    parent_uuid: Option<Uuid>,
    #[serde(default)]
    is_sidechain: bool,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    model: Option<String>,
    stop_reason: Option<String>,
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

impl Message {
    /// The agent said with it that its turn is over. What Claude Code itself puts in the place of an
    /// answer, when there was an error or the turn was cut short, is none.
    fn ends_the_turn(&self) -> bool {
        let why = self.stop_reason.as_deref();
        matches!(why, Some("end_turn" | "stop_sequence" | "max_tokens"))
            && self.model.as_deref() != Some("<synthetic>")
    }

    /// It is no result of a tool but something that was said to the agent.
    fn is_prompt(&self) -> bool {
        match &self.content {
            Content::Text(_) => true,
            Content::Blocks(blocks) => !blocks.iter().any(|block| block.kind == "tool_result"),
        }
    }

    fn text(self) -> String {
        match self.content {
            Content::Text(text) => text,
            Content::Blocks(blocks) => {
                let texts = blocks.into_iter().filter(|block| block.kind == "text");
                texts.map(|block| block.text).collect()
            }
        }
    }
}

fn read(path: &Path, given_as: MessageId) -> io::Result<Option<String>> {
    let name = given_as.to_string();
    // The entries of this turn so far.
    let mut turn = HashSet::new();
    let (mut last, mut ended) = (None, false);
    let mut text = String::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        if turn.is_empty() && !contains(&line, name.as_bytes()) {
            continue;
        }
        // Other lines are of other kinds, and the last one may be half of one.
        let Ok(entry) = serde_json::from_slice::<Entry>(&line) else {
            continue;
        };
        let Some(id) = entry.uuid.filter(|_| !entry.is_sidechain) else {
            continue;
        };
        if id == given_as {
            turn.insert(id);
            continue;
        }
        let follows = entry
            .parent_uuid
            .is_some_and(|before| turn.contains(&before));
        match (entry.kind.as_str(), entry.message) {
            _ if !follows => continue,
            // The next turn begins.
            ("user", Some(message)) if message.is_prompt() => continue,
            ("assistant", Some(message)) => {
                if last != message.id {
                    text.clear();
                    last.clone_from(&message.id);
                }
                ended = message.ends_the_turn();
                text.push_str(&message.text());
            }
            _ => {}
        }
        turn.insert(id);
    }
    Ok((ended && !text.is_empty()).then_some(text))
}

fn contains(line: &[u8], name: &[u8]) -> bool {
    line.windows(name.len()).any(|part| part == name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn entry(kind: &str, (n, before): (u128, u128), message: Value) -> Value {
        json!({"type": kind, "uuid": id(n), "parentUuid": id(before), "message": message})
    }

    fn prompt(n: u128, before: u128) -> Value {
        entry(
            "user",
            (n, before),
            json!({"content": [{"type": "text", "text": "do it"}]}),
        )
    }

    fn said(at: (u128, u128), message: &str, stop: Option<&str>, block: Value) -> Value {
        let message = json!({"id": message, "stop_reason": stop, "content": [block]});
        entry("assistant", at, message)
    }

    fn text(text: &str) -> Value {
        json!({"type": "text", "text": text})
    }

    fn found(lines: &[Value], further: &[u8]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("projects/-p");
        fs::create_dir_all(&folder).unwrap();
        let session = SessionId(id(1000));
        let mut file: Vec<u8> = lines
            .iter()
            .flat_map(|l| format!("{l}\n").into_bytes())
            .collect();
        file.extend(further);
        fs::write(folder.join(format!("{session}.jsonl")), file).unwrap();
        answer(dir.path(), session, id(1)).unwrap()
    }

    #[test]
    fn the_answer_is_the_last_message_of_the_turn() {
        let call = json!({"type": "tool_use", "id": "t", "name": "Bash", "input": {}});
        let result = json!({"content": [{"type": "tool_result", "content": "ok"}]});
        let mut turn = vec![
            json!({"type": "queue-operation"}),
            prompt(1, 0),
            json!({"type": "attachment", "uuid": id(2), "parentUuid": id(1)}),
            said((3, 2), "a", None, text("let me see")),
            said((4, 3), "a", Some("tool_use"), call),
            entry("user", (5, 4), result),
        ];
        assert_eq!(found(&turn, b""), None, "cut short in the middle");
        let mut instead = said(
            (11, 4),
            "x",
            Some("end_turn"),
            text("No response requested."),
        );
        instead["message"]["model"] = json!("<synthetic>");
        turn.push(instead);
        assert_eq!(found(&turn, b""), None, "Claude Code's own words");
        turn.push(said((6, 5), "b", None, text("it is ")));
        assert_eq!(
            found(&turn, b""),
            None,
            "it did not say that this is the end"
        );
        turn.push(said((7, 6), "b", Some("end_turn"), text("done")));
        let whole = Some("it is done".to_owned());
        assert_eq!(
            found(&turn, b"{\"type\":\"assist"),
            whole,
            "half a line is none"
        );
        turn.push(prompt(8, 7));
        turn.push(said((9, 8), "c", Some("end_turn"), text("another's")));
        assert_eq!(found(&turn, b""), whole);
        let mut aside = said((10, 7), "d", Some("end_turn"), text("aside"));
        aside["isSidechain"] = json!(true);
        turn.push(aside);
        assert_eq!(found(&turn, b""), whole);
    }

    #[test]
    fn what_was_not_given_has_no_answer() {
        assert_eq!(
            found(
                &[prompt(2, 0), said((3, 2), "a", Some("end_turn"), text("x"))],
                b""
            ),
            None
        );
        assert_eq!(found(&[], b"\xff\n[]\n42\n"), None);
        let nothing = answer(Path::new("/nowhere"), SessionId(id(1)), id(1));
        assert_eq!(nothing.unwrap(), None);
    }
}
