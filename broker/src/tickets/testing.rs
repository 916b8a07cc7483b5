//! For the tests of later steps: failures that nobody had.

use kdc_proxy::error::ErrorCode;
use kdc_proxy::net::client::{ClientError, Stage};

use super::advice::command::Names;
use super::advice::symptom::Symptom;
use super::{Diagnosed, TicketError};
use crate::directory::Testimony;

/// A failure about alice at desk1, while the directory cannot be read.
pub(crate) fn diagnosis(symptom: Symptom, error: Option<ClientError>) -> Diagnosed {
    let name = |text: &str| Some(text.to_owned());
    let names = Names {
        account: name("svc-broker"),
        own_spn: name("HTTP/broker.corp.example"),
        realm: name("CORP.EXAMPLE"),
        user: name("alice"),
        spn: name("TERMSRV/desk1.corp.example"),
        ..Names::default()
    };
    Diagnosed::new(symptom, error, names, None, &Testimony::TooLate)
}

/// A domain controller refuses to delegate to desk1.
pub(crate) fn refused_delegation() -> TicketError {
    let (stage, code) = (Stage::S4u2Proxy, ErrorCode::KDC_ERR_BADOPTION);
    let symptom = Symptom::Refused { stage, code, status: None, text: None };
    TicketError::Diagnosed(Box::new(diagnosis(symptom, None)))
}
