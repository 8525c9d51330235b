//! Approvals on Linux: our own client of `org.freedesktop.Notifications`.
//!
//! One task owns the map from approval to notification and follows the snapshot. It listens before
//! it sends, so that no answer is lost; it believes a signal only from the very connection that
//! answered our `Notify`, so that no other program can press Allow by emitting one; and it notices
//! when the daemon dies or returns. What it cannot see through is a program that owns the daemon's
//! name: on the user's session bus, that is the user.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt as _;
use iris_domain::{announce::Announcer, decision::Surface, snapshot::Snapshot};
use tauri::AppHandle;
use zbus::{
    Connection, MatchRule, Message, MessageStream,
    fdo::{DBusProxy, NameOwnerChanged},
    message::Type,
    names::{OwnedUniqueName, UniqueName},
    zvariant::Value,
};

use super::{About, Wanted, escape, pressed, wanted};
use crate::shell::{Intent, Shell};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// A daemon that does not answer in this time counts as absent.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Signals that wait to be read: far more than a user can click.
const QUEUED_MAX: usize = 64;

/// Never expires on its own; the approval's end withdraws it.
const NEVER: i32 = 0;

/// The action of a click on the notification itself (the specification's name).
const ON_BODY: &str = "default";

/// `urgency` of the specification: critical ones stay on the screen and pass "do not disturb".
const CRITICAL: u8 = 2;

/// Keeps one notification for each waiting approval until the surfaces stop.
pub(crate) async fn approvals(shell: Shell, app: AppHandle) {
    match serve(&shell, &app).await {
        Ok(()) => {}
        // Quiet: a desktop without a bus is one without notifications.
        Err(error) => tracing::warn!(%error, "no notifications for approvals from now on"),
    }
}

async fn serve(shell: &Shell, app: &AppHandle) -> zbus::Result<()> {
    let bus = zbus::connection::Builder::session()?
        .method_timeout(ANSWER_MAX)
        .build()
        .await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .interface(NAME)?
        .path(PATH)?
        .build();
    let mut signals = MessageStream::for_match_rule(rule, &bus, Some(QUEUED_MAX)).await?;
    let names = DBusProxy::new(&bus).await?;
    let mut owners = names
        .receive_name_owner_changed_with_args(&[(0, NAME)])
        .await?;
    let mut snapshots = shell.engine.snapshot();
    let mut config = shell.engine.config.watch();
    let mut looking = shell.looking();
    let mut popups = Popups::new(bus);
    loop {
        let snapshot: Arc<Snapshot> = snapshots.borrow_and_update().clone();
        let settings = config.borrow_and_update().settings.clone();
        let watched = looking.borrow_and_update().at_approvals();
        let (wanted, again) = wanted(&mut popups.announcer, &snapshot, &settings, watched);
        popups.follow(wanted).await;
        let event = shell.until_stopped(async {
            tokio::select! {
                changed = snapshots.changed() => changed.ok().map(|()| Event::State),
                changed = config.changed() => changed.ok().map(|()| Event::State),
                changed = looking.changed() => changed.ok().map(|()| Event::State),
                () = after(again) => Some(Event::State),
                signal = signals.next() => signal.map(Event::Signal),
                owner = owners.next() => owner.map(Event::Owner),
            }
        });
        match event.await.flatten() {
            Some(Event::State) => {}
            Some(Event::Signal(signal)) => {
                if let Some(intent) = popups.hear(&signal?) {
                    shell.act(app, intent, Surface::Notification);
                }
            }
            Some(Event::Owner(change)) => {
                popups.owned_by(
                    change
                        .args()?
                        .new_owner()
                        .as_ref()
                        .map(|name| name.as_str()),
                );
            }
            // The surfaces stop, the engine has ended, or the bus has.
            None => {
                popups.follow(Vec::new()).await;
                return Ok(());
            }
        }
    }
}

/// Returns after so long; `None`: never.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

enum Event {
    /// What is shown, the config or where the user looks changed, or time passed.
    State,
    /// Something that says it is the daemon said something.
    Signal(zbus::Result<Message>),
    /// Another program is the daemon now, or none.
    Owner(NameOwnerChanged),
}

/// The notifications on the screen.
struct Popups {
    bus: Connection,
    /// The daemon that answered last; `None`: to be asked what it can do.
    daemon: Option<Daemon>,
    shown: Shown,
    /// What was told so far, and what the user closed.
    announcer: Announcer,
}

/// A daemon, and what it can do.
struct Daemon {
    /// Its connection: unique for the life of the bus, and told by the bus itself.
    owner: OwnedUniqueName,
    actions: bool,
    markup: bool,
    /// It draws a button for the click on the notification too: there, it would be Details twice.
    draws_all: bool,
}

impl Popups {
    fn new(bus: Connection) -> Self {
        Self {
            bus,
            daemon: None,
            shown: Shown::default(),
            announcer: Announcer::default(),
        }
    }

    /// Withdraws what is no longer wanted and shows what is new or says something else now.
    async fn follow(&mut self, wanted: Vec<Wanted>) {
        let is_wanted = |about: &About| wanted.iter().any(|one| one.about == *about);
        for number in self.shown.keep(is_wanted) {
            if let Err(error) = self.call("CloseNotification", &(number,)).await {
                // It may have gone at the same moment; if not, its buttons do nothing now.
                tracing::debug!(%error, "a notification was not withdrawn");
            }
        }
        for one in wanted {
            if self.shown.says(&one) {
                continue;
            }
            let about = one.about.clone();
            if let Err(error) = self.show(one).await {
                tracing::info!(request = %about, %error, "no notification was shown");
                // Asked again at the next change.
                self.daemon = None;
                return;
            }
        }
    }

    async fn show(&mut self, wanted: Wanted) -> zbus::Result<()> {
        let daemon = match self.daemon.take() {
            Some(daemon) => daemon,
            None => self.ask_daemon().await?,
        };
        let mut text = wanted.body.clone();
        let mut actions: Vec<&str> = Vec::new();
        if daemon.actions {
            let shown = wanted
                .buttons
                .iter()
                .filter(|(key, _)| *key != ON_BODY || !daemon.draws_all);
            actions.extend(shown.flat_map(|(key, label)| [*key, *label]));
        } else {
            text.push_str("\nOpen Iris to answer");
        }
        if daemon.markup {
            text = escape(&text);
        }
        let hints = HashMap::from([
            ("urgency", Value::U8(CRITICAL)),
            ("desktop-entry", Value::from("Iris")),
        ]);
        // In place: what it says now, not one more. 0: a new one.
        let replaces = self.shown.number_of(&wanted.about).unwrap_or(0);
        let notification = (
            "Iris",
            replaces,
            "",
            wanted.title.as_str(),
            text,
            actions,
            hints,
            NEVER,
        );
        let reply = self.call("Notify", &notification).await?;
        let number: u32 = reply.body().deserialize()?;
        let owner = sender(&reply)?;
        // Otherwise another daemon took over meanwhile, and is asked what it can do next time.
        self.daemon = (owner == daemon.owner).then_some(daemon);
        self.shown.add(wanted, owner, number);
        Ok(())
    }

    /// Asks the daemon what it can do; the call starts one, where the bus knows how.
    async fn ask_daemon(&self) -> zbus::Result<Daemon> {
        let reply = self.call("GetCapabilities", &()).await?;
        let can: Vec<String> = reply.body().deserialize()?;
        let has = |what: &str| can.iter().any(|it| it == what);
        let about = self.call("GetServerInformation", &()).await?;
        let (name, ..): (String, String, String, String) = about.body().deserialize()?;
        Ok(Daemon {
            owner: sender(&reply)?,
            actions: has("actions"),
            markup: has("body-markup"),
            draws_all: name == "Xfce Notify Daemon",
        })
    }

    async fn call<B>(&self, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: serde::ser::Serialize + zbus::zvariant::DynamicType,
    {
        self.bus
            .call_method(Some(NAME), PATH, Some(NAME), method, body)
            .await
    }

    /// What a signal means; `None`: nothing, or it is not from the daemon that shows our
    /// notification.
    fn hear(&mut self, signal: &Message) -> Option<Intent> {
        let header = signal.header();
        let from = header.sender()?;
        match said(signal)? {
            Said::Invoked(number, button) => {
                let Some(about) = self.shown.of(from, number) else {
                    tracing::debug!(%from, number, "a button of no notification of ours");
                    return None;
                };
                tracing::info!(request = %about, button, "notification answered");
                pressed(&button, about)
            }
            Said::Closed(number) => {
                if let Some(about) = self.shown.of(from, number) {
                    self.shown.forget(&about);
                    match about {
                        About::One(id) => self.announcer.closed(id),
                        About::Many => self.announcer.closed_together(),
                    }
                }
                None
            }
        }
    }

    /// The daemon's name has this owner now. What an earlier one showed is gone with it, and is
    /// shown again by the new one.
    fn owned_by(&mut self, owner: Option<&str>) {
        if self
            .daemon
            .as_ref()
            .is_some_and(|daemon| Some(daemon.owner.as_str()) != owner)
        {
            tracing::info!("the notification daemon ended or was replaced");
            self.daemon = None;
        }
        self.shown.only_of(owner);
    }
}

/// What a daemon says of a notification with this number.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Invoked(u32, String),
    Closed(u32),
}

/// Reads a signal. Any program can send one of any shape: what is not understood is not heard, and
/// ends nothing.
fn said(signal: &Message) -> Option<Said> {
    let header = signal.header();
    let body = signal.body();
    let read = match header.member()?.as_str() {
        "ActionInvoked" => body
            .deserialize()
            .map(|(number, button)| Said::Invoked(number, button)),
        "NotificationClosed" => body
            .deserialize::<(u32, u32)>()
            .map(|(number, _reason)| Said::Closed(number)),
        _ => return None,
    };
    read.inspect_err(|error| tracing::debug!(%error, "a signal of another shape"))
        .ok()
}

/// Which notification stands for what, and which daemon shows it.
#[derive(Debug, Default)]
struct Shown(BTreeMap<About, Popup>);

/// One notification on the screen.
#[derive(Debug)]
struct Popup {
    owner: OwnedUniqueName,
    number: u32,
    body: String,
}

impl Shown {
    fn add(&mut self, wanted: Wanted, owner: OwnedUniqueName, number: u32) {
        let body = wanted.body;
        self.0.insert(
            wanted.about,
            Popup {
                owner,
                number,
                body,
            },
        );
    }

    /// Whether it is on the screen as it is wanted.
    fn says(&self, wanted: &Wanted) -> bool {
        self.0
            .get(&wanted.about)
            .is_some_and(|popup| popup.body == wanted.body)
    }

    fn number_of(&self, about: &About) -> Option<u32> {
        self.0.get(about).map(|popup| popup.number)
    }

    fn forget(&mut self, about: &About) {
        self.0.remove(about);
    }

    /// What a notification stands for, if it is this connection that shows it.
    fn of(&self, owner: &UniqueName<'_>, number: u32) -> Option<About> {
        self.0
            .iter()
            .find(|(_, popup)| popup.owner.as_str() == owner.as_str() && popup.number == number)
            .map(|(about, _)| about.clone())
    }

    /// Keeps these; gives the numbers of the others.
    fn keep(&mut self, is_wanted: impl Fn(&About) -> bool) -> Vec<u32> {
        let mut gone = Vec::new();
        self.0.retain(|about, popup| {
            let stays = is_wanted(about);
            if !stays {
                gone.push(popup.number);
            }
            stays
        });
        gone
    }

    /// Forgets what another daemon showed.
    fn only_of(&mut self, owner: Option<&str>) {
        self.0
            .retain(|_, popup| Some(popup.owner.as_str()) == owner);
    }
}

/// Who sent a message, told by the bus.
fn sender(message: &Message) -> zbus::Result<OwnedUniqueName> {
    match message.header().sender() {
        Some(sender) => Ok(sender.to_owned().into()),
        None => Err(zbus::Error::Failure(
            "the bus did not say who answered".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use iris_domain::ids::ApprovalId;

    use super::*;

    fn about(text: &str) -> About {
        About::One(ApprovalId(text.into()))
    }

    fn wanted(text: &str) -> Wanted {
        Wanted {
            about: about(text),
            title: String::new(),
            body: "ls".into(),
            buttons: &[],
        }
    }

    fn owner(text: &str) -> OwnedUniqueName {
        UniqueName::try_from(text)
            .expect("a unique name")
            .to_owned()
            .into()
    }

    #[test]
    fn a_signal_of_another_shape_is_not_heard() {
        let signal = |member, body: &(u32, &str)| {
            let signal = Message::signal(PATH, NAME, member).expect("a signal");
            said(&signal.build(body).expect("a body"))
        };
        assert_eq!(
            signal("ActionInvoked", &(3, "allow")),
            Some(Said::Invoked(3, "allow".into()))
        );
        assert_eq!(signal("NotificationClosed", &(3, "no reason")), None);
        assert_eq!(signal("ActivationToken", &(3, "token")), None);
        let empty = Message::signal(PATH, NAME, "ActionInvoked").expect("a signal");
        assert_eq!(said(&empty.build(&()).expect("a body")), None);
    }

    #[test]
    fn only_the_daemon_that_shows_it_can_answer() {
        let mut shown = Shown::default();
        shown.add(wanted("aaaaaa"), owner(":1.7"), 3);
        let daemon = owner(":1.7");
        let forger = owner(":1.66");
        assert_eq!(
            shown.of(&daemon, 3),
            Some(about("aaaaaa")),
            "the daemon's own signal counts"
        );
        assert_eq!(
            shown.of(&forger, 3),
            None,
            "anyone can emit a signal with a good number"
        );
        assert_eq!(
            shown.of(&daemon, 4),
            None,
            "numbers of other programs' notifications"
        );
    }

    #[test]
    fn a_dead_daemons_notifications_are_shown_again() {
        let mut shown = Shown::default();
        shown.add(wanted("aaaaaa"), owner(":1.7"), 3);
        shown.add(wanted("bbbbbb"), owner(":1.9"), 3);
        shown.only_of(Some(":1.9"));
        assert!(!shown.says(&wanted("aaaaaa")), "its daemon is gone");
        assert!(
            shown.says(&wanted("bbbbbb")),
            "the new daemon already shows this one"
        );
        shown.only_of(None);
        assert!(!shown.says(&wanted("bbbbbb")), "no daemon, no notification");
    }

    #[test]
    fn what_ended_is_withdrawn_by_its_number() {
        let mut shown = Shown::default();
        shown.add(wanted("aaaaaa"), owner(":1.7"), 3);
        shown.add(wanted("bbbbbb"), owner(":1.7"), 4);
        assert_eq!(
            shown.keep(|it| *it == about("bbbbbb")),
            vec![3],
            "only the ended one"
        );
        assert!(
            shown.keep(|it| *it == about("bbbbbb")).is_empty(),
            "and only once"
        );
    }

    #[test]
    fn what_says_something_else_now_takes_the_place_of_what_it_said() {
        let mut shown = Shown::default();
        shown.add(wanted("aaaaaa"), owner(":1.7"), 3);
        let mut other = wanted("aaaaaa");
        assert!(shown.says(&other));
        other.body = "rm x".into();
        assert!(!shown.says(&other), "it is shown again");
        assert_eq!(shown.number_of(&other.about), Some(3), "in its place");
    }
}
