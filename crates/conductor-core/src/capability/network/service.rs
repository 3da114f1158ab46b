//! The HTTP client of each plugin and the one thread on which all of their requests run.
//!
//! Clients are kept per plugin and per reach: a connection that one plugin may use is never found in the pool of
//! another, nor one to a private address by a request that may only reach public ones.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use conductor_abi::Status;
use reqwest::redirect::Policy;
use reqwest::{Client, retry};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::capability::Refusal;
use crate::devices::Devices;

use super::Reach;
use super::headers::MAX_RECEIVED_BYTES;
use super::lookup::{CheckingResolver, Lookups};
use super::traffic::Traffic;

/// Most threads that look up names, for all plugins together.
const MAX_LOOKUP_THREADS: usize = 64;

/// Longest time for one connection to be made.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections that a plugin keeps to one host.
const MAX_IDLE_CONNECTIONS: usize = 2;

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// TLS sessions that a plugin can resume.
const MAX_TLS_SESSIONS: usize = 32;

/// What all plugins share: started with the first request.
#[derive(Default)]
pub(crate) struct Service {
    started: OnceLock<Result<Started, Refusal>>,
}

/// The running thread, and how TLS is set up.
pub(super) struct Started {
    runtime: Handle,
    tls: ClientConfig,
    /// Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

/// The clients of one plugin.
pub(crate) struct Connections {
    public: OnceLock<Result<Client, Refusal>>,
    inside: OnceLock<Result<Client, Refusal>>,
    lookups: Lookups,
    traffic: Traffic,
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
        Ok(Self { runtime, tls, _stop: stop })
    }

    /// How TLS is set up for a protocol that is none of HTTP's versions, without sessions to resume.
    pub(super) fn tls(&self) -> ClientConfig {
        let mut tls = self.tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        tls.resumption = rustls::client::Resumption::disabled();
        tls
    }

    /// The runtime that requests run on.
    pub(super) const fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl Connections {
    pub(crate) fn new(max_bytes_per_minute: u64) -> Self {
        Self {
            public: OnceLock::new(),
            inside: OnceLock::new(),
            lookups: Lookups::default(),
            traffic: Traffic::new(max_bytes_per_minute),
        }
    }

    /// What the plugin sent and received.
    pub(super) const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The client for requests with this reach.
    pub(super) fn client(
        &self,
        reach: Reach,
        started: &Started,
        devices: &Devices,
    ) -> Result<&Client, Refusal> {
        let cell = match reach {
            Reach::Public => &self.public,
            Reach::Inside => &self.inside,
        };
        let client = cell.get_or_init(|| {
            client(started.tls.clone(), self.resolver(reach, devices)).map_err(|error| {
                Refusal::new(Status::Unavailable, format!("the network is unavailable: {error}"))
            })
        });
        client.as_ref().map_err(Clone::clone)
    }

    /// Looks names up for connections with this reach.
    pub(super) fn resolver(&self, reach: Reach, devices: &Devices) -> CheckingResolver {
        CheckingResolver { names: Arc::clone(&devices.names), lookups: self.lookups.clone(), reach }
    }
}

/// A client that follows no redirect, uses no proxy of the environment, repeats nothing and decodes nothing by
/// itself.
fn client(mut tls: ClientConfig, resolver: CheckingResolver) -> reqwest::Result<Client> {
    tls.resumption = rustls::client::Resumption::in_memory_sessions(MAX_TLS_SESSIONS);
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(resolver))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .http2_max_header_list_size(MAX_RECEIVED_BYTES as u32)
        .build()
}

/// TLS 1.2 and 1.3 with the certificate authorities of Mozilla's programme, which are built in because a host may run
/// where the system has none, and those of the devices. There is no way to turn verification off.
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
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Starts a thread that runs requests until the sender is dropped.
fn start_thread() -> io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(MAX_LOOKUP_THREADS)
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
