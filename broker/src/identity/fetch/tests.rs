use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// What DNS answers, one answer for each question.
pub(super) struct Script(Mutex<VecDeque<Vec<IpAddr>>>);

impl Script {
    pub(super) fn look_up(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.0.lock().unwrap().pop_front().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

const LIMITS: Limits = Limits { octets: 1000, time: Duration::from_secs(20) };

fn fetcher(networks: &[&str], ports: &[u16]) -> Fetcher {
    let allow_networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    Fetcher::new(FetchSettings { allow_networks, allow_ports: ports.to_vec() })
}

/// A fetcher to which DNS answers as written.
fn scripted(answers: &[&[&str]], ports: &[u16]) -> Fetcher {
    let answer = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
    let script = Script(Mutex::new(answers.iter().map(answer).collect()));
    Fetcher { names: Names::Scripted(Arc::new(script)), ..fetcher(&[], ports) }
}

/// A server that reads one request and writes one answer; gives back the request.
async fn serving(answer: impl Into<Vec<u8>>) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, answer) = (listener.local_addr().unwrap().port(), answer.into());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0);
        }
        let _gone = stream.write_all(&answer).await;
        String::from_utf8(request).unwrap()
    });
    (port, served)
}

async fn get(port: u16, limits: Limits) -> Result<Vec<u8>, FetchError> {
    let url = format!("http://127.0.0.1:{port}/ca.crl?a=b").parse().unwrap();
    fetcher(&["127.0.0.0/8"], &[port]).get(&url, limits).await
}

#[tokio::test]
async fn what_is_at_a_url_is_fetched() {
    let (port, served) = serving("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlist").await;
    assert_eq!(get(port, LIMITS).await, Ok(b"list".to_vec()));
    let request = served.await.unwrap();
    assert!(request.starts_with("GET /ca.crl?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{request}");
}

#[tokio::test]
async fn a_question_is_posted() {
    let (port, served) = serving("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let fetcher = fetcher(&["127.0.0.1/32"], &[port]);
    let answer = fetcher.post(&url, "application/ocsp-request", b"question".to_vec(), LIMITS).await;
    assert_eq!(answer, Ok(b"ok".to_vec()));
    let request = served.await.unwrap();
    assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains("content-type: application/ocsp-request\r\ncontent-length: 8\r\n")
            || request.contains("content-length: 8\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn answers_that_are_none_are_refused_by_their_kind() {
    let long_field = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(64 * 1024));
    let many_fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(100));
    let cases: [(&str, FetchError); 11] = [
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", FetchError::Redirected(302)),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", FetchError::Status(404)),
        ("HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", FetchError::Status(206)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", FetchError::TooLarge { limit: 1000 }),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", FetchError::TooLarge { limit: 1000 }),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", FetchError::Encoded),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", FetchError::Broken(io::ErrorKind::UnexpectedEof)),
        ("SSH-2.0-OpenSSH\r\n\r\n", FetchError::Broken(io::ErrorKind::InvalidData)),
        ("", FetchError::Broken(io::ErrorKind::UnexpectedEof)),
        (&long_field, FetchError::Broken(io::ErrorKind::InvalidData)),
        (&many_fields, FetchError::Broken(io::ErrorKind::InvalidData)),
    ];
    for (answer, error) in cases {
        let (port, _served) = serving(answer).await;
        assert_eq!(get(port, LIMITS).await, Err(error), "{}", answer.get(..40).unwrap_or(answer));
    }
}

#[tokio::test]
async fn an_answer_in_pieces_is_bounded_too() {
    let piece = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (port, _served) = serving(format!("{head}{piece}0\r\n\r\n")).await;
    assert_eq!(get(port, LIMITS).await.map(|answer| answer.len()), Ok(1000));
    let (port, _served) = serving(format!("{head}{piece}1\r\nx\r\n0\r\n\r\n")).await;
    assert_eq!(get(port, LIMITS).await, Err(FetchError::TooLarge { limit: 1000 }));
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_its_time_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits { time: Duration::from_millis(50), ..LIMITS };
    assert_eq!(get(listener.local_addr().unwrap().port(), limits).await, Err(FetchError::Timeout));
}

#[tokio::test]
async fn a_refused_address_or_port_is_never_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let loopback = |address: &str| {
        let (address, kind) = (address.parse().unwrap(), AddressKind::Loopback);
        FetchError::Address { address, kind }
    };
    for (host, address) in [
        ("127.0.0.1", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
    ] {
        let url = format!("http://{host}:{port}/").parse().unwrap();
        assert_eq!(fetcher(&[], &[port]).get(&url, LIMITS).await, Err(loopback(address)), "{host}");
    }
    let url: Url = format!("http://localhost:{port}/").parse().unwrap();
    let refused = fetcher(&[], &[port]).get(&url, LIMITS).await;
    assert!(matches!(refused, Err(FetchError::Address { kind: AddressKind::Loopback, .. })), "{refused:?}");
    let refused = fetcher(&["127.0.0.0/8", "::1/128"], &[]).get(&url, LIMITS).await;
    assert_eq!(refused, Err(FetchError::Port(port)));
    let accepted = timeout(Duration::from_millis(20), listener.accept()).await;
    assert!(accepted.is_err(), "somebody connected");
}

/// The second answer of DNS would lead to this host, if it were asked for.
#[tokio::test]
async fn a_name_is_looked_up_once_and_every_address_is_judged() {
    let url: Url = "http://rebound.example/".parse().unwrap();
    let refused = scripted(&[&["127.0.0.1", "10.0.0.1"], &["8.8.8.8"]], &[]).get(&url, LIMITS).await;
    let (address, kind) = ("127.0.0.1".parse().unwrap(), AddressKind::Loopback);
    assert_eq!(refused, Err(FetchError::Address { address, kind }));

    let fetcher = scripted(&[&["8.8.8.8", "127.0.0.1", "2606:4700::1111"], &["127.0.0.1"]], &[]);
    let permit = fetcher.gates.enter("rebound.example").await;
    let (addresses, _permit) = fetcher.addresses(url.place(), url.port(), permit).await.unwrap();
    let asked: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["8.8.8.8:80", "[2606:4700::1111]:80"]);
}

#[tokio::test]
async fn a_slow_host_does_not_take_the_turns_of_another() {
    let gates = Gates::new();
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(gates.enter("slow").await);
    }
    let fifth = timeout(Duration::from_millis(10), gates.enter("slow")).await;
    assert!(fifth.is_err());
    let _other = gates.enter("quick").await;
    permits.pop();
    let _fifth = gates.enter("slow").await;
}

#[tokio::test]
async fn who_gets_no_turn_is_told_so_and_not_that_the_host_is_silent() {
    let fetcher = fetcher(&["127.0.0.0/8"], &[]);
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(fetcher.gates.enter("127.0.0.1 80").await);
    }
    let limits = Limits { time: Duration::from_millis(50), ..LIMITS };
    let url = "http://127.0.0.1/".parse().unwrap();
    assert_eq!(fetcher.get(&url, limits).await, Err(FetchError::Busy));
}

#[tokio::test]
async fn strangers_take_no_turn_of_those_who_are_believed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let fetcher = Arc::new(fetcher(&["127.0.0.0/8"], &[port]));
    let url: Url = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let mut strangers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (fetcher, url) = (Arc::clone(&fetcher), url.clone());
        strangers.spawn(async move { fetcher.get_for_stranger(&url, LIMITS).await });
    }
    let mut unanswered = Vec::new();
    for _ in 0..4 {
        unanswered.push(listener.accept().await.unwrap());
    }
    let believed = tokio::spawn(async move { fetcher.get(&url, LIMITS).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut request).await.unwrap() > 0);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(believed.await.unwrap(), Ok(b"ok".to_vec()));
}
