//! What each form reads, and what it refuses.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::frontend::terminators::{Certificates, Form, FormError};

/// What AWS leaves as it is, beside letters and digits.
const AWS: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+')
    .remove(b'=')
    .remove(b'/');

/// A DER element that stands for a certificate.
fn der(content: u8) -> Vec<u8> {
    [vec![0x30, 0x81, 200], vec![content; 200]].concat()
}

fn pem(content: u8) -> String {
    let body = STANDARD.encode(der(content));
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn headers(all: &[(&str, &str)]) -> HeaderMap {
    all.iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
}

fn read(form: Form, all: &[(&str, &str)]) -> Result<Option<Certificates>, FormError> {
    form.read(&headers(all))
}

fn bytes(content: u8) -> String {
    format!(":{}:", STANDARD.encode(der(content)))
}

/// The good headers of every form with the certificate `content`.
fn good(form: Form, content: u8) -> Vec<(&'static str, String)> {
    let one = escaped(&pem(content));
    match form {
        Form::Rfc9440 => vec![("Client-Cert", bytes(content))],
        Form::Nginx => vec![("SSL-Client-Cert", one)],
        Form::Apache => vec![("SSL-Client-Cert", pem(content).replace('\n', " "))],
        Form::HaProxy => vec![("SSL-Client-Cert", STANDARD.encode(der(content)))],
        Form::Envoy => vec![("X-Forwarded-Client-Cert", format!("Cert=\"{one}\""))],
        Form::AwsAlb => {
            vec![("X-Amzn-Mtls-Clientcert", utf8_percent_encode(&pem(content), &AWS).to_string())]
        }
        Form::AwsAlbLeaf => vec![("X-Amzn-Mtls-Clientcert-Leaf", one)],
        Form::Guacamole => vec![("X-Client-Certificate", one), ("X-Client-Verified", "SUCCESS".to_owned())],
    }
}

fn borrowed<'a>(headers: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn certificates(contents: &[u8]) -> Option<Certificates> {
    Some(contents.iter().map(|content| der(*content).into()).collect())
}

#[test]
fn every_form_is_read_and_its_absence_is_no_fault() {
    for form in Form::ALL {
        assert_eq!(read(form, &borrowed(&good(form, 7))), Ok(certificates(&[7])), "{form:?}");
        assert_eq!(read(form, &[("accept", "*/*"), ("x-forwarded-for", "192.0.2.1")]), Ok(None), "{form:?}");
    }
}

#[test]
fn a_header_that_is_there_twice_is_refused_in_every_form() {
    for form in Form::ALL {
        let mut twice = good(form, 7);
        twice.insert(1, good(form, 8).remove(0));
        let refused = read(form, &borrowed(&twice)).unwrap_err();
        assert!(matches!(refused, FormError::Duplicate { .. }), "{form:?}: {refused}");
    }
}

#[test]
fn a_header_of_another_form_beside_the_right_one_is_refused() {
    let others = [
        "Client-Cert",
        "Client-Cert-Chain",
        "SSL-Client-Cert",
        "SSL_Client_Cert",
        "X-SSL-Client-Cert",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Tls-Client-Cert",
        "X-Amzn-Mtls-Clientcert",
        "X-Amzn-Mtls-Clientcert-Leaf",
        "X-Client-Certificate",
        "X_Client_Certificate",
        "X-Client-Verified",
    ];
    for form in Form::ALL {
        let right = good(form, 7);
        let own = |name: &str| {
            right.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
                || (form == Form::Rfc9440 && name == "Client-Cert-Chain")
        };
        for other in others.into_iter().filter(|other| !own(other)) {
            for value in ["", "x", &bytes(8)] {
                let mut both = right.clone();
                both.push((other, value.to_owned()));
                let refused = read(form, &borrowed(&both)).unwrap_err();
                assert!(matches!(refused, FormError::OtherForm { .. }), "{form:?} with {other}: {refused}");
            }
        }
    }
}

#[test]
fn an_empty_header_and_one_without_a_certificate_are_refused_in_every_form() {
    for form in Form::ALL {
        for value in ["", " ", "x", "-----BEGIN CERTIFICATE-----", "%", "::", ":AAAA", "Cert=", "\u{e9}"] {
            let mut wrong = good(form, 7);
            value.clone_into(&mut wrong[0].1);
            assert!(read(form, &borrowed(&wrong)).is_err(), "{form:?} {value:?}");
        }
        let mut empty = good(form, 7);
        empty[0].1.clear();
        assert_eq!(read(form, &borrowed(&empty)), Err(FormError::Empty), "{form:?}");
    }
}

#[test]
fn several_certificates_where_one_is_meant_are_refused() {
    let two = format!("{}{}", pem(7), pem(8));
    let joined = [der(7), der(8)].concat();
    for (form, value) in [
        (Form::Rfc9440, format!("{}, {}", bytes(7), bytes(8))),
        (Form::Rfc9440, format!(":{}:", STANDARD.encode(&joined))),
        (Form::Nginx, escaped(&two)),
        (Form::Apache, two.replace('\n', " ")),
        (Form::HaProxy, STANDARD.encode(&joined)),
        (Form::HaProxy, format!("{0},{0}", STANDARD.encode(der(7)))),
        (Form::Envoy, format!("Cert=\"{0}\",Cert=\"{0}\"", escaped(&pem(7)))),
        (Form::Envoy, format!("Cert=\"{}\"", escaped(&two))),
        (Form::AwsAlbLeaf, escaped(&two)),
        (Form::Guacamole, escaped(&two)),
    ] {
        let mut wrong = good(form, 7);
        wrong[0].1.clone_from(&value);
        assert_eq!(read(form, &borrowed(&wrong)), Err(FormError::Several), "{form:?} {value}");
    }
}

#[test]
fn a_header_longer_than_any_chain_is_refused_unread() {
    for form in Form::ALL {
        let mut long = good(form, 7);
        long[0].1 = "A".repeat(64 * 1024 + 1);
        assert_eq!(read(form, &borrowed(&long)), Err(FormError::TooLong), "{form:?}");
    }
}

#[test]
fn the_chain_of_rfc_9440_follows_the_certificate_and_never_stands_alone() {
    let chain = format!("{}, {}", bytes(8), bytes(9));
    let own = bytes(7);
    let both = [("Client-Cert", own.as_str()), ("Client-Cert-Chain", chain.as_str())];
    assert_eq!(read(Form::Rfc9440, &both), Ok(certificates(&[7, 8, 9])));
    assert_eq!(read(Form::Rfc9440, &both[1..]), Err(FormError::ChainAlone));
    for wrong in ["(:AAAA:)", "1", "token", ":AAAA:;a=1", "\"text\"", ":AAAA:, ", "?1"] {
        let chained = [both[0], ("Client-Cert-Chain", wrong)];
        assert!(read(Form::Rfc9440, &chained).is_err(), "{wrong}");
        assert!(read(Form::Rfc9440, &[("Client-Cert", wrong)]).is_err(), "{wrong}");
    }
    let endless = vec![bytes(8); 40].join(", ");
    let refused = read(Form::Rfc9440, &[both[0], ("Client-Cert-Chain", &endless)]).unwrap().unwrap();
    assert_eq!(refused.len(), 11, "one more than a chain may have, to be refused as such");
}

/// The example of RFC 9440 appendix A (figure 3), cut to its first and last octets, is not at hand in full; this is the
/// document's form with line breaks taken out.
#[test]
fn a_byte_sequence_needs_its_padding_and_its_colons() {
    for (value, good) in
        [(bytes(7), true), (STANDARD.encode(der(7)), false), (format!("{};a", bytes(7)), false)]
    {
        assert_eq!(read(Form::Rfc9440, &[("Client-Cert", &value)]).is_ok(), good, "{value}");
    }
}

#[test]
fn a_plus_sign_is_a_plus_sign() {
    // 0xfb bytes make base64 full of plus signs.
    assert!(pem(0xfb).contains('+'));
    for form in [Form::AwsAlb, Form::Apache, Form::HaProxy] {
        assert_eq!(read(form, &borrowed(&good(form, 0xfb))), Ok(certificates(&[0xfb])), "{form:?}");
    }
}

#[test]
fn what_stands_before_between_or_after_pem_is_refused() {
    for text in [
        format!("Bag Attributes\n{}", pem(7)),
        format!("{}x", pem(7)),
        format!("{}\0", pem(7)),
        pem(7).replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        pem(7).replace("-----END", "----END"),
        pem(7).replace('M', "*"),
    ] {
        assert!(read(Form::Nginx, &[("SSL-Client-Cert", &escaped(&text))]).is_err(), "{text}");
    }
}

#[test]
fn apache_writes_null_for_a_client_without_a_certificate() {
    assert_eq!(read(Form::Apache, &[("SSL-Client-Cert", "(null)")]), Ok(None));
    assert!(read(Form::Nginx, &[("SSL-Client-Cert", "(null)")]).is_err());
}

#[test]
fn guacamoles_certificate_counts_with_the_word_success_alone() {
    let one = escaped(&pem(7));
    let verified =
        |word| read(Form::Guacamole, &[("X-Client-Certificate", &one), ("X-Client-Verified", word)]);
    assert_eq!(verified("SUCCESS"), Ok(certificates(&[7])));
    for word in ["NONE", "FAILED:expired", "success", "SUCCESS, SUCCESS", "FAILED:x, SUCCESS"] {
        assert_eq!(verified(word), Err(FormError::NotVerified), "{word}");
    }
    assert_eq!(read(Form::Guacamole, &[("X-Client-Certificate", &one)]), Err(FormError::NotVerified));
    assert_eq!(read(Form::Guacamole, &[("X-Client-Verified", "NONE")]), Ok(None));
    assert_eq!(read(Form::Guacamole, &[("X-Client-Verified", "SUCCESS")]), Err(FormError::Empty));
    assert_eq!(read(Form::Guacamole, &[("X-Client-Verified", "FAILED:x")]), Err(FormError::NotVerified));
    let forged = [
        ("X-Client-Certificate", one.as_str()),
        ("X-Client-Verified", "FAILED:x"),
        ("X-Client-Verified", "SUCCESS"),
    ];
    assert!(matches!(read(Form::Guacamole, &forged), Err(FormError::Duplicate { .. })));
}

#[test]
fn an_element_of_envoy_is_read_with_its_quotes_and_its_hash_compared() {
    let hash = |content| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der(content));
        hex_of(digest.as_ref())
    };
    let (own, issuer) = (escaped(&pem(7)), escaped(&pem(8)));
    let xfcc = |value: &str| read(Form::Envoy, &[("X-Forwarded-Client-Cert", value)]);
    // In the order of Envoy's documentation.
    let whole = format!(
        "By=http://frontend.lyft.com;Hash={};Cert=\"{own}\";Chain=\"{own}{issuer}\";Subject=\"/C=US/CN=a;b,c=\\\"d\\\"\";\
         URI=http://testclient.lyft.com;DNS=lyft.com;DNS=www.lyft.com",
        hash(7)
    );
    assert_eq!(xfcc(&whole), Ok(certificates(&[7, 8])));
    assert_eq!(xfcc(&whole.replace("Cert=", "cert=").replace("Hash=", "HASH=")), Ok(certificates(&[7, 8])));
    assert_eq!(xfcc(&format!("Chain={own}{issuer}")), Ok(certificates(&[7, 8])));
    assert_eq!(xfcc(&whole.replace(&hash(7), &hash(8))), Err(FormError::Contradicts("Hash")));
    assert_eq!(xfcc(&format!("Cert=\"{own}\";Chain=\"{issuer}\"")), Err(FormError::Contradicts("Chain")));
    assert_eq!(xfcc(&format!("Hash={}", hash(7))), Err(FormError::Empty));
    assert_eq!(xfcc(&format!("Hash=x,{whole}")), Err(FormError::Several));
    assert_eq!(xfcc(&format!("{whole},{whole}")), Err(FormError::Several));
    assert!(matches!(xfcc(&format!("{whole};Cert=\"{own}\"")), Err(FormError::Duplicate { .. })));
    for wrong in [
        format!("{whole};"),
        format!(";{whole}"),
        format!("Cert=\"{own}"),
        format!("Cert=\"{own}\"x;DNS=a"),
        format!("Cert={own}\""),
        format!("Cert=\"{own}\\"),
        format!("Cert \"{own}\""),
        format!("Ce rt=\"{own}\""),
    ] {
        assert!(matches!(xfcc(&wrong), Err(FormError::Malformed(_))), "{wrong}");
    }
}

fn hex_of(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
