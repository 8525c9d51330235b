//! What ssh asks, and the secrets that are put away.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use iris_domain::{
    Problem,
    display::{SUMMARY_MAX, one_line, visible},
    problem::Code,
    prompt::{ANSWER_MAX, PromptKind, PromptView},
};
use iris_engine::{
    control::{AnswerReply, Command},
    secrets::{Place, Secret, SecretItem, Spoken, VALUE_MAX},
};
use zeroize::Zeroizing;

use crate::{
    Context, DONE, args,
    output::{problem_text, table},
};

pub fn prompts(context: &Context) -> Result<u8, Problem> {
    let prompts: Vec<PromptView> = context.client().ask(&Command::Prompts {})?;
    context.out.show(&prompts, || prompts_text(&prompts))?;
    Ok(DONE)
}

fn prompts_text(prompts: &[PromptView]) -> String {
    if prompts.is_empty() {
        return "Ssh asks nothing.".to_owned();
    }
    let mut text = table(
        ["ID", "HOST", "WANTS", "AGAIN", "QUESTION"],
        prompts.iter().map(|prompt| {
            [
                prompt.id.to_string(),
                prompt.host.clone(),
                wants(&prompt.kind).to_owned(),
                if prompt.retry { "wrong before" } else { "-" }.to_owned(),
                one_line(&prompt.text, SUMMARY_MAX),
            ]
        }),
    );
    text.push_str(
        "\n`iris answer ID` asks you for the answer; `iris answer ID --cancel` gives up.\n",
    );
    text
}

fn wants(kind: &PromptKind) -> &'static str {
    match kind {
        PromptKind::Passphrase { .. } => "passphrase",
        PromptKind::Password { .. } => "password",
        PromptKind::Code => "code",
        PromptKind::HostKey { .. } => "host key: yes or no",
        PromptKind::Confirm => "yes or no",
        PromptKind::Touch => "touch",
        PromptKind::Other => "answer",
    }
}

pub fn answer(context: &Context, id: String, remember: bool, cancel: bool) -> Result<u8, Problem> {
    if cancel {
        let reply = context.client().call(&Command::Answer {
            id,
            answer: None,
            remember: false,
        })?;
        context.out.show(&reply, || {
            "Cancelled; the connection is given up.".to_owned()
        })?;
        return Ok(DONE);
    }
    let (id, answer) = if io::stdin().is_terminal() {
        let waiting: Vec<PromptView> = context.client().ask(&Command::Prompts {})?;
        match meant(&waiting, &id) {
            // From here on it is this one: by the time of the answer another may begin like it.
            Some(prompt) => (prompt.id.0.clone(), ask_at_terminal(prompt)?),
            // None or many: the running Iris says so.
            None => (id, Secret::new(String::new())),
        }
    } else {
        (id, line_from_stdin()?)
    };
    let reply: AnswerReply = context.client().ask(&Command::Answer {
        id,
        answer: Some(Spoken(answer)),
        remember,
    })?;
    show(context, &reply, "Answered")
}

/// The one prompt whose id begins with what was typed.
fn meant<'a>(waiting: &'a [PromptView], typed: &str) -> Option<&'a PromptView> {
    let typed = typed.trim().to_lowercase();
    let mut meant = waiting
        .iter()
        .filter(|prompt| !typed.is_empty() && prompt.id.0.starts_with(&typed));
    match (meant.next(), meant.next()) {
        (Some(prompt), None) => Some(prompt),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

fn ask_at_terminal(prompt: &PromptView) -> Result<Secret, Problem> {
    let mut err = io::stderr().lock();
    let asked = match prompt.kind {
        _ if !prompt.retry => "",
        PromptKind::Password { .. } => {
            "The last sign-in failed: the password was wrong, or a code that was asked for with it.\n"
        }
        _ => "The last answer was wrong.\n",
    };
    let asked = format!(
        "{}\n{asked}{} ",
        visible(&prompt.host),
        visible(&prompt.text)
    );
    let written = write!(err, "{asked}").and_then(|()| err.flush());
    written.map_err(|error| unreadable(&error))?;
    if prompt.kind.is_secret() {
        let text = rpassword::read_password().map_err(|error| unreadable(&error))?;
        return Ok(Secret::new(text));
    }
    line_from_stdin()
}

/// The first line of standard input, without its end.
fn line_from_stdin() -> Result<Secret, Problem> {
    let mut line = Zeroizing::new(String::with_capacity(ANSWER_MAX + 2));
    // With its end, a line that is too long is longer than an answer may be: refused as such.
    let limit = u64::try_from(ANSWER_MAX).unwrap_or(u64::MAX) + 2;
    let read = io::stdin().lock().take(limit).read_line(&mut line);
    if read.map_err(|error| unreadable(&error))? == 0 {
        return Err(unreadable(&io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Secret::new(without_end(&line).to_owned()))
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::new(
        Code::InvalidInput,
        format!("cannot read it from standard input: {error}"),
        "Type it at a terminal, or give it as text in UTF-8.",
    )
}

pub fn secrets(context: &Context, command: args::Secrets) -> Result<u8, Problem> {
    match command {
        args::Secrets::List => {
            let items: Vec<SecretItem> = context.client().ask(&Command::SecretsList {})?;
            context.out.show(&items, || secrets_text(&items))?;
            Ok(DONE)
        }
        args::Secrets::Forget { name } => {
            let reply = context.client().call(&Command::SecretsForget { name })?;
            context.out.show(&reply, || {
                let name = reply["forgotten"].as_str().unwrap_or_default();
                format!("Forgot {}.", visible(name))
            })?;
            Ok(DONE)
        }
        args::Secrets::Set { name } => {
            let value = value_from_stdin(&name)?;
            let reply: AnswerReply = context.client().ask(&Command::SecretsSet {
                name: name.clone(),
                value: Spoken(value),
            })?;
            let name = visible(&name);
            show(
                context,
                &reply,
                &format!(
                    "The config can say \"keychain:{name}\" now: in a team's `env`, for agents that start from now on, and for Slack and webhooks"
                ),
            )
        }
    }
}

/// All of standard input, without the last line's end; at a terminal, one line that is not shown.
fn value_from_stdin(name: &str) -> Result<Secret, Problem> {
    if io::stdin().is_terminal() {
        let asked = format!("The value of {}: ", visible(name));
        let text = rpassword::prompt_password(asked).map_err(|error| unreadable(&error))?;
        return Ok(Secret::new(text));
    }
    let mut text = Zeroizing::new(String::with_capacity(VALUE_MAX + 1));
    let limit = u64::try_from(VALUE_MAX).unwrap_or(u64::MAX) + 1;
    let read = io::stdin().lock().take(limit).read_to_string(&mut text);
    read.map_err(|error| unreadable(&error))?;
    if text.len() > VALUE_MAX {
        return Err(Problem::new(
            Code::InvalidInput,
            "the value is longer than an environment can hold",
            "Give the agent the path of a file instead.",
        ));
    }
    Ok(Secret::new(without_end(&text).to_owned()))
}

fn secrets_text(items: &[SecretItem]) -> String {
    if items.is_empty() {
        return "Nothing is put away. `iris secrets set NAME` does that.".to_owned();
    }
    table(
        ["NAME", "WHERE", "SINCE"],
        items.iter().map(|item| {
            let since = item
                .kept_at
                .map(|at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
            [
                item.name.clone(),
                match item.place {
                    Place::Keychain => "keychain",
                    Place::ThisRun => "memory, until Iris ends",
                }
                .to_owned(),
                since.unwrap_or_else(|| "-".to_owned()),
            ]
        }),
    )
}

fn show(context: &Context, reply: &AnswerReply, done: &str) -> Result<u8, Problem> {
    context.out.show(reply, || {
        let mut text = match reply.kept {
            None => format!("{done}."),
            Some(Place::Keychain) => format!("{done}; it is in the keychain."),
            Some(Place::ThisRun) => {
                format!("{done}; it is remembered until Iris ends, and no longer.")
            }
        };
        if let Some(problem) = &reply.problem {
            text.push('\n');
            text.push_str(&problem_text(problem));
        }
        text
    })?;
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use iris_domain::prompt::PromptId;

    use super::*;

    fn prompt(id: &str) -> PromptView {
        PromptView {
            id: PromptId(id.into()),
            kind: PromptKind::Other,
            host: "me@evil".into(),
            text: "Press\u{1b}[2K\nenter".into(),
            rememberable: false,
            retry: true,
            created_at: iris_engine::clock::now(),
        }
    }

    #[test]
    fn a_beginning_means_one_prompt_or_none() {
        let waiting = [prompt("k3fq"), prompt("k7aa"), prompt("m2zz")];
        for (typed, id) in [
            ("m", Some("m2zz")),
            (" K3 ", Some("k3fq")),
            ("k7aa", Some("k7aa")),
            ("k", None),
            ("x", None),
            ("", None),
        ] {
            let meant = meant(&waiting, typed).map(|prompt| prompt.id.0.as_str());
            assert_eq!(meant, id, "{typed:?}: the whole id is what is answered");
        }
    }

    #[test]
    fn a_question_cannot_change_the_screen() {
        let text = prompts_text(&[prompt("k3fq")]);
        assert!(text.contains("Press⟨U+001B⟩[2K⏎enter"), "{text}");
        assert!(text.contains("wrong before"), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }

    #[test]
    fn a_line_loses_its_end_and_nothing_else() {
        for (line, answer) in [
            ("pass\n", "pass"),
            ("pass\r\n", "pass"),
            (" pass ", " pass "),
            ("\n", ""),
            ("a\n\n", "a\n"),
        ] {
            assert_eq!(without_end(line), answer);
        }
    }
}
