//! The lock of the screen, with a stand-in for logind, because logind itself cannot be tested without a seat.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use serde_json::json;
use zbus::connection::Builder;

use super::session::Session;

/// The stand-in for the session of the process that asks.
struct Seat {
    locked: Arc<AtomicUsize>,
}

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl Seat {
    fn lock(&self) {
        self.locked.fetch_add(1, Ordering::SeqCst);
    }
}

/// Serves a logind session on a bus until the test ends. Returns the count of how often the session was locked.
fn serve(address: String) -> Arc<AtomicUsize> {
    let locked = Arc::new(AtomicUsize::new(0));
    let seat = Seat { locked: Arc::clone(&locked) };
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        zruntime::block_on(async {
            let builder =
                Builder::address(address.as_str()).serve_at("/org/freedesktop/login1/session/auto", seat);
            let _connection = builder.name("org.freedesktop.login1").build().await.expect("a connection");
            ready.send(()).expect("somebody waits");
            std::future::pending::<()>().await;
        });
    });
    is_ready.recv().expect("logind is there");
    locked
}

/// Calls a method on the session's bus. Returns nothing if there is no such object.
pub(super) fn bus_call<A: serde::de::DeserializeOwned + zbus::Type>(
    session: &Session,
    (service, path): (&str, &str),
    interface: &str,
    method: &str,
    arguments: &(impl serde::Serialize + zbus::DynamicType),
) -> Option<A> {
    let address = format!("unix:path={}", session.path("bus").display());
    let answer = zruntime::block_on(async {
        let bus = Builder::address(address.as_str()).build().await.expect("the session's bus");
        bus.call_method(Some(service), path, Some(interface), method, arguments).await
    });
    answer.ok()?.body().deserialize().ok()
}

#[test]
fn the_screen_is_locked() {
    let mut session = Session::start();
    session.refused(
        "desk",
        "SystemControl=lock",
        "lock",
        &json!(null),
        "unavailable here, because no system bus answers",
    );
    let bus = session.bus("system");
    session.set("DBUS_SYSTEM_BUS_ADDRESS", bus.as_str());
    session.refused(
        "desk",
        "SystemControl=lock",
        "lock",
        &json!(null),
        "nothing is there as org.freedesktop.login1",
    );

    let locked = serve(bus);
    session.refused(
        "desk",
        "SystemControl=notify",
        "lock",
        &json!(null),
        "`lock` is outside the scope that was granted",
    );
    assert_eq!(locked.load(Ordering::SeqCst), 0);
    session.reply("desk", &["SystemControl=lock"], "lock", &json!(null));
    assert_eq!(locked.load(Ordering::SeqCst), 1);
}
