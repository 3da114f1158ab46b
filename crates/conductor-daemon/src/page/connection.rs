//! One connection: a request in, an answer out, within bounds of size and time.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::api::Api;
use super::ticket::Ticket;
use super::wire::Wire;

/// Most bytes of the head of a request.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Most fields of the head of a request; browsers send some twenty.
const MAX_HEAD_FIELDS: usize = 64;

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, api: Arc<Api>, ticket: Arc<Ticket>) {
    let heard = Arc::new(AtomicBool::new(false));
    let wire = Wire::new(stream, Arc::clone(&heard));
    let service = service_fn(|request| {
        heard.store(true, Ordering::Relaxed);
        let (api, ticket) = (Arc::clone(&api), Arc::clone(&ticket));
        async move { Ok::<_, Infallible>(api.answer(request, &ticket).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEAD_FIELDS)
            // The server has its own deadline, which covers the answer as well.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(wire), service)
    );
    loop {
        let ended = timeout_at(ticket.deadline(), connection.as_mut()).await;
        // A client that left early needs no answer.
        if ended.is_ok() || ticket.deadline() <= Instant::now() {
            return;
        }
    }
}
