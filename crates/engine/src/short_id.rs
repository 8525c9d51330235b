//! Short names that a person can read out and type, of approvals and prompts.

use iris_domain::{Problem, problem::Code};

/// Letters and digits that are not mistaken for each other when they are read out or typed.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Long enough not to be guessed or hit twice (31^6 = 887 million), short enough to type.
const ID_LEN: usize = 6;

/// A random id that is not taken.
///
/// # Errors
/// When the system gives no random numbers.
pub(crate) fn free(taken: impl Fn(&str) -> bool) -> Result<String, getrandom::Error> {
    loop {
        let id = random()?;
        if !taken(&id) {
            return Ok(id);
        }
    }
}

/// What a person is told when there is none.
pub(crate) fn no_random(error: &getrandom::Error) -> Problem {
    Problem::new(
        Code::Internal,
        format!("The system gives no random numbers: {error}."),
        "Restart the computer; nothing was allowed meanwhile.",
    )
}

fn random() -> Result<String, getrandom::Error> {
    let mut id = String::with_capacity(ID_LEN);
    // Bytes above the largest multiple are left out, or the first letters would come more often.
    let usable = 256 - 256 % ALPHABET.len();
    while id.len() < ID_LEN {
        let mut bytes = [0; ID_LEN];
        getrandom::fill(&mut bytes)?;
        let letters = bytes
            .iter()
            .map(|&b| usize::from(b))
            .filter(|&b| b < usable);
        let letters = letters.filter_map(|b| ALPHABET.get(b % ALPHABET.len()));
        id.extend(letters.map(|&b| char::from(b)).take(ID_LEN - id.len()));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_readable_and_not_taken() {
        let mut seen = std::collections::HashSet::new();
        let mut letters = std::collections::HashSet::new();
        for _ in 0..2000 {
            let id = free(|id| seen.contains(id)).unwrap();
            assert_eq!(id.len(), ID_LEN);
            letters.extend(id.bytes());
            assert!(seen.insert(id), "one that is taken is not given again");
        }
        assert_eq!(
            letters,
            ALPHABET.iter().copied().collect(),
            "all letters come, and no others"
        );
    }
}
