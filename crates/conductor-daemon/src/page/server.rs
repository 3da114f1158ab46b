//! The thread that serves the page: all connections at once, none of them waited for.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use futures_util::future::select;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::access::Access;
use super::api::Api;
use super::connection;
use super::events::Changes;
use super::staging::Staging;
use super::ticket::Ticket;
use crate::config::UiConfig;
use crate::control::Interface;

/// Most connections at once. A further connection ends the oldest that belongs to no session or, if there is none, the
/// oldest. So clients which connect and say nothing keep nobody out.
const MAX_CONNECTIONS: usize = 256;

/// Pause after a connection could not be accepted, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time between two looks for uploads that nobody came back for.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Time between two looks for changes, while a page is open.
const CHANGES_EVERY: Duration = Duration::from_millis(250);

/// The thread that serves the page.
pub(crate) struct Server {
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Server {
    /// Serves the page until [`Server::stop`]. `None` if the configuration does not want the page or there is no port
    /// for it; a missing port is logged.
    ///
    /// # Errors
    ///
    /// Fails if no thread can be started.
    pub(crate) fn start(
        config: UiConfig,
        staging: Staging,
        interface: &Arc<Interface>,
    ) -> io::Result<Option<Self>> {
        if !config.enabled {
            return Ok(None);
        }
        let listener = match listen(config.port) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!("the Plugin Manager is not served: {error}");
                return Ok(None);
            }
        };
        let port = listener.local_addr()?.port();
        let access = Arc::new(Access::new(port));
        let inviting = Arc::clone(&access);
        interface.serve_page(Box::new(move || inviting.invite()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let api = Arc::new(Api::new(Arc::clone(interface), access, port, staging));
        look_for_changes(Arc::downgrade(&api))?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let result = runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                // Serving ends when `stop` is called, or when the `Server` that would call it is dropped.
                select(pin!(serve(listener, api)), stopped).await;
                Ok::<_, io::Error>(())
            });
            // What still waits for a disk is not waited for.
            runtime.shutdown_background();
            if let Err(error) = result {
                tracing::error!("the Plugin Manager is not served: {error}");
            }
        };
        let thread = Builder::new().name("page".into()).spawn(serve)?;
        tracing::info!("Plugin Manager on http://127.0.0.1:{port}/; to open it: conductorctl ui");
        Ok(Some(Self { thread, stop }))
    }

    /// Ends all connections. The thread is handed back to be joined.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        // Sending fails only if the thread has ended.
        let _ = self.stop.send(());
        self.thread
    }
}

/// Listens on the loopback interface at `port` or, if that port is taken, at any port.
fn listen(port: u16) -> io::Result<TcpListener> {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listener = match bind(port) {
        Err(error) if port != 0 && error.kind() == ErrorKind::AddrInUse => {
            tracing::info!(port, "the port of `[ui]` is taken, so the Plugin Manager gets another");
            bind(0)?
        }
        bound => bound?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(listener: tokio::net::TcpListener, api: Arc<Api>) {
    tokio::spawn(sweep(Arc::clone(&api)));
    let mut connections: VecDeque<(AbortHandle, Arc<Ticket>)> = VecDeque::new();
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("a connection to the page could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Connections are taken at 127.0.0.1 alone: this machine has a whole network of loopback addresses, and the
        // check of the other end's process knows only this one.
        if client.ip() != IpAddr::V4(Ipv4Addr::LOCALHOST) {
            continue;
        }
        connections.retain(|(task, _)| !task.is_finished());
        if connections.len() >= MAX_CONNECTIONS {
            let strangers = connections.iter().position(|(_, ticket)| !ticket.is_admitted());
            if let Some((oldest, _)) = connections.remove(strangers.unwrap_or(0)) {
                oldest.abort();
            }
        }
        let ticket = Arc::new(Ticket::new(client.port()));
        let task = tokio::spawn(connection::serve(stream, Arc::clone(&api), Arc::clone(&ticket)));
        connections.push_back((task.abort_handle(), ticket));
    }
}

/// Looks for changes for as long as the page is served, on a thread of its own: that reads files of decisions, and a disk
/// that hangs must not hold up the page.
fn look_for_changes(api: Weak<Api>) -> io::Result<()> {
    let look = move || {
        while let Some(api) = api.upgrade() {
            Changes::look(api.changes(), api.interface());
            drop(api);
            thread::sleep(CHANGES_EVERY);
        }
    };
    Builder::new().name("changes".into()).spawn(look).map(drop)
}

/// Deletes uploads that nobody came back for, for ever.
async fn sweep(api: Arc<Api>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        api.sweep().await;
    }
}
