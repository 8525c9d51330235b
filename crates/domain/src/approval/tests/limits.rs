//! Answers that are too large decide nothing, wherever they come from.

use super::*;
use crate::{approval::answer::WORDS_MAX, request::REQUEST_MAX};

#[test]
fn an_answer_that_is_too_large_leaves_it_waiting() {
    let mut book = book(&["a"]);
    let large = json!({ "command": "x".repeat(REQUEST_MAX) });
    let edit = Answer::Allow {
        input: Some(large),
        remember: None,
    };
    let words = Answer::Deny {
        message: Some("x".repeat(WORDS_MAX + 1)),
    };
    for answer in [edit, words] {
        let effects = book.step(answered(9, "a", answer), now());
        assert!(
            matches!(&effects[..], [Effect::Answer(_, Err(problem))]
                if problem.code == Code::InvalidInput && problem.message.contains("at most")),
            "{effects:?}"
        );
    }
    assert_eq!(
        book.pending().len(),
        1,
        "it waits for an answer that can be used"
    );
    let most = Answer::Deny {
        message: Some("x".repeat(WORDS_MAX)),
    };
    let effects = book.step(answered(9, "a", most), now());
    assert_eq!(recorded(&effects).decision, Verb::Deny);
}
