//! `NegTokenResp`, the only message of SPNEGO that is read here (RFC 4178 section 4.2.2).

use rasn::prelude::*;

use super::types::{Malformed, decode, encode};

/// How far the acceptor says the negotiation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NegState {
    /// `accept-completed`.
    AcceptCompleted,
    /// `accept-incomplete`.
    AcceptIncomplete,
    /// `reject`.
    Reject,
    /// `request-mic`.
    RequestMic,
}

/// The elements of a `NegTokenResp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NegTokenResp {
    /// Required in the acceptor's first answer.
    pub(crate) state: Option<NegState>,
    /// The chosen mechanism, the contents of its OBJECT IDENTIFIER; at most [`MAX_MECHANISM`] octets.
    pub(crate) supported_mech: Option<Vec<u8>>,
    /// The mechanism's own token.
    pub(crate) response_token: Option<Vec<u8>>,
    /// MIC over the list of mechanisms that was offered.
    pub(crate) mech_list_mic: Option<Vec<u8>>,
}

/// Longest OBJECT IDENTIFIER of a mechanism that is read.
const MAX_MECHANISM: usize = 64;

#[derive(AsnType, Decode, Encode, Clone, Copy, Debug, PartialEq, Eq)]
#[rasn(enumerated)]
enum WireState {
    AcceptCompleted = 0,
    AcceptIncomplete = 1,
    Reject = 2,
    RequestMic = 3,
}

#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(context, 1)))]
struct WireResp {
    #[rasn(tag(explicit(0)))]
    neg_state: Option<WireState>,
    #[rasn(tag(explicit(1)))]
    supported_mech: Option<Any>,
    #[rasn(tag(explicit(2)))]
    response_token: Option<OctetString>,
    #[rasn(tag(explicit(3)))]
    mech_list_mic: Option<OctetString>,
}

impl NegTokenResp {
    /// Reads the acceptor's token.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let wire: WireResp = decode(bytes)?;
        let supported_mech = match &wire.supported_mech {
            Some(element) => Some(object_identifier(element.as_bytes())?.to_vec()),
            None => None,
        };
        let state = wire.neg_state.map(|state| match state {
            WireState::AcceptCompleted => NegState::AcceptCompleted,
            WireState::AcceptIncomplete => NegState::AcceptIncomplete,
            WireState::Reject => NegState::Reject,
            WireState::RequestMic => NegState::RequestMic,
        });
        Ok(Self {
            state,
            supported_mech,
            response_token: wire.response_token.map(|octets| octets.to_vec()),
            mech_list_mic: wire.mech_list_mic.map(|octets| octets.to_vec()),
        })
    }

    /// The DER of a token with these elements.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let supported_mech = self.supported_mech.as_ref().map(|contents| {
            // At most 64 octets when read, and our own mechanisms have nine.
            let length = u8::try_from(contents.len().min(MAX_MECHANISM)).unwrap_or_default();
            Any::new([&[0x06, length], contents.as_slice()].concat())
        });
        let neg_state = self.state.map(|state| match state {
            NegState::AcceptCompleted => WireState::AcceptCompleted,
            NegState::AcceptIncomplete => WireState::AcceptIncomplete,
            NegState::Reject => WireState::Reject,
            NegState::RequestMic => WireState::RequestMic,
        });
        encode(&WireResp {
            neg_state,
            supported_mech,
            response_token: self.response_token.clone().map(OctetString::from),
            mech_list_mic: self.mech_list_mic.clone().map(OctetString::from),
        })
    }
}

/// The contents of an OBJECT IDENTIFIER in its short form.
fn object_identifier(element: &[u8]) -> Result<&[u8], Malformed> {
    match element {
        [0x06, length, contents @ ..]
            if usize::from(*length) == contents.len() && (1..=MAX_MECHANISM).contains(&contents.len()) =>
        {
            Ok(contents)
        }
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERBEROS: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];

    fn full() -> NegTokenResp {
        NegTokenResp {
            state: Some(NegState::AcceptIncomplete),
            supported_mech: Some(KERBEROS.to_vec()),
            response_token: Some(vec![0x60, 0x01, 0x02]),
            mech_list_mic: Some(vec![7; 28]),
        }
    }

    #[test]
    fn the_layout_is_that_of_the_standard() {
        let written = hex::encode(full().to_bytes());
        let expected = "a13b3039a0030a0101a10b06092a864886f712010202a2050403600102a31e041c";
        assert_eq!(written, format!("{expected}{}", "07".repeat(28)));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for token in [full(), NegTokenResp::default()] {
            assert_eq!(NegTokenResp::parse(&token.to_bytes()), Ok(token));
        }
        for state in [NegState::AcceptCompleted, NegState::Reject, NegState::RequestMic] {
            let token = NegTokenResp { state: Some(state), ..NegTokenResp::default() };
            assert_eq!(NegTokenResp::parse(&token.to_bytes()), Ok(token));
        }
    }

    #[test]
    fn tokens_of_another_form_are_refused() {
        let good = full().to_bytes();
        let longer = [&good[..], &[0]].concat();
        let mut unknown_state = good.clone();
        unknown_state[8] = 4;
        let mut init = good.clone();
        init[0] = 0xa0;
        let no_identifier = hex::decode("a10830060a0100a1020400").unwrap();
        for bytes in [&good[..good.len() - 1], &longer, &unknown_state, &init, &no_identifier, &[]] {
            assert_eq!(NegTokenResp::parse(bytes), Err(Malformed), "{}", hex::encode(bytes));
        }
    }

    #[test]
    fn a_mechanism_without_an_end_is_refused() {
        for element in [&[0x06_u8, 0x00][..], &[0x06, 0x80], &[0x06, 0x05, 1, 2], &[0x04, 0x01, 1], &[0x06]] {
            assert_eq!(object_identifier(element), Err(Malformed));
        }
        let long = [&[0x06, 65][..], &[1; 65]].concat();
        assert_eq!(object_identifier(&long), Err(Malformed));
    }
}
