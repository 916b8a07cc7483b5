//! The oracle of the fuzz target `certificate_headers` in `broker/fuzz`. It must return for any input.

use super::Form;

/// Reads the headers of a form: its place among all forms in one octet, then the value of its header and, behind an octet of
/// zero, that of the header beside it. True where certificates were read.
pub fn certificate_headers(input: &[u8]) -> bool {
    let Some((form, values)) = input.split_first() else { return false };
    let forms = Form::ALL.len();
    let Some(form) = Form::ALL.get(usize::from(*form).checked_rem(forms).unwrap_or_default()) else {
        return false;
    };
    let Ok(values) = str::from_utf8(values) else { return false };
    let (value, beside) = match values.split_once('\0') {
        Some((value, beside)) => (value, Some(beside)),
        None => (values, None),
    };
    match form.parse(Some(value), beside) {
        Ok(certificates) => certificates.is_some_and(|certificates| {
            assert!(certificates.iter().all(|certificate| !certificate.is_empty()));
            !certificates.is_empty()
        }),
        Err(error) => {
            assert!(!error.reason().is_empty() && !error.to_string().contains('\n'));
            false
        }
    }
}
