//! The window, through WebKit's own WebDriver.

use std::{
    collections::BTreeMap, ffi::OsString, net::Ipv4Addr, path::Path, process::Command,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use super::artifact;
use crate::{eventually, program::Program, sshd::free_port, wait::PATIENCE};

/// How long a driver may take to notice that its application has ended.
const GOODBYE: Duration = Duration::from_secs(5);

/// A WebDriver that has started the application and waits for its first window.
#[derive(Debug)]
pub struct WebDriver {
    session: std::sync::Mutex<Option<JoinHandle<Client>>>,
    // Ends after the session.
    _program: Program,
}

impl WebDriver {
    /// Starts the driver, and through it the application with the same environment.
    pub(crate) async fn start(app: &Path, env: &BTreeMap<OsString, OsString>, logs: &Path) -> Self {
        let port = free_port();
        let mut env = env.clone();
        env.insert("TAURI_WEBVIEW_AUTOMATION".into(), "true".into());
        let mut command = Command::new("WebKitWebDriver");
        command
            .arg(format!("--port={port}"))
            .arg("--host=127.0.0.1");
        let program = Program::start("webdriver", &mut command, &env, logs, None);
        eventually("the WebDriver accepts", async || {
            tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .ok()
        })
        .await;
        let mut capabilities = Map::new();
        capabilities.insert(
            "webkitgtk:browserOptions".into(),
            json!({"binary": app, "args": []}),
        );
        // The driver answers only when there is a window: opening one is the test's business.
        let session = tokio::spawn(async move {
            ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities)
                .connect(&format!("http://127.0.0.1:{port}"))
                .await
                .expect("the WebDriver takes hold of the window")
        });
        Self {
            session: std::sync::Mutex::new(Some(session)),
            _program: program,
        }
    }

    /// The first window, as soon as it opens.
    pub async fn window(&self) -> Window {
        let session = self.session.lock().unwrap().take();
        let session = session.expect("a driver takes hold of one window");
        let client = tokio::time::timeout(PATIENCE, session).await;
        Window {
            client: client
                .expect("no window opens")
                .expect("the WebDriver answers"),
        }
    }
}

/// The window of the desktop application.
#[derive(Debug)]
pub struct Window {
    client: Client,
}

impl Window {
    /// Waits for the element with that `data-testid`.
    pub async fn find(&self, id: &str) -> Element {
        self.css(&format!("[data-testid='{id}']")).await
    }

    /// Waits for an element.
    pub async fn css(&self, selector: &str) -> Element {
        let found = self
            .client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css(selector))
            .await;
        match found {
            Ok(element) => element,
            Err(e) => {
                self.screenshot("window-without-what-was-sought").await;
                panic!("no {selector} in the window: {e}")
            }
        }
    }

    /// Waits until there is no such element.
    pub async fn gone(&self, selector: &str) {
        eventually(&format!("{selector} is gone from the window"), async || {
            let left = self.client.find_all(Locator::Css(selector)).await.ok()?;
            left.is_empty().then_some(())
        })
        .await;
    }

    /// Clicks the element with that `data-testid`, when it can be clicked.
    pub async fn click(&self, id: &str) {
        let element = self.find(id).await;
        eventually(&format!("{id} can be clicked"), async || {
            let inert = element.attr("aria-disabled").await.ok()?.as_deref() == Some("true");
            let enabled = element.is_enabled().await.ok()?;
            (enabled && !inert).then_some(())
        })
        .await;
        // WebKit's driver does not move what is in the page, but below something that stays in sight.
        let element_in_page = serde_json::to_value(&element).expect("an element is a reference");
        self.client
            .execute(
                "arguments[0].scrollIntoView({ block: 'nearest' })",
                vec![element_in_page],
            )
            .await
            .expect("the page scrolls");
        element
            .click()
            .await
            .unwrap_or_else(|e| panic!("{id} takes no click: {e}"));
    }

    /// Types into the element with that `data-testid`.
    pub async fn type_into(&self, id: &str, text: &str) {
        self.find(id)
            .await
            .send_keys(text)
            .await
            .expect("the field takes text");
    }

    /// Chooses from the list with that `data-testid`, by the value of the choice.
    pub async fn choose(&self, id: &str, value: &str) {
        self.find(id)
            .await
            .select_by_value(value)
            .await
            .unwrap_or_else(|e| panic!("{id} has no {value}: {e}"));
    }

    /// Makes the window so large, in pixels of the page.
    pub async fn resize(&self, width: u32, height: u32) {
        self.client
            .set_window_size(width, height)
            .await
            .expect("the window can be resized");
        eventually(&format!("the window is {width} wide"), async || {
            (self.script("return window.innerWidth").await == width).then_some(())
        })
        .await;
    }

    /// The visible text of the element with that `data-testid`.
    pub async fn text(&self, id: &str) -> String {
        self.find(id)
            .await
            .text()
            .await
            .expect("an element has a text")
    }

    /// Waits until the text of the whole window contains this.
    pub async fn shows(&self, text: &str) {
        eventually(&format!("the window shows {text:?}"), async || {
            let body = self.client.find(Locator::Css("body")).await.ok()?;
            body.text().await.ok()?.contains(text).then_some(())
        })
        .await;
    }

    /// Runs a script in the page.
    pub async fn script(&self, script: &str) -> Value {
        self.client
            .execute(script, Vec::new())
            .await
            .expect("the script runs")
    }

    /// Keeps a picture of the window in `tests/artifacts`.
    pub async fn screenshot(&self, name: &str) {
        // What the page says now is drawn two frames later at most.
        let drawn = "const done = arguments[0]; \
            requestAnimationFrame(() => requestAnimationFrame(() => done()));";
        self.client
            .execute_async(drawn, Vec::new())
            .await
            .expect("the window draws");
        let png = self
            .client
            .screenshot()
            .await
            .expect("the WebDriver takes pictures");
        std::fs::write(artifact(name), png).expect("a picture can be kept");
    }

    /// Lets go of the window, after Iris has ended: a driver that ends its session kills the
    /// application, and an orderly end is what is tested.
    pub async fn release(self) {
        match tokio::time::timeout(GOODBYE, self.client.close()).await {
            Ok(Ok(()) | Err(_)) | Err(_) => {} // There is no application any more to let go of.
        }
    }
}
