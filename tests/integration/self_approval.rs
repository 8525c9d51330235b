//! An agent cannot approve itself: what a human allowed it to run tries every door that Iris has.

use std::path::Path;

use iris_tests::{Desktop, Iris, eventually, iris::Pending, require};

/// One agent with a script that a human allowed, and another whose approval it is after.
struct Attempt {
    iris: Iris,
    project: std::path::PathBuf,
    target: Pending,
}

impl Attempt {
    async fn begin(iris: Iris) -> Self {
        let project = iris.add_team("attacker").await;
        iris.add_team("victim").await;
        // The sender is gone at once; the agent goes on, as it does when a user closes a terminal.
        let waiting = iris.send_in_background("victim", "FAKE:bash touch it.txt");
        let target = iris.pending_one().await;
        drop(waiting);
        Self {
            iris,
            project,
            target,
        }
    }

    /// A human allows the agent to run this script; what the script found in `answer`, written by
    /// whatever process the script left it to.
    async fn run(&self, name: &str, script: &str) -> String {
        let iris = iris_tests::require::built("iris");
        let script = format!(
            "export IRIS_HOME='{home}' IRIS='{iris}' TARGET='{target}' OUT='{out}'\n{script}\n",
            home = self.iris.home().display(),
            iris = iris.display(),
            target = self.target.id,
            out = self.project.join(name).display(),
        );
        let file = format!("{name}.sh");
        std::fs::write(self.project.join(&file), script).unwrap();
        let sending = self
            .iris
            .send_in_background("attacker", &format!("FAKE:bash sh {file}"));
        let asked = eventually("the attacker asks to run its script", async || {
            let pending = self.iris.pending().await;
            pending
                .into_iter()
                .find(|pending| pending.team == "attacker")
        })
        .await;
        self.iris.approve(&asked).await;
        sending.response().await;
        let out = self.project.join(name);
        eventually("the script ends", async || {
            std::fs::read_to_string(&out)
                .ok()
                .filter(|text| text.contains("END"))
        })
        .await
    }

    async fn untouched(&self, how: &str) {
        let pending = self.iris.pending().await;
        let waits = pending.iter().any(|pending| pending.id == self.target.id);
        assert!(waits, "the victim's approval was answered: {how}");
        let file = self.iris.project("victim").join("it.txt");
        assert!(!Path::new(&file).exists(), "the victim's tool ran: {how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_refuses_callers_from_inside_an_agent() {
    require!("claude", "setsid");
    let attempt = Attempt::begin(Iris::start().await).await;
    let ways = [
        ("plain", said(r#""$IRIS" approve "$TARGET""#)),
        ("headers", said(r#""$IRIS" headers"#)),
        (
            "mcp",
            said(r#"printf '{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n' | "$IRIS" mcp"#),
        ),
        ("status", said(r#""$IRIS" status --json"#)),
        ("stop", said(r#""$IRIS" team stop victim"#)),
        (
            "clean",
            said(r#"env -i IRIS_HOME="$IRIS_HOME" HOME="$HOME" "$IRIS" approve "$TARGET""#),
        ),
        ("session", said(r#"setsid -w "$IRIS" approve "$TARGET""#)),
        (
            "orphan",
            // The process in the middle ends first, so that the caller has lost its ancestors.
            format!(
                r#"sh -c 'export MIDDLE=$$; setsid sh -c "$0" &' '
                while kill -0 "$MIDDLE" 2>/dev/null; do :; done
                {}'"#,
                said(r#""$IRIS" approve "$TARGET""#)
            ),
        ),
    ];
    for (name, script) in ways {
        let said = attempt.run(name, &script).await;
        assert!(
            said.contains("error"),
            "{name} is told that it may not: {said}"
        );
        assert!(!said.contains("code 0"), "{name} worked: {said}");
        assert!(!said.contains("Bearer"), "{name} got a token: {said}");
        attempt.untouched(name).await;
    }
    let rows = attempt.iris.audit().await;
    let refused = rows
        .iter()
        .filter(|row| row.tool.starts_with("control.") && row.decision == "deny");
    assert!(refused.count() > 0, "refused calls are on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_an_agent_is_no_console() {
    require!("claude", "curl");
    let attempt = Attempt::begin(Iris::start().await).await;
    let console = attempt.iris.endpoint().to_owned();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_teams","arguments":{}}}"#;
    let script = format!(
        "curl -s -o /dev/null -w '%{{http_code}} END' -H \"Authorization: Bearer $IRIS_TOKEN\" \
         -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
         -d '{call}' '{console}' > \"$OUT\" 2>&1"
    );
    let said = attempt.run("token", &script).await;
    assert!(
        said.contains("401") || said.contains("403"),
        "the console's path is closed: {said}"
    );
    attempt.untouched("console path").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_session_bus_nor_keychain_nor_display_is_in_an_agents_reach() {
    require!(
        "claude",
        "dbus-daemon",
        "Xvfb",
        "gnome-keyring-daemon",
        "gdbus",
        "dbus-send",
        "secret-tool"
    );
    let desktop = Desktop::start().await.with_keyring().await;
    let iris = Iris::prepare().await.desktop(&desktop).await;
    let attempt = Attempt::begin(iris).await;

    // An agent has its directory for temporary files, but no address of the session.
    for agent in attempt.iris.agents() {
        for name in [
            "DBUS_SESSION_BUS_ADDRESS",
            "DISPLAY",
            "WAYLAND_DISPLAY",
            "XAUTHORITY",
            "XDG_RUNTIME_DIR",
            "SSH_AUTH_SOCK",
            "GNOME_KEYRING_CONTROL",
            "IRIS_HOME",
        ] {
            assert_eq!(agent.variable(name), None, "an agent is not told {name}");
        }
    }
    let names = "org.freedesktop.DBus.ListNames";
    let bus = "org.freedesktop.DBus";
    let ways = [
        (
            "gdbus",
            said(&format!("gdbus call --session -d {bus} -o / -m {names}")),
        ),
        (
            "dbus-send",
            said(&format!(
                "dbus-send --session --print-reply --dest={bus} / {names}"
            )),
        ),
        ("secret-tool", said("secret-tool search --all service iris")),
    ];
    for (name, script) in ways {
        let said = attempt.run(name, &script).await;
        assert!(
            !said.contains("code 0"),
            "{name} reached the session: {said}"
        );
        assert!(
            !said.contains("org.kde.StatusNotifierWatcher"),
            "{name} sees the tray: {said}"
        );
        attempt.untouched(name).await;
    }
}

/// Shell words that leave a command's output and exit code where the test reads them.
fn said(command: &str) -> String {
    format!(r#"{{ {command}; echo "code $?"; echo END; }} > "$OUT" 2>&1"#)
}
