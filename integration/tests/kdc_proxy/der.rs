//! DER by hand, as right or as wrong as a request has to be.

/// A field's tag and content.
pub(super) type Field = (u8, Vec<u8>);

/// One element: tag, length in the shortest form, content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], length(content.len()).as_slice(), content].concat()
}

fn length(octets: usize) -> Vec<u8> {
    if octets < 0x80 {
        return vec![u8::try_from(octets).unwrap()];
    }
    let all = octets.to_be_bytes();
    let digits: Vec<u8> = all.into_iter().skip_while(|&octet| octet == 0).collect();
    [vec![0x80 | u8::try_from(digits.len()).unwrap()], digits].concat()
}

/// An element whose length has a needless zero before it.
pub(super) fn long_form(tag: u8, content: &[u8]) -> Vec<u8> {
    let digits = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], digits.as_slice(), content].concat()
}

/// An element whose length is told by its end.
pub(super) fn indefinite(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x80], content, &[0, 0]].concat()
}

/// Tag, content, and what follows the element.
pub(super) fn split(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(d, _)| d.len() <= 4)?;
        (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The fields of a message: a SEQUENCE in an application's tag.
pub(super) fn fields(message: &[u8]) -> Vec<Field> {
    let (_, sequence, _) = split(message).unwrap();
    members(sequence)
}

/// The fields of a SEQUENCE.
pub(super) fn members(sequence: &[u8]) -> Vec<Field> {
    let (_, mut rest, _) = split(sequence).unwrap();
    let mut found = Vec::new();
    while let Some((tag, content, after)) = split(rest) {
        found.push((tag, content.to_vec()));
        rest = after;
    }
    found
}

pub(super) fn sequence(fields: &[Field]) -> Vec<u8> {
    let all: Vec<Vec<u8>> = fields.iter().map(|(tag, content)| element(*tag, content)).collect();
    element(0x30, &all.concat())
}

/// A message with one field changed, or left out where nothing is given.
pub(super) fn changed(message: &[u8], field: u8, content: Option<Vec<u8>>) -> Vec<u8> {
    element(message[0], &sequence(&replaced(fields(message), field, content)))
}

/// A KDC-REQ with one field of its body changed, or left out.
pub(super) fn body_changed(message: &[u8], field: u8, content: Option<Vec<u8>>) -> Vec<u8> {
    let body = fields(message).into_iter().find(|(tag, _)| *tag == 0xa4).unwrap().1;
    changed(message, 0xa4, Some(sequence(&replaced(members(&body), field, content))))
}

fn replaced(mut fields: Vec<Field>, field: u8, content: Option<Vec<u8>>) -> Vec<Field> {
    let at = fields.iter().position(|(tag, _)| *tag == field).unwrap();
    match content {
        Some(content) => fields[at].1 = content,
        None => drop(fields.remove(at)),
    }
    fields
}

/// What message a reply of a KDC proxy holds, if it is one.
pub(super) fn reply(body: &[u8]) -> Option<String> {
    let message = kdc_proxy::message::kdc_proxy::decode_reply(body).ok()?;
    Some(match message.as_slice() {
        [0x6b, ..] => "AS-REP".to_owned(),
        [0x6d, ..] => "TGS-REP".to_owned(),
        [0x7e, ..] => krb_error(&message),
        [_, _, _, _, 0, 0, error @ ..] => format!("kpasswd {}", krb_error(error)),
        [_, _, _, _, _, _, 0x6f, ..] => "kpasswd AP-REP".to_owned(),
        _ => "unknown message".to_owned(),
    })
}

fn krb_error(message: &[u8]) -> String {
    let code = fields(message).into_iter().find(|(tag, _)| *tag == 0xa6).unwrap().1;
    let (_, digits, _) = split(&code).unwrap();
    format!("KRB-ERROR {}", digits.iter().fold(0_u32, |code, &digit| code << 8 | u32::from(digit)))
}
