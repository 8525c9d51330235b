//! `*` patterns.

/// Stands in a text for whatever an expansion may put there.
pub(super) const ANYTHING: char = '\0';

/// How much of a text with expansions is compared with a rule: beyond it, all counts as expansion.
/// The comparison takes the product of both lengths, and no rule's words are so far behind.
const OPEN_MAX: usize = 400;

/// Whether `text` is what `glob` describes, with `*` for any run of bytes. Linear space and at
/// worst quadratic time: on a mismatch only the last `*` takes one byte more.
pub(crate) fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g + 1, t));
                g += 1;
            }
            Some(&wanted) if wanted == byte => {
                g += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((after, taken)) = star else {
                    return false;
                };
                star = Some((after, taken + 1));
                g = after;
                t = taken + 1;
            }
        }
    }
    glob.get(g..)
        .is_some_and(|rest| rest.iter().all(|&b| b == b'*'))
}

/// Whether there is a text that both describe: `glob` with its `*`, and `open` with each
/// [`ANYTHING`] in it.
pub(super) fn globs_meet(glob: &[u8], open: &[u8]) -> bool {
    let (open, cut) = match open.get(..OPEN_MAX) {
        Some(head) => (head, true),
        None => (open, false),
    };
    // row[g]: the part of `open` read so far and the first g bytes of `glob` have a text in common.
    let mut row = vec![false; glob.len() + 1];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    close(glob, &mut row, false);
    for &byte in open {
        let mut next = vec![false; glob.len() + 1];
        if byte == 0 {
            next.clone_from(&row);
            close(glob, &mut next, true);
        } else {
            for (g, &wanted) in glob.iter().enumerate() {
                let here = row.get(g) == Some(&true);
                if here && wanted == b'*' {
                    set(&mut next, g);
                } else if here && wanted == byte {
                    set(&mut next, g + 1);
                }
            }
            close(glob, &mut next, false);
        }
        row = next;
    }
    if cut {
        return row.contains(&true);
    }
    row.last() == Some(&true)
}

fn set(row: &mut [bool], at: usize) {
    if let Some(cell) = row.get_mut(at) {
        *cell = true;
    }
}

/// A `*` may be nothing; next to an expansion every byte of the glob may come from it.
fn close(glob: &[u8], row: &mut [bool], anything: bool) {
    for (g, &byte) in glob.iter().enumerate() {
        if row.get(g) == Some(&true) && (anything || byte == b'*') {
            set(row, g + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_meet_where_a_text_fits_both() {
        for (glob, open, expected) in [
            ("git push", "git push", true),
            ("git push", "git pull", false),
            ("git push", "git\0", true),
            ("git push *", "git\0 x", true),
            ("git push *", "gi\0", true),
            ("rm *", "git\0", false),
            ("*x", "\0y", false),
            ("*x", "\0", true),
            ("a*c", "a\0b", false),
            ("a*c", "a\0bc", true),
            ("", "\0", true),
            ("", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(
                globs_meet(glob.as_bytes(), open.as_bytes()),
                expected,
                "{glob:?} and {open:?}"
            );
        }
        let long = format!("git{}", " x".repeat(OPEN_MAX));
        assert!(
            globs_meet(b"git *", long.as_bytes()),
            "what is cut counts as anything"
        );
        assert!(!globs_meet(b"rm *", long.as_bytes()));
    }
}
