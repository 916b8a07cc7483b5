//! What has been learnt for one decision, and what is still to be asked. No I/O.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::crl_store::Points;
use super::gap::SourceFault;
use super::question::{CertificateKey, OcspKey, OcspQuestion};
use super::{Crl, OcspResponse};

/// Most questions that one decision may lead to.
const MAX_QUESTIONS: usize = 64;

/// Something that must be known before the decision can go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Question {
    /// To a responder.
    Ocsp(OcspQuestion),
    /// For revocation lists.
    Lists(Points),
    /// To the memory: the last answers about a certificate, and the last lists of these points, ended or not.
    Remembered(CertificateKey, Points),
}

/// The last verified answer of a responder about a certificate.
#[derive(Clone)]
pub(crate) struct RememberedAnswer {
    pub(crate) key: OcspKey,
    pub(crate) response: Arc<OcspResponse>,
}

/// The last that is known of a certificate.
#[derive(Clone, Default)]
pub(crate) struct Remembered {
    pub(crate) answers: Vec<RememberedAnswer>,
    /// The newest first.
    pub(crate) lists: Vec<Arc<Crl>>,
}

/// The answers so far.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(super) answers: HashMap<OcspKey, Result<Arc<OcspResponse>, SourceFault>>,
    pub(super) lists: HashMap<Points, Result<Vec<Arc<Crl>>, SourceFault>>,
    pub(super) remembered: HashMap<CertificateKey, Remembered>,
    /// Revocations that responders spoke of the last time, of certificates that are asked about.
    pub(super) before: HashMap<OcspKey, Arc<OcspResponse>>,
}

impl Gathered {
    pub(crate) fn answer(&mut self, key: OcspKey, answer: Result<Arc<OcspResponse>, SourceFault>) {
        self.answers.insert(key, answer);
    }

    pub(crate) fn lists(&mut self, points: Points, lists: Result<Vec<Arc<Crl>>, SourceFault>) {
        let lists = lists.map(|mut lists| {
            newest_first(&mut lists);
            lists
        });
        self.lists.insert(points, lists);
    }

    pub(crate) fn remembered(&mut self, certificate: CertificateKey, mut remembered: Remembered) {
        newest_first(&mut remembered.lists);
        self.remembered.insert(certificate, remembered);
    }

    pub(crate) fn said_before(&mut self, key: OcspKey, answer: Arc<OcspResponse>) {
        self.before.insert(key, answer);
    }

    /// The reply to a question, where there is one that can be read.
    pub(crate) fn answered(&self, key: &OcspKey) -> Option<&Arc<OcspResponse>> {
        self.answers.get(key)?.as_ref().ok()
    }

    /// The questions to responders that were answered.
    pub(crate) fn asked(&self) -> Vec<OcspKey> {
        self.answers.iter().filter(|(_, reply)| reply.is_ok()).map(|(key, _)| key.clone()).collect()
    }

    /// Answers questions that nobody is going to be asked.
    pub(crate) fn fail(&mut self, questions: Vec<Question>, fault: &SourceFault) {
        for question in questions {
            match question {
                Question::Ocsp(question) => self.answer(question.key, Err(fault.clone())),
                Question::Lists(points) => self.lists(points, Err(fault.clone())),
                Question::Remembered(certificate, _) => self.remembered(certificate, Remembered::default()),
            }
        }
    }
}

/// Puts the newest list first, so that it is the one that decides.
pub(crate) fn newest_first(lists: &mut [Arc<Crl>]) {
    lists.sort_by_key(|list| std::cmp::Reverse(list.age()));
}

/// What comes out of a decision beside the verdict.
#[derive(Default)]
pub(crate) struct Inquest {
    /// To be asked before the decision can go on; empty where it is final.
    pub(crate) questions: Vec<Question>,
    /// How often something had to be asked, also where it was in the list already.
    pub(super) asked: usize,
    /// The answers that are rightly signed and current, whatever they say: worth to be kept.
    pub(crate) settled: Vec<OcspKey>,
}

impl Inquest {
    pub(super) fn ask(&mut self, question: Question) {
        self.asked = self.asked.saturating_add(1);
        if self.questions.len() < MAX_QUESTIONS && !self.questions.contains(&question) {
            self.questions.push(question);
        }
    }

    /// Takes over what came out of the examination of one path.
    pub(super) fn join(&mut self, other: Self) {
        other.questions.into_iter().for_each(|question| self.ask(question));
        self.settled.extend(other.settled);
    }
}
