//! Notifications of dunst, and pages in a browser.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::session::Session;

#[test]
fn notifications_are_shown_with_the_name_of_the_plugin() {
    let mut session = Session::start();
    let message = json!({ "summary": "take <i>3</i>", "body": "<b>recorded</b> & kept" });
    // Where dunst is installed, the bus tries to start it, and it ends for lack of a display.
    session.refused("desk", "SystemControl=notify", "notify", &message, "unavailable here, because ");

    // The server picks a free display and writes its number to the descriptor.
    session.run("Xvfb", "xvfb", &["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "640x480x24"]);
    session.wait("a display", || session.printed("Xvfb").contains('\n'));
    let display = session.printed("Xvfb").lines().last().expect("a number").to_owned();
    session.set("DISPLAY", format!(":{display}"));
    session.run("dunst", "dunst", &["-print"]);
    session.wait("the notification is shown", || {
        session.exec("desk", &["SystemControl=notify"], "notify", &message).0 == Some(0)
    });
    session.wait("dunst prints it", || session.printed("dunst").contains("summary"));
    let shown = session.printed("dunst");
    assert!(shown.contains("desk: take <i>3</i>"), "{shown}");
    assert!(shown.contains("&lt;b&gt;recorded&lt;/b&gt; &amp; kept"), "{shown}");

    session.refused(
        "desk",
        "SystemControl=lock",
        "notify",
        &message,
        "`notify` is outside the scope that was granted",
    );
    let escape = json!({ "summary": "\u{1b}[2J" });
    session.refused("desk", "SystemControl=notify", "notify", &escape, "control characters");
}

#[test]
fn pages_are_opened_in_the_browser() {
    let mut session = Session::start();
    let browser = session.path("browser");
    fs::write(&browser, "#!/bin/sh\nprintf '%s\\n' \"$@\" >>\"$0.opened\"\n").expect("script");
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o700)).expect("permissions");
    session.set("BROWSER", browser.to_str().expect("UTF-8"));
    let page = json!({ "url": "https://example.org/a b?q=$(id);'\"" });
    session.reply("desk", &["SystemControl=open-url"], "open", &page);
    session.wait("the browser opens it", || !session.printed("browser.opened").is_empty());
    let opened = session.printed("browser.opened");
    assert_eq!(opened, "https://example.org/a%20b?q=$(id);%27%22\n", "one argument, and nothing ran");

    let file = json!({ "url": "file:///etc/passwd" });
    session.refused("desk", "SystemControl=open-url", "open", &file, "is no page of the web");
    session.refused(
        "desk",
        "SystemControl=lock",
        "open",
        &page,
        "`open-url` is outside the scope that was granted",
    );
    assert_eq!(session.printed("browser.opened"), opened);

    session.set("BROWSER", "/nowhere/browser");
    session.refused(
        "desk",
        "SystemControl=open-url",
        "open",
        &page,
        "unavailable here, because xdg-open finds no browser",
    );
}
