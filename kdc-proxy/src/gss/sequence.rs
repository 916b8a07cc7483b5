//! Sequence numbers of the messages that come in: what is new, what is not (RFC 4121 section 4.2.1).

use super::context::MessageError;

/// How far behind the highest number a message may come where order does not matter.
const WINDOW: u64 = 64;

/// The numbers that were accepted so far.
#[derive(Clone, Debug)]
pub(super) struct Window {
    first: u64,
    next: u64,
    /// Bit `n` stands for the number `next - 1 - n`.
    seen: u64,
    ordered: bool,
}

impl Window {
    /// Nothing has come; the first message will bear `first`. `ordered`: each must be the one after the last.
    pub(super) fn new(first: u32, ordered: bool) -> Self {
        let first = u64::from(first);
        Self { first, next: first, seen: 0, ordered }
    }

    /// Takes the number of a message whose integrity was verified.
    ///
    /// # Errors
    /// [`MessageError::Replayed`], [`MessageError::TooOld`] and [`MessageError::OutOfOrder`]; nothing has changed then.
    pub(super) fn accept(&mut self, number: u64) -> Result<(), MessageError> {
        if let Some(ahead) = number.checked_sub(self.next) {
            if self.ordered && ahead > 0 {
                return Err(MessageError::OutOfOrder);
            }
            let next = number.checked_add(1).ok_or(MessageError::OutOfOrder)?;
            let kept =
                u32::try_from(ahead.saturating_add(1)).ok().and_then(|shift| self.seen.checked_shl(shift));
            self.seen = kept.unwrap_or(0) | 1;
            self.next = next;
            return Ok(());
        }
        let behind = self.next.saturating_sub(1).saturating_sub(number);
        if number < self.first || behind >= WINDOW {
            return Err(MessageError::TooOld);
        }
        let bit = 1_u64 << behind;
        if self.seen & bit != 0 {
            return Err(MessageError::Replayed);
        }
        // Only reached where order does not matter: with order nothing below `next` is unseen.
        self.seen |= bit;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_each_number_is_accepted_once() {
        for ordered in [true, false] {
            let mut window = Window::new(7, ordered);
            for number in 7..200 {
                assert_eq!(window.accept(number), Ok(()), "{number}");
                assert_eq!(window.accept(number), Err(MessageError::Replayed), "{number}");
            }
            assert_eq!(window.accept(6), Err(MessageError::TooOld));
            assert_eq!(window.accept(100), Err(MessageError::TooOld));
        }
    }

    #[test]
    fn with_order_a_gap_is_refused_and_changes_nothing() {
        let mut window = Window::new(0, true);
        assert_eq!(window.accept(1), Err(MessageError::OutOfOrder));
        assert_eq!(window.accept(0), Ok(()));
        assert_eq!(window.accept(u64::MAX), Err(MessageError::OutOfOrder));
        assert_eq!(window.accept(1), Ok(()));
    }

    #[test]
    fn without_order_late_messages_are_accepted_once_within_the_window() {
        let mut window = Window::new(100, false);
        for number in [104, 101, 102, 163, 100] {
            assert_eq!(window.accept(number), Ok(()), "{number}");
        }
        for number in [104, 101, 102, 163, 100] {
            assert_eq!(window.accept(number), Err(MessageError::Replayed), "{number}");
        }
        assert_eq!(window.accept(99), Err(MessageError::TooOld), "before the first");
        assert_eq!(window.accept(164), Ok(()));
        assert_eq!(window.accept(100), Err(MessageError::TooOld), "64 behind");
        assert_eq!(window.accept(103), Ok(()));
    }

    #[test]
    fn a_leap_forgets_what_lies_far_behind() {
        let mut window = Window::new(0, false);
        assert_eq!(window.accept(0), Ok(()));
        assert_eq!(window.accept(1 << 40), Ok(()));
        assert_eq!(window.accept(0), Err(MessageError::TooOld));
        assert_eq!(window.accept((1 << 40) - 63), Ok(()));
        assert_eq!(window.accept((1 << 40) - 64), Err(MessageError::TooOld));
        assert_eq!(window.accept(u64::MAX), Err(MessageError::OutOfOrder), "no number follows");
    }
}
