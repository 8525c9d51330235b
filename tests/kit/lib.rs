//! The test kit: a fake model API, a throw-away Iris, a private desktop, a remote host, and one way
//! to wait.
//!
//! Tests see Iris as its user does: the built programs, their command line, their surfaces. What a
//! test needs and the machine lacks is said with [`require!`].
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test kit starts programs, reads the environment and fails by panicking"
)]

pub mod clients;
pub mod desktop;
pub mod dying;
pub mod iris;
pub mod model;
pub mod network;
pub mod processes;
pub mod program;
pub mod receiver;
pub mod require;
pub mod slack;
pub mod sshd;
pub mod wait;

pub use clients::{Doorman, Sdk, Way};
pub use desktop::Desktop;
pub use dying::Dying;
pub use iris::{Bridge, Iris, Setup};
pub use model::FakeModel;
pub use network::Network;
pub use receiver::Receiver;
pub use slack::FakeSlack;
pub use sshd::{Factor, SshUser, Sshd};
pub use wait::eventually;
