//! Keys of the headless desktop: pressed as a keyboard presses them, and taken as a program takes them.

use x11rb::{
    connection::Connection as _,
    protocol::{
        xproto::{ConnectionExt as _, GrabMode, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, ModMask},
        xtest::ConnectionExt as _,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use super::Desktop;

/// A key of the keyboard that Xvfb has, by its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Key {
    /// Control on the left.
    Ctrl = 37,
    /// Alt on the left.
    Alt = 64,
    /// The letter.
    A = 38,
    /// The letter.
    D = 40,
    /// The letter.
    N = 57,
}

impl Desktop {
    /// Presses Ctrl, Alt and this key, and lets go of them.
    pub fn press_with_ctrl_alt(&self, key: Key) {
        let (display, root) = self.x11();
        let fake = |kind: u8, key: Key| {
            display
                .xtest_fake_input(kind, key as u8, 0, root, 0, 0, 0)
                .expect("the display takes keys");
        };
        let all = [Key::Ctrl, Key::Alt, key];
        all.into_iter().for_each(|key| fake(KEY_PRESS_EVENT, key));
        all.into_iter()
            .rev()
            .for_each(|key| fake(KEY_RELEASE_EVENT, key));
        display.sync().expect("the display answers");
    }

    /// Another program that has taken Ctrl, Alt and this key, until it is dropped.
    pub fn another_holds(&self, key: Key) -> RustConnection {
        let (display, root) = self.x11();
        let held = ModMask::CONTROL | ModMask::M1;
        display
            .grab_key(
                false,
                root,
                held,
                key as u8,
                GrabMode::ASYNC,
                GrabMode::ASYNC,
            )
            .expect("the display takes requests")
            .check()
            .expect("the keys are free");
        display
    }

    fn x11(&self) -> (RustConnection, u32) {
        let env = self.env();
        let name = env.get(std::ffi::OsStr::new("DISPLAY"));
        let name = name.and_then(|name| name.to_str());
        let (display, screen) = RustConnection::connect(name).expect("the display is there");
        let root = display.setup().roots[screen].root;
        (display, root)
    }
}
