//! A notification service that records what it is told, and presses buttons when a test says so.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use zbus::{
    Connection, connection, interface,
    object_server::{InterfaceRef, SignalEmitter},
    zvariant::OwnedValue,
};

use crate::eventually;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// Why a notification closed, as the specification numbers it.
const BY_USER: u32 = 2;
const BY_CALL: u32 = 3;

/// A notification as it was sent.
#[derive(Debug, Clone)]
pub struct Notification {
    /// Its number.
    pub id: u32,
    /// The program that sent it.
    pub app: String,
    /// The title: plain text.
    pub summary: String,
    /// The text: markup.
    pub body: String,
    /// Keys and labels of the buttons.
    pub actions: Vec<(String, String)>,
    /// Urgency: 0 low, 1 normal, 2 critical.
    pub urgency: u8,
    /// Milliseconds until it goes by itself; 0: never.
    pub timeout: i32,
    /// Whether it is still shown.
    pub open: bool,
    /// When it came.
    pub received: Instant,
}

/// The service.
#[derive(Debug)]
pub struct Notifications {
    address: String,
    state: Arc<Mutex<State>>,
    connection: Option<Connection>,
}

#[derive(Debug, Default)]
struct State {
    last: u32,
    all: Vec<Notification>,
}

impl Notifications {
    pub(super) async fn start(address: &str) -> Self {
        let mut service = Self {
            address: address.to_owned(),
            state: Arc::default(),
            connection: None,
        };
        service.come_back().await;
        service
    }

    /// The service dies: what was shown is gone without a word.
    pub async fn die(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await.expect("a connection closes");
        }
        self.state
            .lock()
            .unwrap()
            .all
            .iter_mut()
            .for_each(|shown| shown.open = false);
    }

    /// A service starts.
    pub async fn come_back(&mut self) {
        let server = Server {
            state: Arc::clone(&self.state),
        };
        let connection = connection::Builder::address(self.address.as_str())
            .and_then(|builder| builder.serve_at(PATH, server))
            .and_then(|builder| builder.name(NAME))
            .expect("the service's names are right")
            .build()
            .await
            .expect("the private bus accepts the notification service");
        self.connection = Some(connection);
    }

    /// Everything that was ever notified.
    pub fn all(&self) -> Vec<Notification> {
        self.state.lock().unwrap().all.clone()
    }

    /// What is shown now.
    pub fn open(&self) -> Vec<Notification> {
        self.all().into_iter().filter(|shown| shown.open).collect()
    }

    /// Waits until exactly one notification is shown.
    pub async fn one(&self) -> Notification {
        eventually("one notification is shown", async || {
            let open = self.open();
            (open.len() == 1).then(|| open[0].clone())
        })
        .await
    }

    /// Waits until none is shown.
    pub async fn none(&self) {
        eventually("no notification is shown", async || {
            self.open().is_empty().then_some(())
        })
        .await;
    }

    /// Presses the button with that label.
    pub async fn press(&self, shown: &Notification, label: &str) {
        let key = shown.actions.iter().find(|(_, found)| found == label);
        let key = key
            .unwrap_or_else(|| panic!("no button {label} in {shown:?}"))
            .0
            .clone();
        let server = self.server().await;
        let emitter = server.signal_emitter();
        Server::action_invoked(emitter, shown.id, &key)
            .await
            .expect("a signal is sent");
        self.close(shown.id, BY_USER, emitter).await;
    }

    /// The user closes it without an answer.
    pub async fn dismiss(&self, shown: &Notification) {
        let server = self.server().await;
        self.close(shown.id, BY_USER, server.signal_emitter()).await;
    }

    async fn close(&self, id: u32, reason: u32, emitter: &SignalEmitter<'_>) {
        if self.state.lock().unwrap().close(id) {
            Server::notification_closed(emitter, id, reason)
                .await
                .expect("a signal is sent");
        }
    }

    async fn server(&self) -> InterfaceRef<Server> {
        let connection = self
            .connection
            .as_ref()
            .expect("the notification service runs");
        connection
            .object_server()
            .interface(PATH)
            .await
            .expect("the service is served")
    }
}

impl State {
    /// `false`: it was not shown.
    fn close(&mut self, id: u32) -> bool {
        let shown = self
            .all
            .iter_mut()
            .find(|shown| shown.id == id && shown.open);
        shown.map(|shown| shown.open = false).is_some()
    }
}

struct Server {
    state: Arc<Mutex<State>>,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "the specification says so")]
    fn notify(
        &self,
        app: String,
        replaces: u32,
        _icon: &str,
        summary: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        timeout: i32,
    ) -> u32 {
        let mut state = self.state.lock().unwrap();
        let id = if replaces == 0 {
            state.last += 1;
            state.last
        } else {
            state.all.retain(|shown| shown.id != replaces);
            replaces
        };
        let actions = actions
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect();
        let urgency = hints
            .get("urgency")
            .and_then(|value| u8::try_from(value).ok())
            .unwrap_or(1);
        let open = true;
        state.all.push(Notification {
            id,
            app,
            summary,
            body,
            actions,
            urgency,
            timeout,
            open,
            received: Instant::now(),
        });
        id
    }

    async fn close_notification(
        &self,
        id: u32,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> zbus::fdo::Result<()> {
        let closed = self.state.lock().unwrap().close(id);
        if closed {
            Self::notification_closed(&emitter, id, BY_CALL).await?;
        }
        Ok(())
    }

    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body", "body-markup", "persistence"]
            .map(str::to_owned)
            .to_vec()
    }

    fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("recorder", "iris-tests", "1", "1.2")
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, key: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_closed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        reason: u32,
    ) -> zbus::Result<()>;
}
