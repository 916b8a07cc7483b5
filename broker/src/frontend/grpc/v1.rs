//! The messages and services of `kerbridge.v1`, generated from the interface definition.
//!
//! Generated and checked in, so that a build needs neither compiler nor plug-in; a test keeps it equal to the definition:
//! `UPDATE_GENERATED=1 cargo test -p broker --test generated`.
#![expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::as_conversions,
    clippy::clone_on_ref_ptr,
    unused_qualifications,
    reason = "generated code has habits of its own"
)]

use std::fmt;

include!("generated/kerbridge.v1.rs");

/// Prints a message that carries a secret by its kind and the named fields only.
macro_rules! redacted {
    ($($message:ident { $($field:ident),* })+) => {
        $(impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message))$(.field(stringify!($field), &self.$field))*.finish_non_exhaustive()
            }
        })+
    };
}

redacted! {
    RedeemRequest {}
    Session { subject, target, granted_spns, expires_at, rule, login_id, kdc_proxy, revocation }
    KdcProxyAccess { realm, expires_at }
    IssueTicketRequest { spn, form, freerdp_placeholder }
    Ticket { form, spn, expires_at }
    EndSessionRequest {}
    ChallengeResponse { expires_at }
    AnswerRequest { scheme }
    StartContext { spn, mechanism, flags }
    ContextToken {}
    ContextEstablished { flags, expires_at }
    WrapRequest { protection }
    Wrapped {}
    UnwrapRequest {}
    Unwrapped { protection }
    GetMicRequest {}
    VerifyMicRequest {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_with_secrets_do_not_print_them() {
        let secret = "c2VjcmV0c2VjcmV0";
        let printed = [
            format!("{:?}", RedeemRequest { code: secret.to_owned() }),
            format!("{:?}", Session { session_id: secret.to_owned(), ..Session::default() }),
            format!(
                "{:?}",
                IssueTicketRequest { session_id: secret.to_owned(), ..IssueTicketRequest::default() }
            ),
            format!(
                "{:?}",
                KdcProxyAccess { url: secret.to_owned(), realm: String::new(), expires_at: None }
            ),
            format!("{:?}", EndSessionRequest { session_id: secret.to_owned() }),
        ];
        for text in printed {
            assert!(!text.contains(secret), "{text}");
        }
        let ticket = Ticket { form: 0, ticket: vec![0xA5; 4], spn: String::new(), expires_at: None };
        assert!(!format!("{ticket:?}").contains("165"));
        let octets = vec![0xA5; 4];
        let wrapped = WrapRequest { message: octets.clone(), protection: 1 };
        let request =
            InitSecurityContextRequest { step: Some(init_security_context_request::Step::Wrap(wrapped)) };
        let opened = Unwrapped { message: octets, protection: 1 };
        let response = InitSecurityContextResponse {
            step: Some(init_security_context_response::Step::Unwrapped(opened)),
        };
        for text in [format!("{request:?}"), format!("{response:?}")] {
            assert!(!text.contains("165") && text.contains("protection"), "{text}");
        }
    }
}
