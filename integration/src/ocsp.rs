//! OpenSSL's OCSP responder as a process of this machine, and servers that do what no honest responder does.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::broker_process::{command, remove_shared_memory};
use crate::pki::{Credential, Pki, PkiError};
use crate::process::{self, ProcessError};

/// It answers within milliseconds; a loaded machine may take longer.
const LIMIT: Duration = Duration::from_secs(30);

/// What the responder knows of a certificate; of others it says that it does not know them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// It was issued.
    Good,
    /// It was revoked.
    Revoked,
}

/// Whose signature the answers bear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signer {
    /// A responder that the cards' issuer certified.
    Delegate,
    /// The cards' issuer itself.
    Issuer,
    /// Somebody the issuer certified for another purpose.
    Unauthorised,
}

/// A responder that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum OcspError {
    /// A file, a port or the process could not be made.
    #[error("cannot prepare the responder")]
    Prepare(#[from] io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Its client did not end.
    #[error(transparent)]
    Command(#[from] ProcessError),
    /// It ended instead of listening, or its client failed.
    #[error("openssl: {words}")]
    OpenSsl {
        /// Its words.
        words: String,
    },
}

/// A running `openssl ocsp`; it is killed on drop.
#[derive(Debug)]
pub struct Responder {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Responder {
    /// Starts a responder of the cards' issuer that knows these cards, at a port that they name and nobody listens at. At another
    /// time, such as `-1d`, its answers have ended.
    ///
    /// # Errors
    /// [`OcspError`].
    pub fn start_at(
        pki: &Pki,
        port: u16,
        known: &[(&Credential, Status)],
        signer: Signer,
        time: Option<&str>,
    ) -> Result<Self, OcspError> {
        let folder = tempfile::Builder::new().prefix("kerbridge-ocsp-").tempdir()?;
        let at = folder.path();
        fs::write(at.join("issuer.pem"), pki.card_issuer_pem())?;
        let (certificate, key) = match signer {
            Signer::Issuer => (pki.card_issuer_pem(), pki.card_issuer_key_pem()),
            Signer::Delegate => files_of(&pki.ocsp_responder()?),
            Signer::Unauthorised => files_of(&pki.unauthorised_responder()?),
        };
        fs::write(at.join("signer.pem"), certificate)?;
        fs::write(at.join("signer.key"), key)?;
        fs::write(at.join("index.txt"), index(known))?;
        let mut command = command(Path::new("openssl"), time)?;
        command.args(["ocsp", "-index", "index.txt", "-CA", "issuer.pem", "-nmin", "60"]);
        command.args(["-rsigner", "signer.pem", "-rkey", "signer.key", "-ignore_err"]);
        command.args(["-port", &port.to_string()]).current_dir(at);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = spawn(command)?;
        Ok(Self { child, port, folder })
    }

    /// Where it is asked.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of whoever signs its answers, PEM.
    ///
    /// # Errors
    /// Where it cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the harness blocks")]
    pub fn signer_pem(&self) -> io::Result<String> {
        fs::read_to_string(self.folder.path().join("signer.pem"))
    }

    /// Its answer about a card to a question of OpenSSL's own client, with a nonce of that client.
    ///
    /// # Errors
    /// [`OcspError`].
    #[expect(clippy::disallowed_methods, reason = "the harness blocks")]
    pub fn answer(&self, card: &Credential) -> Result<Vec<u8>, OcspError> {
        let at = self.folder.path();
        fs::write(at.join("card.pem"), card.chain_pem())?;
        let mut command = Command::new("openssl");
        command.args(["ocsp", "-issuer", "issuer.pem", "-cert", "card.pem", "-noverify"]);
        command.args(["-url", &self.url(), "-respout", "answer.der"]).current_dir(at);
        let finished = process::run(command, b"", LIMIT)?;
        if !finished.succeeded() {
            return Err(OcspError::OpenSsl { words: finished.error_text() });
        }
        Ok(fs::read(at.join("answer.der"))?)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        remove_shared_memory(self.child.id());
    }
}

fn files_of(credential: &Credential) -> (String, String) {
    (credential.chain_pem().to_owned(), credential.key_pem().to_owned())
}

/// Status, end, revocation time, serial, file and subject: what `openssl ca` would have written.
fn index(known: &[(&Credential, Status)]) -> String {
    let mut index = String::new();
    for (credential, status) in known {
        let (word, since) = match status {
            Status::Good => ("V", ""),
            Status::Revoked => ("R", "250601000000Z,keyCompromise"),
        };
        let serial = format!("{:X}", credential.serial());
        let digits = if serial.len() % 2 == 0 { "" } else { "0" };
        let line = writeln!(index, "{word}\t400101000000Z\t{since}\t{digits}{serial}\tunknown\t/CN={serial}");
        line.expect("a String takes everything");
    }
    index
}

/// Starts the command from the thread that then reads its words, which must live as long as the process, and waits until it
/// listens.
fn spawn(mut command: Command) -> Result<Child, OcspError> {
    let (send, receive) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut spawned = command.spawn();
        let stdout = spawned.as_mut().ok().and_then(|child| child.stdout.take());
        drop(send.send(spawned));
        let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
        for line in lines.map_while(Result::ok) {
            // Nobody listens any more once the responder does.
            drop(tell.send(line));
        }
    });
    let silent = || OcspError::OpenSsl { words: "it did not begin to listen".to_owned() };
    let mut child = receive.recv_timeout(LIMIT).map_err(|_| silent())??;
    let mut words = String::new();
    while let Ok(line) = told.recv_timeout(LIMIT) {
        if line.starts_with("ACCEPT") {
            return Ok(child);
        }
        words = words + &line + "\n";
    }
    drop(child.kill());
    drop(child.wait());
    Err(OcspError::OpenSsl { words })
}

/// What a server does with each question.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Reads it, and says nothing until [`Server::release`]; then it closes the connection.
    Holds,
    /// Answers with these octets and this status line, such as `200 OK`, and these further header lines.
    Answers(&'static str, String, Vec<u8>),
    /// Hands the question on to the responder at this port, and its answer back.
    Relays(u16),
}

/// A server at a port of its own.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    questions: Arc<AtomicUsize>,
    methods: Arc<Mutex<Vec<String>>>,
    asked: mpsc::Receiver<()>,
    release: Option<mpsc::SyncSender<()>>,
}

impl Server {
    /// Starts it.
    ///
    /// # Errors
    /// Where the system gives no port.
    pub fn start(behaviour: Behaviour) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (tell, asked) = mpsc::channel();
        let (release, released) = mpsc::sync_channel::<()>(0);
        let questions = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&questions);
        let methods = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&methods);
        thread::spawn(move || {
            let mut held = Vec::new();
            for mut client in listener.incoming().map_while(Result::ok) {
                let Ok(question) = question(&mut client) else { continue };
                let method = question.split(|octet| *octet == b' ').next().unwrap_or_default();
                let method = String::from_utf8_lossy(method).into_owned();
                told.lock().unwrap_or_else(PoisonError::into_inner).push(method);
                count.fetch_add(1, Ordering::SeqCst);
                tell.send(()).unwrap_or_default();
                match &behaviour {
                    Behaviour::Holds if held.is_empty() => {
                        held.push(client);
                        // Ends with the first message, or with the server.
                        released.recv().unwrap_or_default();
                        held.clear();
                    }
                    Behaviour::Holds => {}
                    Behaviour::Answers(status, headers, body) => {
                        let length = body.len();
                        let status_and_fields =
                            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
                        // Whoever asked may have had enough.
                        drop(client.write_all(&[status_and_fields.as_bytes(), body].concat()));
                    }
                    Behaviour::Relays(port) => {
                        let answer = relayed(*port, &question).unwrap_or_default();
                        drop(client.write_all(&answer));
                    }
                }
            }
        });
        Ok(Self { address, questions, methods, asked, release: Some(release) })
    }

    /// Where it is asked.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How often it was asked.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }

    /// By which HTTP method it was asked each time.
    #[must_use]
    pub fn methods(&self) -> Vec<String> {
        self.methods.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has been asked once more.
    ///
    /// # Errors
    /// Where nobody asks.
    pub fn wait_for_question(&self) -> Result<(), mpsc::RecvTimeoutError> {
        self.asked.recv_timeout(LIMIT)
    }

    /// Lets go of what it holds.
    pub fn release(&mut self) {
        self.release = None;
    }
}

/// Reads a request to the end of its body.
fn question(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    client.set_read_timeout(Some(LIMIT))?;
    let mut reader = BufReader::new(client);
    let mut length = 0;
    let mut request = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
        request += &line;
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok([request.as_bytes(), &body].concat())
}

/// What a server that closes its connections answers to a request.
fn relayed(port: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    server.set_read_timeout(Some(LIMIT))?;
    server.write_all(request)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

/// A port of this machine where nobody listens.
///
/// # Errors
/// Where the system gives none.
pub fn dead_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
