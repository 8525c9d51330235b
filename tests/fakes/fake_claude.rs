//! A Claude Code that does as it is told: it speaks the stream of JSON lines as the real one does
//! (measured with 2.1.330), without a model. How it starts is said by `FAKE_CLAUDE` (words with
//! spaces between), what a turn does by the message.

use std::{
    collections::HashSet,
    error::Error,
    io::{BufRead as _, ErrorKind, Write as _, stdin, stdout},
    path::{Path, PathBuf},
    process::exit,
    thread::sleep,
    time::Duration,
};

use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3600);
/// Between two looks at a file.
const A_MOMENT: Duration = Duration::from_millis(2);

fn main() -> Outcome<()> {
    let mut fake = Fake::start()?;
    for line in stdin().lock().lines() {
        match serde_json::from_str::<Value>(&line?) {
            Ok(event) => fake.take(&event)?,
            Err(error) => fail(&format!("Error parsing streaming input line: {error}"))?,
        }
    }
    if fake.is("ignore-eof") {
        sleep(FOR_EVER);
    }
    Ok(())
}

fn fail(why: &str) -> Outcome<()> {
    writeln!(std::io::stderr(), "{why}")?;
    exit(1)
}

struct Fake {
    words: HashSet<String>,
    session: String,
    /// Its record of the conversation, as the real one keeps it: what it took, and what it answered.
    file: PathBuf,
    /// Where it keeps which messages it began with.
    ran: PathBuf,
    reconnected: bool,
    /// The message of a turn that hangs.
    running: Option<String>,
    /// It waits for permission in that turn.
    asking: bool,
}

impl Fake {
    fn start() -> Outcome<Self> {
        let words = variable("FAKE_CLAUDE");
        let words: HashSet<String> = words.split_whitespace().map(str::to_owned).collect();
        let value =
            |name: &str| std::env::args().find_map(|a| a.strip_prefix(name).map(str::to_owned));
        let resume = value("--resume=");
        let session = resume
            .clone()
            .or_else(|| value("--session-id="))
            .ok_or("no session")?;
        let dir = match variable("CLAUDE_CONFIG_DIR") {
            none if none.is_empty() => PathBuf::from(variable("HOME")).join(".claude"),
            dir => dir.into(),
        };
        let dir = dir.join("projects/-fake");
        std::fs::create_dir_all(&dir)?;
        let file = dir.join(format!("{session}.jsonl"));
        let fake = Self {
            words,
            ran: dir.join(format!("{session}.ran")),
            session,
            file,
            reconnected: false,
            running: None,
            asking: false,
        };
        let id = &fake.session;
        if fake.is("exit-at-once") {
            fail("fake: cannot start")?;
        }
        if fake.is("crash-once") {
            let mark = dir.join("crashed");
            if !mark.exists() {
                std::fs::write(mark, "")?;
                fail("fake: crashed once")?;
            }
        }
        if fake.is("old") {
            fail("error: unknown option '--permission-prompt-tool'")?;
        }
        if resume.is_some() && !fake.file.exists() {
            fail(&format!("No conversation found with session ID: {id}"))?;
        }
        if resume.is_none() && fake.file.exists() {
            fail(&format!("Error: Session ID {id} is already in use."))?;
        }
        Ok(fake)
    }

    fn is(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    fn take(&mut self, event: &Value) -> Outcome<()> {
        let text = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match text("/type") {
            "control_request" => self.control(text("/request_id"), text("/request/subtype")),
            "user" => self.turn(text("/uuid"), text("/message/content/0/text")),
            // The answer to what it asked is the answer of the turn.
            "control_response" => match self.running.take() {
                Some(message) => {
                    self.asking = false;
                    end(&message, &event.to_string(), false)
                }
                // An answer that crossed its cancellation.
                None if text("/response/request_id") == "q" => Ok(()),
                None => fail("fake: an answer that nobody asked for"),
            },
            _ => Ok(()),
        }
    }

    fn control(&mut self, id: &str, subtype: &str) -> Outcome<()> {
        let answer = match subtype {
            "initialize" if self.is("never-initialize") => return Ok(()),
            "initialize" if self.is("signed-out") => {
                json!({"account": {"tokenSource": "none", "apiProvider": "firstParty"}})
            }
            "initialize" => {
                json!({"account": {"tokenSource": "fake", "apiProvider": "firstParty"}})
            }
            "mcp_status" => {
                let status = match () {
                    () if self.is("mcp-pending") => "pending",
                    () if self.is("mcp-failed") => "failed",
                    () if self.is("mcp-failed-once") && !self.reconnected => "failed",
                    () => "connected",
                };
                json!({"mcpServers": [{"name": "iris", "status": status, "error": "ECONNREFUSED"}]})
            }
            "mcp_reconnect" => {
                self.reconnected = true;
                json!({})
            }
            "interrupt" if self.is("ignore-interrupt") => return Ok(()),
            "interrupt" => {
                if std::mem::take(&mut self.asking) {
                    say(&json!({"type": "control_cancel_request", "request_id": "q"}))?;
                }
                if let Some(message) = self.running.take() {
                    say(&json!({
                        "type": "result", "subtype": "error_during_execution", "is_error": true,
                        "terminal_reason": "aborted_tools", "user_message_uuids": [message],
                    }))?;
                    lifecycle(&message, "cancelled")?;
                }
                json!({"still_queued": []})
            }
            _ => {
                return say(&json!({"type": "control_response", "response":
                    {"subtype": "error", "request_id": id, "error": "unsupported"}}));
            }
        };
        say(&json!({"type": "control_response", "response":
            {"subtype": "success", "request_id": id, "response": answer}}))
    }

    fn turn(&mut self, message: &str, text: &str) -> Outcome<()> {
        if self.running.is_some() {
            fail("fake: a message came while a turn ran")?;
        }
        let id = format!(r#""uuid":"{message}""#);
        if lines(&self.file)?.any(|line| line.contains(&id)) {
            // As the real one: what it took is not taken twice, be it answered or cut short.
            return lifecycle(message, "completed");
        }
        let content = json!([{"type": "text", "text": text}]);
        self.keep(
            "user",
            message,
            None,
            &json!({"role": "user", "content": content}),
        )?;
        append(&self.ran, message)?;
        lifecycle(message, "queued")?;
        lifecycle(message, "started")?;
        say(&json!({"type": "system", "subtype": "init", "session_id": self.session}))?;
        // Of a note before the message it takes none.
        let task = match text.strip_prefix("[Iris: ") {
            Some(noted) => noted.split_once("]\n\n").map_or("", |(_, task)| task),
            None => text,
        };
        let (word, rest) = task.split_once(' ').unwrap_or((task, ""));
        let answer = match word {
            "crash" => return fail("fake: crashed in a turn"),
            "hang" => {
                if !rest.is_empty() {
                    say(&assistant(rest))?;
                }
                self.running = Some(message.to_owned());
                return Ok(());
            }
            "error" => return end(message, rest, true),
            "noise" => {
                write_raw(b"npm notice\n\n{\"half\":\n\xff\xfe\x00\n42\n[]\n{}\n")?;
                rest.to_owned()
            }
            "split" => {
                let line = json!({"type": "result", "subtype": "success", "is_error": false,
                    "result": rest, "user_message_uuids": [message]});
                // Byte by byte: every character of more than one arrives in pieces.
                for byte in line.to_string().as_bytes() {
                    write_raw(&[*byte])?;
                }
                write_raw(b"\n")?;
                return lifecycle(message, "completed");
            }
            "big" => "ü".repeat(rest.parse::<usize>()? / 2),
            "too-long" => {
                let chunk = vec![b'x'; 1024 * 1024];
                for _ in 0..rest.parse::<usize>()? {
                    write_raw(&chunk)?;
                }
                write_raw(b"\n")?;
                "after it".to_owned()
            }
            // Answers when that file is there: the test says when the turn ends.
            "when" => {
                let (gate, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                while !Path::new(gate).exists() {
                    sleep(A_MOMENT);
                }
                rest.to_owned()
            }
            "session" => self.session.clone(),
            "args" => std::env::args().collect::<Vec<_>>().join("\n"),
            "env" => variable(rest),
            "folded" => {
                say(&assistant("part one"))?;
                say(&assistant("part two"))?;
                return lifecycle(message, "completed");
            }
            // Every kind of block there is, and two texts among them.
            "blocks" | "blocks-folded" => {
                let image =
                    json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
                say(&blocks(
                    "assistant",
                    json!([
                        {"type": "thinking", "thinking": "not for you", "signature": "s"},
                        {"type": "text", "text": "part one"},
                        {"type": "tool_use", "id": "t", "name": "Read", "input": {"file_path": "a.png"}},
                    ]),
                ))?;
                say(&blocks(
                    "user",
                    json!([{"type": "tool_result", "tool_use_id": "t", "content": [
                        {"type": "image", "source": image}, {"type": "text", "text": "nor this"},
                    ]}]),
                ))?;
                say(&blocks(
                    "assistant",
                    json!([
                        {"type": "redacted_thinking", "data": "x"},
                        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                        {"type": "a_kind_of_tomorrow", "text": "unknown"},
                        {"type": "text", "text": rest},
                    ]),
                ))?;
                if word == "blocks-folded" {
                    return lifecycle(message, "completed");
                }
                rest.to_owned()
            }
            "own-turn" => {
                // A background task's result comes in between.
                say(
                    &json!({"type": "result", "subtype": "success", "is_error": false,
                    "result": "not for you", "user_message_uuids": []}),
                )?;
                rest.to_owned()
            }
            "ask" => {
                say(&json!({"type": "control_request", "request_id": "q",
                    "request": {"subtype": "can_use_tool", "tool_name": "Bash",
                        "input": {"command": rest}, "tool_use_id": message}}))?;
                self.asking = true;
                self.running = Some(message.to_owned());
                return Ok(());
            }
            // The same, with all of the request as it is given.
            "ask-raw" => {
                let mut request: Value = serde_json::from_str(rest)?;
                request["subtype"] = json!("can_use_tool");
                say(&json!({"type": "control_request", "request_id": "q", "request": request}))?;
                self.asking = true;
                self.running = Some(message.to_owned());
                return Ok(());
            }
            "sh" => sh(rest)?,
            _ => text.to_owned(),
        };
        say(&assistant("let me see"))?;
        let content = json!([{"type": "text", "text": answer}]);
        let said = json!({"id": "m", "stop_reason": "end_turn", "content": content});
        let id = uuid::Uuid::new_v4().to_string();
        self.keep("assistant", &id, Some(message), &said)?;
        if word == "answer-lost" {
            sleep(FOR_EVER);
        }
        end(message, &answer, false)
    }

    /// Keeps an entry of the conversation.
    fn keep(&self, kind: &str, id: &str, before: Option<&str>, message: &Value) -> Outcome<()> {
        let entry = json!({"type": kind, "uuid": id, "parentUuid": before, "message": message});
        append(&self.file, &entry.to_string())
    }
}

fn lines(path: &Path) -> Outcome<impl Iterator<Item = String>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read?,
    };
    Ok(text
        .lines()
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter())
}

/// In one write: who is killed between a line and its end would spoil the next line too.
fn append(path: &Path, line: &str) -> Outcome<()> {
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)?;
    Ok(file.write_all(format!("{line}\n").as_bytes())?)
}

fn assistant(text: &str) -> Value {
    blocks("assistant", json!([{"type": "text", "text": text}]))
}

fn blocks(kind: &str, content: Value) -> Value {
    json!({"type": kind, "parent_tool_use_id": null, "message": {"content": content}})
}

/// As the real one: an error of the model's API is a "success" with `is_error`.
fn end(message: &str, text: &str, is_error: bool) -> Outcome<()> {
    say(
        &json!({"type": "result", "subtype": "success", "is_error": is_error, "result": text,
        "user_message_uuids": [message]}),
    )?;
    lifecycle(message, if is_error { "cancelled" } else { "completed" })
}

fn lifecycle(message: &str, state: &str) -> Outcome<()> {
    say(&json!({"type": "command_lifecycle", "command_uuid": message, "state": state}))
}

fn say(event: &Value) -> Outcome<()> {
    write_raw(format!("{event}\n").as_bytes())
}

fn write_raw(bytes: &[u8]) -> Outcome<()> {
    let mut out = stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own, told by its environment"
)]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a fake agent's Bash tool")]
fn sh(script: &str) -> Outcome<String> {
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", script])
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
