//! The process of the peers: a listener on loopback for each peer, and one for a server that behaves well.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::derive_accept_key;

use crate::wrongs::{ALL, Speaks, Stream, Wrong};

/// The name in the peers' certificate.
pub(crate) const NAME: &str = "peer.example";

/// Writes the port of each peer and that of the well-behaved server, then the certificate authority, and serves until
/// standard input closes.
pub(crate) fn run() -> ExitCode {
    let (authority, tls) = authority();
    for wrong in ALL {
        let tls = tls.clone();
        println!("{}", listen(move |stream| serve(wrong, stream, &tls)));
    }
    println!("{}", listen(serve_well));
    // The parent reads to the end of the certificate, and closes its end later.
    print!("{authority}");
    drop(io::stdin().read_to_end(&mut Vec::new()));
    ExitCode::SUCCESS
}

fn listen(serve: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            // The result of a connection is the host's concern.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    port
}

fn serve(wrong: &Wrong, mut stream: TcpStream, tls: &ServerConfig) -> io::Result<()> {
    match wrong.speaks {
        Speaks::Http1 => {
            if !wrong.posts {
                read_head(&mut stream)?;
            }
            (wrong.does)(&mut stream)
        }
        Speaks::WebSocket => {
            let head = read_head(&mut stream)?;
            let key = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.to_owned())
            });
            let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
            write!(
                stream,
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
            )?;
            (wrong.does)(&mut stream)
        }
        Speaks::Http2 => {
            let mut stream = encrypted(stream, tls, b"h2")?;
            // Reads the preface, the settings and the head of the request frame before anything is answered.
            stream.read_exact(&mut [0; 24 + 9])?;
            (wrong.does)(&mut stream)
        }
        Speaks::Tls => {
            let mut stream = encrypted(stream, tls, b"http/1.1")?;
            read_head(&mut stream)?;
            (wrong.does)(&mut stream)
        }
        Speaks::Raw => (wrong.does)(&mut stream),
    }
}

fn encrypted(
    stream: TcpStream,
    tls: &ServerConfig,
    protocol: &[u8],
) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![protocol.to_vec()];
    let connection = ServerConnection::new(Arc::new(tls)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

fn serve_well(mut stream: TcpStream) -> io::Result<()> {
    loop {
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")?;
    }
}

fn read_head(stream: &mut dyn Stream) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A private certificate authority: its PEM, and the configuration of a server with a certificate of it.
fn authority() -> (String, ServerConfig) {
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut ca = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])
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
