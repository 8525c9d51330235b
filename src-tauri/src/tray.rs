//! The tray icon and its menu. The menu is the whole interface: on Linux a tray icon has no click
//! events and no tooltip.

mod model;

use iris_domain::{decision::Surface, snapshot::Snapshot};
use tauri::{
    AppHandle, Wry,
    image::Image,
    include_image,
    menu::{IsMenuItem, Menu, MenuItem, MenuItemKind, PredefinedMenuItem, Submenu},
    tray::{TrayIcon, TrayIconBuilder},
};

use self::model::{Edit, Icon, Item, TrayModel, edits, intent, model};
use crate::shell::Shell;

/// What went wrong with the tray icon.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrayError {
    /// The system refused it.
    #[error("the system refused the tray icon: {0}")]
    Tauri(#[from] tauri::Error),
    /// The library that shows it cannot be loaded.
    #[error(
        "the library that shows tray icons is missing; install libayatana-appindicator3-1 \
         (Debian, Ubuntu) or libayatana-appindicator-gtk3 (Fedora)"
    )]
    Library,
}

/// The tray icon as it is shown. Its methods are called on the main thread.
pub(crate) struct Tray {
    app: AppHandle,
    icon: TrayIcon,
    menu: Menu<Wry>,
    shown: TrayModel,
}

impl Tray {
    /// Puts the icon into the tray.
    pub(crate) fn new(app: &AppHandle, shell: &Shell) -> Result<Self, TrayError> {
        // Without the library, its loader panics instead of returning an error.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Self::build(app, shell)))
            .unwrap_or(Err(TrayError::Library))
    }

    fn build(app: &AppHandle, shell: &Shell) -> Result<Self, TrayError> {
        let shown = model(&shell.engine.snapshot().borrow());
        let menu = Menu::new(app)?;
        for (place, item) in shown.menu.iter().enumerate() {
            Place::Menu(&menu).insert(app, item, place)?;
        }
        let shell = shell.clone();
        let icon = TrayIconBuilder::with_id("iris")
            .icon(image(shown.icon))
            .tooltip(&shown.tooltip)
            .menu(&menu)
            .on_menu_event(move |app, event| match intent(event.id().as_ref()) {
                Some(intent) => shell.act(app, intent, Surface::Tray),
                None => tracing::debug!(id = event.id().as_ref(), "a line without a meaning"),
            })
            .build(app)?;
        if shown.title.is_some() {
            icon.set_title(shown.title.as_deref())?;
        }
        Ok(Self {
            app: app.clone(),
            icon,
            menu,
            shown,
        })
    }

    /// Brings the tray up to date, changing only what differs.
    pub(crate) fn show(&mut self, snapshot: &Snapshot) -> Result<(), TrayError> {
        let next = model(snapshot);
        if next.icon != self.shown.icon {
            self.icon.set_icon(Some(image(next.icon)))?;
        }
        if next.title != self.shown.title {
            self.icon.set_title(next.title.as_deref())?;
        }
        if next.tooltip != self.shown.tooltip {
            self.icon.set_tooltip(Some(&next.tooltip))?;
        }
        Place::Menu(&self.menu).apply(&self.app, edits(&self.shown.menu, &next.menu))?;
        self.shown = next;
        Ok(())
    }
}

/// Their pixels, taken out of the files when Iris is built. Paths start at the package.
fn image(icon: Icon) -> Image<'static> {
    match icon {
        Icon::Idle => include_image!("../icons/tray-idle.png"),
        Icon::Working => include_image!("../icons/tray-working.png"),
        Icon::Waiting => include_image!("../icons/tray-waiting.png"),
        Icon::Frozen => include_image!("../icons/tray-frozen.png"),
        Icon::Trouble => include_image!("../icons/tray-trouble.png"),
    }
}

/// Where items stand: the menu, or a submenu of it.
enum Place<'a> {
    Menu(&'a Menu<Wry>),
    Submenu(&'a Submenu<Wry>),
}

impl Place<'_> {
    fn apply(&self, app: &AppHandle, edits: Vec<Edit>) -> tauri::Result<()> {
        for edit in edits {
            match edit {
                Edit::Remove(place) => {
                    match self {
                        Self::Menu(menu) => menu.remove_at(place)?,
                        Self::Submenu(submenu) => submenu.remove_at(place)?,
                    };
                }
                Edit::Insert(place, item) => self.insert(app, &item, place)?,
                Edit::Text(place, text) => match self.at(place)? {
                    Some(MenuItemKind::MenuItem(line)) => line.set_text(text)?,
                    _ => tracing::error!(place, "the tray menu is not what was shown last"),
                },
                Edit::Enabled(place, enabled) => match self.at(place)? {
                    Some(MenuItemKind::MenuItem(line)) => line.set_enabled(enabled)?,
                    _ => tracing::error!(place, "the tray menu is not what was shown last"),
                },
                Edit::Inside(place, edits) => match self.at(place)? {
                    Some(MenuItemKind::Submenu(submenu)) => {
                        Place::Submenu(&submenu).apply(app, edits)?;
                    }
                    _ => tracing::error!(place, "the tray menu is not what was shown last"),
                },
            }
        }
        Ok(())
    }

    fn at(&self, place: usize) -> tauri::Result<Option<MenuItemKind<Wry>>> {
        let items = match self {
            Self::Menu(menu) => menu.items()?,
            Self::Submenu(submenu) => submenu.items()?,
        };
        Ok(items.into_iter().nth(place))
    }

    fn insert(&self, app: &AppHandle, item: &Item, place: usize) -> tauri::Result<()> {
        match item {
            Item::Rule { .. } => self.put(&PredefinedMenuItem::separator(app)?, place),
            Item::Line { id, text, enabled } => self.put(
                &MenuItem::with_id(app, id, text, *enabled, None::<&str>)?,
                place,
            ),
            Item::Submenu { id, text, items } => {
                let submenu = Submenu::with_id(app, id, text, true)?;
                for (place, item) in items.iter().enumerate() {
                    Place::Submenu(&submenu).insert(app, item, place)?;
                }
                self.put(&submenu, place)
            }
        }
    }

    fn put(&self, item: &dyn IsMenuItem<Wry>, place: usize) -> tauri::Result<()> {
        match self {
            Self::Menu(menu) => menu.insert(item, place),
            Self::Submenu(submenu) => submenu.insert(item, place),
        }
    }
}

/// Whether something on this desktop shows tray icons. Nothing tells us otherwise: without a host
/// the icon is silently nowhere.
#[cfg(target_os = "linux")]
pub(crate) async fn host_is_there() -> bool {
    const HOST: &str = "org.kde.StatusNotifierWatcher";
    let asked = async {
        let bus = zbus::Connection::session().await?;
        let name = zbus::names::BusName::try_from(HOST)?;
        zbus::fdo::DBusProxy::new(&bus)
            .await?
            .name_has_owner(name)
            .await
            .map_err(zbus::Error::from)
    };
    asked.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the session bus cannot be asked for a tray");
        false
    })
}

/// macOS and Windows always have one.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unused_async, reason = "on Linux it asks the session bus")]
pub(crate) async fn host_is_there() -> bool {
    true
}
