//! The requests that two KDC proxies are asked to answer alike. Each has a name, by which the manual has its answers.

mod envelope;
mod http;
mod messages;

use super::der::element;
use super::material::{Material, framed};
use super::wire::Sent;

/// A request by its name.
pub(super) type Named = (&'static str, Sent);

pub(super) const REALM: &[u8] = b"CORP.EXAMPLE";

/// All of them, made of one set of messages.
pub(super) fn all(material: &Material) -> Vec<Named> {
    let mut all = messages::good(material);
    all.extend(messages::of_other_kinds(material));
    all.extend(messages::kdc_requests_gone_wrong(material));
    all.extend(messages::password_changes_gone_wrong(material));
    all.extend(envelope::frames(material));
    all.extend(envelope::fields(material));
    all.extend(envelope::encodings(material));
    all.extend(http::methods_and_paths(material));
    all.extend(http::fields(material));
    all.extend(http::lengths(material));
    all.extend(http::connections(material));
    all
}

/// KDC-PROXY-MESSAGE of a message for `CORP.EXAMPLE`.
fn proxy_message(message: &[u8]) -> Vec<u8> {
    proxy_message_for(REALM, message)
}

fn proxy_message_for(realm: &[u8], message: &[u8]) -> Vec<u8> {
    element(0x30, &[kerb_message(&framed(message)), target_domain(realm)].concat())
}

fn kerb_message(frame: &[u8]) -> Vec<u8> {
    element(0xa0, &element(0x04, frame))
}

fn target_domain(realm: &[u8]) -> Vec<u8> {
    element(0xa1, &element(0x1b, realm))
}

/// The request that a client sends who keeps to the protocol.
fn post(body: Vec<u8>) -> Sent {
    Http::post(body).sent()
}

/// An HTTP request to be; right until told otherwise.
#[derive(Clone)]
struct Http {
    line: String,
    fields: Vec<String>,
    length: Option<String>,
    body: Vec<u8>,
}

impl Http {
    fn post(body: Vec<u8>) -> Self {
        let fields = ["Host: kkdcp.corp.example", "Content-Type: application/kerberos"];
        Self {
            line: "POST /KdcProxy HTTP/1.1".to_owned(),
            fields: fields.map(str::to_owned).into(),
            length: Some(body.len().to_string()),
            body,
        }
    }

    fn line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.line);
        self
    }

    fn field(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    /// Without the fields of this name.
    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|field| !field.starts_with(name));
        self
    }

    /// Another `Content-Length` than the body's, or none.
    fn length(mut self, length: Option<&str>) -> Self {
        self.length = length.map(str::to_owned);
        self
    }

    fn head(&self) -> Vec<u8> {
        let length = self.length.iter().map(|length| format!("Content-Length: {length}"));
        let lines: Vec<String> =
            [self.line.clone()].into_iter().chain(self.fields.clone()).chain(length).collect();
        format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
    }

    fn octets(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }

    fn sent(&self) -> Sent {
        Sent { first: self.octets(), answers: 1, ..Sent::default() }
    }
}
