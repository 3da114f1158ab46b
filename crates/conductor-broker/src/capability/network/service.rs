//! The one thread on which all requests of all plugins run, and what each plugin's connections share.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;

use conductor_abi::Status;
use conductor_call::{Limits, Refusal};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};

use crate::capability::Resources;
use crate::devices::Devices;

use super::Reach;
use super::dial::Dialler;
use super::link::Links;
use super::lookup::{self, CheckingResolver, Lookups};
use super::meter::Meter;
use super::seats::{self, Seats};

/// Most threads that wait for the system's resolver or the kernel: the look-ups of [`lookup`] and one short question for each
/// connection that is being made.
const MAX_BLOCKING_THREADS: usize = 1024;

/// What all plugins share. The thread is started with the first request.
pub(crate) struct Service {
    started: OnceLock<Result<Started, Refusal>>,
    seats: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
}

/// The running thread, and how TLS is set up.
pub(super) struct Started {
    runtime: Handle,
    http_tls: Arc<ClientConfig>,
    websocket_tls: Arc<ClientConfig>,
    /// Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

/// The connections of one plugin.
pub(crate) struct Connections {
    links: Links,
    lookups: Lookups,
    seats: Seats,
    meter: Arc<Meter>,
}

impl Default for Service {
    fn default() -> Self {
        Self { started: OnceLock::new(), seats: seats::for_all(), lookups: lookup::more_for_all() }
    }
}

impl Service {
    pub(super) fn started(&self, devices: &Devices) -> Result<&Started, Refusal> {
        self.started.get_or_init(|| Started::new(devices)).as_ref().map_err(Clone::clone)
    }
}

impl Started {
    fn new(devices: &Devices) -> Result<Self, Refusal> {
        let unavailable =
            |what: &str| Refusal::new(Status::Unavailable, format!("the network is unavailable: {what}"));
        let tls = tls_config(devices).map_err(|error| unavailable(&error.to_string()))?;
        let (runtime, stop) = start_thread().map_err(|error| unavailable(&error.to_string()))?;
        let speaking = |protocols: &[&[u8]]| {
            let mut tls = tls.clone();
            tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(tls)
        };
        let (http_tls, websocket_tls) = (speaking(&[b"h2", b"http/1.1"]), speaking(&[b"http/1.1"]));
        Ok(Self { runtime, http_tls, websocket_tls, _stop: stop })
    }

    /// The runtime that requests run on.
    pub(super) const fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl Connections {
    pub(crate) fn new(limits: &Limits, service: &Service) -> Self {
        Self {
            links: Links::default(),
            lookups: Lookups::new(limits.max_network_lookups, &service.lookups),
            seats: Seats::new(limits.max_network_connections, &service.seats),
            meter: Arc::new(Meter::new(limits)),
        }
    }

    /// What the plugin sends and receives.
    pub(super) const fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Connections that are kept for further requests.
    pub(super) const fn links(&self) -> &Links {
        &self.links
    }

    /// Makes connections for HTTP.
    pub(super) fn http(&self, reach: Reach, session: &dyn Resources) -> Result<Dialler, Refusal> {
        let tls = &session.http().started(session.devices())?.http_tls;
        Ok(self.dialler(reach, session, tls))
    }

    /// Makes connections for WebSockets.
    pub(super) fn websocket(&self, reach: Reach, session: &dyn Resources) -> Result<Dialler, Refusal> {
        let tls = &session.http().started(session.devices())?.websocket_tls;
        Ok(self.dialler(reach, session, tls))
    }

    fn dialler(&self, reach: Reach, session: &dyn Resources, tls: &Arc<ClientConfig>) -> Dialler {
        let Devices { names, networks, .. } = session.devices();
        let resolver = CheckingResolver {
            names: Arc::clone(names),
            networks: Arc::clone(networks),
            lookups: self.lookups.clone(),
            reach,
        };
        Dialler { resolver, meter: Arc::clone(&self.meter), seats: self.seats.clone(), tls: Arc::clone(tls) }
    }
}

/// TLS 1.2 and 1.3 with the certificate authorities of Mozilla's programme, which are built in because a host may run
/// where the system has none, and those of the devices. There is no way to turn verification off, and no session is kept to be
/// resumed: what would be kept is as large as the server likes.
fn tls_config(devices: &Devices) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in devices.http_roots.certificates() {
        roots.add(certificate.clone())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Starts a thread that runs requests until the sender is dropped.
fn start_thread() -> io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    thread::Builder::new().name("conductor-net".to_owned()).spawn(move || {
        // An error says that the sender was dropped, which is how the thread is told to end.
        let _ = runtime.block_on(stopped);
        runtime.shutdown_background();
    })?;
    Ok((handle, stop))
}
