//! Which files a rule speaks of: gitignore's patterns, from a base.

use super::real::Real;

/// Where a team works: what the paths of its rules and requests mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    /// The team's folder, absolute; empty where it is not known (`~/…` on another host).
    pub folder: String,
    /// The home directory, absolute.
    pub home: Option<String>,
    /// Where paths lead. `None`: that cannot be told here (another host), so only what is written counts.
    pub real: Option<Real>,
}

/// A path's parts, without `.`, `..` and empty ones.
type Parts = Vec<String>;

/// Stands for whatever lies in a directory that is searched: no name has it.
const CHILD: &str = "\u{1}\u{1}\u{1}";

/// A path that a request names, as it is written and as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looked {
    written: Parts,
    /// `None`: links cannot be followed here, or could not.
    real: Option<Parts>,
    /// Whether it must be known where links lead.
    follows: bool,
    folder: Parts,
    home: Option<Parts>,
    real_folder: Option<Parts>,
    real_home: Option<Parts>,
    folder_known: bool,
    /// Whether its meaning is certain.
    certain: bool,
}

impl Place {
    /// A path of a request; `below`: all that lies in it is looked at.
    pub(super) fn look(&self, path: &str, below: bool) -> Looked {
        let home_relative = path == "~" || path.starts_with("~/");
        let whole = match (&self.home, path) {
            (Some(home), _) if home_relative => {
                format!("{home}{}", path.get(1..).unwrap_or_default())
            }
            _ if path.starts_with('/') => path.to_owned(),
            _ => format!("{}/{path}", self.folder),
        };
        let real = |path: &str| {
            let real = self.real.as_ref()?;
            real.of(path).map(|path| parts(&path))
        };
        let child = |mut parts: Parts| {
            if below {
                parts.push(CHILD.into());
            }
            parts
        };
        let certain = !path.contains('\0')
            && !path.starts_with('~')
            && (path.starts_with('/') || self.folder.starts_with('/'));
        Looked {
            written: child(parts(&whole)),
            real: if path.contains('\0') {
                None
            } else {
                real(&whole).map(child)
            },
            follows: self.real.is_some(),
            folder: parts(&self.folder),
            home: self.home.as_deref().map(parts),
            real_folder: real(&self.folder),
            real_home: self.home.as_deref().and_then(real),
            folder_known: self.folder.starts_with('/'),
            certain,
        }
    }

    /// The same for a word of a shell command, where the shell puts in the home directory.
    pub(super) fn look_from_shell(&self, path: &str) -> Looked {
        let mut looked = self.look(path, false);
        looked.certain |= path.starts_with("~/") && self.home.is_some() && !path.contains('\0');
        looked
    }
}

impl Looked {
    /// Whether it lies in the team's folder, links followed.
    pub(super) fn in_folder(&self) -> bool {
        let inside = |path: &Parts, folder: &Parts| path.starts_with(folder);
        self.certain
            && self.folder_known
            && inside(&self.written, &self.folder)
            && match (&self.real, &self.real_folder) {
                (Some(path), Some(folder)) => inside(path, folder),
                _ => !self.follows,
            }
    }
}

fn parts(path: &str) -> Parts {
    let mut parts: Parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part.into()),
        }
    }
    parts
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Root,
    Home,
    Folder,
}

/// The path part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathPattern {
    base: Base,
    steps: Vec<Step>,
    /// It starts with `**`: it holds at any depth.
    anywhere: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// `**`: any number of directories.
    Deep,
    Name(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Star,
    Any,
    One(char),
    Class(Vec<(char, char)>, bool),
}

/// Why a text is no pattern; completes “… cannot be used: ”.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoPattern(&'static str);

impl From<&'static str> for NoPattern {
    fn from(why: &'static str) -> Self {
        Self(why)
    }
}

impl PathPattern {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, NoPattern> {
        if text.starts_with('!') {
            return Err(
                "a path cannot be taken out again with `!`: rules of the stricter list win".into(),
            );
        }
        if text.is_empty() {
            return Err("no path stands in it".into());
        }
        let (base, rest, anchored) = if let Some(rest) = text.strip_prefix("//") {
            (Base::Root, rest, true)
        } else if let Some(rest) = text.strip_prefix("~/") {
            (Base::Home, rest, true)
        } else if text.starts_with('~') {
            return Err("it names another user's home, which Iris does not look up".into());
        } else if let Some(rest) = text.strip_prefix('/').or_else(|| text.strip_prefix("./")) {
            (Base::Folder, rest, true)
        } else {
            (Base::Folder, text, text.trim_end_matches('/').contains('/'))
        };
        let mut steps = Vec::new();
        if !anchored {
            steps.push(Step::Deep);
        }
        for name in rest.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    return Err(
                        "`..` in a pattern matches no file: write `//` and the absolute path"
                            .into(),
                    );
                }
                "**" if steps.last() == Some(&Step::Deep) => {}
                "**" => steps.push(Step::Deep),
                name => steps.push(Step::Name(pieces(name)?)),
            }
        }
        // A trailing slash, and `**` at the end: what is in the directory, not it.
        let deep_end = steps.last() == Some(&Step::Deep);
        if deep_end || (rest.ends_with('/') && !steps.is_empty()) {
            if !deep_end {
                steps.push(Step::Deep);
            }
            steps.push(Step::Name(vec![Piece::Star]));
        }
        if steps.is_empty() {
            return Err("no path stands in it".into());
        }
        Ok(Self {
            base,
            anywhere: steps.first() == Some(&Step::Deep),
            steps,
        })
    }

    /// Whether it surely speaks of this path: as it is written, and where links lead.
    pub fn covers(&self, path: &Looked) -> bool {
        let bases = (&path.folder, path.home.as_ref());
        if !path.certain || !self.at(&path.written, path.folder_known, bases, false) {
            return false;
        }
        match (&path.real, &path.real_folder) {
            (Some(real), Some(folder)) => {
                self.at(real, true, (folder, path.real_home.as_ref()), false)
            }
            _ => !path.follows,
        }
    }

    /// Whether it may speak of this path: either way of reading it counts, in either case.
    pub fn touches(&self, path: &Looked) -> bool {
        let written = (&path.folder, path.home.as_ref());
        let real_folder = path.real_folder.as_ref().unwrap_or(&path.folder);
        let real = (real_folder, path.real_home.as_ref().or(path.home.as_ref()));
        let either = |parts: &Parts| {
            self.at(parts, path.folder_known, written, true)
                || self.at(parts, path.folder_known, real, true)
        };
        either(&path.written) || path.real.as_ref().is_some_and(either)
    }

    fn at(
        &self,
        parts: &Parts,
        folder_known: bool,
        bases: (&Parts, Option<&Parts>),
        broad: bool,
    ) -> bool {
        let (base, known) = match self.base {
            Base::Root => (None, true),
            Base::Home => (bases.1, bases.1.is_some()),
            Base::Folder => (Some(bases.0), folder_known),
        };
        if known {
            let under = match base {
                None => Some(parts.as_slice()),
                Some(base) if parts.starts_with(base) => parts.get(base.len()..),
                Some(_) => None,
            };
            match under {
                Some(rest) => self.matches(rest, broad),
                // A rule that denies `.env` wherever it is holds outside of the folder, too.
                None => broad && self.anywhere && self.matches(parts, broad),
            }
        } else {
            // Where the base is not known, each part may be where it ends.
            broad
                && (0..parts.len()).any(|from| {
                    parts
                        .get(from..)
                        .is_some_and(|rest| self.matches(rest, broad))
                })
        }
    }

    /// A pattern that matches a directory matches all that is in it.
    fn matches(&self, parts: &[String], any_case: bool) -> bool {
        let mut at = vec![false; self.steps.len() + 1];
        if let Some(first) = at.first_mut() {
            *first = true;
        }
        self.skip_deep(&mut at);
        for part in parts {
            let mut next = vec![false; self.steps.len() + 1];
            for (index, step) in self.steps.iter().enumerate() {
                if at.get(index) != Some(&true) {
                    continue;
                }
                let to = match step {
                    Step::Deep => Some(index),
                    Step::Name(pieces) => name_matches(pieces, part, any_case).then_some(index + 1),
                };
                if let Some(cell) = to.and_then(|to| next.get_mut(to)) {
                    *cell = true;
                }
            }
            self.skip_deep(&mut next);
            if next.last() == Some(&true) {
                return true;
            }
            at = next;
        }
        false
    }

    fn skip_deep(&self, at: &mut [bool]) {
        for (index, step) in self.steps.iter().enumerate() {
            if *step == Step::Deep
                && at.get(index) == Some(&true)
                && let Some(cell) = at.get_mut(index + 1)
            {
                *cell = true;
            }
        }
    }
}

fn pieces(name: &str) -> Result<Vec<Piece>, NoPattern> {
    let mut pieces = Vec::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' if pieces.last() == Some(&Piece::Star) => continue,
            '*' => Piece::Star,
            '?' => Piece::Any,
            '\\' => Piece::One(
                chars
                    .next()
                    .ok_or("it ends with a `\\` that quotes nothing")?,
            ),
            '[' => class(&mut chars)?,
            c => Piece::One(c),
        });
    }
    Ok(pieces)
}

fn class(chars: &mut std::str::Chars<'_>) -> Result<Piece, NoPattern> {
    const OPEN: &str = "a `[` has no `]`: write `\\[` for the bracket itself";
    let mut ranges = Vec::new();
    let mut not = false;
    let mut first = true;
    loop {
        let mut c = chars.next().ok_or(OPEN)?;
        match c {
            '!' | '^' if first => {
                not = true;
                first = false;
                continue;
            }
            ']' if !ranges.is_empty() => return Ok(Piece::Class(ranges, not)),
            '[' if chars.as_str().starts_with(':') => {
                return Err("classes such as `[:digit:]` are not known here".into());
            }
            '\\' => c = chars.next().ok_or(OPEN)?,
            _ => {}
        }
        first = false;
        let mut ahead = chars.clone();
        if ahead.next() == Some('-') && !matches!(ahead.next(), Some(']') | None) {
            chars.next();
            let end = chars.next().ok_or(OPEN)?;
            ranges.push((c, end));
        } else {
            ranges.push((c, c));
        }
    }
}

fn name_matches(pieces: &[Piece], name: &str, any_case: bool) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while let Some(&c) = name.get(n) {
        let step = match pieces.get(p) {
            Some(Piece::Star) => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(Piece::Any) => true,
            Some(Piece::One(one)) => {
                *one == c || (any_case && one.to_lowercase().eq(c.to_lowercase()))
            }
            Some(Piece::Class(ranges, not)) => {
                let is_in = |c: char| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                let hit = is_in(c)
                    || (any_case && (c.to_lowercase().any(is_in) || c.to_uppercase().any(is_in)));
                hit != *not
            }
            None => false,
        };
        if step {
            p += 1;
            n += 1;
            continue;
        }
        let Some((after, taken)) = star else {
            return false;
        };
        star = Some((after, taken + 1));
        p = after;
        n = taken + 1;
    }
    pieces
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|piece| *piece == Piece::Star))
}

#[cfg(test)]
mod tests;
