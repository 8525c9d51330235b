use super::*;

const HOST_KEY: &str = "The authenticity of host '[127.0.0.1]:2222 ([127.0.0.1]:2222)' can't be established.\n\
    ED25519 key fingerprint is SHA256:sQ1yWFLlfPVqCF2dJdM3xLvYkhY8Iv0RrtzDkQpQeXI.\n\
    This key is not known by any other names.\n\
    Are you sure you want to continue connecting (yes/no/[fingerprint])? ";

fn passphrase(key: &str) -> PromptKind {
    PromptKind::Passphrase { key: key.into() }
}

fn password(who: &str) -> PromptKind {
    PromptKind::Password { who: who.into() }
}

fn host_key() -> PromptKind {
    PromptKind::HostKey {
        host: "[127.0.0.1]:2222 ([127.0.0.1]:2222)".into(),
        key_type: "ED25519".into(),
        fingerprint: "SHA256:sQ1yWFLlfPVqCF2dJdM3xLvYkhY8Iv0RrtzDkQpQeXI".into(),
    }
}

#[test]
fn questions_are_known_by_their_words() {
    for (text, kind) in [
        ("Enter passphrase for key '/x': ", passphrase("/x")),
        (
            "Enter passphrase for key '/home/o'neil/.ssh/id key': ",
            passphrase("/home/o'neil/.ssh/id key"),
        ),
        (
            "Enter passphrase for /home/me/.ssh/id: ",
            passphrase("/home/me/.ssh/id"),
        ),
        (
            "Bad passphrase, try again for /home/me/.ssh/id: ",
            passphrase("/home/me/.ssh/id"),
        ),
        ("me@gpu-box's password: ", password("me@gpu-box")),
        ("(me@gpu-box) Password: ", password("me@gpu-box")),
        ("(me@gpu-box) Password:", password("me@gpu-box")),
        ("(me@fe80::1%eth0) password: ", password("me@fe80::1%eth0")),
        (HOST_KEY, host_key()),
        ("Accept updated hostkeys? (yes/no): ", PromptKind::Confirm),
        ("Verification code: ", PromptKind::Code),
        ("(me@gpu-box) Verification code: ", PromptKind::Code),
        (
            "(me@gpu-box) One-time password (OATH) for `me': ",
            PromptKind::Code,
        ),
        ("(me@gpu-box) Passcode or option (1-3): ", PromptKind::Code),
        // Secrets, but not ones to be tried again: each wrong PIN brings the token's lock nearer.
        ("Enter PIN for 'work card': ", PromptKind::Other),
        (
            "Enter PIN for ED25519-SK key /home/me/.ssh/id_sk: ",
            PromptKind::Other,
        ),
        ("Enter passphrase: ", PromptKind::Other),
        ("Enter passphrase for key '': ", PromptKind::Other),
        // A password that is being changed is not the one that is kept.
        ("me@gpu-box's old password: ", PromptKind::Other),
        ("Enter me@gpu-box's new password: ", PromptKind::Other),
        ("Retype me@gpu-box's new password: ", PromptKind::Other),
        (
            "Please type 'yes', 'no' or the fingerprint: ",
            PromptKind::Other,
        ),
        ("(me@gpu-box) Press enter to continue", PromptKind::Other),
        ("", PromptKind::Other),
    ] {
        assert_eq!(classify(text, None), kind, "{text:?}");
    }
}

#[test]
fn hints_win_over_words() {
    for (text, hint, kind) in [
        (
            "Allow use of key /home/me/.ssh/id?\nKey fingerprint SHA256:x.",
            "confirm",
            PromptKind::Confirm,
        ),
        (
            "Confirm user presence for key ED25519-SK SHA256:x",
            "none",
            PromptKind::Touch,
        ),
        ("Enter passphrase for key '/x': ", "none", PromptKind::Touch),
        ("me@h's password: ", "later", password("me@h")),
    ] {
        assert_eq!(classify(text, Some(hint)), kind, "{text:?} {hint}");
    }
}

#[test]
fn older_and_newer_host_key_questions_are_known() {
    let old = HOST_KEY.replace("names.\n", "names\n");
    assert_eq!(classify(&old, None), host_key(), "OpenSSH 9.2");
    let older = HOST_KEY.replace("This key is not known by any other names.\n", "");
    assert_eq!(classify(&older, None), host_key(), "OpenSSH 8.4");
    let moved = HOST_KEY.replace(
        "This key is not known by any other names.",
        "This host key is known by the following other names/addresses:\n    ~/.ssh/known_hosts:1: box",
    );
    assert_eq!(classify(&moved, None), host_key());
    let visual = HOST_KEY.replace("ED25519 key", "+--[ED25519 256]--+\nED25519 key");
    assert_eq!(classify(&visual, None), PromptKind::Other, "asked as it is");
}

/// What a server writes must never look like a question of ssh for something that is kept.
#[test]
fn hostile_texts_are_not_taken_for_others() {
    for text in [
        "(me@evil) Enter passphrase for key '/home/me/.ssh/id': ",
        "(me@evil) me@bank's password: ",
        "(me@evil) Password for me@bank: ",
        "(me@evil (me@bank) Password: ",
        "\u{1b}[2KEnter passphrase for key '/home/me/.ssh/id': ",
        "Enter passphrase for key '/home/me/\u{202e}.ssh/id': ",
        "Enter passphrase for key '/x\n': ",
        "me@bank\u{200b}'s password: ",
        "me @bank's password: ",
        "(me@evil) \r\u{1b}[K(me@bank) Password: ",
        "Password:\u{7}",
        "(me@evil) The authenticity of host 'x' can't be established.\n",
    ] {
        let kind = classify(text, None);
        assert_eq!(kind, PromptKind::Other, "{text:?}");
        assert_eq!(kind.secret_name("me@evil"), None);
        assert!(
            !shown(text).contains(['\u{1b}', '\r', '\u{202e}', '\u{200b}', '\u{7}']),
            "{text:?}"
        );
    }
    let forged = HOST_KEY.replace("SHA256:", "SHA256:\u{202e}");
    assert_eq!(classify(&forged, None), PromptKind::Other);
}

#[test]
fn a_long_question_keeps_its_head_and_its_tail() {
    let text = format!("head{}tail", "x".repeat(90_000));
    let shown = shown(&text);
    assert!(shown.starts_with("head") && shown.ends_with("tail"));
    assert!(shown.chars().count() < TEXT_MAX + 20);
}

#[test]
fn a_secret_has_the_name_of_what_it_opens() {
    let long = format!("/{}", "x".repeat(KEY_MAX));
    for (kind, destination, name) in [
        (passphrase("/x/id"), "any", Some("ssh passphrase /x/id")),
        (passphrase(&long), "any", None),
        (password("me@h"), "me@h", Some("ssh password me@h:22")),
        (password("me@h"), "me@h:22", Some("ssh password me@h:22")),
        (
            password("me@h"),
            "me@h:2222",
            Some("ssh password me@h:2222"),
        ),
        (
            password("me@jump"),
            "me@h",
            Some("ssh password me@jump (me@h)"),
        ),
        (
            password("me@h"),
            "me@h.evil",
            Some("ssh password me@h (me@h.evil)"),
        ),
        (password("me@h"), "box", Some("ssh password me@h (box)")),
        (PromptKind::Code, "me@h", None),
        (PromptKind::Other, "me@h", None),
        (PromptKind::Confirm, "me@h", None),
        (PromptKind::Touch, "me@h", None),
        (host_key(), "me@h", None),
    ] {
        assert_eq!(
            kind.secret_name(destination).as_deref(),
            name,
            "{kind:?} {destination}"
        );
    }
}

#[test]
fn answers_are_what_ssh_can_read() {
    let long = "x".repeat(ANSWER_MAX + 1);
    for (kind, answer, heard) in [
        (passphrase("/x"), "correct horse", Some("correct horse")),
        (passphrase("/x"), " leading", Some(" leading")),
        (passphrase("/x"), "", None),
        (passphrase("/x"), "two\nlines", None),
        (password("a@b"), "nul\0", None),
        (password("a@b"), long.as_str(), None),
        (PromptKind::Code, "123456", Some("123456")),
        (PromptKind::Other, "", Some("")),
        (host_key(), "YES ", Some("yes")),
        (host_key(), "no", Some("no")),
        (host_key(), "", None),
        (host_key(), "SHA256:x", None),
        (PromptKind::Confirm, "y", None),
        (PromptKind::Touch, "", None),
    ] {
        assert_eq!(kind.check(answer).ok(), heard, "{kind:?} {answer:?}");
    }
}

fn asked(ticket: u64, text: &str, asker: u32) -> Asked {
    Asked {
        ticket: Ticket(ticket),
        attempt: AttemptId(1),
        id: PromptId(format!("id{ticket}")),
        text: text.into(),
        hint: None,
        asker,
    }
}

const KEY: &str = "Enter passphrase for key '/x': ";

fn lookup() -> Next {
    Next::LookUp("ssh passphrase /x".into())
}

#[test]
fn what_is_stored_is_tried_once_by_each_process() {
    let mut book = Book::default();
    let now = Timestamp::UNIX_EPOCH;
    book.begin(AttemptId(1), "me@h");
    assert_eq!(book.ask(asked(1, KEY, 10), now), lookup());
    assert_eq!(book.views(), [], "nobody is asked while the keychain is");
    assert!(book.answered_by_store(Ticket(1)));

    assert_eq!(book.ask(asked(2, KEY, 10), now), Next::Show, "it was wrong");
    assert!(book.views()[0].retry);
    assert!(
        book.find(&PromptId("id2".into()))
            .unwrap()
            .1
            .stored_was_wrong
    );
    // The jump host's ssh wants the same key: nothing says that it is wrong there.
    assert_eq!(book.ask(asked(3, KEY, 11), now), lookup());
    assert!(
        !book
            .answered_by_human(Ticket(2), false)
            .unwrap()
            .view
            .id
            .0
            .is_empty()
    );

    assert_eq!(book.ask(asked(4, KEY, 10), now), Next::Show);
    let (_, again) = book.find(&PromptId("id4".into())).unwrap();
    assert!(
        again.view.retry && !again.stored_was_wrong,
        "nothing is stored any more"
    );

    book.end(AttemptId(1));
    book.begin(AttemptId(1), "me@h");
    assert_eq!(
        book.ask(asked(5, KEY, 10), now),
        lookup(),
        "a new attempt tries it again"
    );
}

#[test]
fn a_cancelled_attempt_asks_no_more() {
    let mut book = Book::default();
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(
        book.ask(asked(1, "x: ", 1), now),
        Next::Cancel,
        "no such attempt"
    );
    book.begin(AttemptId(1), "me@h");
    book.ask(asked(2, "x: ", 1), now);
    book.ask(asked(3, "y: ", 1), now);
    assert_eq!(book.cancel(AttemptId(1)), [Ticket(2), Ticket(3)]);
    assert_eq!(book.ask(asked(4, "z: ", 1), now), Next::Cancel);
    assert_eq!(book.views(), []);
}

#[test]
fn an_attempt_cannot_flood_the_screen() {
    let mut book = Book::default();
    let now = Timestamp::UNIX_EPOCH;
    book.begin(AttemptId(1), "me@h");
    for ticket in 0..PROMPTS_MAX as u64 {
        assert_eq!(book.ask(asked(ticket, "x: ", 1), now), Next::Show);
    }
    assert_eq!(book.ask(asked(99, "x: ", 1), now), Next::Cancel);
}

#[test]
fn one_answer_is_taken_at_a_time() {
    let mut book = Book::default();
    book.begin(AttemptId(1), "me@h");
    book.ask(asked(1, "x: ", 1), Timestamp::UNIX_EPOCH);
    assert!(book.take(Ticket(1), true));
    assert!(!book.take(Ticket(1), true), "another one was first");
    assert!(book.take(Ticket(1), false), "it could not be written down");
    assert!(book.gone(Ticket(1)));
    assert!(!book.take(Ticket(1), true), "it is gone");
}
