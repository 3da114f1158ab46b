//! Small HTTP and HTTPS servers on loopback that misbehave in a chosen way.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A connection, with or without TLS.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

type Handler = dyn Fn(&str, &mut dyn Stream) -> io::Result<()> + Send + Sync;

/// A server that ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
}

impl Server {
    /// Serves HTTP. `handler` gets the head and body of each request, and writes the response.
    pub(crate) fn http(
        handler: impl Fn(&str, &mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start(None, Arc::new(handler))
    }

    /// Serves HTTPS.
    pub(crate) fn https(
        tls: ServerConfig,
        handler: impl Fn(&str, &mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(Arc::new(tls)), Arc::new(handler))
    }

    fn start(tls: Option<Arc<ServerConfig>>, handler: Arc<Handler>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            connections: Arc::default(),
            requests: Arc::default(),
            stopping: Arc::default(),
        };
        let (connections, requests, stopping) =
            (Arc::clone(&server.connections), Arc::clone(&server.requests), Arc::clone(&server.stopping));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let (handler, requests, tls) = (Arc::clone(&handler), Arc::clone(&requests), tls.clone());
                thread::spawn(move || {
                    let stream = stream?;
                    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
                    match tls {
                        None => serve(stream, &*handler, &requests),
                        Some(tls) => {
                            let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
                            serve(StreamOwned::new(connection, stream), &*handler, &requests)
                        }
                    }
                });
            }
        });
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Every request so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("requests").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: impl Read + Write, handler: &Handler, requests: &Mutex<Vec<String>>) -> io::Result<()> {
    while let Some(request) = read_request(&mut stream)? {
        requests.lock().expect("requests").push(request.clone());
        handler(&request, &mut stream)?;
        stream.flush()?;
    }
    Ok(())
}

fn read_request(stream: &mut impl Read) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    bytes.extend_from_slice(&body);
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Writes a response with a body.
pub(crate) fn respond(stream: &mut dyn Stream, status: &str, headers: &str, body: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// A private certificate authority: its PEM, and the configuration of a server with a certificate for `name`.
pub(crate) fn authority(name: &str) -> (String, ServerConfig) {
    authority_for(&[name])
}

/// As [`authority`], with a certificate for several names.
pub(crate) fn authority_for(names: &[&str]) -> (String, ServerConfig) {
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut ca = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate =
        rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
            .expect("parameters")
            .signed_by(&key, &issuer)
            .expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate");
    (ca_certificate.pem(), config)
}
