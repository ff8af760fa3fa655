//! What a member has asked for, got, written and acknowledged. Does not know what a delivery holds.

/// Deliveries that the member may still ask for where nothing limits them.
const WITHOUT_LIMIT: u64 = u64::MAX;

/// What a member has asked for, got, written and acknowledged.
#[derive(Debug)]
pub(super) struct Account {
    /// How many deliveries are to be acknowledged.
    limit: u64,
    /// How many more may be asked for, so that no more than the limit come.
    left: u64,
    /// Deliveries that came.
    came: u64,
    /// Deliveries that were acknowledged.
    acknowledged: u64,
    /// The offsets of those that are being written.
    writing: Vec<u64>,
}

impl Account {
    /// An account, and the credit to begin with.
    pub(super) fn new(credit: u32, limit: Option<u64>) -> (Self, i32) {
        let limit = limit.unwrap_or(WITHOUT_LIMIT);
        let mut account =
            Self { limit, left: limit, came: 0, acknowledged: 0, writing: Vec::new() };
        let credit = account.ask(credit.into());
        (account, credit)
    }

    /// So many deliveries came.
    pub(super) fn came(&mut self, count: usize) {
        self.came = self.came.saturating_add(crate::num::u64_from(count));
    }

    /// Deliveries with these offsets are being written.
    pub(super) fn write(&mut self, offsets: Vec<u64>) {
        self.writing = offsets;
    }

    pub(super) fn is_writing(&self) -> bool {
        !self.writing.is_empty()
    }

    /// The offsets of those that are being written.
    pub(super) fn writing(&self) -> &[u64] {
        &self.writing
    }

    /// What was being written is: what to acknowledge, and the credit to grant again.
    pub(super) fn written(&mut self) -> (Vec<u64>, i32) {
        let acks = std::mem::take(&mut self.writing);
        let count = crate::num::u64_from(acks.len());
        self.acknowledged = self.acknowledged.saturating_add(count);
        let credit = self.ask(count);
        (acks, credit)
    }

    /// What is being written is not acknowledged, whatever becomes of it.
    pub(super) fn give_up(&mut self) {
        self.writing.clear();
    }

    /// An acknowledgement was refused: another delivery may take its place.
    pub(super) fn refused(&mut self) -> i32 {
        self.acknowledged = self.acknowledged.saturating_sub(1);
        if self.limit == WITHOUT_LIMIT {
            return 0;
        }
        self.left = self.left.saturating_add(1);
        self.ask(1)
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Deliveries that came and are not acknowledged.
    pub(super) fn open(&self) -> u64 {
        self.came.saturating_sub(self.acknowledged)
    }

    /// Whether as many are acknowledged as were wanted.
    pub(super) fn is_done(&self) -> bool {
        self.acknowledged >= self.limit
    }

    fn ask(&mut self, count: u64) -> i32 {
        let count = count.min(self.left);
        if self.limit != WITHOUT_LIMIT {
            self.left = self.left.saturating_sub(count);
        }
        i32::try_from(count).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_granted_again_as_it_is_used() {
        let (mut account, credit) = Account::new(100, None);
        assert_eq!(credit, 100);
        account.came(3);
        account.write(vec![4, 6, 9]);
        assert!(account.is_writing() && account.open() == 3);
        assert_eq!(account.written(), (vec![4, 6, 9], 3));
        assert_eq!((account.acknowledged(), account.open()), (3, 0));
        assert!(!account.is_done() && !account.is_writing());
    }

    #[test]
    fn no_more_is_asked_for_than_the_limit() {
        let (mut account, credit) = Account::new(100, Some(3));
        assert_eq!(credit, 3);
        account.came(2);
        account.write(vec![0, 1]);
        assert_eq!(account.written(), (vec![0, 1], 0));
        account.came(1);
        account.write(vec![2]);
        assert_eq!(account.written(), (vec![2], 0));
        assert!(account.is_done());
        let (mut account, credit) = Account::new(2, Some(3));
        assert_eq!(credit, 2);
        account.came(2);
        account.write(vec![0, 1]);
        assert_eq!(account.written().1, 1);
    }

    #[test]
    fn what_was_refused_or_given_up_does_not_count() {
        let (mut account, _) = Account::new(1, Some(1));
        account.came(1);
        account.write(vec![7]);
        account.written();
        assert_eq!(account.refused(), 1, "another one may come for it");
        assert!(!account.is_done());
        account.came(1);
        account.write(vec![7]);
        account.give_up();
        assert_eq!((account.acknowledged(), account.open()), (0, 2));
        let (mut account, _) = Account::new(5, None);
        account.came(1);
        account.write(vec![7]);
        account.written();
        assert_eq!(account.refused(), 0, "credit was granted with the acknowledgement");
    }
}
