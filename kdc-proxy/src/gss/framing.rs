//! The framing of context tokens: `InitialContextToken` of RFC 2743 section 3.1, and `NegTokenInit` of RFC 4178.

/// DER of the object identifiers with tag and length: SPNEGO 1.3.6.1.5.5.2 and Kerberos 1.2.840.113554.1.2.2.
const SPNEGO: [u8; 8] = [0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
const KERBEROS: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];

/// Contents of the object identifiers of Kerberos that acceptors name: its own, and 1.2.840.48018.1.2.2, which old
/// versions of Windows wrote by mistake (MS-SPNG appendix).
const KERBEROS_NAMES: [[u8; 9]; 2] = [
    [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02],
    [0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02],
];

/// `TOK_ID` of the Kerberos tokens that make a context (RFC 4121 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenId {
    ApReq,
    ApRep,
    Error,
}

impl TokenId {
    const fn octets(self) -> [u8; 2] {
        match self {
            Self::ApReq => [0x01, 0x00],
            Self::ApRep => [0x02, 0x00],
            Self::Error => [0x03, 0x00],
        }
    }
}

/// A Kerberos message as a token of its mechanism.
pub(super) fn kerberos_token(id: TokenId, message: &[u8]) -> Vec<u8> {
    tlv(0x60, &[&KERBEROS, &id.octets(), message])
}

/// What a token of the Kerberos mechanism holds; `None` for every other token.
pub(super) fn open_kerberos_token(token: &[u8]) -> Option<(TokenId, &[u8])> {
    let contents = contents(0x60, token)?;
    let (id, message) = contents.strip_prefix(&KERBEROS)?.split_first_chunk()?;
    let known = [TokenId::ApReq, TokenId::ApRep, TokenId::Error];
    known.into_iter().find(|known| known.octets() == *id).map(|id| (id, message))
}

/// Whether these are the contents of an object identifier that stands for Kerberos.
pub(super) fn is_kerberos(identifier: &[u8]) -> bool {
    KERBEROS_NAMES.iter().any(|name| name == identifier)
}

/// `MechTypeList` with Kerberos alone: what a mechListMIC is made over.
pub(super) fn mech_types() -> Vec<u8> {
    tlv(0x30, &[&KERBEROS])
}

/// `NegotiationToken` with a `NegTokenInit` that offers Kerberos alone, so that no mechListMIC is due.
pub(super) fn neg_token_init(mech_token: &[u8]) -> Vec<u8> {
    let mech_types = tlv(0xa0, &[&mech_types()]);
    let mech_token = tlv(0xa2, &[&tlv(0x04, &[mech_token])]);
    let init = tlv(0xa0, &[&tlv(0x30, &[&mech_types, &mech_token])]);
    tlv(0x60, &[&SPNEGO, &init])
}

/// One DER element of these contents.
fn tlv(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length: usize = contents.iter().map(|part| part.len()).sum();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
            // At most eight digits: the length of a slice is a usize.
            bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or(u8::MAX));
            bytes.extend(digits);
        }
    }
    contents.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// The contents of the one DER element that `bytes` are, if it has this tag.
fn contents(tag: u8, bytes: &[u8]) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    let (short, rest) = rest.split_first()?;
    let (length, contents) = match *short {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (digits, contents) = rest.split_at_checked(usize::from(long & 0x7f))?;
            // Longer than any token, or not the shortest form.
            if digits.is_empty() || digits.len() > 4 || digits.first() == Some(&0) {
                return None;
            }
            let length = digits.iter().fold(0_usize, |value, digit| (value << 8) | usize::from(*digit));
            if length < 0x80 {
                return None;
            }
            (length, contents)
        }
    };
    (*first == tag && length == contents.len()).then_some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The framing of a token that curl sent with MIT Kerberos 1.20.1, up to the AP-REQ of 0x615 octets.
    const CAPTURED: &str = "6082064d06062b0601050502a08206413082063da00d300b06092a864886f712010202a282062a\
                            048206266082062206092a864886f7120102020100";

    #[test]
    fn the_framing_is_that_of_a_captured_token() {
        let token = neg_token_init(&kerberos_token(TokenId::ApReq, &[0x6e; 0x615]));
        let captured = hex::decode(CAPTURED).unwrap();
        assert_eq!(token[..captured.len()], captured);
        assert_eq!(token.len(), captured.len() + 0x615);
    }

    #[test]
    fn a_kerberos_token_is_opened_again() {
        for length in [0, 1, 100, 113, 114, 115, 1000, 70_000] {
            for id in [TokenId::ApReq, TokenId::ApRep, TokenId::Error] {
                let message = vec![0x6f; length];
                assert_eq!(open_kerberos_token(&kerberos_token(id, &message)), Some((id, &message[..])));
            }
        }
    }

    #[test]
    fn tokens_of_another_form_are_not_opened() {
        let good = kerberos_token(TokenId::ApRep, &[0x6f; 40]);
        assert!(open_kerberos_token(&[&good[..], &[0]].concat()).is_none(), "trailing octet");
        assert!(open_kerberos_token(&good[..good.len() - 1]).is_none(), "cut off");
        for (index, name) in [(0, "tag"), (1, "length"), (4, "mechanism"), (13, "token id"), (14, "token id")]
        {
            let mut changed = good.clone();
            changed[index] ^= 0x08;
            assert!(open_kerberos_token(&changed).is_none(), "{name}");
        }
        let long_form = [&[0x60, 0x81, 0x35][..], &good[2..]].concat();
        assert!(open_kerberos_token(&long_form).is_none(), "a length that is not the shortest");
        for start in [&[0x60][..], &[0x60, 0x80], &[0x60, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x60, 0xff]] {
            assert!(open_kerberos_token(start).is_none(), "{start:02x?}");
        }
    }

    #[test]
    fn both_names_of_kerberos_are_known_and_no_other() {
        assert!(KERBEROS_NAMES.iter().all(|name| is_kerberos(name)));
        assert!(!is_kerberos(&SPNEGO[2..]) && !is_kerberos(&[]));
    }
}
