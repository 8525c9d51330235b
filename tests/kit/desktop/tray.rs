//! A tray host: items register here, and their menus are read and clicked as a panel would.

use std::sync::{Arc, Mutex};

use zbus::{
    Connection, Proxy, connection, interface, message::Header, object_server::SignalEmitter,
};

use super::menu::{self, MenuItem};
use crate::eventually;

const ITEM: &str = "org.kde.StatusNotifierItem";
const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const WATCHER_PATH: &str = "/StatusNotifierWatcher";

/// Where an item lives: its bus name and object path.
type Item = (String, String);

/// The tray host.
#[derive(Debug)]
pub struct Tray {
    address: String,
    items: Arc<Mutex<Vec<Item>>>,
    connection: Option<Connection>,
}

impl Tray {
    pub(super) async fn start(address: &str) -> Self {
        let mut tray = Self {
            address: address.to_owned(),
            items: Arc::default(),
            connection: None,
        };
        tray.come_back().await;
        tray
    }

    /// The panel dies; items that were registered are forgotten.
    pub async fn die(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await.expect("a connection closes");
        }
        self.items.lock().unwrap().clear();
    }

    /// A panel starts.
    pub async fn come_back(&mut self) {
        let watcher = Watcher {
            items: Arc::clone(&self.items),
        };
        let connection = connection::Builder::address(self.address.as_str())
            .and_then(|builder| builder.serve_at(WATCHER_PATH, watcher))
            .and_then(|builder| builder.name(WATCHER))
            .expect("the watcher's names are right")
            .build()
            .await
            .expect("the private bus accepts the tray host");
        self.connection = Some(connection);
    }

    /// A string property of the tray item: `Title`, `IconName`, `XAyatanaLabel`, `Status`.
    pub async fn property(&self, name: &str) -> String {
        let (connection, item) = self.item().await;
        let proxy = proxy(&connection, &item.0, &item.1, ITEM).await;
        proxy
            .get_property(name)
            .await
            .unwrap_or_else(|e| panic!("the item has no {name}: {e}"))
    }

    /// The whole menu, freshly asked for.
    pub async fn menu(&self) -> Vec<MenuItem> {
        let menu = self.menu_proxy().await;
        menu::read(&menu).await
    }

    /// Every label with its path, `Teams/alpha/Start`, in order.
    pub async fn labels(&self) -> Vec<String> {
        menu::flatten(&self.menu().await)
            .into_iter()
            .map(|(path, _)| path)
            .collect()
    }

    /// Waits for an entry whose path contains these words in this order, and clicks it.
    /// `["bash", "Allow"]` finds `alpha asks: Bash · touch x/Allow`.
    pub async fn click(&self, words: &[&str]) {
        let id = self.entry(words).await.id;
        menu::click(&self.menu_proxy().await, id).await;
    }

    /// Waits for an enabled entry whose path contains these words in this order.
    pub async fn entry(&self, words: &[&str]) -> MenuItem {
        eventually(&format!("a tray entry {words:?}"), async || {
            let entries = menu::flatten(&self.menu().await);
            entries
                .into_iter()
                .find(|(path, item)| item.enabled && contains(path, words))
        })
        .await
        .1
    }

    /// Waits until no entry's path contains these words in this order.
    pub async fn gone(&self, words: &[&str]) {
        eventually(&format!("no tray entry {words:?}"), async || {
            let labels = self.labels().await;
            (!labels.iter().any(|path| contains(path, words))).then_some(())
        })
        .await;
    }

    async fn item(&self) -> (Connection, Item) {
        let connection = self.connection.clone().expect("the tray host runs");
        let item = eventually("a tray item registers", async || {
            self.items.lock().unwrap().last().cloned()
        })
        .await;
        (connection, item)
    }

    async fn menu_proxy(&self) -> Proxy<'static> {
        let (connection, item) = self.item().await;
        let owner = proxy(&connection, &item.0, &item.1, ITEM).await;
        let path: zbus::zvariant::OwnedObjectPath = owner
            .get_property("Menu")
            .await
            .expect("the item has a menu");
        proxy(&connection, &item.0, path.as_str(), menu::INTERFACE).await
    }
}

async fn proxy(
    connection: &Connection,
    name: &str,
    path: &str,
    interface: &'static str,
) -> Proxy<'static> {
    zbus::proxy::Builder::new(connection)
        .destination(name.to_owned())
        .and_then(|builder| builder.path(path.to_owned()))
        .and_then(|builder| builder.interface(interface))
        .expect("a registered item has a name and a path")
        // What is read must be what is there now.
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
        .expect("a proxy can be made")
}

fn contains(path: &str, words: &[&str]) -> bool {
    let path = path.to_lowercase();
    let mut rest = path.as_str();
    words
        .iter()
        .all(|word| match rest.find(&word.to_lowercase()) {
            Some(at) => {
                rest = &rest[at + word.len()..];
                true
            }
            None => false,
        })
}

struct Watcher {
    items: Arc<Mutex<Vec<Item>>>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> zbus::fdo::Result<()> {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        // Ayatana registers a path on its own connection, KDE a bus name.
        let item = if service.starts_with('/') {
            (sender, service.to_owned())
        } else {
            (service.to_owned(), "/StatusNotifierItem".to_owned())
        };
        let name = format!("{}{}", item.0, item.1);
        self.items.lock().unwrap().push(item);
        Self::status_notifier_item_registered(&emitter, &name).await?;
        Ok(())
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items
            .lock()
            .unwrap()
            .iter()
            .map(|(name, path)| format!("{name}{path}"))
            .collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(signal)]
    async fn status_notifier_item_registered(
        emitter: &SignalEmitter<'_>,
        item: &str,
    ) -> zbus::Result<()>;
}
