//! A TCP forwarder between a client and a domain controller, which can be told to lose what goes through it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What becomes of a connection that begins now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Everything arrives.
    Forwarded,
    /// The request is taken and never sent on; then the connection ends.
    RequestLost,
    /// The request is sent on; once the server has begun to answer the connection ends, and the answer is lost.
    AnswerLost,
    /// The connection ends at once.
    Closed,
}

/// A port that leads to a server. Connections that have begun outlive it until one of their ends closes.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    fate: Arc<Mutex<Fate>>,
    then: Arc<Mutex<Option<Arc<Mutex<Fate>>>>>,
}

impl Forwarder {
    /// Listens at a free port of `host` for connections to `server`.
    ///
    /// # Errors
    /// Where the system gives no port or no thread.
    pub fn start(host: Ipv4Addr, server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((host, 0))?;
        let address = listener.local_addr()?;
        let (fate, then) = (Arc::new(Mutex::new(Fate::Forwarded)), Arc::new(Mutex::new(None)));
        let (chosen, next) = (Arc::clone(&fate), Arc::clone(&then));
        thread::Builder::new().name("forwarder".to_owned()).spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let fate = *locked(&chosen);
                let next = Arc::clone(&next);
                // A connection that breaks is its ends' concern.
                thread::spawn(move || drop(forward(&client, server, fate, &next)));
            }
        })?;
        Ok(Self { address, fate, then })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of connections that begin from now on.
    pub fn set(&self, fate: Fate) {
        *locked(&self.fate) = fate;
    }

    /// Closes another one, once, as soon as an answer is lost here.
    pub fn then_close(&self, other: &Self) {
        *locked(&self.then) = Some(Arc::clone(&other.fate));
    }
}

fn forward(
    mut client: &TcpStream,
    server: SocketAddr,
    fate: Fate,
    then: &Mutex<Option<Arc<Mutex<Fate>>>>,
) -> io::Result<()> {
    let mut first = [0; 16 * 1024];
    match fate {
        Fate::Closed => return Ok(()),
        Fate::RequestLost => return client.read(&mut first).map(drop),
        Fate::Forwarded | Fate::AnswerLost => {}
    }
    let mut upstream = TcpStream::connect(server)?;
    let (mut from, mut to) = (client.try_clone()?, upstream.try_clone()?);
    thread::spawn(move || {
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
    let begun = upstream.read(&mut first)?;
    if fate == Fate::Forwarded {
        client.write_all(first.get(..begun).unwrap_or_default())?;
        io::copy(&mut upstream, &mut client)?;
    } else if let Some(other) = locked(then).take() {
        *locked(&other) = Fate::Closed;
    }
    // The other direction ends with it.
    drop(upstream.shutdown(Shutdown::Both));
    client.shutdown(Shutdown::Both)
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every five octets with what it got.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut octets = [0; 5];
                if stream.read_exact(&mut octets).is_ok() {
                    drop(stream.write_all(&octets));
                }
            }
        });
        address
    }

    fn asked(forwarder: &Forwarder) -> Vec<u8> {
        let mut stream = TcpStream::connect(forwarder.address()).unwrap();
        let mut answer = Vec::new();
        // A connection that was closed at once may break either of the two.
        drop(stream.write_all(b"hello").and_then(|()| stream.read_to_end(&mut answer)));
        answer
    }

    #[test]
    fn what_is_lost_is_lost_where_it_should_be() {
        let forwarder = Forwarder::start(Ipv4Addr::LOCALHOST, echo()).unwrap();
        let other = Forwarder::start(Ipv4Addr::LOCALHOST, echo()).unwrap();
        forwarder.then_close(&other);
        for (fate, answer) in
            [(Fate::Forwarded, &b"hello"[..]), (Fate::RequestLost, b""), (Fate::Closed, b"")]
        {
            forwarder.set(fate);
            assert_eq!(asked(&forwarder), answer, "{fate:?}");
            assert_eq!(asked(&other), b"hello");
        }
        forwarder.set(Fate::AnswerLost);
        assert_eq!((asked(&forwarder), asked(&other)), (Vec::new(), Vec::new()));
        other.set(Fate::Forwarded);
        assert_eq!((asked(&forwarder), asked(&other)), (Vec::new(), b"hello".to_vec()));
    }
}
