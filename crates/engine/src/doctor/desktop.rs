//! The desktop's services.

use super::Check;

/// What a session bus says about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "only Linux has a session bus")
)]
enum Owner {
    /// Somebody answers to it.
    Running,
    /// Somebody will, when asked.
    Activatable,
    /// Nobody.
    Nobody,
}

pub(super) async fn notifications() -> Check {
    const NAME: &str = "notifications";
    const FIX: &str = "Install a notification service (most desktops have one; else for example xfce4-notifyd). Until then use the tray menu, the window or `iris pending`.";
    match owner("org.freedesktop.Notifications").await {
        Ok(Owner::Running) => Check::ok(NAME, "a notification service is running"),
        Ok(Owner::Activatable) => Check::ok(NAME, "a notification service starts when needed"),
        Ok(Owner::Nobody) => Check::warning(NAME, "no notification service in this session", FIX),
        Err(error) => Check::warning(NAME, error.to_string(), FIX),
    }
}

pub(super) async fn tray() -> Check {
    const NAME: &str = "tray";
    const FIX: &str = "Use a panel that shows StatusNotifier items (KDE, Xfce, Cinnamon; on GNOME the AppIndicator extension). Until then start the app a second time to open its window.";
    match owner("org.kde.StatusNotifierWatcher").await {
        Ok(Owner::Running | Owner::Activatable) => Check::ok(NAME, "a panel shows tray icons"),
        Ok(Owner::Nobody) => Check::warning(NAME, "nothing in this session shows tray icons", FIX),
        Err(error) => Check::warning(NAME, error.to_string(), FIX),
    }
}

/// Why a session bus says nothing.
#[cfg(target_os = "linux")]
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("there is no session bus: {0}")]
    NoBus(#[from] zbus::Error),
    #[error("the session bus does not say: {0}")]
    Refused(#[from] zbus::fdo::Error),
}

#[cfg(target_os = "linux")]
async fn owner(name: &'static str) -> Result<Owner, NoAnswer> {
    let connection = zbus::Connection::session().await?;
    let bus = zbus::fdo::DBusProxy::new(&connection).await?;
    let name = zbus::names::BusName::from_static_str(name).map_err(zbus::Error::from)?;
    if bus.name_has_owner(name.clone()).await? {
        return Ok(Owner::Running);
    }
    let activatable = bus.list_activatable_names().await?;
    Ok(if activatable.iter().any(|n| n.as_str() == name.as_str()) {
        Owner::Activatable
    } else {
        Owner::Nobody
    })
}

/// Other systems have both built in.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unused_async, reason = "as on Linux")]
async fn owner(_name: &'static str) -> Result<Owner, std::convert::Infallible> {
    Ok(Owner::Running)
}
