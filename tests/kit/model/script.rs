//! What the prompt tells the fake model to do.

use serde_json::{Value, json};

/// One answer of the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Turn {
    /// Text.
    Say(String),
    /// Tool calls.
    Call(Vec<Call>),
    /// So many words, slowly.
    Slow(u32),
}

/// One tool call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub tool: String,
    pub input: Value,
}

/// What was asked last, and the answer to it.
pub(super) fn read(body: &Value) -> (String, Turn) {
    let mut results = Vec::new();
    for block in last_user_blocks(body).iter().rev() {
        match block["type"].as_str() {
            Some("tool_result") => results.push(result(block)),
            // Results stand together at the end: what is before them was answered.
            _ if !results.is_empty() => break,
            Some("text") => {
                let text = without_reminders(block["text"].as_str().unwrap_or_default());
                if !text.is_empty() && !text.starts_with("[Request interrupted") {
                    return (text.clone(), turn(&text));
                }
            }
            _ => {}
        }
    }
    results.reverse();
    if let Some(next) = next_step(body) {
        return ("next step".into(), next);
    }
    (
        "tool results".into(),
        Turn::Say(format!("done: {}", results.join(" ||| "))),
    )
}

/// What is next of a script that has steps, after the results of some.
fn next_step(body: &Value) -> Option<Turn> {
    let messages = body["messages"].as_array()?;
    let text_of = |message: &Value| {
        if message["role"] != "user" {
            return None;
        }
        let blocks = last_user_blocks(&json!({ "messages": [message] }));
        let mut texts = blocks
            .iter()
            .filter(|block| block["type"] == "text")
            .map(|block| without_reminders(block["text"].as_str().unwrap_or_default()));
        texts.rfind(|text| !text.is_empty())
    };
    let (at, text) = messages
        .iter()
        .enumerate()
        .rev()
        .find_map(|(at, message)| Some((at, text_of(message)?)))?;
    let done = messages[at..]
        .iter()
        .filter(|message| message["role"] == "assistant")
        .count();
    Some(Turn::Call(vec![call(steps(&text)?.get(done)?)]))
}

/// The steps of a script that has some, one a line.
fn steps(text: &str) -> Option<Vec<&str>> {
    let (_, script) = text.split_once("FAKE:")?;
    let (verb, rest) = word(script);
    (verb == "steps").then(|| rest.lines().map(str::trim).collect())
}

fn last_user_blocks(body: &Value) -> Vec<Value> {
    let messages = body["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let user = messages
        .iter()
        .rev()
        .find(|message| message["role"] == "user");
    match user.map(|message| &message["content"]) {
        Some(Value::String(text)) => vec![json!({"type": "text", "text": text})],
        Some(Value::Array(blocks)) => blocks.clone(),
        _ => Vec::new(),
    }
}

fn result(block: &Value) -> String {
    let text = match &block["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    };
    let word = if block["is_error"] == true {
        "ERROR"
    } else {
        "OK"
    };
    format!("{word} {}", without_reminders(&text))
}

fn without_reminders(text: &str) -> String {
    const OPEN: &str = "<system-reminder>";
    const CLOSE: &str = "</system-reminder>";
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        kept.push_str(&rest[..start]);
        rest = rest[start..]
            .find(CLOSE)
            .map_or("", |end| &rest[start + end + CLOSE.len()..]);
    }
    kept.push_str(rest);
    kept.trim().to_owned()
}

fn turn(text: &str) -> Turn {
    let Some(at) = text.find("FAKE:") else {
        return Turn::Say(format!("echo: {text}"));
    };
    let script = text[at + "FAKE:".len()..].trim();
    let (verb, rest) = word(script);
    match verb {
        "steps" => Turn::Call(
            steps(text)
                .and_then(|steps| Some(vec![call(steps.first()?)]))
                .unwrap_or_default(),
        ),
        "slow" => Turn::Slow(rest.parse().unwrap_or(20)),
        "parallel" => Turn::Call(rest.split("|||").map(|part| call(part.trim())).collect()),
        _ => Turn::Call(vec![call(script)]),
    }
}

fn call(script: &str) -> Call {
    let (verb, rest) = word(script);
    let (tool, input) = match verb {
        "bash" => (
            "Bash".to_owned(),
            json!({"command": rest, "description": "fake bash"}),
        ),
        "read" => ("Read".to_owned(), json!({"file_path": rest})),
        "write" => {
            let (path, text) = word(rest);
            (
                "Write".to_owned(),
                json!({"file_path": path, "content": text}),
            )
        }
        "question" => ("AskUserQuestion".to_owned(), question(rest)),
        "tool" => {
            let (tool, input) = word(rest);
            let input = serde_json::from_str(input).unwrap_or_else(|_| json!({}));
            (tool.to_owned(), input)
        }
        "mcp" => {
            let (tool, input) = word(rest);
            let tool = if tool.contains("__") {
                tool.to_owned()
            } else {
                format!("mcp__iris__{tool}")
            };
            (
                tool,
                serde_json::from_str(input).unwrap_or_else(|_| json!({})),
            )
        }
        other => (format!("no such script: {other}"), json!({})),
    };
    Call { tool, input }
}

fn question(text: &str) -> Value {
    let mut parts = text.split('|').map(str::trim);
    let question = parts.next().unwrap_or_default();
    let options: Vec<_> = parts
        .map(|label| json!({"label": label, "description": label}))
        .collect();
    json!({"questions": [{
        "question": question, "header": "Choice", "options": options, "multiSelect": false,
    }]})
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace)
        .map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(content: Value) -> Value {
        json!({"messages": [{"role": "user", "content": content}]})
    }

    #[test]
    fn the_last_text_is_the_script_and_reminders_are_not() {
        let body = user(json!([
            {"type": "text", "text": "FAKE:bash old"},
            {"type": "text", "text": "<system-reminder>FAKE:bash no</system-reminder>\nFAKE:bash touch x"},
            {"type": "text", "text": "<system-reminder>later</system-reminder>"},
        ]));
        let Turn::Call(calls) = read(&body).1 else {
            panic!("a call was asked for")
        };
        assert_eq!(calls[0].tool, "Bash");
        assert_eq!(calls[0].input["command"], "touch x");
    }

    #[test]
    fn results_are_told_in_order() {
        let body = user(json!([
            {"type": "text", "text": "FAKE:parallel bash a ||| bash b"},
            {"type": "tool_result", "content": "fine", "is_error": false},
            {"type": "tool_result", "content": [{"type": "text", "text": "no"}], "is_error": true},
        ]));
        assert_eq!(
            read(&body).1,
            Turn::Say("done: OK fine ||| ERROR no".into())
        );
    }

    #[test]
    fn a_prompt_after_an_interrupt_is_a_new_script() {
        let body = user(json!([
            {"type": "tool_result", "content": "rejected", "is_error": true},
            {"type": "text", "text": "[Request interrupted by user for tool use]"},
            {"type": "text", "text": "hello"},
        ]));
        assert_eq!(read(&body).1, Turn::Say("echo: hello".into()));
    }

    #[test]
    fn steps_are_done_one_after_the_other() {
        let prompt = json!({"role": "user", "content": [
            {"type": "text", "text": "Do it.\nFAKE:steps\nbash a\nmcp get_date {\"x\":\"FAKE:steps\\nbash c\"}"},
        ]});
        let called = json!({"role": "assistant", "content": [{"type": "tool_use"}]});
        let result = json!({"role": "user", "content": [
            {"type": "tool_result", "content": "fine"},
            {"type": "text", "text": "<system-reminder>x</system-reminder>"},
        ]});
        let after = |messages: &[&Value]| read(&json!({ "messages": messages })).1;
        let Turn::Call(first) = after(&[&prompt]) else {
            panic!("a call was asked for")
        };
        assert_eq!(first[0].input["command"], "a");
        let Turn::Call(second) = after(&[&prompt, &called, &result]) else {
            panic!("another call was asked for")
        };
        assert_eq!(second[0].tool, "mcp__iris__get_date");
        assert_eq!(second[0].input["x"], "FAKE:steps\nbash c");
        assert_eq!(
            after(&[&prompt, &called, &result, &called, &result]),
            Turn::Say("done: OK fine".into())
        );
    }

    #[test]
    fn parallel_calls_and_bare_tool_names() {
        let Turn::Call(calls) = turn("FAKE:parallel mcp get_date {} ||| write a.txt some text")
        else {
            panic!("calls were asked for")
        };
        assert_eq!(calls[0].tool, "mcp__iris__get_date");
        assert_eq!(
            calls[1].input,
            json!({"file_path": "a.txt", "content": "some text"})
        );
    }
}
