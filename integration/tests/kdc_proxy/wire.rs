//! HTTP over TLS by the octet: what a well-behaved library would not send, and what came back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};

use super::der;

/// Both servers answer at once or close; what lasts longer is a fault of theirs.
const SILENCE: Duration = Duration::from_secs(20);

/// A server, and by what it is known.
pub(super) struct Server {
    name: String,
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

/// What is sent, octet by octet.
#[derive(Clone, Default)]
pub(super) struct Sent {
    /// Sent at once.
    pub(super) first: Vec<u8>,
    /// Sent when the server has answered something: asked to go on, or answered the first request.
    pub(super) then: Vec<u8>,
    /// How many answers are waited for, those that only ask to go on left out.
    pub(super) answers: usize,
    /// Nothing more comes from here: the server is told so.
    pub(super) ends: bool,
    /// The answer has no body whatever its head says.
    pub(super) bodiless: bool,
}

struct Answer {
    status: u16,
    media: String,
    body: Vec<u8>,
}

impl Server {
    pub(super) fn new(name: &str, address: SocketAddr, root: &[u8]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(root.to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { name: name.to_owned(), address, config: Arc::new(config) }
    }

    /// Sends, and says in a few words what came back: of each answer its status, its media type and the Kerberos message in it.
    pub(super) fn outcome(&self, sent: &Sent) -> String {
        let name = ServerName::try_from(self.name.clone()).unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(SILENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        // A server that has heard enough closes; what it answered is read all the same.
        drop(stream.write_all(&sent.first).and_then(|()| stream.flush()));
        if sent.ends {
            stream.conn.send_close_notify();
            drop(stream.flush());
            drop(stream.sock.shutdown(Shutdown::Write));
        }
        let (mut unread, mut words, mut then) = (Vec::new(), Vec::new(), Some(sent.then.as_slice()));
        while words.len() < sent.answers {
            let Some(answer) = answer(&mut stream, &mut unread, sent.bodiless) else {
                words.push("closed".to_owned());
                break;
            };
            if answer.status >= 200 {
                words.push(answer.words());
            }
            if let Some(then) = then.take().filter(|then| !then.is_empty()) {
                drop(stream.write_all(then).and_then(|()| stream.flush()));
            }
        }
        words.join(", ")
    }
}

impl Answer {
    fn words(&self) -> String {
        let media = match self.media.as_str() {
            "application/kerberos" => "kerberos",
            "text/plain" => "text",
            "text/html" => "html",
            "" => "untyped",
            other => other,
        };
        let inside = match der::reply(&self.body) {
            Some(message) => format!(" {message}"),
            None if media == "kerberos" => " no message".to_owned(),
            None => String::new(),
        };
        format!("{} {media}{inside}", self.status)
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// The next answer, if the server sends one before it closes.
fn answer(stream: &mut Stream, unread: &mut Vec<u8>, bodiless: bool) -> Option<Answer> {
    let head = loop {
        if let Some(at) = unread.windows(4).position(|octets| octets == b"\r\n\r\n") {
            let body = unread.split_off(at + 4);
            break String::from_utf8(std::mem::replace(unread, body)).unwrap();
        }
        read_more(stream, unread).then_some(())?;
    };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let field = |name: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim().to_owned())
    };
    let length = if bodiless || status < 200 {
        Some(0)
    } else {
        field("content-length").map(|length| length.parse().unwrap())
    };
    let is_read = |unread: &[u8]| length.is_some_and(|length| unread.len() >= length);
    while !is_read(unread) && read_more(stream, unread) {}
    let rest = unread.split_off(length.unwrap_or(unread.len()).min(unread.len()));
    let body = std::mem::replace(unread, rest);
    let media = field("content-type").unwrap_or_default();
    Some(Answer { status, media: media.split(';').next().unwrap_or_default().to_owned(), body })
}

/// Whether there was more. Closing without a word of farewell, or in the middle of what is sent, is closing. What could not be sent
/// any more is not tried again: it would hide what has come.
fn read_more(stream: &mut Stream, unread: &mut Vec<u8>) -> bool {
    let before = unread.len();
    while unread.len() == before {
        match stream.conn.read_tls(&mut stream.sock) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => {
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "neither answered nor closed");
                return false;
            }
        }
        let Ok(state) = stream.conn.process_new_packets() else { return false };
        let mut octets = vec![0; state.plaintext_bytes_to_read()];
        stream.conn.reader().read_exact(&mut octets).unwrap();
        unread.extend(octets);
        if unread.len() == before && state.peer_has_closed() {
            return false;
        }
    }
    true
}
