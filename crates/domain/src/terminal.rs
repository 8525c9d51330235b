//! The user's terminal: how a program is started in one, and how a command is written as text that no
//! shell reads otherwise. Programs are started with a list of words; text is for where only text will
//! do: the far end of `ssh`, a terminal that types it, a person.

#[cfg(test)]
mod tests;

/// Where the command goes in a template.
pub const COMMAND: &str = "{command}";

/// How the user wants a terminal started: `settings.terminal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The program, and its arguments before the command.
    before: Vec<String>,
    /// Its arguments after the command.
    after: Vec<String>,
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A quote is not closed.
    #[error("a quote is not closed")]
    Quotes,
    /// There is no program.
    #[error("it names no program")]
    NoProgram,
    /// The command is not a word of its own, so some shell would read it.
    #[error("`{COMMAND}` stands inside another word")]
    Inside,
    /// The command stands twice.
    #[error("`{COMMAND}` stands there twice")]
    Twice,
}

impl TemplateError {
    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Quotes | Self::NoProgram => {
                "Write the terminal's program and its options, such as \"kitty --hold\"."
            }
            Self::Inside | Self::Twice => {
                "Write `{command}` once, as a word of its own; at the end it may be left out."
            }
        }
    }
}

impl Template {
    /// Reads words as a shell would; what is in them is never run by one.
    ///
    /// # Errors
    /// When it names no program, or the command is not one word of its own.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let words = shell_words::split(text).map_err(|_| TemplateError::Quotes)?;
        let is_command = |word: &String| word == COMMAND;
        if words
            .iter()
            .any(|word| word.contains(COMMAND) && !is_command(word))
        {
            return Err(TemplateError::Inside);
        }
        let mut parts = words.split(is_command);
        let before = parts.next().unwrap_or_default().to_vec();
        let after = parts.next().unwrap_or_default().to_vec();
        if parts.next().is_some() {
            return Err(TemplateError::Twice);
        }
        if before.first().is_none_or(String::is_empty) {
            return Err(TemplateError::NoProgram);
        }
        Ok(Self { before, after })
    }

    /// A program that takes the command behind these arguments.
    pub fn of(program: impl Into<String>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|word| (*word).to_owned());
        Self {
            before: std::iter::once(program.into()).chain(arguments).collect(),
            after: Vec::new(),
        }
    }

    /// The terminal's program.
    pub fn program(&self) -> &str {
        self.before.first().map_or("", String::as_str)
    }

    /// The arguments of the program that has the terminal run this command.
    pub fn arguments(&self, command: &[String]) -> Vec<String> {
        let before = self.before.iter().skip(1);
        before.chain(command).chain(&self.after).cloned().collect()
    }
}

/// A terminal that takes a command as a list of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its program.
    pub program: &'static str,
    /// What stands before the command.
    pub arguments: &'static [&'static str],
}

const fn known(program: &'static str, arguments: &'static [&'static str]) -> Known {
    Known { program, arguments }
}

/// The terminals that are looked for, in this order: first what the system says is the user's.
pub const KNOWN: &[Known] = &[
    known("xdg-terminal-exec", &[]),
    known("gnome-terminal", &["--"]),
    known("konsole", &["-e"]),
    known("xfce4-terminal", &["-x"]),
    known("kitty", &[]),
    known("alacritty", &["-e"]),
    known("wezterm", &["start", "--"]),
    known("foot", &[]),
    known("ghostty", &["-e"]),
    known("x-terminal-emulator", &["-e"]),
    known("xterm", &["-e"]),
];

/// A terminal that the user named (`TERMINAL`), perhaps with a folder or options. One that is not
/// known takes the command as nearly all do.
///
/// # Errors
/// As for [`Template::parse`].
pub fn named(text: &str) -> Result<Template, TemplateError> {
    let mut template = Template::parse(text)?;
    let program = template.program();
    let name = program.rsplit('/').next().unwrap_or(program);
    let arguments = KNOWN.iter().find(|known| known.program == name);
    // Who says more than its name knows what it takes.
    if template.before.len() == 1 && !text.contains(COMMAND) {
        let arguments = arguments.map_or(&["-e"][..], |known| known.arguments);
        template
            .before
            .extend(arguments.iter().map(|word| (*word).to_owned()));
    }
    Ok(template)
}

/// The words of `osascript` that have Terminal.app, or iTerm2 if it is there, run a line of text. The
/// line is an argument: AppleScript does not read it.
pub fn apple_script(iterm: bool, line: &str) -> Vec<String> {
    let script: &[&str] = if iterm {
        &[
            "on run argv",
            "tell application \"iTerm\"",
            "activate",
            "set w to (create window with default profile)",
            "tell current session of w to write text (item 1 of argv)",
            "end tell",
            "end run",
        ]
    } else {
        &[
            "on run argv",
            "tell application \"Terminal\"",
            "activate",
            "do script (item 1 of argv)",
            "end tell",
            "end run",
        ]
    };
    let script = script.iter().flat_map(|line| ["-e", line]);
    script.chain([line]).map(str::to_owned).collect()
}

/// The words of Windows Terminal that run a command: it takes `;` for the end of one.
pub fn windows_terminal(command: &[String]) -> Vec<String> {
    let words = command.iter().map(|word| word.replace(';', "\\;"));
    std::iter::once("new-tab".to_owned()).chain(words).collect()
}

/// Undoes what [`any_shell`] does to its words: nothing in it means anything to a shell within single
/// quotes.
const DECODE: &str =
    r#"for a do shift; a=$(printf "%b." "$a"); set -- "$@" "${a%.}"; done; exec "$@""#;

/// A command as a line that every shell reads the same way: sh, dash, bash, zsh, fish, csh and tcsh,
/// which disagree on `\`, `'`, `!` and line ends within quotes. These, and every other control
/// character, are written in octal, and undone by the `sh` that runs the command.
pub fn any_shell(command: &[String]) -> String {
    let mut line = format!("exec sh -c '{DECODE}' iris");
    for word in command {
        line.push_str(" '");
        for c in word.chars() {
            match c {
                '\'' | '\\' | '!' => line.push_str(&octal(c)),
                c if c.is_ascii_control() => line.push_str(&octal(c)),
                c => line.push(c),
            }
        }
        line.push('\'');
    }
    line
}

fn octal(c: char) -> String {
    format!("\\0{:03o}", u32::from(c))
}

/// A command as a person would write it, to be copied into a shell.
pub fn shown(command: &[String]) -> String {
    if command
        .iter()
        .any(|word| word.chars().any(|c| c.is_ascii_control()))
    {
        return any_shell(command);
    }
    shell_words::join(command)
}
