//! Which rules allow a request together: every part of it needs one.

use super::{
    Uncovered,
    command::cover,
    facts::{Command, Facts, What},
    path::Looked,
    quote,
    rule::{Access, Rule},
    shell::Kind,
};

/// The places in `rules` of those that allow every part of it, each once, in order; or the first
/// part that none allows.
pub(super) fn by(rules: &[&Rule], facts: &Facts<'_>) -> Result<Vec<usize>, Uncovered> {
    if let Some(at) = rules.iter().position(|rule| rule.covers(facts)) {
        return Ok(vec![at]);
    }
    match facts.what() {
        What::Command(command) => every_part(rules, command),
        What::NoCommand | What::Files(..) | What::Address(_) | What::Agent(_) | What::Other => {
            Err(Uncovered::default())
        }
    }
}

fn every_part(rules: &[&Rule], command: &Command<'_>) -> Result<Vec<usize>, Uncovered> {
    let patterns: Vec<_> = rules
        .iter()
        .enumerate()
        .filter_map(|(at, rule)| Some((at, rule.command()?)))
        .collect();
    if let Some((at, _)) = patterns
        .iter()
        .find(|(_, pattern)| pattern.is(command.text))
    {
        return Ok(vec![*at]);
    }
    if let Some(doubt) = command.script.doubts.first() {
        return Err(Uncovered(format!(
            "No rule can allow it, because {}",
            doubt.why
        )));
    }
    let mut used = Vec::new();
    for (at, run) in command.script.runs.iter().enumerate() {
        let shown = command.texts.get(at).map_or("", String::as_str);
        if let Some(rule) = cover(&patterns, &command.script, &command.texts, at) {
            used.push(rule);
            continue;
        }
        // Without a rule of its own, `cd` is let through within the team's folder only.
        let stays = || {
            let enters = command.enters.get(at).and_then(Option::as_ref);
            enters.is_some_and(Looked::in_folder)
        };
        let free = match run.kind {
            Kind::Program => false,
            Kind::Transparent => true,
            Kind::Free => !run.is_cd() || stays(),
        };
        if !free {
            return Err(Uncovered(format!("No rule covers `{}`", quote(shown))));
        }
    }
    for file in &command.files {
        let rule = file.path.as_ref().and_then(|path| {
            if file.relative && command.script.moves {
                return None;
            }
            rules
                .iter()
                .position(|rule| rule.covers_file(file.access, path))
        });
        // A rule for the whole tool does not need to know which file it is.
        let rule = rule.or_else(|| {
            rules.iter().position(|rule| match file.access {
                Access::Read => rule.matches("Read"),
                Access::Edit => rule.matches("Edit") || rule.matches("Write"),
            })
        });
        let free = file.access == Access::Read
            && !(file.relative && command.script.moves)
            && file.path.as_ref().is_some_and(Looked::in_folder);
        match rule {
            Some(rule) => used.push(rule),
            None if free => {}
            None => {
                let does = match file.access {
                    Access::Read => "reading",
                    Access::Edit => "writing to",
                };
                return Err(Uncovered(format!(
                    "No rule covers {does} `{}`",
                    quote(&file.raw)
                )));
            }
        }
    }
    used.sort_unstable();
    used.dedup();
    if used.is_empty() {
        return Err(Uncovered::default());
    }
    Ok(used)
}
