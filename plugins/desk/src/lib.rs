//! Shows a notification, opens a page or locks the screen when you play a note.

#![forbid(unsafe_code)]

use conductor_plugin::{Call, HostError, desktop, plugin};
use serde::Deserialize;

plugin! {
    capabilities: {
        SystemControl("notify,open-url,lock"): "shows your messages, opens your pages and locks your screen",
    },
    actions: {
        /// Shows a notification.
        notify { summary: "one line", body: "more of it; none if absent" },
        /// Opens a page of the web in your browser.
        open { url: "http or https" },
        /// Locks the screen.
        lock,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    summary: String,
    #[serde(default)]
    body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    url: String,
}

fn notify(call: Call<Message>) -> Result<(), HostError> {
    desktop::notify(&call.parameters.summary, &call.parameters.body)
}

fn open(call: Call<Page>) -> Result<(), HostError> {
    desktop::open_url(&call.parameters.url)
}

fn lock(_call: Call<Option<serde::de::IgnoredAny>>) -> Result<(), HostError> {
    desktop::lock()
}
