//! Envoy: `X-Forwarded-Client-Cert`, elements of `Key=Value` pairs, of which exactly one element may be there.
//!
//! An element is `Hash=...;Cert="...";Chain="...";Subject="...";URI=...;DNS=...`; a value in which `,`, `;` or `=` stands is in
//! double quotes, where a backslash takes its meaning from a quote. `Cert` is the client's certificate and `Chain` the whole
//! chain with it, both percent-encoded PEM.

use aws_lc_rs::digest::{SHA256, digest};

use super::{Certificates, FormError, pem};

const NOT_XFCC: FormError = FormError::Malformed("an element of X-Forwarded-Client-Cert");

/// The parts that are read.
#[derive(Default)]
struct Element {
    hash: Option<String>,
    cert: Option<String>,
    chain: Option<String>,
}

pub(super) fn read(value: &str) -> Result<Certificates, FormError> {
    let Element { hash, cert, chain } = element(value)?;
    let cert = cert.map(|cert| pem::one(&pem::unescaped(&cert)?)).transpose()?;
    let chain = chain.map(|chain| pem::all(&pem::unescaped(&chain)?)).transpose()?;
    let certificates = match (cert, chain) {
        (Some(cert), None) => cert,
        (None, Some(chain)) => chain,
        (Some(cert), Some(chain)) if chain.first() == cert.first() => chain,
        (Some(_), Some(_)) => return Err(FormError::Contradicts("Chain")),
        (None, None) => return Err(FormError::Empty),
    };
    let told = |hash: &String| {
        let own = certificates.first().map(|own| digest(&SHA256, own));
        own.is_some_and(|own| hash.eq_ignore_ascii_case(&hexadecimal(own.as_ref())))
    };
    if hash.as_ref().is_some_and(|hash| !told(hash)) {
        return Err(FormError::Contradicts("Hash"));
    }
    Ok(certificates)
}

fn element(value: &str) -> Result<Element, FormError> {
    let (mut element, mut rest) = (Element::default(), value);
    loop {
        let (key, after) = rest.split_once('=').ok_or(NOT_XFCC)?;
        if key.is_empty() || !key.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            return Err(if key.contains(',') { FormError::Several } else { NOT_XFCC });
        }
        let (value, after) = part(after)?;
        let mut unread = None;
        let (name, place) = match key.to_ascii_lowercase().as_str() {
            "hash" => ("Hash", &mut element.hash),
            "cert" => ("Cert", &mut element.cert),
            "chain" => ("Chain", &mut element.chain),
            // By, Subject, URI, DNS: what the certificate says itself, or nothing about it.
            _ => ("", &mut unread),
        };
        if place.is_some() {
            return Err(FormError::Duplicate { name: name.into() });
        }
        *place = Some(value);
        rest = match after.split_at_checked(1) {
            None => return Ok(element),
            Some((";", rest)) => rest,
            Some((",", _)) => return Err(FormError::Several),
            Some(_) => return Err(NOT_XFCC),
        };
    }
}

/// A value, and what follows it.
fn part(rest: &str) -> Result<(String, &str), FormError> {
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([';', ',']).unwrap_or(rest.len());
        let (value, after) = rest.split_at_checked(end).ok_or(NOT_XFCC)?;
        return if value.contains('"') { Err(NOT_XFCC) } else { Ok((value.to_owned(), after)) };
    };
    let (mut value, mut letters) = (String::new(), quoted.chars());
    loop {
        match letters.next().ok_or(NOT_XFCC)? {
            '"' => return Ok((value, letters.as_str())),
            '\\' => value.push(letters.next().ok_or(NOT_XFCC)?),
            letter => value.push(letter),
        }
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
