use super::*;

/// (text, line, column, place, part of the message, part of the hint)
pub(super) type Bad = (
    &'static str,
    usize,
    usize,
    &'static str,
    &'static str,
    &'static str,
);

// One line each, to be read as a table.
#[rustfmt::skip]
pub(super) const BAD: &[Bad] = &[
    // syntax
    ("{\n  \"teams\": {\n", 2, 12, "", "no `}`", "Close it"),
    ("{ \"a\" 1 }", 1, 7, "", "colon", "Add"),
    ("{ 'teams': {} }", 1, 3, "", "double quotes", "double quotes"),
    ("{ teams: {} }", 1, 3, "", "double quotes", "double quotes"),
    ("{ \"teams\": {} \"settings\": {} }", 1, 14, "", "comma", "comma"),
    ("{} {}", 1, 4, "", "after its end", "one object"),
    ("nonsense", 1, 1, "", "no sense", "double quotes"),
    // types
    ("[]", 1, 1, "", "expected an object {…}, found a list […]", "Write"),
    (r#"{ "teams": null }"#, 1, 12, "teams", "found null", "Leave the key out"),
    (r#"{ "settings": { "httpPort": "1615" } }"#, 1, 29, "settings.httpPort", "found a text", "without quotes"),
    (r#"{ "settings": { "httpPort": true } }"#, 1, 29, "settings.httpPort", "found true", "1 to 65535"),
    (r#"{ "settings": { "notifications": "true" } }"#, 1, 34, "settings.notifications", "found a text", "without quotes"),
    (r#"{ "settings": { "notifications": 1 } }"#, 1, 34, "settings.notifications", "found the number 1", "true or false"),
    (r#"{ "teams": { "a": { "path": "é", "model": 5 } } }"#, 1, 43, "teams.a.model", "expected a text, found the number 5", "double quotes"),
    (r#"{ "teams": { "a": { "path": "x", "addDirs": "y" } } }"#, 1, 45, "teams.a.addDirs", "expected a list", "square brackets"),
    (r#"{ "teams": { "a": { "path": "x", "addDirs": ["y", 1] } } }"#, 1, 51, "teams.a.addDirs[1]", "found the number 1", "quotes"),
    // quiet hours and shortcuts
    (r#"{ "settings": { "quietHours": { "from": "22:00" } } }"#, 1, 31, "settings.quietHours", "`to`", ""),
    (r#"{ "settings": { "quietHours": { "from": "22:00", "to": "7" } } }"#, 1, 56, "settings.quietHours.to", "`7` is not a time", "22:00"),
    (r#"{ "settings": { "shortcuts": { "allow": "A" } } }"#, 1, 41, "settings.shortcuts.allow", "every other program", "Ctrl+Alt+A"),
    (r#"{ "settings": { "shortcuts": { "alow": "Ctrl+A" } } }"#, 1, 32, "settings.shortcuts.alow", "unknown key", "allow"),
    (r#"{ "settings": { "terminal": " " } }"#, 1, 29, "settings.terminal", "names no program", "kitty"),
    (r#"{ "settings": { "terminal": "sh -c '{command}'x" } }"#, 1, 29, "settings.terminal", "inside another word", "once"),
    // ranges
    (r#"{ "settings": { "httpPort": 0 } }"#, 1, 29, "settings.httpPort", "not a whole number from 1 to 65535", "65535"),
    (r#"{ "settings": { "httpPort": 65536 } }"#, 1, 29, "settings.httpPort", "`65536`", "65535"),
    (r#"{ "settings": { "idleTimeout": -1 } }"#, 1, 32, "settings.idleTimeout", "`-1`", "whole number"),
    (r#"{ "settings": { "idleTimeout": 1.5 } }"#, 1, 32, "settings.idleTimeout", "`1.5`", "whole number"),
    (r#"{ "settings": { "idleTimeout": 99999999999999999999 } }"#, 1, 32, "settings.idleTimeout", "whole", "whole"),
    (r#"{ "settings": { "logLevel": "inof" } }"#, 1, 29, "settings.logLevel", "`inof`", "Did you mean \"info\""),
    // keys
    (r#"{ "team": {} }"#, 1, 3, "team", "unknown key `team`", "Did you mean `teams`?"),
    (r#"{ "teams": { "a": { "pth": "x", "path": "x" } } }"#, 1, 21, "teams.a.pth", "unknown key", "Did you mean `path`?"),
    (r#"{ "teams": { "a": { "path": "x", "grant_permission": "no" } } }"#, 1, 34, "teams.a.grant_permission", "unknown", "`grantPermission`"),
    (r#"{ "dashboard": {} }"#, 1, 3, "dashboard", "unknown key", "settings, teams"),
    (r#"{ "settings": { "defaults": { "path": "x" } } }"#, 1, 31, "settings.defaults.path", "unknown key", ""),
    ("{ \"teams\": {},\n \"teams\": {} }", 2, 2, "teams", "second time; the first is on line 1", "Keep one"),
    (r#"{ "teams": { "a": { "pathh": "~" } } }"#, 1, 21, "teams.a.pathh", "unknown key `pathh`", "`path`"),
    (r#"{ "teams": { "a": {} } }"#, 1, 19, "teams.a", "`path` is missing", "\"path\""),
    (r#"{ "teams": { "console": { "path": "x" } } }"#, 1, 14, "teams.console", "the human", "another name"),
    (r#"{ "teams": { "a/b": { "path": "x" } } }"#, 1, 14, "teams.a/b", "`/` is not allowed", "another name"),
    (r#"{ "teams": { "": { "path": "x" } } }"#, 1, 14, "teams.", "1 to 64", "another name"),
    // texts
    (r#"{ "teams": { "a": { "path": "" } } }"#, 1, 29, "teams.a.path", "empty", "Fill"),
    (r#"{ "teams": { "a": { "path": "x\u0000" } } }"#, 1, 29, "teams.a.path", "NUL", "Remove"),
    (r#"{ "teams": { "a": { "path": "x", "claudePath": "" } } }"#, 1, 48, "teams.a.claudePath", "empty", "Fill"),
    (r#"{ "teams": { "a": { "path": "x", "model": "--help" } } }"#, 1, 43, "teams.a.model", "an option", "other than `-`"),
    (r#"{ "teams": { "a": { "path": "x", "color": "red" } } }"#, 1, 43, "teams.a.color", "`red` is not a colour", "six hexadecimal"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "-oProxyCommand=x" } } }"#, 1, 44, "teams.a.remote", "no host", "user@host"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "ssh 'a" } } }"#, 1, 44, "teams.a.remote", "quote", "user@host"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "ssh" } } }"#, 1, 44, "teams.a.remote", "no host", "user@host"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "ssh me@host uptime" } } }"#, 1, 44, "teams.a.remote", "\"uptime\" is a remote command", "Remove it"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "ssh -M me@host" } } }"#, 1, 44, "teams.a.remote", "`-M` cannot be used", "Remove it"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "ssh -Z me@host" } } }"#, 1, 44, "teams.a.remote", "no option `-Z`", "man ssh"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "ssh me@host -p" } } }"#, 1, 44, "teams.a.remote", "`-p` has no value", "Give it"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "ssh -o StrictHostKeyChecking=no h" } } }"#, 1, 44, "teams.a.remote", "checking of host keys off", "fingerprint"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "me@host;ls" } } }"#, 1, 44, "teams.a.remote", "cannot be a host", "user@host"),
    (r#"{ "teams": { "a": { "path": "x", "remote": "ssh ${SECRET} -M" } } }"#, 1, 44, "teams.a.remote", "`ssh ${SECRET} -M` is not", "Remove it"),
    ("{ \"teams\": { \"a\": { \"path\": \"x\", \"remote\": \"h\", \"remoteOptions\": {\n  \"extraSshArgs\": [\"-4\",\n    \"-o\", \"Ciphers=x\", \"uptime\"] } } } }", 3, 24, "teams.a.remoteOptions.extraSshArgs[3]", "remote command", "Remove it"),
    (r#"{ "settings": { "defaults": { "remoteOptions": { "extraSshArgs": ["-N"] } } } }"#, 1, 67, "settings.defaults.remoteOptions.extraSshArgs[0]", "`-N` cannot be used", "Remove it"),
    (r#"{ "teams": { "a": { "path": "x", "remoteOptions": { "extraSshArgs": ["-o", "RemoteCommand=ls"] } } } }"#, 1, 70, "teams.a.remoteOptions.extraSshArgs[0]", "`-o RemoteCommand=ls`", "Remove it"),
    (r#"{ "teams": { "a": { "path": "x", "remoteOptions": { "extraSshArgs": ["-C", "${SECRET}"] } } } }"#, 1, 76, "teams.a.remoteOptions.extraSshArgs[1]", "cannot be told to ssh", "Remove it"),
    (r#"{ "teams": { "a": { "path": "x", "enableReverseMcp": true } } }"#, 1, 34, "teams.a.enableReverseMcp", "no `remote`", "Add \"remote\""),
    (r#"{ "teams": { "a": { "path": "x", "env": { "A=B": "" } } } }"#, 1, 43, "teams.a.env.A=B", "name of an environment", "letters"),
    (r#"{ "teams": { "a": { "path": "x", "env": { "A": "keychain:" } } } }"#, 1, 48, "teams.a.env.A", "no entry", "keychain:NAME"),
    (r#"{ "teams": { "a": { "path": "x", "remoteOptions": { "strictHostKeyChecking": "no" } } } }"#, 1, 78, "teams.a.remoteOptions.strictHostKeyChecking", "not possible", "always checked"),
    (r#"{ "teams": { "a": { "path": "x", "remoteOptions": { "strictHostKeyChecking": false } } } }"#, 1, 78, "teams.a.remoteOptions.strictHostKeyChecking", "found false", "always checked"),
    // outside
    (r#"{ "settings": { "slack": { "approvers": [], "appToken": "keychain:a", "botToken": "keychain:b" } } }"#, 1, 26, "settings.slack", "`channel` is missing", "\"C…\""),
    (r#"{ "settings": { "slack": { "channel": "C1", "approvers": [], "appToken": "hunter2", "botToken": "keychain:b" } } }"#, 1, 74, "settings.slack.appToken", "does not stand in the config", "iris secrets set"),
    (r#"{ "settings": { "slack": { "channel": "C1", "approvers": [], "appToken": "keychain:a", "botToken": "${SECRET}" } } }"#, 1, 100, "settings.slack.botToken", "`${SECRET}` is not", "iris secrets set"),
    (r#"{ "settings": { "slack": { "channel": "C1", "approvers": [], "appToken": "keychain: ", "botToken": "keychain:b" } } }"#, 1, 74, "settings.slack.appToken", "its name in the keychain", "iris secrets set"),
    (r##"{ "settings": { "slack": { "channel": "#ops", "approvers": [], "appToken": "keychain:a", "botToken": "keychain:b" } } }"##, 1, 39, "settings.slack.channel", "`#ops` is not the id", "C0123ABCD"),
    (r#"{ "settings": { "slack": { "channel": "C1", "approvers": ["ann"], "appToken": "keychain:a", "botToken": "keychain:b" } } }"#, 1, 59, "settings.slack.approvers[0]", "`ann` is not the id", "member id"),
    (r#"{ "settings": { "slack": { "channel": "C1", "approvers": [], "appToken": "keychain:a", "botToken": "keychain:b", "apiUrl": "http://example.org" } } }"#, 1, 124, "settings.slack.apiUrl", "without TLS", "127.0.0.1"),
    (r#"{ "settings": { "webhooks": [{ "url": "ftp://127.0.0.1/", "secret": "keychain:a" }] } }"#, 1, 39, "settings.webhooks[0].url", "only https", "https://"),
    (r#"{ "settings": { "webhooks": [{ "url": "https://me:pw@example.org/", "secret": "keychain:a" }] } }"#, 1, 39, "settings.webhooks[0].url", "a user or a password", "https://"),
    (r#"{ "settings": { "webhooks": [{ "url": "wss://example.org/", "secret": "keychain:a" }] } }"#, 1, 39, "settings.webhooks[0].url", "only https", "https://"),
    (r#"{ "settings": { "webhooks": [{ "url": "https://example.org/", "secret": "keychain:a", "events": ["approval.aksed"] }] } }"#, 1, 98, "settings.webhooks[0].events[0]", "not possible", "\"approval.asked\""),
    // rules
    (r#"{ "teams": { "a": { "path": "x", "approvalPolicy": { "autoApprove": ["Bash(git push:*"] } } } }"#, 1, 70, "teams.a.approvalPolicy.autoApprove[0]", "does not end with `)`", "Perhaps you mean `Bash(git push:*)`"),
    (r#"{ "teams": { "a": { "path": "x", "approvalPolicy": { "deny": ["Write(src/**)"] } } } }"#, 1, 63, "teams.a.approvalPolicy.deny[0]", "rules for `Edit`", "Write `Edit(src/**)`"),
    (r#"{ "teams": { "a": { "path": "x", "approvalPolicy": { "denied": [] } } } }"#, 1, 54, "teams.a.approvalPolicy.denied", "unknown", "`deny`"),
    // placeholders
    (r#"{ "teams": { "a": { "path": "${NOPE}/x" } } }"#, 1, 29, "teams.a.path", "`NOPE` is not set", "${NOPE:-default}"),
    (r#"{ "teams": { "a": { "path": "${HOME" } } }"#, 1, 29, "teams.a.path", "does not end", "$${"),
    (r#"{ "teams": { "a": { "path": "${EMPTY}" } } }"#, 1, 29, "teams.a.path", "`${EMPTY}`", "Fill"),
    (r#"{ "settings": { "httpPort": "${SECRET}" } }"#, 1, 29, "settings.httpPort", "`${SECRET}` is not a whole", "whole"),
    (r#"{ "settings": { "startAtLogin": "${SECRET}" } }"#, 1, 33, "settings.startAtLogin", "`${SECRET}` is neither", "variable"),
    (r#"{ "settings": { "logLevel": "${SECRET}" } }"#, 1, 29, "settings.logLevel", "`${SECRET}`", "Write"),
    (r#"{ "teams": { "a": { "path": "x", "color": "${SECRET}" } } }"#, 1, 43, "teams.a.color", "`${SECRET}`", "six"),
    (r#"{ "settings": { "defaults": { "approvalPolicy": { "deny": ["${SECRET}()"] } } } }"#, 1, 60, "settings.defaults.approvalPolicy.deny[0]", "`${SECRET}()`", ""),
];

#[test]
fn each_mistake_is_named_with_its_place_and_its_cure() {
    for (text, line, column, path, message, hint) in BAD {
        let parsed = parse(text, vars);
        assert_eq!(parsed.config, None, "refused: {text}");
        let [problem] = parsed.problems.as_slice() else {
            panic!("one problem in {text}, not {:#?}", parsed.problems)
        };
        assert_eq!(
            (problem.line, problem.column),
            (*line, *column),
            "place in {text}: {problem:?}"
        );
        assert_eq!(problem.path, *path, "path in {text}");
        assert!(
            problem.message.contains(message),
            "{message:?} in {problem:?}"
        );
        assert!(problem.hint.contains(hint), "{hint:?} in {problem:?}");
        assert!(!problem.hint.is_empty(), "a next step in {problem:?}");
        assert!(
            !format!("{problem:?}").contains("hunter2"),
            "what a variable holds is not shown: {problem:?}"
        );
    }
}
