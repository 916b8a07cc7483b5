//! HTTP around it.

use super::{Http, Material, Named, proxy_message};
use crate::kdc_proxy::wire::Sent;

fn right(material: &Material) -> Http {
    Http::post(proxy_message(&material.as_req))
}

pub(super) fn methods_and_paths(material: &Material) -> Vec<Named> {
    let right = right(material);
    let line = |line: &str| right.clone().line(line).sent();
    let bare = |method: &str| {
        Http::post(Vec::new()).without("Content-Type").line(&format!("{method} /KdcProxy HTTP/1.1")).sent()
    };
    vec![
        ("GET", bare("GET")),
        ("HEAD", Sent { bodiless: true, ..bare("HEAD") }),
        ("OPTIONS", bare("OPTIONS")),
        ("DELETE", bare("DELETE")),
        ("TRACE", bare("TRACE")),
        ("PUT", line("PUT /KdcProxy HTTP/1.1")),
        ("PATCH", line("PATCH /KdcProxy HTTP/1.1")),
        ("method in small letters", line("post /KdcProxy HTTP/1.1")),
        ("method that nobody knows", line("KERBEROS /KdcProxy HTTP/1.1")),
        ("path /", line("POST / HTTP/1.1")),
        ("path in small letters", line("POST /kdcproxy HTTP/1.1")),
        ("path with a slash at its end", line("POST /KdcProxy/ HTTP/1.1")),
        ("path with something behind it", line("POST /KdcProxy/more/of/it HTTP/1.1")),
        ("path with a query", line("POST /KdcProxy?realm=EVIL.EXAMPLE HTTP/1.1")),
        ("path with points in it", line("POST /x/../KdcProxy HTTP/1.1")),
        ("path in escapes", line("POST /%4bdcProxy HTTP/1.1")),
        ("whole URL in the place of a path", line("POST https://kkdcp.corp.example/KdcProxy HTTP/1.1")),
        ("asterisk in the place of a path", line("POST * HTTP/1.1")),
    ]
}

pub(super) fn fields(material: &Material) -> Vec<Named> {
    let right = right(material);
    let typed =
        |value: &str| right.clone().without("Content-Type").field(&format!("Content-Type: {value}")).sent();
    vec![
        ("no Content-Type", right.clone().without("Content-Type").sent()),
        ("Content-Type text/plain", typed("text/plain")),
        ("Content-Type with a parameter", typed("application/kerberos; charset=utf-8")),
        ("Content-Type that is none", typed("kerberos")),
        ("no Host", right.clone().without("Host").sent()),
        ("two Hosts", right.clone().field("Host: evil.example").sent()),
        ("Accept text/html", right.clone().field("Accept: text/html").sent()),
        ("Content-Encoding gzip", right.clone().field("Content-Encoding: gzip").sent()),
        ("Authorization", right.clone().field("Authorization: Negotiate YII=").sent()),
        ("Origin of a page", right.clone().field("Origin: https://evil.example").sent()),
        ("X-Forwarded-For", right.clone().field("X-Forwarded-For: 127.0.0.1").sent()),
        ("a field of 4000 letters", right.clone().field(&format!("X: {}", "x".repeat(4000))).sent()),
        ("a field of 20000 letters", right.clone().field(&format!("X: {}", "x".repeat(20_000))).sent()),
        ("150 fields", (0..150).fold(right.clone(), |http, n| http.field(&format!("X-{n}: x"))).sent()),
        ("a field with a space before its colon", right.clone().field("X : x").sent()),
        ("a field on two lines", right.field("X: x\r\n y").sent()),
    ]
}

pub(super) fn lengths(material: &Material) -> Vec<Named> {
    let right = right(material);
    let octets = right.body.len();
    let length = |length: &str| right.clone().length(Some(length));
    let ended = |http: Http| Sent { ends: true, ..http.sent() };
    let head = |http: Http| Sent { first: http.head(), answers: 1, ..Sent::default() };
    let in_chunks = |http: Http| {
        let chunks = [format!("{octets:x}\r\n").as_bytes(), &http.body, b"\r\n0\r\n\r\n"].concat();
        let first = [http.field("Transfer-Encoding: chunked").head(), chunks].concat();
        Sent { first, answers: 1, ..Sent::default() }
    };
    vec![
        ("no Content-Length", right.clone().length(None).sent()),
        ("Content-Length of letters", length("all").sent()),
        ("Content-Length below zero", length("-1").sent()),
        ("Content-Length with a plus", length(&format!("+{octets}")).sent()),
        ("Content-Length with zeros before it", length(&format!("000{octets}")).sent()),
        ("Content-Length twice, alike", right.clone().field(&format!("Content-Length: {octets}")).sent()),
        ("Content-Length twice, differing", right.clone().field("Content-Length: 3").sent()),
        ("Content-Length in hexadecimal", length(&format!("{octets:#x}")).sent()),
        ("Content-Length short by one", length(&(octets - 1).to_string()).sent()),
        ("Content-Length long by one", ended(length(&(octets + 1).to_string()))),
        ("Content-Length 0 before a body", length("0").sent()),
        ("Content-Length beyond 128 KiB", head(length("131073"))),
        ("Content-Length beyond all numbers", head(length("99999999999999999999999999"))),
        ("body of 128 KiB", Http::post(vec![b'x'; 131_072]).sent()),
        ("chunked", in_chunks(right.clone().length(None))),
        ("chunked, and a Content-Length", in_chunks(right.clone())),
        ("a transfer coding that nobody knows", ended(right.clone().field("Transfer-Encoding: kerberos"))),
    ]
}

pub(super) fn connections(material: &Material) -> Vec<Named> {
    let right = right(material);
    let tgs = Http::post(proxy_message(&material.tgs_req));
    let wrong = Http::post(proxy_message(&material.krb_error));
    let http_1_0 = right.clone().line("POST /KdcProxy HTTP/1.0");
    let mit = http_1_0
        .clone()
        .without("Host")
        .field("Cache-Control: no-cache")
        .field("Pragma: no-cache")
        .field("User-Agent: kerberos/1.0");
    let expecting = right.clone().field("Expect: 100-continue");
    let two = |first: &Http, second: &Http| Sent {
        first: first.octets(),
        then: second.octets(),
        answers: 2,
        ..Sent::default()
    };
    let at_once = |first: &Http, second: &Http| Sent {
        first: [first.octets(), second.octets()].concat(),
        answers: 2,
        ..Sent::default()
    };
    let raw = |octets: &[u8]| Sent { first: octets.to_vec(), answers: 1, ends: true, ..Sent::default() };
    vec![
        ("HTTP/1.0 as MIT sends it, without Host", mit.sent()),
        ("HTTP/1.0 twice on one connection", two(&http_1_0, &http_1_0)),
        ("HTTP/1.0 kept open, twice", {
            let kept = http_1_0.field("Connection: keep-alive");
            two(&kept, &kept)
        }),
        ("HTTP/1.1 twice on one connection", two(&right, &tgs)),
        ("HTTP/1.1 closed by the client, twice", two(&right.clone().field("Connection: close"), &tgs)),
        ("HTTP/1.1 after a refusal", two(&wrong, &right)),
        ("HTTP/1.1 two at once", at_once(&right, &tgs)),
        ("Expect 100-continue, body at once", expecting.sent()),
        (
            "Expect 100-continue, body when asked for",
            Sent { first: expecting.head(), then: expecting.body.clone(), answers: 1, ..Sent::default() },
        ),
        ("Expect something else", right.clone().field("Expect: a-ticket").sent()),
        ("Upgrade to HTTP/2", right.clone().field("Connection: Upgrade").field("Upgrade: h2c").sent()),
        ("HTTP/2 without being asked", raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
        ("HTTP/3.0 in the first line", right.clone().line("POST /KdcProxy HTTP/3.0").sent()),
        ("no version in the first line", raw(b"POST /KdcProxy\r\n\r\n")),
        ("first line of nothing", raw(b"\r\n\r\n\r\n")),
        ("body without HTTP", raw(&right.body)),
        ("client that closes at once", raw(b"")),
    ]
}
