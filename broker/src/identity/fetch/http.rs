//! One question over HTTP/1.1 on a connection that stands. Does network I/O.

use std::io;

use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{FetchError, Url};

/// Most octets of an answer's header, and most that are read at once.
const MAX_HEADER: usize = 16 * 1024;
/// Most fields of an answer's header.
const MAX_FIELDS: usize = 64;

/// What is asked with.
pub(super) enum Question {
    Get,
    Post { content_type: &'static str, body: Vec<u8> },
}

/// Asks, and reads the whole answer, of at most `octets`. No redirection is followed.
pub(super) async fn ask(
    stream: TcpStream,
    url: &Url,
    question: Question,
    octets: usize,
) -> Result<Vec<u8>, FetchError> {
    let mut client = http1::Builder::new();
    client.max_headers(MAX_FIELDS).max_header_size(MAX_HEADER).max_buf_size(MAX_HEADER);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = request(url, question)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(FetchError::Redirected(status.as_u16())),
            status => return Err(FetchError::Status(status.as_u16())),
        }
        let encoded = response.headers().get(CONTENT_ENCODING);
        if encoded.is_some_and(|encoding| encoding.as_bytes() != b"identity") {
            return Err(FetchError::Encoded);
        }
        read(response.into_body(), octets).await
    };
    let connection = async {
        // What came before the end is still to be read.
        if connection.await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        answer = answer => answer,
        () = connection => Err(FetchError::Broken(io::ErrorKind::InvalidData)),
    }
}

fn request(url: &Url, question: Question) -> Result<Request<Full<Bytes>>, FetchError> {
    let path = url.path();
    let (builder, body) = match question {
        Question::Get => (Request::get(path), Vec::new()),
        Question::Post { content_type, body } => {
            (Request::post(path).header(CONTENT_TYPE, HeaderValue::from_static(content_type)), body)
        }
    };
    let builder = builder
        .header(HOST, url.authority())
        .header(USER_AGENT, HeaderValue::from_static("kerbridge"))
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .header(CONNECTION, HeaderValue::from_static("close"));
    // All of it was judged when the URL was read.
    builder.body(Full::new(Bytes::from(body))).map_err(|_| FetchError::Url(super::UrlError::Path))
}

async fn read(mut body: Incoming, octets: usize) -> Result<Vec<u8>, FetchError> {
    let too_large = FetchError::TooLarge { limit: octets };
    let announced = body.size_hint().exact();
    let mut answer = match announced.map(usize::try_from) {
        Some(Ok(length)) if length <= octets => Vec::with_capacity(length),
        Some(_) => return Err(too_large),
        None => Vec::new(),
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| FetchError::Broken(io::ErrorKind::UnexpectedEof))?;
        let Some(data) = frame.data_ref() else { continue };
        if answer.len().saturating_add(data.len()) > octets {
            return Err(too_large);
        }
        answer.extend_from_slice(data);
    }
    Ok(answer)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: hyper::Error) -> FetchError {
    let kind = if error.is_parse() { io::ErrorKind::InvalidData } else { io::ErrorKind::UnexpectedEof };
    FetchError::Broken(kind)
}
