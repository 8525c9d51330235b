//! A private desktop: its own D-Bus, X server, tray host, notification service and, if wanted, an
//! unlocked keyring. Nothing of the user's session is touched, and nothing is activated by name:
//! the bus knows no service files.

mod keys;
mod menu;
mod notifications;
mod tray;
mod window;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use zbus::{Connection, connection, fdo::DBusProxy};

pub use keys::Key;
pub use menu::MenuItem;
pub use notifications::{Notification, Notifications};
pub use tray::Tray;
pub use window::{WebDriver, Window};

use crate::{eventually, program::Program};

/// The password of the throw-away keyring.
const KEYRING_PASSWORD: &str = "test-pass";

/// A panel with a tray, and nothing else on it.
const PANEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array"><value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray"/>
  </property>
</channel>
"#;

/// A running desktop; everything ends with it.
#[derive(Debug)]
pub struct Desktop {
    /// What was notified, and the hand that presses.
    pub notifications: Notifications,
    /// The tray host and its view of menus.
    pub tray: Tray,
    env: BTreeMap<OsString, OsString>,
    // Ended in this order: what needs the bus before the bus.
    panel: Vec<Program>,
    keyring: Option<Program>,
    display: Program,
    bus: Program,
    dir: TempDir,
}

impl Desktop {
    /// A desktop with a tray host and a notification service, without a keyring.
    pub async fn start() -> Self {
        // No spaces: bus addresses would have to escape them.
        let dir = tempfile::Builder::new()
            .prefix("iris-desktop-")
            .tempdir()
            .expect("a directory");
        let mut env = environment(dir.path());
        let bus = bus(dir.path(), &mut env).await;
        let display = display(dir.path(), &mut env).await;
        let address = address(&env);
        let tray = Tray::start(&address).await;
        let notifications = Notifications::start(&address).await;
        Self {
            notifications,
            tray,
            env,
            panel: Vec::new(),
            keyring: None,
            display,
            bus,
            dir,
        }
    }

    /// Adds an unlocked keyring.
    pub async fn with_keyring(mut self) -> Self {
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        let keyring = Program::start(
            "keyring",
            &mut command,
            &self.env,
            self.dir.path(),
            Some(KEYRING_PASSWORD),
        );
        self.keyring = Some(keyring);
        let connection = connect(&address(&self.env)).await;
        owned(&connection, "org.freedesktop.secrets").await;
        self
    }

    /// Puts a real panel, Xfce's, in the place of the tray host's double.
    pub async fn with_panel(mut self) -> Self {
        self.tray.die().await;
        let config = self
            .dir
            .path()
            .join("home/.config/xfce4/xfconf/xfce-perchannel-xml");
        fs::create_dir_all(&config).expect("a directory");
        fs::write(config.join("xfce4-panel.xml"), PANEL).expect("the panel's config");
        let xfconfd = fs::read_dir("/usr/lib")
            .expect("a Debian system")
            .flatten()
            .map(|entry| entry.path().join("xfce4/xfconf/xfconfd"))
            .find(|path| path.is_file())
            .expect("the package xfconf");
        let mut panel = Command::new("xfce4-panel");
        panel.arg("--disable-wm-check");
        for (name, mut command, service) in [
            ("xfconfd", Command::new(xfconfd), "org.xfce.Xfconf"),
            ("panel", panel, "org.kde.StatusNotifierWatcher"),
        ] {
            let program = Program::start(name, &mut command, &self.env, self.dir.path(), None);
            self.panel.push(program);
            owned(&connect(&address(&self.env)).await, service).await;
        }
        self
    }

    /// What a program of this desktop finds in its environment.
    pub fn env(&self) -> BTreeMap<OsString, OsString> {
        let session = ["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "XDG_RUNTIME_DIR"];
        let kept = |name: &OsString| {
            name.to_str().is_some_and(|name| {
                session.contains(&name) || RENDERING.iter().any(|(known, _)| *known == name)
            })
        };
        self.env
            .iter()
            .filter(|(name, _)| kept(name))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }

    /// A connection to the private bus.
    pub async fn connection(&self) -> Connection {
        connect(&address(&self.env)).await
    }

    /// The address of the private bus.
    pub fn bus_address(&self) -> String {
        address(&self.env)
    }

    /// Keeps a picture of the whole screen in `tests/artifacts`.
    pub fn screenshot(&self, name: &str) {
        let file = artifact(name);
        let status = Command::new("import")
            .args(["-window", "root"])
            .arg(&file)
            .env_clear()
            .envs(&self.env)
            .status()
            .expect("ImageMagick's import starts");
        assert!(status.success(), "no picture of the screen: {status}");
    }

    /// The process ids of the desktop's own programs.
    pub fn pids(&self) -> Vec<u32> {
        let keyring = self.keyring.as_ref().map(Program::pid);
        keyring
            .into_iter()
            .chain(self.panel.iter().map(Program::pid))
            .chain([self.display.pid(), self.bus.pid()])
            .collect()
    }
}

/// Where a test leaves a picture: `tests/artifacts/NAME.png`, not under version control.
pub(crate) fn artifact(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    fs::create_dir_all(&dir).expect("a directory can be made");
    dir.join(format!("{name}.png"))
}

/// Software rendering, and no accessibility bus: there is neither a GPU nor such a service here.
const RENDERING: [(&str, &str); 5] = [
    ("NO_AT_BRIDGE", "1"),
    ("GTK_A11Y", "none"),
    ("LIBGL_ALWAYS_SOFTWARE", "1"),
    ("GDK_BACKEND", "x11"),
    ("GSK_RENDERER", "cairo"),
];

fn environment(dir: &Path) -> BTreeMap<OsString, OsString> {
    let mut env: BTreeMap<OsString, OsString> = RENDERING
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect();
    env.insert(
        "PATH".into(),
        std::env::var_os("PATH").expect("tests have a PATH"),
    );
    env.insert("LANG".into(), "C.UTF-8".into());
    for (name, folder) in [
        ("HOME", "home"),
        ("XDG_RUNTIME_DIR", "run"),
        ("XDG_CONFIG_HOME", "home/.config"),
        ("XDG_DATA_HOME", "home/.local/share"),
        ("XDG_CACHE_HOME", "home/.cache"),
    ] {
        let path = dir.join(folder);
        fs::create_dir_all(&path).expect("a directory can be made");
        env.insert(name.into(), path.into());
    }
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(dir.join("run"), private).expect("a directory can be made private");
    env
}

async fn bus(dir: &Path, env: &mut BTreeMap<OsString, OsString>) -> Program {
    let config = dir.join("bus.conf");
    let text = format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><keep_umask/><listen>unix:dir={}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"#,
        dir.join("run").display()
    );
    fs::write(&config, text).expect("a file can be written");
    let mut command = Command::new("dbus-daemon");
    command.arg("--config-file").arg(&config).args([
        "--print-address=1",
        "--nofork",
        "--nopidfile",
    ]);
    let mut program = Program::start("bus", &mut command, &*env, dir, None);
    let address = format!("unix:{}", program.line("unix:").await);
    env.insert("DBUS_SESSION_BUS_ADDRESS".into(), address.into());
    program
}

async fn display(dir: &Path, env: &mut BTreeMap<OsString, OsString>) -> Program {
    let mut command = Command::new("Xvfb");
    // The server picks a free number itself and writes it to stdout.
    command.args([
        "-displayfd",
        "1",
        "-screen",
        "0",
        "1280x800x24",
        "-nolisten",
        "tcp",
        "-ac",
    ]);
    let mut program = Program::start("xvfb", &mut command, &*env, dir, None);
    let number = program.line("").await;
    env.insert("DISPLAY".into(), format!(":{number}").into());
    program
}

fn address(env: &BTreeMap<OsString, OsString>) -> String {
    let address = env.get(&OsString::from("DBUS_SESSION_BUS_ADDRESS"));
    address
        .and_then(|address| address.to_str())
        .expect("the bus has an address")
        .to_owned()
}

pub(crate) async fn connect(address: &str) -> Connection {
    connection::Builder::address(address)
        .expect("the bus printed its address")
        .build()
        .await
        .expect("the private bus accepts")
}

/// Waits until somebody owns the name.
pub(crate) async fn owned(connection: &Connection, name: &str) {
    let bus = DBusProxy::new(connection).await.expect("the bus answers");
    eventually(&format!("{name} on the private bus"), async || {
        let name = name.try_into().expect("a bus name");
        bus.name_has_owner(name).await.ok().filter(|owned| *owned)
    })
    .await;
}
