//! The Iris tray application. Everything is in the library, where it can be tested.

fn main() -> std::process::ExitCode {
    iris_desktop::run()
}
